"""The ops of files and images: ReadFile, DecodeJpeg, DecodePng, and `tf.image.decode_image`."""
import os

import numpy as np

from thalweg.framework import errors
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType, as_dtype, uint8, uint16
from thalweg.framework.graph import name_scope
from thalweg.ops import image

from ..atomic_file import translated
from . import codecs

_NO_GRADIENT = "a file is no number"


@define_op("ReadFile", "filename: string[] -> contents: string[]", files=("filename",))
def read_file(filename):
    """All bytes of a file; NotFoundError where there is none."""
    path = os.fsdecode(filename.item())
    with translated(path), open(path, "rb") as file:
        contents = np.empty((), object)
        contents[()] = file.read()
        return contents


read_file.no_gradient(_NO_GRADIENT)


@define_op("DecodeJpeg", "contents: string[] -> image: uint8")
def decode_jpeg_op(contents, *, channels: int = 0, ratio: int = 1, fancy_upscaling: bool = True,
                   try_recover_truncated: bool = False, acceptable_fraction: float = 1.0, dct_method: str = ""):
    """A JPEG, PNG or (one) GIF image [H, W, C]; `acceptable_fraction` and `dct_method` are accepted."""
    if not fancy_upscaling or try_recover_truncated:
        raise errors.UnimplementedError(None, None, "DecodeJpeg: Pillow decodes with fancy_upscaling=True and "
                                                    "try_recover_truncated=False only")
    return codecs.decode(contents.item(), channels, ratio=ratio)


@define_op("DecodePng", "contents: string[] -> image: dtype", dtype=(uint8, uint16))
def decode_png_op(contents, *, channels: int = 0, dtype: DType = uint8):
    """A PNG, JPEG or (one) GIF image [H, W, C]."""
    return codecs.decode(contents.item(), channels, 16 if dtype is uint16 else 8)


@define_op("DecodeImage", "contents: string[] -> image: dtype", dtype=(uint8, uint16))
def decode_image_op(contents, *, channels: int = 0, dtype: DType = uint8):
    """A JPEG, PNG or BMP image [H, W, C], or the images [N, H, W, C] of a GIF file."""
    data = contents.item()
    is_deep = dtype is uint16 and codecs.format_of(data) == "PNG"
    pixels = codecs.decode(data, channels, 16 if is_deep else 8, takes=("JPEG", "PNG", "GIF", "BMP"), is_animated=True)
    return pixels if pixels.dtype == dtype.np else pixels.astype(np.uint16) * 256          # as convert_image_dtype


def _one_image(node, contents):
    return None, None, node.channels or None


decode_jpeg_op.shape(_one_image)
decode_png_op.shape(_one_image)
decode_image_op.shape(lambda node, contents: None)
for _op in (decode_jpeg_op, decode_png_op, decode_image_op):
    _op.no_gradient(_NO_GRADIENT)


def decode_jpeg(contents, channels=0, ratio=1, fancy_upscaling=True, try_recover_truncated=False,
                acceptable_fraction=1, dct_method="", name=None):
    """The image in a JPEG file, uint8 [H, W, C].

    Parameters
    ----------
    contents : string scalar        the bytes of the file, also of a PNG file or a GIF file with one image
    channels : int                  0: as in the file; 1: gray; 3: RGB
    ratio : 1, 2, 4 or 8            the image is made smaller by it, which takes less time than decoding all
    acceptable_fraction, dct_method : accepted

    Raises
    ------
    ModuleNotFoundError             without Pillow: pip install thalweg-io[image]
    InvalidArgumentError            when run, for what is no such file, is damaged, or has no such channels
    UnimplementedError              when run, without fancy_upscaling or with try_recover_truncated
    """
    codecs.pillow()
    if ratio not in (1, 2, 4, 8):
        raise ValueError(f"ratio must be 1, 2, 4, or 8, got {ratio}")
    return decode_jpeg_op(contents, channels=channels or 0, ratio=ratio, fancy_upscaling=fancy_upscaling,
                          try_recover_truncated=try_recover_truncated, acceptable_fraction=acceptable_fraction,
                          dct_method=dct_method, name=name)


def decode_png(contents, channels=0, dtype=uint8, name=None):
    """The image in a PNG file, [H, W, C] of `dtype`.

    Parameters
    ----------
    contents : string scalar        the bytes of the file, also of a JPEG file or a GIF file with one image
    channels : int                  0: as in the file; 1: gray; 3: RGB; 4: RGBA
    dtype : uint8 or uint16

    Raises as `decode_jpeg`; UnimplementedError for colors of 16 bits as uint16.
    """
    codecs.pillow()
    return decode_png_op(contents, channels=channels or 0, dtype=dtype, name=name)


def decode_image(contents, channels=None, dtype=uint8, name=None):
    """The image in a JPEG, PNG or BMP file [H, W, C], or the images in a GIF file [N, H, W, 3]; no shape is known.

    Parameters
    ----------
    channels : int      None or 0: as in the file; 1: gray, 3: RGB, 4: RGBA, as far as the format has them
    dtype : DType       other than uint8: values are scaled, see `tf.image.convert_image_dtype`

    Raises as `decode_jpeg`.
    """
    codecs.pillow()
    dtype = as_dtype(dtype)
    with name_scope(name, "decode_image"):
        given = decode_image_op(contents, channels=channels or 0, dtype=uint16 if dtype is uint16 else uint8)
        return given if dtype is given.dtype else image.convert_image_dtype(given, dtype)
