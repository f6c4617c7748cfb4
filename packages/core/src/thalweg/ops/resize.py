"""Resizing images [N, H, W, C]: bilinear and nearest-neighbour, with gradients; `tf.image.resize_images`.

Where a pixel of the result lies in the image: with `align_corners` the centers of the corner pixels stay where they
are; with `half_pixel_centers` pixels are squares whose corners do; without both, as TensorFlow began, the image's
upper left corner and the result's pixel 0 do. Places are float32, as TensorFlow's, so that no pixel differs.
"""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import float16, float32, float64, int8, int16, int32, int64, uint8, uint16
from thalweg.framework.graph import name_scope

from . import array, cast, math, unary

_NUMBERS = (int8, uint8, int16, uint16, int32, int64, float16, float32, float64)
_GRADS = (uint8, int8, int32, float16, float32, float64)
_FLOATS = (float16, float32, float64)


# --- places -----------------------------------------------------------------------------------------

def _scale(size, out_size, align_corners):
    if align_corners and out_size > 1:
        return np.float32(size - 1) / np.float32(out_size - 1)
    return np.float32(size) / np.float32(out_size)


def _places(size, out_size, align_corners, half_pixel_centers):
    """Where on an edge of `size` pixels each of `out_size` begins, or, of squares, has its middle; float32."""
    places = np.arange(out_size, dtype=np.float32)
    scale = _scale(size, out_size, align_corners) if out_size else np.float32(0)
    return (places + np.float32(0.5)) * scale if half_pixel_centers else places * scale


def lines(size, out_size, align_corners, half_pixel_centers):
    """For each of `out_size` places: the pixels of `size` before and after it, and how far between them it lies."""
    places = _places(size, out_size, align_corners, half_pixel_centers)
    if half_pixel_centers:
        places -= np.float32(0.5)
    before = np.floor(places)
    return (np.clip(before, 0, size - 1).astype(np.int64), np.minimum(np.ceil(places), size - 1).astype(np.int64),
            places - before)


def nearest(size, out_size, align_corners, half_pixel_centers):
    """For each of `out_size` places: the pixel of `size` there."""
    places = _places(size, out_size, align_corners, half_pixel_centers)
    before = np.floor(places)
    if align_corners:
        before = before + (places - before >= 0.5)
    return np.clip(before.astype(np.int64), 0, size - 1)


def _check(op_type, image_shape, size, align_corners, half_pixel_centers):
    if align_corners and half_pixel_centers:
        raise errors.InvalidArgumentError(None, None, "If half_pixel_centers is True, align_corners must be False.")
    if min(size) <= 0 or 0 in image_shape[1:3]:
        raise errors.InvalidArgumentError(None, None, f"{op_type}: output dimensions must be positive, and the image "
                                          f"must have pixels; got size {list(map(int, size))} and an image of shape "
                                          f"{shapes.text(tuple(image_shape))}")


def _sized(node, images, size):
    """[N, *size, C]."""
    if images is not None and len(images) != 4:
        raise ValueError(f"images must be 4-dimensional, their shape is {shapes.text(images)}")
    n, _, _, c = images or (None,) * 4
    value = node.constant(1)
    height, width = (None, None) if value is None else map(int, value)
    if value is not None and min(height, width) < 0:
        raise ValueError(f"size must not be negative, it is [{height}, {width}]")
    return n, height, width, c


# --- bilinear ---------------------------------------------------------------------------------------

@define_op("ResizeBilinear", "images: T, size: int32[2] -> resized_images: float32", T=_NUMBERS, size_inputs=(1,),
           cpu="resize:bilinear")
