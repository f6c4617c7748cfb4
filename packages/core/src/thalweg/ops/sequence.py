"""Sequences of numbers."""
import numpy as np

from thalweg.framework import errors
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import float32, float64, int32, int64
from thalweg.framework.graph import name_scope

from . import cast


def _count(start, limit, delta):
    if delta == 0:
        raise ValueError("Requires delta != 0: 0")
    if (delta > 0 and start > limit) or (delta < 0 and start < limit):
        relation = "<=" if delta > 0 else ">="
        raise ValueError(f"Requires start {relation} limit when delta {'>' if delta > 0 else '<'} 0: {start}/{limit}")
    if isinstance(delta, (int, np.integer)):
        return max(0, -((int(start) - int(limit)) // int(delta)))
    return int(np.ceil(abs((float(limit) - float(start)) / float(delta))))


@define_op("Range", "start: Tidx[], limit: Tidx[], delta: Tidx[] -> output: Tidx[N]",
           Tidx=(float32, float64, int32, int64), cpu="array:range")
def range_op(start, limit, delta):
    """start, start + delta, ... below limit (above it, for a negative delta); each is the last one plus delta."""
    try:
        count = _count(start[()], limit[()], delta[()])
    except ValueError as error:
        raise errors.InvalidArgumentError(None, None, str(error)) from error
    if start.dtype.kind == "i":
        return (int(start) + int(delta) * np.arange(count)).astype(start.dtype)
    steps = np.full(count, delta, start.dtype)
    steps[:1] = start
    return np.add.accumulate(steps, dtype=start.dtype)


@range_op.shape
def range_shape(node, *scalars):
    bounds = [node.constant(k) for k in (0, 1, 2)]
    return {} if any(b is None for b in bounds) else {"N": _count(*[b[()] for b in bounds])}


range_op.no_gradient("a sequence is not differentiated with respect to its bounds")

_ORDER = (int32, int64, float32, float64)


def range(start, limit=None, delta=1, dtype=None, name="range"):
    """The sequence start, start + delta, ... below limit; with one argument 0, 1, ... below it.

    The dtype is the widest of the arguments' (int32 < int64 < float32 < float64) unless `dtype` gives it.
    """
    if limit is None:
        start, limit = 0, start
    with name_scope(name, "Range", [start, limit, delta]) as scope:
        start = convert_to_tensor(start, dtype, name="start")
        limit = convert_to_tensor(limit, dtype, name="limit")
        delta = convert_to_tensor(delta, dtype, name="delta")
        if dtype is None:
            widest = max((start, limit, delta), key=lambda t: _rank_of(t.dtype.base_dtype)).dtype.base_dtype
            start, limit, delta = (cast.cast(t, widest) for t in (start, limit, delta))
        return range_op(start, limit, delta, name=scope)


def _rank_of(dtype):
    if dtype not in _ORDER:
        raise errors.DTypeError(f"tf.range takes int32, int64, float32 or float64, not {dtype.name}")
    return _ORDER.index(dtype)


@define_op("LinSpace", "start: T[], stop: T[], num: Tidx[] -> output: T[N]", T=(float32, float64), Tidx=INDEX_TYPES,
           cpu="array:lin_space", public="lin_space")
def lin_space(start, stop, num):
    """`num` evenly spaced numbers from start to stop, both included."""
    count = int(num)
    if count <= 0:
        raise errors.InvalidArgumentError(None, None, f"Requires num > 0: {count}")
    if count == 1:
        return np.array([start], start.dtype)
    step = (stop - start) / start.dtype.type(count - 1)
    result = start + step * np.arange(count, dtype=start.dtype)
    result[-1] = stop
    return result.astype(start.dtype)


@lin_space.shape
def lin_space_shape(node, *scalars):
    count = node.constant(2)
    if count is not None and count <= 0:
        raise ValueError(f"Requires num > 0: {int(count)}")
    return {} if count is None else {"N": int(count)}


lin_space.no_gradient("a sequence is not differentiated with respect to its bounds")

linspace = lin_space
