"""JPEG, PNG, GIF and BMP files as arrays [H, W, C], by Pillow; which channels and values come out is TensorFlow's."""
import io

import numpy as np

from thalweg.framework import errors

# libpng's and TensorFlow's weights of red, green and blue in gray, in parts of 2**15
_GRAY = np.array([9797, 19234, 3737])

_SIGNATURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF", b"BM": "BMP"}


def pillow():
    """The module PIL.Image; ModuleNotFoundError tells how to get it."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        if error.name != "PIL":
            raise
        raise ModuleNotFoundError("images are decoded by Pillow, which is not installed: "
                                  "pip install thalweg-io[image]", name="PIL") from None
    return Image


def format_of(data):
    """ "JPEG", "PNG", "GIF", "BMP" or None, by the first bytes."""
    return next((name for start, name in _SIGNATURES.items() if data.startswith(start)), None)


def decode(data, channels=0, bits=8, ratio=1, takes=("JPEG", "PNG", "GIF"), is_animated=False):
    """An image file as an array [H, W, C], uint8 or uint16.

    Parameters
    ----------
    data : bytes
    channels : int          0: as in the file; 1: gray, 3: RGB, 4: RGBA, as far as the format has them
    bits : 8 or 16          of a value; 16 for PNG
    ratio : 1, 2, 4 or 8    by which a JPEG image is made smaller while it is decoded
    is_animated : bool      a GIF file gives all its images [N, H, W, C]; otherwise it must have one

    Raises InvalidArgumentError for what is no such file, is damaged, or has no such channels or bits.
    """
    kind = format_of(data)
    if kind not in takes:
        raise _invalid(f"Expected image ({', '.join(takes[:-1])}, or {takes[-1]}), got "
                       + (f"unknown format starting with {data[:16]!r}" if data else "empty file"))
    if bits == 16 and kind != "PNG":
        raise _invalid(f"{kind} does not support uint16 output")
    allowed = {"JPEG": (0, 1, 3), "PNG": (0, 1, 3, 4), "GIF": (0, 3), "BMP": (0, 3, 4)}[kind]
    if channels not in allowed:
        raise _invalid(f"channels must be {', '.join(map(str, allowed))} for {kind}, got {channels}")
    reader = pillow()
    try:
        with reader.open(io.BytesIO(data), formats=[kind]) as image:
            return _READERS[kind](image, data, channels, bits, ratio, is_animated)
    except (errors.OpError, MemoryError):
        raise
    except Exception as error:              # Pillow's readers let IndexError, struct.error and others of their own out
        what = "its header is damaged" if type(error) is reader.UnidentifiedImageError else error
        raise _invalid(f"Invalid {kind} data, data size {len(data)}: {what}") from error


def _invalid(text):
    return errors.InvalidArgumentError(None, None, text)


def _jpeg(image, data, channels, bits, ratio, is_animated):
    size = [max(1, n // ratio) for n in image.size]
    if image.mode == "CMYK":
        if channels == 1:
            raise _invalid("a JPEG image of inks (CMYK) has no gray; try channels=3")
        image.draft(None, size)
        return _of_inks(np.asarray(image).astype(np.int32))
    image.draft("L" if channels == 1 else image.mode, size)
    return _with_channels(_pixels(image), channels)


def _of_inks(cmyk):
    """RGB of the inks that a file says are left out."""
    left = 255 - cmyk
    return (left[..., :3] * left[..., 3:] // 255).astype(np.uint8)


def _png(image, data, channels, bits, ratio, is_animated):
    is_deep, has_colors = data[24] == 16, data[25] != 0                      # of the header: bits, kind of color
    if is_deep and has_colors and bits == 16:
        raise errors.UnimplementedError(None, None, "PNG files with colors of 16 bits are decoded to uint8 only")
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif "transparency" in image.info and image.mode in ("1", "L", "RGB"):
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    elif image.mode == "1":
        image = image.convert("L")
    pixels = _pixels(image)
    if pixels.dtype == np.uint8:
        pixels = _with_channels(pixels, channels)
        return pixels.astype(np.uint16) * 257 if bits == 16 else pixels
    pixels = pixels.astype(np.uint16) if bits == 16 else (pixels >> 8).astype(np.uint8)
    return _with_channels(pixels, channels)


def _gif(image, data, channels, bits, ratio, is_animated):
    frames = getattr(image, "n_frames", 1)
    if not is_animated:
        if frames > 1:
            raise _invalid(f"Got {frames} frames, but animated gifs can only be decoded by tf.image.decode_image")
        return _pixels(image.convert("RGB"))
    found = []
    for k in range(frames):
        image.seek(k)
        found.append(_pixels(image.convert("RGB")))
    return np.stack(found)


def _bmp(image, data, channels, bits, ratio, is_animated):
    return _with_channels(_pixels(image if image.mode in ("RGB", "RGBA") else image.convert("RGB")), channels)


_READERS = {"JPEG": _jpeg, "PNG": _png, "GIF": _gif, "BMP": _bmp}


def _pixels(image):
    pixels = np.array(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _with_channels(pixels, channels):
    """Gray [H, W, 1], gray and alpha 2, RGB 3, RGBA 4, as another of them; 0: as it is."""
    have = pixels.shape[2]
    if channels in (0, have):
        return pixels
    colors, alpha = (pixels[..., :-1], pixels[..., -1:]) if have in (2, 4) else (pixels, None)
    if channels == 1:
        if colors.shape[2] == 3:
            colors = (colors @ _GRAY >> 15).astype(pixels.dtype)[..., None]
        return np.ascontiguousarray(colors)
    if colors.shape[2] == 1:
        colors = np.repeat(colors, 3, 2)
    if channels == 3:
        return np.ascontiguousarray(colors)
    if alpha is None:
        alpha = np.full_like(colors[..., :1], np.iinfo(pixels.dtype).max)
    return np.concatenate([colors, alpha], 2)
