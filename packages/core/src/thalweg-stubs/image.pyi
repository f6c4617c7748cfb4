"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.ops.resize import ResizeMethod as ResizeMethod
from thalweg.ops.image import adjust_brightness as adjust_brightness
from thalweg.ops.image import adjust_contrast as adjust_contrast
from thalweg.ops.image import central_crop as central_crop
from thalweg.ops.image import convert_image_dtype as convert_image_dtype
from thalweg.ops.image import crop_to_bounding_box as crop_to_bounding_box
from thalweg_io.images.image_ops import decode_image as decode_image
from thalweg_io.images.image_ops import decode_jpeg as decode_jpeg
from thalweg_io.images.image_ops import decode_png as decode_png
from thalweg.ops.image import flip_left_right as flip_left_right
from thalweg.ops.image import flip_up_down as flip_up_down
from thalweg.ops.image import pad_to_bounding_box as pad_to_bounding_box
from thalweg.ops.image import per_image_standardization as per_image_standardization
from thalweg.ops.image import random_brightness as random_brightness
from thalweg.ops.image import random_contrast as random_contrast
from thalweg.ops.random import random_crop as random_crop
from thalweg.ops.image import random_flip_left_right as random_flip_left_right
from thalweg.ops.image import random_flip_up_down as random_flip_up_down
from thalweg.ops.resize import resize_images as resize
from thalweg.ops.resize import resize_bilinear as resize_bilinear
from thalweg.ops.image import resize_image_with_crop_or_pad as resize_image_with_crop_or_pad
from thalweg.ops.resize import resize_images as resize_images
from thalweg.ops.resize import resize_nearest_neighbor as resize_nearest_neighbor
from thalweg.ops.image import resize_image_with_crop_or_pad as resize_with_crop_or_pad
