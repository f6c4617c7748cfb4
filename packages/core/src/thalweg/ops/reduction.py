"""Reductions along axes: sums, means, extrema, and where the extrema lie."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op, reduction
from thalweg.framework.dtypes import NUMBERS, DType, float32, int32, int64
from thalweg.framework.graph import Tensor, name_scope

from . import (
    array,
    broadcast,
    cast,
    comparison,
    complex,
    cond,
    constant,
    cumulative,
    indexing,
    math,
    select,
    sequence,
    unary,
    unique,
)
from ._reference import accurate

_CPU = "reduction:reduction"
_SIGNATURE = "input: T, reduction_indices: Tidx -> output: T"


def _axes(x, indices):
    return tuple({int(i) % x.ndim for i in np.ravel(indices)}) if x.ndim else ()


@reduction("Sum", _SIGNATURE, T=NUMBERS, Tidx=INDEX_TYPES, cpu=_CPU)
def sum_op(input, reduction_indices, *, keep_dims: bool = False):
    """The sum along the axes, 0 along an empty one; floats are summed in double width."""
    total = np.sum(input, _axes(input, reduction_indices), dtype=accurate(input.dtype), keepdims=keep_dims)
    return total.astype(input.dtype)


@sum_op.gradient
def sum_grad(node, dy):
    return _expanded(node, dy), None


@reduction("Mean", _SIGNATURE, T=NUMBERS, Tidx=INDEX_TYPES, cpu=_CPU)
def mean_op(input, reduction_indices, *, keep_dims: bool = False):
    """The arithmetic mean along the axes, NaN along an empty one; of integers without the fraction.

    A sum of integers wraps around in their type before it is divided, as in TensorFlow: of uint8 a mean wants a cast.
    """
    axes = _axes(input, reduction_indices)
    count = int(np.prod([input.shape[a] for a in axes], dtype=np.int64))
    if input.dtype.kind not in "iu":             # not np.mean: it warns where there is nothing to take the mean of
        total = np.sum(input, axes, dtype=accurate(input.dtype), keepdims=keep_dims)
        return np.true_divide(total, count).astype(input.dtype)
    total = np.sum(input, axes, dtype=input.dtype, keepdims=keep_dims)
    total = total.astype(np.uint64 if input.dtype.kind == "u" else np.int64)
    below, rest = np.divmod(total, total.dtype.type(max(1, count)))
    return (below + ((total < 0) & (rest != 0))).astype(input.dtype)       # towards 0


@mean_op.gradient
def mean_grad(node, dy):
    return _expanded(node, dy / _elements_per_output(node)), None


def _elements_per_output(node):
    """How many elements of the input each output is the mean of, as a scalar of its dtype."""
    whole, part = shapes.size_of(node.input._shape), shapes.size_of(node.output._shape)
    if whole is not None and part is not None:
        return constant.constant(max(whole, 1) // max(part, 1), node.output.dtype.base_dtype)
    share = math.floordiv(math.maximum(array.size(node.input), 1), math.maximum(array.size(node.output), 1))
    return cast.cast(share, node.output.dtype.base_dtype)


@reduction("Prod", _SIGNATURE, T=NUMBERS, Tidx=INDEX_TYPES, cpu=_CPU)
def prod_op(input, reduction_indices, *, keep_dims: bool = False):
    """The product along the axes, 1 along an empty one; of floats in double width."""
    total = np.prod(input, _axes(input, reduction_indices), dtype=accurate(input.dtype), keepdims=keep_dims)
    return total.astype(input.dtype)


@prod_op.gradient
def prod_grad(node, dy):
    """Each element's share is the product of all others: running products from both sides, exact at zeros too."""
    x = node.input
    perm, back, n_reduced = _reduced_first(x, node.reduction_indices)
    turned = array.transpose(x, perm)                                        # [reduced..., kept...]
    sizes = array.shape(turned)
    count = prod_op(sizes[:n_reduced], [0])
    rows = array.reshape(turned, array.stack([count, -1])) if shapes.size_of(x._shape) else \
        array.reshape(turned, array.stack([count, prod_op(sizes[n_reduced:], [0])]))
    before = cumulative.cumprod(rows, axis=0, exclusive=True)
    after = cumulative.cumprod(rows, axis=0, exclusive=True, reverse=True)
    others = array.transpose(array.reshape(complex.conj(before) * complex.conj(after), sizes), back)
    return array.reshape(_expanded(node, dy) * others, array.shape(x)), None


