"""Comparisons and logic."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.declaration import elementwise
from thalweg.framework.dtypes import COMPLEX, FLOATS, NUMBERS, REALS, bool_, int8, int16, int32, int64, string, uint8

_CPU = "elementwise:elementwise"
_EQUAL = FLOATS + COMPLEX + (int8, int16, int32, int64, uint8, bool_, string)


def _with_same_shape(compare, otherwise, x, y, incompatible_shape_error):
    """An (in)equality; with the attribute off, tensors whose shapes do not broadcast are simply unequal."""
    if not incompatible_shape_error:
        try:
            np.broadcast_shapes(x.shape, y.shape)
        except ValueError:
            return np.array(otherwise)
    return compare(x, y).astype(bool)


@elementwise("Equal", "x: T, y: T -> z: bool", T=_EQUAL, cpu=_CPU, public="equal")
def equal(x, y, *, incompatible_shape_error: bool = True):
    """Whether x = y; NaN equals nothing."""
    return _with_same_shape(np.equal, False, x, y, incompatible_shape_error)


@elementwise("NotEqual", "x: T, y: T -> z: bool", T=_EQUAL, cpu=_CPU, public="not_equal")
def not_equal(x, y, *, incompatible_shape_error: bool = True):
    """Whether x and y differ; NaN differs from everything."""
    return _with_same_shape(np.not_equal, True, x, y, incompatible_shape_error)


@equal.shape
@not_equal.shape
def equal_shape(node, x, y):
    try:
        result = shapes.broadcast(x, y)
    except ValueError:
        if node.incompatible_shape_error:
            raise
        return ()
    return result if node.incompatible_shape_error or shapes.is_known(x) and shapes.is_known(y) else None


@elementwise("Less", "x: T, y: T -> z: bool", T=REALS, cpu=_CPU, public="less")
def less(x, y):
    """Whether x < y."""
    return np.less(x, y)


@elementwise("LessEqual", "x: T, y: T -> z: bool", T=REALS, cpu=_CPU, public="less_equal")
def less_equal(x, y):
    """Whether x <= y."""
    return np.less_equal(x, y)


@elementwise("Greater", "x: T, y: T -> z: bool", T=REALS, cpu=_CPU, public="greater")
def greater(x, y):
    """Whether x > y."""
    return np.greater(x, y)


@elementwise("GreaterEqual", "x: T, y: T -> z: bool", T=REALS, cpu=_CPU, public="greater_equal")
def greater_equal(x, y):
    """Whether x >= y."""
    return np.greater_equal(x, y)


@elementwise("ApproximateEqual", "x: T, y: T -> z: bool", T=NUMBERS, cpu=_CPU, public="approximate_equal")
def approximate_equal(x, y, *, tolerance: float = 1e-5):
    """Whether |x - y| < tolerance; x and y have one shape."""
    return np.abs(x - y) < tolerance


@approximate_equal.shape
def approximate_equal_shape(node, x, y):
    return shapes.merge(x, y)


@elementwise("LogicalAnd", "x: bool, y: bool -> z: bool", cpu=_CPU, public="logical_and")
def logical_and(x, y):
    """Whether both hold."""
    return np.logical_and(x, y)


@elementwise("LogicalOr", "x: bool, y: bool -> z: bool", cpu=_CPU, public="logical_or")
def logical_or(x, y):
    """Whether at least one holds."""
    return np.logical_or(x, y)


@elementwise("LogicalNot", "x: bool -> y: bool", cpu=_CPU, public="logical_not")
def logical_not(x):
    """Whether x does not hold."""
    return np.logical_not(x)


for _op in (equal, not_equal, less, less_equal, greater, greater_equal, approximate_equal, logical_and, logical_or,
            logical_not):
    _op.no_gradient("the result is bool")


def logical_xor(x, y, name="LogicalXor"):
    """Whether exactly one holds."""
    return logical_and(logical_or(x, y), logical_not(logical_and(x, y)), name=name)