def resize_bilinear_op(images, size, *, align_corners=False, half_pixel_centers=False):
    """Each pixel from the four around its place, linearly in both directions; in float32."""
    _check("ResizeBilinear", images.shape, size, align_corners, half_pixel_centers)
    top, bottom, dy = lines(images.shape[1], size[0], align_corners, half_pixel_centers)
    left, right, dx = lines(images.shape[2], size[1], align_corners, half_pixel_centers)
    images, dy, dx = images.astype(np.float32), dy[:, None, None], dx[:, None]

    def row(rows):
        here, there = images[:, rows][:, :, left], images[:, rows][:, :, right]
        return here + (there - here) * dx
    upper = row(top)
    return upper + (row(bottom) - upper) * dy


resize_bilinear_op.shape(_sized)


@resize_bilinear_op.gradient
def resize_bilinear_grad(node, dy):
    if not node.images.dtype.is_floating:
        return None, None
    return resize_bilinear_grad_op(dy, node.images, **node.attrs), None


@define_op("ResizeBilinearGrad", "grads: float32, original_image: T -> output: T", T=_FLOATS,
           cpu="resize:bilinear_grad")
def resize_bilinear_grad_op(grads, original_image, *, align_corners=False, half_pixel_centers=False):
    """The gradient of ResizeBilinear for the image: each pixel's is shared among the four that made it."""
    _check("ResizeBilinearGrad", original_image.shape, grads.shape[1:3], align_corners, half_pixel_centers)
    result = np.zeros(original_image.shape, np.float32)
    rows = lines(original_image.shape[1], grads.shape[1], align_corners, half_pixel_centers)
    columns = lines(original_image.shape[2], grads.shape[2], align_corners, half_pixel_centers)
    one = np.float32(1)
    for y, down in ((rows[0], one - rows[2]), (rows[1], rows[2])):
        for x, across in ((columns[0], one - columns[2]), (columns[1], columns[2])):
            part = grads * down[:, None, None] * across[:, None]
            np.add.at(result, (slice(None), y[:, None], x), part)
    return result.astype(original_image.dtype)


@resize_bilinear_grad_op.shape
def resize_bilinear_grad_shape(node, grads, original_image):
    return original_image


@resize_bilinear_grad_op.gradient
def resize_bilinear_grad_grad(node, dy):
    """The op is linear in `grads`: resizing is its transpose."""
    size = array.shape(node.grads)[1:3]
    return resize_bilinear_op(dy, size, **node.attrs), None


# --- nearest neighbour --------------------------------------------------------------------------------

@define_op("ResizeNearestNeighbor", "images: T, size: int32[2] -> resized_images: T", T=_NUMBERS, size_inputs=(1,),
           cpu="resize:nearest")
def resize_nearest_op(images, size, *, align_corners=False, half_pixel_centers=False):
    """The pixel at each place."""
    _check("ResizeNearestNeighbor", images.shape, size, align_corners, half_pixel_centers)
    rows = nearest(images.shape[1], size[0], align_corners, half_pixel_centers)
    return images[:, rows][:, :, nearest(images.shape[2], size[1], align_corners, half_pixel_centers)]


resize_nearest_op.shape(_sized)


@resize_nearest_op.gradient
def resize_nearest_grad(node, dy):
    size = array.shape(node.images)[1:3]
    return resize_nearest_grad_op(dy, size, **node.attrs), None


@define_op("ResizeNearestNeighborGrad", "grads: T, size: int32[2] -> output: T", T=_GRADS, size_inputs=(1,),
           cpu="resize:nearest_grad")
def resize_nearest_grad_op(grads, size, *, align_corners=False, half_pixel_centers=False):
    """The gradient of ResizeNearestNeighbor for the image, of `size`: the sum of what each pixel has become."""
    _check("ResizeNearestNeighborGrad", (1, *size, 1), grads.shape[1:3], align_corners, half_pixel_centers)
    result = np.zeros((grads.shape[0], *size, grads.shape[3]), grads.dtype)
    rows = nearest(size[0], grads.shape[1], align_corners, half_pixel_centers)
    columns = nearest(size[1], grads.shape[2], align_corners, half_pixel_centers)
    np.add.at(result, (slice(None), rows[:, None], columns), grads)
    return result


