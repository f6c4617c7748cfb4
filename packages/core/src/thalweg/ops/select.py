"""Choosing elements: `tf.where` and what it builds."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import NUMBERS, bool_
from thalweg.framework.graph import name_scope

from . import broadcast, constant


@define_op("Where", "input: T -> index: int64[N, R]", T=NUMBERS + (bool_,))
def where_op(input):
    """The positions of the elements that are not 0, one row each, in row-major order."""
    places = np.argwhere(input)
    return places.astype(np.int64).reshape(len(places), input.ndim)


@where_op.shape
def where_shape(node, x):
    return {"R": None if x is None else len(x)}


where_op.no_gradient("positions are integers")


@define_op("Select", "condition: bool, t: T, e: T -> output: T", cpu="elementwise:elementwise")
def select(condition, t, e):
    """t where the condition holds, else e: element by element, or row by row for a condition of rank 0 or 1."""
    if condition.ndim < t.ndim:
        condition = condition.reshape(condition.shape + (1,) * (t.ndim - condition.ndim))
    return np.where(condition, t, e)


@select.shape
def select_shape(node, condition, t, e):
    try:
        result = shapes.merge(t, e)
    except ValueError:
        raise ValueError(f"t and e must have one shape, not {shapes.text(t)} and {shapes.text(e)}") from None
    if result is not None and condition is not None and condition != ():
        rows = result[:1] if len(condition) == 1 else result
        if len(condition) != len(rows) or not shapes.compatible(condition, rows):
            raise ValueError(f"condition has shape {shapes.text(condition)}: it must be a scalar, have the shape of "
                             f"t, {shapes.text(result)}, or be a vector with one entry per row")
    return result


@select.gradient
def select_grad(node, dy):
    none = constant.zeros_like(dy)
    return None, select(node.condition, dy, none), select(node.condition, none, dy)


@define_op("SelectV2", "condition: bool, t: T, e: T -> output: T", cpu="elementwise:elementwise")
def select_v2(condition, t, e):
    """t where the condition holds, else e; all three are broadcast against each other."""
    return np.where(condition, t, e)


@select_v2.shape
def select_v2_shape(node, condition, t, e):
    return shapes.broadcast(condition, shapes.broadcast(t, e))


@select_v2.gradient
def select_v2_grad(node, dy):
    none = constant.zeros_like(dy)
    dt, de = select_v2(node.condition, dy, none), select_v2(node.condition, none, dy)
    return (None, broadcast.unbroadcast(dt, node.t, node.condition, node.e),
            broadcast.unbroadcast(de, node.e, node.condition, node.t))


def where(condition, x=None, y=None, name=None):
    """With x and y: x where `condition` holds, else y. Without: the positions where it holds, int64 [N, rank]."""
    if x is None and y is None:
        with name_scope(name, "Where", [condition]) as scope:
            condition = convert_to_tensor(condition, preferred_dtype=bool_, name="condition")
            return where_op(condition, name=scope)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return select(condition, x, y, name=name)


def where_v2(condition, x=None, y=None, name=None):
    """As `where`, but condition, x and y are broadcast against each other."""
    if x is None or y is None:
        return where(condition, x, y, name)
    return select_v2(condition, x, y, name=name)