def _reduced_first(x, axes):
    """The permutation that puts the reduced axes first, its inverse, and how many they are; made as the graph runs
    where the rank or the axes are not known before."""
    known = constant_value(axes)
    if x._shape is not None and known is not None:
        rank = len(x._shape)
        reduced = sorted({int(a) % rank for a in np.ravel(known)}) if rank else []
        perm = reduced + [a for a in range(rank) if a not in reduced]
        return perm, list(np.argsort(perm)), len(reduced)
    rank = array.rank(x)
    reduced = unique.unique(math.floormod(cast.cast(array.reshape(axes, [-1]), int32), rank))[0]
    kept = unique.setdiff1d(sequence.range(rank), reduced)[0]
    perm = array.concat([reduced, kept], 0)
    return perm, indexing.invert_permutation(perm), array.size(reduced)


@reduction("Max", _SIGNATURE, T=NUMBERS, Tidx=INDEX_TYPES, cpu=_CPU)
def max_op(input, reduction_indices, *, keep_dims: bool = False):
    """The largest element along the axes, NaN left out; along an empty one the smallest value of the dtype."""
    return np.fmax.reduce(input, _axes(input, reduction_indices), keepdims=keep_dims, initial=_lowest(input.dtype))


@reduction("Min", _SIGNATURE, T=NUMBERS, Tidx=INDEX_TYPES, cpu=_CPU)
def min_op(input, reduction_indices, *, keep_dims: bool = False):
    """The smallest element along the axes, NaN left out; along an empty one the largest value of the dtype."""
    return np.fmin.reduce(input, _axes(input, reduction_indices), keepdims=keep_dims, initial=_highest(input.dtype))


def _lowest(dtype):
    return -np.inf if dtype.kind in "fc" else np.iinfo(dtype).min


def _highest(dtype):
    return np.inf if dtype.kind in "fc" else np.iinfo(dtype).max


@max_op.gradient
@min_op.gradient
def max_grad(node, dy):
    """Elements that are equally extreme share the gradient equally."""
    x = node.input
    extreme = cast.cast(comparison.equal(x, _expanded(node, node.output)), x.dtype.base_dtype)
    count = sum_op(extreme, node.reduction_indices, keep_dims=node.keep_dims)
    return extreme * _expanded(node, dy / count), None


@reduction("All", "input: bool, reduction_indices: Tidx -> output: bool", Tidx=INDEX_TYPES, cpu=_CPU)
def all_op(input, reduction_indices, *, keep_dims: bool = False):
    """Whether all elements along the axes hold; True along an empty one."""
    return np.all(input, _axes(input, reduction_indices), keepdims=keep_dims)


@reduction("Any", "input: bool, reduction_indices: Tidx -> output: bool", Tidx=INDEX_TYPES, cpu=_CPU)
def any_op(input, reduction_indices, *, keep_dims: bool = False):
    """Whether any element along the axes holds; False along an empty one."""
    return np.any(input, _axes(input, reduction_indices), keepdims=keep_dims)


all_op.no_gradient("the result is bool")
any_op.no_gradient("the result is bool")


def _expanded(node, reduced):
    """A reduction's output (or its gradient) repeated to the shape of its input."""
    x, axes = node.input, constant_value(node.reduction_indices)
    if not node.keep_dims:
        if x._shape is not None and axes is not None:
            dropped = {int(a) % len(x._shape) for a in np.ravel(axes)} if x._shape else set()
            for axis in sorted(dropped):
                reduced = array.expand_dims(reduced, axis)
        else:
            reduced = array.reshape(reduced, _kept_shape(x, node.reduction_indices))
    return broadcast.broadcast_to(reduced, array.shape(x))


