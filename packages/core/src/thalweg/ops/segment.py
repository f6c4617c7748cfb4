"""Sums and other reductions over segments: rows that share an id."""
import numpy as np

from thalweg.framework import dtypes, errors
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import NUMBERS, REALS
from thalweg.framework.graph import name_scope

from . import array, cast, comparison, constant, indexing, math, reduction, select, unary
from ._gradient import conjugated
from ._reference import accurate, with_numbers

_SORTED = "data: T, segment_ids: Tindices[N] -> output: T"
_UNSORTED = "data: T, segment_ids: Tindices, num_segments: Tnumsegments[] -> output: T"
_LETTERS = {"Tindices": INDEX_TYPES}
_LARGEST_BFLOAT16 = float.fromhex("0x1.fep127")
_UNSORTED_LETTERS = {"Tindices": INDEX_TYPES, "Tnumsegments": INDEX_TYPES}


def _collect(at, initial, data, ids, count, keep_wide=False):
    """Rows of data, combined by id into `count` rows that begin as `initial`; negative ids are dropped."""
    rows = data.reshape((ids.size,) + data.shape[ids.ndim:])
    ids = ids.ravel()
    if ids.size and ids.max() >= count:
        place = int(ids.argmax())
        raise errors.InvalidArgumentError(None, None, f"segment_ids[{place}] = {ids[place]} is out of "
                                                      f"range [0, {count})")
    result = np.full((count,) + rows.shape[1:], initial, accurate(data.dtype))
    at(result, ids[ids >= 0], rows[ids >= 0])
    return result if keep_wide else result.astype(data.dtype)


def _checked_order(ids):
    if np.any(np.diff(ids) < 0):
        raise errors.InvalidArgumentError(None, None, "segment ids are not increasing")
    if ids.size and ids[0] < 0:
        raise errors.InvalidArgumentError(None, None, "segment ids must be >= 0")
    return int(ids[-1]) + 1 if ids.size else 0


def _sorted_shape(node, data, ids):
    if data is None:
        return None
    if data and ids and None not in (data[0], ids[0]) and data[0] != ids[0]:
        raise ValueError(f"segment_ids has {ids[0]} entries, data {data[0]} rows")
    known = node.constant(1)
    count = None if known is None else int(known[-1]) + 1 if known.size else 0
    return (count,) + data[1:]


def _unsorted_shape(node, data, ids, count_shape):
    count = node.constant(2)
    if data is None or ids is None:
        return None
    for d, i in zip(data, ids):
        if None not in (d, i) and d != i:
            raise ValueError(f"segment_ids must have the leading dimensions of data: {ids} and {data}")
    return (None if count is None else int(count),) + data[len(ids):]


# --- sorted ids -------------------------------------------------------------------------------------

@define_op("SegmentSum", _SORTED, T=NUMBERS, **_LETTERS, cpu="indexing:segment_sum", public="segment_sum")
def segment_sum(data, segment_ids):
    """The sum of the rows that share an id; ids do not decrease, a missing one gives 0."""
    return _collect(np.add.at, 0, data, segment_ids, _checked_order(segment_ids))


@segment_sum.gradient
def segment_sum_grad(node, dy):
    return indexing.gather(dy, node.segment_ids), None


@define_op("SegmentMean", _SORTED, T=NUMBERS, **_LETTERS, cpu="indexing:segment_mean", public="segment_mean")
def segment_mean(data, segment_ids):
    """The mean of the rows that share an id; ids do not decrease, a missing one gives 0."""
    count = _checked_order(segment_ids)
    total = _collect(np.add.at, 0, data, segment_ids, count, keep_wide=True)
    rows = np.maximum(np.bincount(segment_ids, minlength=count), 1).reshape((-1,) + (1,) * (data.ndim - 1))
    return (np.trunc(total / rows) if data.dtype.kind in "iu" else total / rows).astype(data.dtype)


@segment_mean.gradient
def segment_mean_grad(node, dy):
    ids = node.segment_ids
    ones = constant.fill(array.concat([array.shape(ids), constant.ones_like(array.shape(node.data)[1:])], 0),
                         constant.constant(1, dy.dtype.base_dtype))
    return indexing.gather(math.div_no_nan(dy, segment_sum(ones, ids)), ids), None


