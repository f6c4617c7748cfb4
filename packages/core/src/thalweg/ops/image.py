"""Functions of `tf.image` on images [H, W, C] or [N, H, W, C]: flips, crops, borders, and the values of pixels."""
import numbers

from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import as_dtype, float16, float32, int32
from thalweg.framework.graph import get_default_graph, name_scope

from . import array, cast, comparison, cond, math, padding, random, reduction, reversal, select, slicing, unary


def _image(image, name="image"):
    """`image` as a tensor; ValueError for another rank than 3 or 4, or for an empty one."""
    image = convert_to_tensor(image, name=name)
    shape = image._shape
    if shape is not None and len(shape) not in (3, 4):
        raise ValueError(f"'{name}' must be [H, W, C] or [N, H, W, C], but has shape {shapes.text(shape)}.")
    if shape is not None and 0 in shape[-3:]:
        raise ValueError(f"'{name}.shape' must be > 0: {shapes.text(shape)}")
    return image


def _sizes(image):
    """The height and the width: ints where they are known, else int32 scalars."""
    known = image._shape[-3:-1] if image._shape is not None else (None, None)
    if None not in known:
        return list(known)
    shape = array.shape(image)
    return [shape[axis] if size is None else size for axis, size in zip((-3, -2), known)]


def _need_rank(image):
    if image._shape is None:
        raise ValueError(f"the rank of {image.name} is not known: set_shape([None, None, 3]), for example")
    return len(image._shape)


def _require(holds, problem):
    """ValueError unless `holds`; what depends on tensors is left to the ops that follow."""
    if holds is False:
        raise ValueError(problem)


def _is_known(*values):
    return all(isinstance(value, numbers.Integral) for value in values)


def _vector(values):
    return convert_to_tensor(values, int32) if _is_known(*values) else array.stack(values)


# --- flips ------------------------------------------------------------------------------------------

def flip_left_right(image):
    """Images with their columns in reverse order."""
    return _flipped(image, -2, "flip_left_right")


def flip_up_down(image):
    """Images with their rows in reverse order."""
    return _flipped(image, -3, "flip_up_down")


def _count_checks(image):
    """TensorFlow checks what it is to flip by a few nodes: default seeds are numbers of nodes."""
    is_known = image._shape is not None and None not in image._shape[-3:]
    get_default_graph()._next_id += 1 if is_known else 23


def _flipped(image, axis, name):
    with name_scope(None, name, [image]):
        image = _image(image)
        _count_checks(image)
        return reversal.reverse(image, [axis + _need_rank(image)])


def random_flip_left_right(image, seed=None):
    """One image [H, W, C] flipped or as it is, equally likely; of several, [N, H, W, C], each by itself."""
    return _random_flip(image, -2, seed, "random_flip_left_right")


def random_flip_up_down(image, seed=None):
    """As `random_flip_left_right`, upside down."""
    return _random_flip(image, -3, seed, "random_flip_up_down")


def _random_flip(image, axis, seed, name):
    with name_scope(None, name, [image]) as scope:
        image = _image(image)
        axis += _need_rank(image)
        _count_checks(image)
        if len(image._shape) == 3:
            flips = comparison.less(random.random_uniform([], 0, 1.0, seed=seed), 0.5)
            result = cond.cond(flips, lambda: reversal.reverse(image, [axis]), lambda: image, name=scope)
            result.set_shape(image._shape)
            return result
        draws = random.random_uniform([array.shape(image)[0]], 0, 1.0, seed=seed)
        return select.where(comparison.greater(unary.round(draws), 0), reversal.reverse(image, [axis]), image)


# --- crops and borders --------------------------------------------------------------------------------