def _kept_shape(x, axes):
    """The shape of x with size 1 at the axes, made when the graph runs."""
    sizes = array.shape(x)
    rank = array.size(sizes)
    axes = cast.cast(array.reshape(axes, [-1]), int32)
    is_dropped = any_op(comparison.equal(array.expand_dims(sequence.range(rank), 1), math.floormod(axes, rank)), 1)
    return select.where(is_dropped, constant.ones_like(sizes), sizes)


# --- where the extrema lie --------------------------------------------------------------------------

def _arg_shape(node, x, axis_shape):
    axis = node.constant(1)
    if x is None:
        return None
    if axis is None:
        return (None,) * max(len(x) - 1, 0)
    axis = array.normal_axis(int(axis), len(x), "dimension")
    return x[:axis] + x[axis + 1:]


@define_op("ArgMax", "input: T, dimension: Tidx[] -> output: output_type", T=NUMBERS, Tidx=INDEX_TYPES,
           output_type=INDEX_TYPES, cpu=_CPU)
def arg_max(input, dimension, *, output_type: DType = int64):
    """The position of the largest element along `dimension`, NaN left out; of equals the first."""
    x = _checked_nonempty(input, dimension, "ArgMax")
    return _without_nan(x, _lowest).argmax(int(dimension)).astype(output_type.np)


@define_op("ArgMin", "input: T, dimension: Tidx[] -> output: output_type", T=NUMBERS, Tidx=INDEX_TYPES,
           output_type=INDEX_TYPES, cpu=_CPU)
def arg_min(input, dimension, *, output_type: DType = int64):
    """The position of the smallest element along `dimension`, NaN left out; of equals the first."""
    x = _checked_nonempty(input, dimension, "ArgMin")
    return _without_nan(x, _highest).argmin(int(dimension)).astype(output_type.np)


def _without_nan(x, neutral):
    return np.where(np.isnan(x), neutral(x.dtype), x) if x.dtype.kind == "f" else x


def _checked_nonempty(x, dimension, name):
    if x.shape[int(dimension)] == 0:
        from thalweg.framework.errors import InvalidArgumentError
        raise InvalidArgumentError(None, None, f"{name}: Reduction axis {int(dimension)} is empty in shape {x.shape}")
    return x


for _op in (arg_max, arg_min):
    _op.shape(_arg_shape)
    _op.no_gradient("positions are integers")


def argmax(input, axis=None, name=None, dimension=None, output_type=int64):
    """The position of the largest element along `axis` (0 when not given); of equals the first."""
    axis = array._one_of("axis", axis, "dimension", dimension)
    return arg_max(input, 0 if axis is None else axis, output_type=output_type, name=name)


def argmin(input, axis=None, name=None, dimension=None, output_type=int64):
    """The position of the smallest element along `axis` (0 when not given); of equals the first."""
    axis = array._one_of("axis", axis, "dimension", dimension)
    return arg_min(input, 0 if axis is None else axis, output_type=output_type, name=name)


# --- the public functions ---------------------------------------------------------------------------

def reduction_axes(x, axis):
    """`axis`, or all axes of x: a constant where the rank is known, else made when the graph runs."""
    if axis is not None:
        return axis
    if isinstance(x, Tensor) and x._shape is not None:
        return constant.constant(np.arange(len(x._shape)), int32)
    return sequence.range(0, array.rank(x))


def _reducer(op, public_name, doc):
    def reduce(input_tensor, axis=None, keepdims=None, name=None, reduction_indices=None, keep_dims=None):
        axis = array._one_of("axis", axis, "reduction_indices", reduction_indices)
        keepdims = bool(array._one_of("keepdims", keepdims, "keep_dims", keep_dims))
        result = op(input_tensor, reduction_axes(input_tensor, axis), keep_dims=keepdims, name=name)
        return _scalar_if_all(result, axis, keepdims)
    reduce.__name__ = reduce.__qualname__ = public_name
    reduce.__doc__ = f"""{doc}

    Parameters
    ----------
    input_tensor : Tensor
    axis : int, list of int or None     axes to reduce, negative ones counted from the last; None: all
    keepdims : bool                     keep the reduced axes with size 1
    reduction_indices, keep_dims :      the older names of `axis` and `keepdims`
    """
    return reduce