@define_op("SegmentProd", _SORTED, T=NUMBERS, **_LETTERS, cpu="indexing:segment_prod", public="segment_prod")
def segment_prod(data, segment_ids):
    """The product of the rows that share an id; ids do not decrease, a missing one gives 1."""
    return _collect(np.multiply.at, 1, data, segment_ids, _checked_order(segment_ids))


@segment_prod.gradient
def segment_prod_grad(node, dy):
    return _product_gradient(node.data, node.segment_ids, dy, segment_prod, segment_sum), None


@define_op("SegmentMax", _SORTED, T=REALS, **_LETTERS, cpu="indexing:segment_max", public="segment_max")
def segment_max(data, segment_ids):
    """The maximum of the rows that share an id; ids do not decrease, a missing one gives 0."""
    return _extreme(np.maximum.at, reduction._lowest, data, segment_ids)


@define_op("SegmentMin", _SORTED, T=REALS, **_LETTERS, cpu="indexing:segment_min", public="segment_min")
def segment_min(data, segment_ids):
    """The minimum of the rows that share an id; ids do not decrease, a missing one gives 0."""
    return _extreme(np.minimum.at, reduction._highest, data, segment_ids)


def _extreme(at, initial, data, ids):
    count = _checked_order(ids)
    result = _collect(at, initial(data.dtype), data, ids, count)
    result[np.setdiff1d(np.arange(count), ids)] = 0
    return result


@segment_max.gradient
@segment_min.gradient
def segment_max_grad(node, dy):
    """Elements that are equally extreme share the gradient equally."""
    ids = node.segment_ids
    chosen = comparison.equal(node.data, indexing.gather(node.output, ids))
    count = segment_sum(cast.cast(chosen, dy.dtype.base_dtype), ids)
    share = indexing.gather(math.div_no_nan(dy, count), ids)
    return select.where(chosen, share, constant.zeros_like(share)), None


for _op in (segment_sum, segment_mean, segment_prod, segment_max, segment_min):
    _op.shape(_sorted_shape)


# --- ids in any order -------------------------------------------------------------------------------

@define_op("UnsortedSegmentSum", _UNSORTED, T=NUMBERS, **_UNSORTED_LETTERS, cpu="indexing:unsorted_segment_sum",
           public="unsorted_segment_sum")
def unsorted_segment_sum(data, segment_ids, num_segments):
    """The sum of the rows that share an id, in any order; rows with a negative id are dropped."""
    return _collect(np.add.at, 0, data, segment_ids, int(num_segments))


@unsorted_segment_sum.gradient
def unsorted_segment_sum_grad(node, dy):
    return _gathered(dy, node.segment_ids)[0], None, None


def _gathered(x, ids):
    """Rows of x by id, 0 for negative ids; and which ids are not negative, in the shape of the rows."""
    rows = indexing.gather(x, math.maximum(ids, constant.zeros_like(ids)))
    valid = comparison.greater_equal(ids, 0)
    sizes = array.concat([array.shape(valid), constant.ones([array.rank(rows) - array.rank(valid)], dtypes.int32)], 0)
    valid = comparison.logical_and(array.reshape(valid, sizes), constant.ones_like(rows, dtypes.bool_))
    return select.where(valid, rows, constant.zeros_like(rows)), valid


@define_op("UnsortedSegmentProd", _UNSORTED, T=NUMBERS, **_UNSORTED_LETTERS, cpu="indexing:unsorted_segment_prod",
           public="unsorted_segment_prod")
def unsorted_segment_prod(data, segment_ids, num_segments):
    """The product of the rows that share an id, in any order; rows with a negative id are dropped."""
    return _collect(np.multiply.at, 1, data, segment_ids, int(num_segments))


@unsorted_segment_prod.gradient
def unsorted_segment_prod_grad(node, dy):
    """Exact at zeros: a segment with one zero gives that zero's place the product of the others."""
    def product(values, ids):
        return unsorted_segment_prod(values, ids, node.num_segments)

    def total(values, ids):
        return unsorted_segment_sum(values, ids, node.num_segments)
    return _product_gradient(node.data, node.segment_ids, dy, product, total), None, None


