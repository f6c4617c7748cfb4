"""The largest elements: which they are, and whether a class is among them."""
import collections

import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import REALS, int32
from thalweg.framework.graph import name_scope

from . import array, cast, indexing, reduction, sequence


def _largest(x, k):
    if k < 0:
        raise errors.InvalidArgumentError(None, None, f"Need k >= 0, got {k}")
    if k > (x.shape[-1] if x.ndim else 0):
        raise errors.InvalidArgumentError(None, None, f"input must have at least k columns. Had {x.shape[-1]}, "
                                                      f"needed {k}")
    # A stable sort of the mirrored row, mirrored back: the largest first, of equals the one with the lower index.
    order = x.shape[-1] - 1 - np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1][..., :k]
    return np.take_along_axis(x, order, -1), order.astype(np.int32)


def _top_shape(node, x, k):
    if k is not None and k < 0:
        raise errors.Misfit(f"Need k >= 0, got {k}", hint="tf.maximum(k, 0)")
    if x is None:
        return [None, None]
    if not x:
        raise ValueError("input must have at least one dimension")
    if None not in (k, x[-1]) and x[-1] < k:
        raise ValueError(f"input must have last dimension >= k = {k} but is {x[-1]}")
    return [x[:-1] + (k,)] * 2


@define_op("TopK", "input: T -> values: T, indices: int32", T=REALS, cpu="indexing:top_k")
def top_k_v1(input, *, k: int, sorted: bool = True):
    """The k largest elements of each row, the largest first, and their positions; of equals the first comes first."""
    return _largest(input, k)


@define_op("TopKV2", "input: T, k: int32[] -> values: T, indices: int32", T=REALS, cpu="indexing:top_k_v2")
def top_k_v2(input, k, *, sorted: bool = True):
    """The k largest elements of each row, the largest first, and their positions; of equals the first comes first."""
    return _largest(input, int(k))


@top_k_v1.shape
def top_k_v1_shape(node, x):
    return _top_shape(node, x, node.k)


@top_k_v2.shape
def top_k_v2_shape(node, x, k_shape):
    k = node.constant(1)
    return _top_shape(node, x, None if k is None else int(k))


@top_k_v1.gradient
def top_k_v1_grad(node, dvalues, dindices):
    return _scattered(node, dvalues)


@top_k_v2.gradient
def top_k_v2_grad(node, dvalues, dindices):
    return _scattered(node, dvalues), None


def _scattered(node, dy):
    """dy at the places that the values came from, 0 elsewhere."""
    sizes = array.shape(node.input)
    row = sizes[-1]
    count = reduction.reduce_prod(sizes[:-1])
    flat = array.reshape(node.indices, array.stack([count, -1])) if shapes.size_of(node.indices._shape) else \
        array.reshape(node.indices, array.stack([count, array.shape(node.indices)[-1]]))
    starts = array.expand_dims(sequence.range(0, count * row, row), -1)
    places = array.reshape(flat + cast.cast(starts, int32), [-1])
    total = array.reshape(reduction.reduce_prod(sizes), [1])
    spread = indexing.scatter_nd(array.expand_dims(places, -1), array.reshape(dy, [-1]), total)
    return array.reshape(spread, sizes)


TopKV2 = collections.namedtuple("TopKV2", ["values", "indices"])


def top_k(input, k=1, sorted=True, name=None):
    """The k largest elements of each row, the largest first, and their positions, as (values, indices)."""
    return TopKV2(*top_k_v2(input, k, sorted=sorted, name=name))


def _is_in_top(predictions, targets, k):
    """Fewer than k classes have more; a target outside, or one that is not finite, is not in."""
    classes = predictions.shape[1]
    inside = (targets >= 0) & (targets < classes)
    own = predictions[np.arange(len(targets)), np.where(inside, targets, 0)] if classes else np.zeros(len(targets))
    finite = inside & np.isfinite(own) & np.all(np.isfinite(predictions) | (predictions <= own[:, None]), -1)
    return finite & (np.sum(predictions > own[:, None], -1) < k)


@define_op("InTopK", "predictions: float32[N,C], targets: T[N] -> precision: bool[N]", T=INDEX_TYPES,
           cpu="indexing:in_top_k")
def in_top_k_v1(predictions, targets, *, k: int):
    """Whether targets[n] is among the k largest of predictions[n]; classes that tie with the k-th are all in."""
    return _is_in_top(predictions, targets, k)


@define_op("InTopKV2", "predictions: float32[N,C], targets: T[N], k: T[] -> precision: bool[N]", T=INDEX_TYPES,
           cpu="indexing:in_top_k_v2")
def in_top_k_v2(predictions, targets, k):
    """Whether targets[n] is among the k largest of predictions[n]; classes that tie with the k-th are all in."""
    return _is_in_top(predictions, targets, int(k))


in_top_k_v1.no_gradient("the result is bool")
in_top_k_v2.no_gradient("the result is bool")


def in_top_k(predictions, targets, k, name=None):
    """Whether class targets[n] is among the k largest of predictions[n], for each n."""
    with name_scope(name, "in_top_k"):
        return in_top_k_v2(predictions, targets, k)
