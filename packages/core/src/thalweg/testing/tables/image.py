"""Images: resizing with its gradients, and tf.image's functions, whose values were recorded from TensorFlow 1.15."""
import numpy as np

import thalweg as tf
from thalweg.ops import resize
from thalweg.testing.samples import reals
from thalweg.testing.table import Bad, Row

F = ["float32", "float64", "float16"]
ALIGNED, HALF = {"align_corners": True}, {"half_pixel_centers": True}


def sized(op, *size):
    """The op on images, resized to `size`."""
    return lambda images, **options: op(images, np.int32(size), **options)


ROWS = [
    *[Row(sized(resize.resize_bilinear_op, *size), reals(2, 4, 5, 3), dtypes=F, tolerance=4, gradient=False,
          **options) for size in ((7, 3), (2, 9), (4, 5), (1, 1)) for options in ({}, ALIGNED, HALF)],
    Row(sized(resize.resize_bilinear_op, 3, 3), reals(1, 2, 2, 1, low=0, high=100), dtypes=["uint8", "int32"],
        gradient=False),
    *[Row(lambda dy, x, **options: resize.resize_bilinear_grad_op(tf.cast(dy, tf.float32), x, **options),
          reals(2, 3, 6, 2), reals(2, 4, 5, 2), dtypes=F, tolerance=4, gradient=False, **options)
      for options in ({}, ALIGNED, HALF)],
    *[Row(sized(resize.resize_nearest_op, *size), reals(2, 4, 5, 3), dtypes=[*F, "uint8", "int64"], **options)
      for size in ((7, 3), (2, 9)) for options in ({}, ALIGNED, HALF)],
    *[Row(sized(resize.resize_nearest_grad_op, *size), reals(2, 4, 5, 3), dtypes=F, tolerance=4, **options)
      for size in ((7, 3), (2, 9)) for options in ({}, ALIGNED, HALF)],

    Bad(sized(tf.image.resize_bilinear, -1, 3), reals(1, 2, 2, 1), match=r"size must not be negative, it is \[-1"),
    Bad(sized(tf.image.resize_bilinear, 3, 3), reals(2, 2, 1), match="images must be 4-dimensional"),
    Bad(sized(tf.image.resize_images, 3, 3), reals(2, 2), match="must have either 3 or 4 dimensions"),
    Bad(sized(tf.image.resize_images, 3), reals(2, 2, 1), match="'size' must be a 1-D Tensor of 2 elements"),
    Bad(sized(tf.image.resize_images, 3, 3), reals(2, 2, 1), method=tf.image.ResizeMethod.BICUBIC,
        match="Resize method is not implemented: 2; there are ResizeMethod.BILINEAR"),
    Bad(tf.image.flip_left_right, reals(2, 2), match=r"must be \[H, W, C\] or \[N, H, W, C\], but has shape \(2, 2\)"),
    Bad(tf.image.flip_left_right, reals(2, 0, 3), match="'image.shape' must be > 0"),
    Bad(lambda x: tf.image.flip_up_down(tf.py_func(abs, [x], x.dtype)), reals(2, 2, 3), match="the rank of PyFunc:0"),
    Bad(lambda x: tf.image.crop_to_bounding_box(x, -1, 0, 1, 1), reals(2, 2, 3), match="offset_height must be >= 0"),
    Bad(lambda x: tf.image.crop_to_bounding_box(x, 0, 0, 1, 0), reals(2, 2, 3), match="target_width must be > 0"),
    Bad(lambda x: tf.image.crop_to_bounding_box(x, 0, 1, 1, 2), reals(2, 2, 3), match="width must be >= target"),
    Bad(lambda x: tf.image.pad_to_bounding_box(x, 0, -1, 4, 4), reals(2, 2, 3), match="offset_width must be >= 0"),
    Bad(lambda x: tf.image.pad_to_bounding_box(x, 3, 0, 4, 4), reals(2, 2, 3), match="height must be <= target"),
    Bad(lambda x: tf.image.central_crop(x, 0.0), reals(2, 2, 3), match=r"central_fraction must be within \(0, 1\]"),
    Bad(lambda x: tf.image.random_brightness(x, -1), reals(2, 2, 3), match="max_delta must be non-negative"),
    Bad(lambda x: tf.image.random_contrast(x, 2, 1), reals(2, 2, 3), match="upper must be > lower"),
    Bad(lambda x: tf.image.random_contrast(x, -1, 1), reals(2, 2, 3), match="lower must be non-negative"),
]
