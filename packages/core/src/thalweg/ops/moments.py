"""Mean and variance of tensors."""
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import float16, float32
from thalweg.framework.graph import name_scope

from . import array, cast, constant, indexing, math, reduction, unary


def moments(x, axes, shift=None, name=None, keep_dims=None, keepdims=None):
    """The mean and the (biased) variance of x along `axes`; float16 is computed in float32. `shift` is not used."""
    keep = bool(array._one_of("keepdims", keepdims, "keep_dims", keep_dims))
    with name_scope(name, "moments", [x, axes]):
        is_half = x.dtype.base_dtype is float16
        y = cast.cast(x, float32) if is_half else x
        mean = reduction.reduce_mean(y, axes, keepdims=True, name="mean")
        # The gradient of the variance through the mean is zero, so that path is cut.
        deviation = math.squared_difference(y, array.stop_gradient(mean))
        variance = reduction.reduce_mean(deviation, axes, keepdims=True, name="variance")
        return _finished(mean, variance, axes, keep, is_half)


def _finished(mean, variance, axes, keep, is_half):
    if not keep:
        mean, variance = array.squeeze(mean, axes), array.squeeze(variance, axes)
    return (cast.cast(mean, float16), cast.cast(variance, float16)) if is_half else (mean, variance)


def weighted_moments(x, axes, frequency_weights, name=None, keep_dims=None, keepdims=None):
    """The mean and the variance of x along `axes`, each element counted `frequency_weights` times."""
    keep = bool(array._one_of("keepdims", keepdims, "keep_dims", keep_dims))
    with name_scope(name, "weighted_moments", [x, frequency_weights, axes]):
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(frequency_weights, name="frequency_weights")
        is_half = x.dtype.base_dtype is float16
        x = cast.cast(x, float32) if is_half else x
        weights = cast.cast(weights, x.dtype.base_dtype)
        total = reduction.reduce_sum(weights * x, axes, name="weighted_input_sum", keepdims=True)
        each = weights + constant.zeros_like(x)
        share = unary.reciprocal(reduction.reduce_sum(each, axes, name="sum_of_weights", keepdims=True),
                                 name="inv_weight_sum")
        mean = math.multiply(total, share)
        distance = reduction.reduce_sum(weights * math.squared_difference(x, mean), axes, name="weighted_distsq",
                                        keepdims=True)
        return _finished(mean, math.multiply(distance, share), axes, keep, is_half)


def sufficient_statistics(x, axes, shift=None, keep_dims=None, name=None, keepdims=None):
    """Count, sum and sum of squares of x (less `shift`) along `axes`, and the shift: see `normalize_moments`."""
    keep = bool(array._one_of("keepdims", keepdims, "keep_dims", keep_dims))
    axes = list(set(axes))
    with name_scope(name, "sufficient_statistics", [x, shift]):
        x = convert_to_tensor(x, name="x")
        if x._shape is not None and all(x._shape[a] is not None for a in axes):
            count = 1
            for a in axes:
                count *= x._shape[a]
            count = constant.constant(count, x.dtype.base_dtype)
        else:
            sizes = cast.cast(array.shape(x), x.dtype.base_dtype)
            count = reduction.reduce_prod(indexing.gather(sizes, axes), name="count")
        if shift is None:
            first, second = x, unary.square(x)
        else:
            shift = convert_to_tensor(shift, name="shift")
            first, second = math.subtract(x, shift), math.squared_difference(x, shift)
        first = reduction.reduce_sum(first, axes, keepdims=keep, name="mean_ss")
        second = reduction.reduce_sum(second, axes, keepdims=keep, name="var_ss")
        return count, first, second, shift


def normalize_moments(counts, mean_ss, variance_ss, shift, name=None):
    """The mean and the variance from what `sufficient_statistics` gives."""
    with name_scope(name, "normalize", [counts, mean_ss, variance_ss, shift]):
        divisor = unary.reciprocal(counts, name="divisor")
        if shift is None:
            shifted = mean = math.multiply(mean_ss, divisor, name="mean")
        else:
            shifted = math.multiply(mean_ss, divisor, name="shifted_mean")
            mean = math.add(shifted, shift, name="mean")
        variance = math.subtract(math.multiply(variance_ss, divisor), unary.square(shifted), name="variance")
        return mean, variance