def crop_to_bounding_box(image, offset_height, offset_width, target_height, target_width):
    """The part of images, target_height x target_width, that begins at row offset_height and column offset_width.

    Raises
    ------
    ValueError              if the part does not lie in the image, as far as sizes are known
    InvalidArgumentError    when run, for those that are not
    """
    with name_scope(None, "crop_to_bounding_box", [image]):
        image = _image(image)
        rank = _need_rank(image)
        for what, size, offset, target in zip(("height", "width"), _sizes(image), (offset_height, offset_width),
                                              (target_height, target_width)):
            _require(not _is_known(offset) or offset >= 0, f"offset_{what} must be >= 0.")
            _require(not _is_known(target) or target > 0, f"target_{what} must be > 0.")
            _require(not _is_known(size, offset, target) or size >= target + offset,
                     f"{what} must be >= target + offset.")
        begin, size = [offset_height, offset_width, 0], [target_height, target_width, -1]
        if rank == 4:
            begin, size = [0, *begin], [-1, *size]
        result = slicing.slice(image, _vector(begin), _vector(size))
        return _with_sizes(result, image, target_height, target_width)


def pad_to_bounding_box(image, offset_height, offset_width, target_height, target_width):
    """Images with a border of zeros: of the size target_height, target_width, the image at the offsets.

    Raises
    ------
    ValueError              if the image does not fit, as far as sizes are known
    InvalidArgumentError    when run, for those that are not
    """
    with name_scope(None, "pad_to_bounding_box", [image]):
        image = _image(image)
        rank, borders = _need_rank(image), []
        for what, size, offset, target in zip(("height", "width"), _sizes(image), (offset_height, offset_width),
                                              (target_height, target_width)):
            after = target - offset - size
            _require(not _is_known(offset) or offset >= 0, f"offset_{what} must be >= 0")
            _require(not _is_known(after) or after >= 0, f"{what} must be <= target - offset")
            borders += [offset, after]
        pairs = array.reshape(_vector([*[0] * 2 * (rank - 3), *borders, 0, 0]), [rank, 2])
        return _with_sizes(padding.pad(image, pairs), image, target_height, target_width)


def _with_sizes(result, image, height, width):
    """`result` with what is known of its shape; the height and the width may be tensors."""
    known = [value if _is_known(value) else None for value in (height, width)]
    result.set_shape([*image._shape[:-3], *known, image._shape[-1]])
    return result


