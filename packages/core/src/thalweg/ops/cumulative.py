"""Running sums and products."""
import numpy as np

from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import NUMBERS
from thalweg.framework.graph import name_scope

from . import array
from ._reference import accurate

_SIGNATURE = "x: T, axis: Tidx[] -> out: T"


def _running(accumulate, neutral, x, axis, exclusive, reverse):
    axis = int(axis)
    wide = np.flip(x, axis) if reverse else x
    result = accumulate(wide, axis, dtype=accurate(x.dtype)).astype(x.dtype)
    if exclusive:
        first = np.full_like(np.take(result, [0], axis), neutral) if x.shape[axis] else result
        result = np.concatenate([first, np.delete(result, -1, axis)], axis) if x.shape[axis] else result
    return np.flip(result, axis) if reverse else result


@define_op("Cumsum", _SIGNATURE, T=NUMBERS, Tidx=INDEX_TYPES, cpu="reduction:cumsum")
def cumsum_op(x, axis, *, exclusive: bool = False, reverse: bool = False):
    """Running sums along `axis`; `exclusive` leaves the element itself out, `reverse` runs from the end."""
    return _running(np.cumsum, 0, x, axis, exclusive, reverse)


@define_op("Cumprod", _SIGNATURE, T=NUMBERS, Tidx=INDEX_TYPES, cpu="reduction:cumprod")
def cumprod_op(x, axis, *, exclusive: bool = False, reverse: bool = False):
    """Running products along `axis`; `exclusive` leaves the element itself out, `reverse` runs from the end."""
    return _running(np.cumprod, 1, x, axis, exclusive, reverse)


def _cumulative_shape(node, x, axis_shape):
    axis = node.constant(1)
    if x is not None and axis is not None:
        array.normal_axis(int(axis), len(x))
    return x


cumsum_op.shape(_cumulative_shape)
cumprod_op.shape(_cumulative_shape)


@cumsum_op.gradient
def cumsum_grad(node, dy):
    return cumsum(dy, node.axis, exclusive=node.exclusive, reverse=not node.reverse), None


@cumprod_op.gradient
def cumprod_grad(node, dy):
    """As TensorFlow: the products times dy, summed from the other side, over x; NaN where x is 0."""
    share = cumsum(node.out * dy, node.axis, exclusive=node.exclusive, reverse=not node.reverse)
    return share / node.x, None


def cumsum(x, axis=0, exclusive=False, reverse=False, name=None):
    """Running sums along `axis`; `exclusive` leaves the element itself out, `reverse` runs from the end."""
    with name_scope(name, "Cumsum", [x]) as scope:
        return cumsum_op(convert_to_tensor(x, name="x"), axis, exclusive=exclusive, reverse=reverse, name=scope)


def cumprod(x, axis=0, exclusive=False, reverse=False, name=None):
    """Running products along `axis`; `exclusive` leaves the element itself out, `reverse` runs from the end."""
    with name_scope(name, "Cumprod", [x]) as scope:
        return cumprod_op(convert_to_tensor(x, name="x"), axis, exclusive=exclusive, reverse=reverse, name=scope)