def _scalar_if_all(result, axis, keepdims):
    if axis is None and not keepdims and result._shape is None:
        result.set_shape(())
    return result


reduce_sum = _reducer(sum_op, "reduce_sum", "The sum of the elements along `axis`; 0 along an empty axis.")
reduce_mean = _reducer(mean_op, "reduce_mean", "The mean of the elements along `axis`; NaN along an empty axis.")
reduce_prod = _reducer(prod_op, "reduce_prod", "The product of the elements along `axis`; 1 along an empty axis.")
reduce_max = _reducer(max_op, "reduce_max", "The largest element along `axis`.")
reduce_min = _reducer(min_op, "reduce_min", "The smallest element along `axis`.")
reduce_all = _reducer(all_op, "reduce_all", "Whether all elements along `axis` hold.")
reduce_any = _reducer(any_op, "reduce_any", "Whether any element along `axis` holds.")


def reduce_logsumexp(input_tensor, axis=None, keepdims=None, name=None, reduction_indices=None, keep_dims=None):
    """log(sum(exp(x))) along `axis`, without overflow; arguments as in `reduce_sum`."""
    axis = array._one_of("axis", axis, "reduction_indices", reduction_indices)
    keepdims = bool(array._one_of("keepdims", keepdims, "keep_dims", keep_dims))
    input_tensor = convert_to_tensor(input_tensor)
    with name_scope(name, "ReduceLogSumExp", [input_tensor]):
        largest = reduce_max(input_tensor, axis, keepdims=True)
        largest = array.stop_gradient(select.where(unary.is_finite(largest), largest, constant.zeros_like(largest)))
        result = unary.log(reduce_sum(unary.exp(math.subtract(input_tensor, largest)), axis, keepdims=keepdims))
        if not keepdims:
            largest = array.reshape(largest, array.shape(result))
        return _scalar_if_all(math.add(result, largest), axis, keepdims)


def reduce_variance(input_tensor, axis=None, keepdims=False, name=None):
    """The mean squared deviation from the mean along `axis`."""
    with name_scope(name or "reduce_variance"):
        deviation = unary.square(input_tensor - reduce_mean(input_tensor, axis, keepdims=True))
        return reduce_mean(deviation, axis, keepdims=keepdims)


def reduce_std(input_tensor, axis=None, keepdims=False, name=None):
    """The square root of the variance along `axis`."""
    with name_scope(name or "reduce_std"):
        return unary.sqrt(reduce_variance(input_tensor, axis, keepdims))


def count_nonzero(input_tensor=None, axis=None, keepdims=None, dtype=int64, name=None, reduction_indices=None,
                  keep_dims=None, input=None):
    """How many elements along `axis` are not 0 (not empty, for strings)."""
    axis = array._one_of("axis", axis, "reduction_indices", reduction_indices)
    keepdims = bool(array._one_of("keepdims", keepdims, "keep_dims", keep_dims))
    with name_scope(name, "count_nonzero", [input_tensor]):
        x = convert_to_tensor(array._one_of("input_tensor", input_tensor, "input", input), name="input")
        zero = constant.zeros([], x.dtype.base_dtype)
        counted = cast.cast(comparison.not_equal(x, zero), int64)
        return cast.cast(reduce_sum(counted, axis, keepdims=keepdims), dtype)


def zero_fraction(value, name=None):
    """The share of elements that are 0, a float32 scalar."""
    with name_scope(name, "zero_fraction", [value]):
        value = convert_to_tensor(value, name="value")
        size = array.size(value, out_type=int64)

        def counted(dtype):
            with name_scope("count_nonzero"):
                is_not = comparison.not_equal(value, constant.zeros([], value.dtype.base_dtype))
                return reduce_sum(cast.cast(is_not, dtype), name="nonzero_count")
        found = cond.cond(size <= int32.max, lambda: cast.cast(counted(int32), int64), lambda: counted(int64))
        with name_scope("counts_to_fraction"):
            zeros = size - found
            share = cast.cast(zeros, float32) / cast.cast(size, float32)
        return array.identity(share, "fraction")
