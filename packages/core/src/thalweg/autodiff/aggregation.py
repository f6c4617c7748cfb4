"""Sums of gradients: several paths lead to one tensor."""
import functools

from thalweg.framework import dtypes
from thalweg.framework.graph import name_scope
from thalweg.framework.indexed_slices import IndexedSlices, to_dense
from thalweg.ops import array, array_list, cast, constant, math


class AggregationMethod:
    """How gradients are added up, as `tf.AggregationMethod`. All of them give the same sum; the memory plan decides
    how much of it is alive at once, so the names differ in nothing here.
    """

    ADD_N = 0
    DEFAULT = ADD_N
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


METHODS = (None, AggregationMethod.ADD_N, AggregationMethod.EXPERIMENTAL_TREE,
           AggregationMethod.EXPERIMENTAL_ACCUMULATE_N)


def total(gradients):
    """The sum of gradients of one tensor, None among them left out; None when there are none.

    IndexedSlices alone stay sparse: their rows are put one after the other.
    """
    gradients = [g for g in gradients if g is not None]
    if len(gradients) < 2:
        return gradients[0] if gradients else None
    if all([isinstance(g, IndexedSlices) for g in gradients]):
        return _concatenated(gradients)
    if gradients[0].dtype.base_dtype is dtypes.variant:
        return functools.reduce(array_list.list_add, gradients)
    return math.add_n([array_of(g) for g in gradients])


def zeros(tensor):
    """The gradient that says that nothing depends on `tensor`."""
    if tensor.dtype.base_dtype is dtypes.variant:
        return array_list.list_zeros(tensor)
    return constant.zeros_like(tensor)


def array_of(gradient):
    """A gradient as a tensor."""
    return to_dense(gradient) if isinstance(gradient, IndexedSlices) else gradient


def _concatenated(slices):
    indices = [s.indices for s in slices]
    if len({i.dtype.base_dtype for i in indices}) > 1:
        indices = [cast.cast(i, dtypes.int64) for i in indices]
    with name_scope("slices"):
        joined = IndexedSlices(array.concat([s.values for s in slices], 0), array.concat(indices, 0),
                               next((s.dense_shape for s in slices if s.dense_shape is not None), None))
    joined.is_internal = all(s.is_internal for s in slices)
    return joined