def _product_gradient(data, ids, dy, product, total):
    """d(product)/d(element): the product over the element where it is not 0, else that of the segment's others."""
    is_zero = comparison.equal(data, constant.zeros_like(data))
    zeros = total(cast.cast(is_zero, dtypes.int32), ids)
    dy = select.where(comparison.greater(zeros, 1), constant.zeros_like(dy), dy)
    others = product(select.where(is_zero, constant.ones_like(data), data), ids)
    places = math.maximum(ids, constant.zeros_like(ids))
    whole, others = indexing.gather(product(data, ids), places), indexing.gather(others, places)
    safe = select.where(is_zero, constant.ones_like(data), data)
    share = select.where(is_zero, others, whole / safe)
    return _gathered(dy, ids)[0] * conjugated(share)


def _limits(data):
    """(lowest, highest) of the dtype of an array; bfloat16 as its bits."""
    if data.dtype == dtypes.bfloat16.np:
        return -_LARGEST_BFLOAT16, _LARGEST_BFLOAT16
    limits = np.finfo(data.dtype) if data.dtype.kind == "f" else np.iinfo(data.dtype)
    return limits.min, limits.max


@define_op("UnsortedSegmentMax", _UNSORTED, T=(*REALS, dtypes.bfloat16), **_UNSORTED_LETTERS,
           cpu="indexing:unsorted_segment_max", public="unsorted_segment_max")
def unsorted_segment_max(data, segment_ids, num_segments):
    """The maximum of the rows that share an id, in any order; the lowest value of the dtype for a missing id."""
    return with_numbers(_collect, np.maximum.at, _limits(data)[0], data, segment_ids, int(num_segments))


@define_op("UnsortedSegmentMin", _UNSORTED, T=(*REALS, dtypes.bfloat16), **_UNSORTED_LETTERS,
           cpu="indexing:unsorted_segment_min", public="unsorted_segment_min")
def unsorted_segment_min(data, segment_ids, num_segments):
    """The minimum of the rows that share an id, in any order; the highest value of the dtype for a missing id."""
    return with_numbers(_collect, np.minimum.at, _limits(data)[1], data, segment_ids, int(num_segments))


@unsorted_segment_max.gradient
@unsorted_segment_min.gradient
def unsorted_segment_max_grad(node, dy):
    """Elements that are equally extreme share the gradient equally."""
    ids = node.segment_ids
    extreme, valid = _gathered(node.output, ids)
    chosen = comparison.logical_and(comparison.equal(node.data, extreme), valid)
    count = unsorted_segment_sum(cast.cast(chosen, dy.dtype.base_dtype), ids, node.num_segments)
    share = _gathered(math.div_no_nan(dy, count), ids)[0]
    return select.where(chosen, share, constant.zeros_like(share)), None, None


for _op in (unsorted_segment_sum, unsorted_segment_prod, unsorted_segment_max, unsorted_segment_min):
    _op.shape(_unsorted_shape)


# --- means and scaled sums --------------------------------------------------------------------------

def _counts(data, segment_ids, num_segments):
    """How many rows each segment has, at least 1, in the dtype of data and shaped to divide its segments."""
    if data._shape is None or segment_ids._shape is None:
        raise ValueError("the mean of unsorted segments needs data and segment_ids of known rank")
    ones = constant.ones(array.shape_internal(segment_ids), data.dtype.base_dtype)
    counts = unsorted_segment_sum(ones, segment_ids, num_segments)
    extra = len(data._shape) - len(segment_ids._shape)
    return math.maximum(array.reshape(counts, [num_segments] + [1] * extra), 1)


def unsorted_segment_mean(data, segment_ids, num_segments, name=None):
    """The mean of the rows that share an id, in any order; 0 for a missing id."""
    with name_scope(name, "UnsortedSegmentMean"):
        data, segment_ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        counts = _counts(data, segment_ids, num_segments)
        return unsorted_segment_sum(data, segment_ids, num_segments) / counts


def unsorted_segment_sqrt_n(data, segment_ids, num_segments, name=None):
    """The sum of the rows that share an id, in any order, over the square root of their number."""
    with name_scope(name, "UnsortedSegmentSqrtN"):
        data, segment_ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        counts = _counts(data, segment_ids, num_segments)
        return unsorted_segment_sum(data, segment_ids, num_segments) / unary.sqrt(counts)