resize_nearest_grad_op.shape(_sized)


@resize_nearest_grad_op.gradient
def resize_nearest_grad_grad(node, dy):
    size = array.shape(node.grads)[1:3]
    return resize_nearest_op(dy, size, **node.attrs), None


# --- public -------------------------------------------------------------------------------------------

class ResizeMethod:
    """The ways of `tf.image.resize_images`; BICUBIC and AREA are not there."""

    BILINEAR, NEAREST_NEIGHBOR, BICUBIC, AREA = range(4)


def resize_bilinear(images, size, align_corners=False, name=None, half_pixel_centers=False):
    """Images [N, H, W, C] as float32 [N, *size, C], interpolated linearly.

    Parameters
    ----------
    images : numbers
    size : int32 [2]            height and width
    align_corners, half_pixel_centers : bool    where pixels lie, see thalweg/ops/resize.py; not both
    """
    return resize_bilinear_op(images, size, align_corners=align_corners, half_pixel_centers=half_pixel_centers,
                              name=name)


def resize_nearest_neighbor(images, size, align_corners=False, name=None, half_pixel_centers=False):
    """Images [N, H, W, C] as [N, *size, C], each pixel that of the image at its place; parameters: `resize_bilinear`.
    """
    return resize_nearest_op(images, size, align_corners=align_corners, half_pixel_centers=half_pixel_centers,
                             name=name)


_METHODS = {ResizeMethod.BILINEAR: resize_bilinear, ResizeMethod.NEAREST_NEIGHBOR: resize_nearest_neighbor,
            "bilinear": resize_bilinear, "nearest": resize_nearest_neighbor}


def resize_images(images, size, method=ResizeMethod.BILINEAR, align_corners=False, preserve_aspect_ratio=False,
                  name=None):
    """Images [N, H, W, C], or one [H, W, C], of another size.

    Parameters
    ----------
    size : int32 [2]                    height and width
    method : of ResizeMethod            BILINEAR gives float32, NEAREST_NEIGHBOR the dtype of the images
    align_corners : bool                the centers of the corner pixels stay where they are
    preserve_aspect_ratio : bool        the largest size of the same proportions within `size`

    Images that are known to have this size are given as they are, also as to dtype.

    Raises
    ------
    ValueError          for another rank, no size of two numbers, or another method
    """
    resize = _METHODS.get(method)
    if resize is None:
        raise ValueError(f"Resize method is not implemented: {method!r}; there are ResizeMethod.BILINEAR and "
                         "ResizeMethod.NEAREST_NEIGHBOR")
    with name_scope(name, "resize", [images, size]):
        images = convert_to_tensor(images, name="images")
        if images._shape is None:
            raise ValueError("'images' contains no shape: set_shape says how many dimensions they have.")
        if len(images._shape) not in (3, 4):
            raise ValueError("'images' must have either 3 or 4 dimensions.")
        is_single = len(images._shape) == 3
        images = array.expand_dims(images, 0) if is_single else images
        result = _resized(images, size, resize, align_corners, preserve_aspect_ratio)
        return array.squeeze(result, axis=[0]) if is_single else result


def _resized(images, size, resize, align_corners, preserve_aspect_ratio):
    size = convert_to_tensor(size, int32, name="size")
    if not shapes.compatible(size._shape, (2,)):
        raise ValueError("'size' must be a 1-D Tensor of 2 elements: new_height, new_width")
    if preserve_aspect_ratio:
        size = _within(images, size)
    wanted = constant_value(size)
    if wanted is not None and tuple(wanted.tolist()) == images._shape[1:3]:
        return images
    return resize(images, size, align_corners=align_corners)


def _within(images, size):
    """The largest size, of the proportions of `images`, that is within `size`."""
    now = cast.cast(array.shape(images)[1:3], float32)
    scale = math.minimum(*array.unstack(cast.cast(size, float32) / now, num=2))
    return cast.cast(unary.round(scale * now), int32)