def resize_image_with_crop_or_pad(image, target_height, target_width):
    """Images of the size target_height, target_width around the same center: cut, or with a border of zeros."""
    with name_scope(None, "resize_image_with_crop_or_pad", [image]):
        image = _image(image)
        cuts, borders, sizes = [], [], []
        for size, target in zip(_sizes(image), (target_height, target_width)):
            surplus = target - size
            cuts.append(_largest(-surplus // 2, 0))
            borders.append(_largest(surplus // 2, 0))
            sizes.append(min(target, size) if _is_known(target, size) else math.minimum(target, size))
        cropped = crop_to_bounding_box(image, *cuts, *sizes)
        return pad_to_bounding_box(cropped, *borders, target_height, target_width)


def _largest(a, b):
    return max(a, b) if _is_known(a, b) else math.maximum(a, b)


def central_crop(image, central_fraction):
    """The middle of images, `central_fraction`, in (0, 1], of their height and width."""
    if not 0.0 < central_fraction <= 1.0:
        raise ValueError("central_fraction must be within (0, 1]")
    with name_scope(None, "central_crop", [image]):
        image = _image(image)
        if central_fraction == 1.0:
            return image
        sizes = _sizes(image)
        starts = [int((size - size * central_fraction) / 2) if _is_known(size) else _start(size, central_fraction)
                  for size in sizes]
        return crop_to_bounding_box(image, *starts, *[size - 2 * start for size, start in zip(sizes, starts)])


def _start(size, fraction):
    size = cast.to_double(size)
    return cast.to_int32((size - size * fraction) / 2)


# --- values of pixels -----------------------------------------------------------------------------------

def convert_image_dtype(image, dtype, saturate=False, name=None):
    """Images of another dtype, their values scaled: floats lie in [0, 1], integers in [0, dtype.max].

    Parameters
    ----------
    saturate : bool     values out of range become the nearest that the dtype holds; otherwise they wrap
    """
    image, dtype = convert_to_tensor(image, name="image"), as_dtype(dtype)
    if dtype is image.dtype.base_dtype:
        return array.identity(image, name=name)
    with name_scope(name, "convert_image", [image]) as scope:
        to = cast.saturate_cast if saturate else cast.cast
        if image.dtype.is_integer and dtype.is_integer:
            return _between_integers(image, dtype, to, scope)
        if image.dtype.is_floating and dtype.is_floating:
            return cast.cast(image, dtype, name=scope)
        if image.dtype.is_integer:
            return math.multiply(cast.cast(image, dtype), 1. / image.dtype.max, name=scope)
        return to(math.multiply(image, dtype.max + 0.5), dtype, name=scope)       # half a step: casts cut off


def _between_integers(image, dtype, to, scope):
    largest, wanted = image.dtype.max, dtype.max
    if largest > wanted:
        return to(image // ((largest + 1) // (wanted + 1)), dtype, name=scope)
    return math.multiply(to(image, dtype), (wanted + 1) // (largest + 1), name=scope)


def _as_floats(image):
    return image if image.dtype.base_dtype in (float16, float32) else convert_image_dtype(image, float32)


def adjust_brightness(image, delta):
    """Images with `delta` added, on the scale of [0, 1]; integers are converted, and saturate."""
    with name_scope(None, "adjust_brightness", [image, delta]) as scope:
        image = convert_to_tensor(image, name="image")
        floats = _as_floats(image)
        brighter = math.add(floats, cast.cast(delta, floats.dtype))
        return convert_image_dtype(brighter, image.dtype.base_dtype, saturate=True, name=scope)


def random_brightness(image, max_delta, seed=None):
    """`adjust_brightness` by a delta in [-max_delta, max_delta)."""
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_brightness(image, random.random_uniform([], -max_delta, max_delta, seed=seed))


def adjust_contrast(images, contrast_factor):
    """Images whose pixels lie `contrast_factor` times as far from the mean of their channel, per image.

    Integers are converted to float32 and back, and saturate.
    """
    with name_scope(None, "adjust_contrast", [images, contrast_factor]) as scope:
        images = convert_to_tensor(images, name="images")
        floats = _as_floats(images)
        mean = reduction.reduce_mean(floats, [-3, -2], keepdims=True)
        result = (floats - mean) * cast.cast(contrast_factor, floats.dtype) + mean
        return convert_image_dtype(result, images.dtype.base_dtype, saturate=True, name=scope)


def random_contrast(image, lower, upper, seed=None):
    """`adjust_contrast` by a factor in [lower, upper)."""
    if upper <= lower:
        raise ValueError("upper must be > lower.")
    if lower < 0:
        raise ValueError("lower must be non-negative.")
    return adjust_contrast(image, random.random_uniform([], lower, upper, seed=seed))


def per_image_standardization(image):
    """Each image with mean 0 and standard deviation 1; what is divided by is at least 1 / sqrt(H W C).

    Integers are converted to float32 and back, and saturate, as in TensorFlow 1.15: cast them before.
    """
    with name_scope(None, "per_image_standardization", [image]) as scope:
        given = _image(image)
        image = _as_floats(given)
        pixels = cast.cast(reduction.reduce_prod(array.shape(image)[-3:]), image.dtype)
        mean = reduction.reduce_mean(image, [-1, -2, -3], keepdims=True)
        variance = reduction.reduce_mean(unary.square(image), [-1, -2, -3], keepdims=True) - unary.square(mean)
        deviation = unary.sqrt(math.maximum(variance, 0.0))
        image = math.divide(image - mean, math.maximum(deviation, unary.rsqrt(pixels)))
        return convert_image_dtype(image, given.dtype.base_dtype, saturate=True, name=scope)


