"""Arithmetic on two tensors, elementwise with broadcasting; sums of many tensors."""
import functools

import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op, elementwise
from thalweg.framework.dtypes import (
    COMPLEX,
    FLOATS,
    NUMBERS,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    string,
    uint8,
    uint16,
    variant,
)
from thalweg.framework.graph import Tensor, name_scope
from thalweg.framework.shapes import TensorShape

from . import _variants, array, cast, comparison, constant, select, unary
from ._gradient import conjugated
from ._reference import widened
from .broadcast import unbroadcast

_CPU = "elementwise:elementwise"
_SMOOTH = FLOATS + COMPLEX
_WIDE = _SMOOTH + (int8, int16, int32, int64, uint8, uint16)
_ORDERED = FLOATS + (int32, int64)
_STEPS = "the result is constant between its steps"


def _both(node, dx, dy):
    """The gradients of a binary op's inputs x and y, each summed to its operand's shape."""
    x, y = node.inputs
    return unbroadcast(dx, x, y), unbroadcast(dy, y, x)


# --- sums and products ------------------------------------------------------------------------------

@elementwise("Add", "x: T, y: T -> z: T", T=_SMOOTH + (int8, int16, int32, int64, uint8, string), cpu=_CPU,
             public="add")
def add(x, y):
    """x + y; strings are joined."""
    return np.add(x, y)


@elementwise("AddV2", "x: T, y: T -> z: T", T=_SMOOTH + (int8, int16, int32, int64, uint8), cpu=_CPU)
def add_v2(x, y):
    """x + y, for numbers only: what the operator + builds."""
    return np.add(x, y)


@add.gradient
@add_v2.gradient
def add_grad(node, dz):
    return _both(node, dz, dz)


@elementwise("Sub", "x: T, y: T -> z: T", T=_WIDE, cpu=_CPU, public="subtract")
def subtract(x, y):
    """x - y."""
    return np.subtract(x, y)


@subtract.gradient
def subtract_grad(node, dz):
    dx, dy = _both(node, dz, dz)
    return dx, -dy


@elementwise("Mul", "x: T, y: T -> z: T", T=_WIDE, cpu=_CPU, public="multiply")
def multiply(x, y):
    """x * y."""
    return np.multiply(x, y)


@multiply.gradient
def multiply_grad(node, dz):
    return _both(node, dz * conjugated(node.y), conjugated(node.x) * dz)


@elementwise("MulNoNan", "x: T, y: T -> z: T", T=_SMOOTH, cpu=_CPU, public="math.multiply_no_nan")
def mul_no_nan(x, y):
    """x * y, and 0 where y is 0, even if x is infinite or NaN."""
    return np.where(y == 0, x.dtype.type(0), np.multiply(x, y))


@mul_no_nan.gradient
def mul_no_nan_grad(node, dz):
    return _both(node, mul_no_nan(dz, node.y), mul_no_nan(node.x, dz))


@elementwise("SquaredDifference", "x: T, y: T -> z: T", T=_SMOOTH + (int32, int64), cpu=_CPU,
             public="squared_difference")
@widened
def squared_difference(x, y):
    """(x - y)^2, for complex numbers the squared modulus of x - y."""
    return (x - y) * np.conj(x - y)


@squared_difference.gradient
def squared_difference_grad(node, dz):
    dx, dy = _both(node, *[dz * 2 * (node.x - node.y)] * 2)
    return dx, -dy


@define_op("AddN", "inputs: N*T -> sum: T", T=(*NUMBERS, variant), cpu="elementwise:elementwise")
@widened
def add_n_op(inputs):
    """The sum of tensors of one shape, added from left to right; of lists, that of their elements."""
    return functools.reduce(_variants.added, inputs)


def _merged(node, values):
    """Shape rule: all inputs have one shape."""
    result = None
    for value in values:
        try:
            result = shapes.merge(result, value)
        except ValueError:
            raise ValueError(f"Shapes must be equal: {', '.join(map(shapes.text, values))}") from None
    return result


@define_op("AccumulateNV2", "inputs: N*T -> sum: T", T=NUMBERS, cpu="elementwise:elementwise")
@widened
def accumulate_n_op(inputs, *, shape: TensorShape):
    """The sum of tensors of one shape, which is known; added from left to right."""
    return sum(inputs[1:], inputs[0])


@add_n_op.shape
def add_n_shape(node, values):
    return _merged(node, values)


@accumulate_n_op.shape
def accumulate_n_shape(node, values):
    return _merged(node, [*values, node.shape])


@add_n_op.gradient
@accumulate_n_op.gradient
def add_n_grad(node, dy):
    return [dy] * len(node.inputs)


def add_n(inputs, name=None):
    """The sum of a list of tensors (or IndexedSlices) of one shape and dtype."""
    if not inputs or not isinstance(inputs, (list, tuple)):
        raise ValueError("inputs must be a list of at least one Tensor/IndexedSlices with the same dtype and shape")
    values = [value if hasattr(value, "indices") else convert_to_tensor(value) for value in inputs]
    if len(values) == 1:
        only = convert_to_tensor(values[0])
        return array.identity(only, name=name) if name else only
    return add_n_op(values, name=name)


def accumulate_n(inputs, shape=None, tensor_dtype=None, name=None):
    """The sum of a list of tensors of one known shape and dtype."""
    if not inputs or not isinstance(inputs, (list, tuple)):
        raise ValueError("inputs must be a list of at least one Tensor with the same dtype and shape")
    values = [value if hasattr(value, "indices") else convert_to_tensor(value) for value in inputs]
    known = _merged(None, [shapes.plain(shape), *[v._shape for v in values]])
    if len(values) == 1 and name is None:
        return values[0]
    return accumulate_n_op(values, shape=known, name=name)


def scalar_mul(scalar, x, name=None):
    """x, a tensor or IndexedSlices, times a scalar."""
    scalar = convert_to_tensor(scalar, x.dtype.base_dtype, name="scalar")
    if scalar._shape != ():
        raise errors.ShapeError(f"Only scalar multiply works, got shape {shapes.text(scalar._shape)}")
    if hasattr(x, "indices"):
        return type(x)(multiply(scalar, x.values, name=name), x.indices, x.dense_shape)
    return multiply(scalar, x, name=name)


# --- division ---------------------------------------------------------------------------------------

def division_by_zero():
    """The error of an integer division by zero."""
    return errors.InvalidArgumentError(None, None, "Integer division by zero")


def _truncated_quotient(x, y):
    """x / y of integers without the fraction, as in C."""
    quotient = np.floor_divide(x, y)
    if x.dtype.kind == "u":
        return quotient
    return (quotient + ((np.multiply(quotient, y) != x) & ((x < 0) != (y < 0)))).astype(x.dtype)


def _checked_divisor(y):
    if y.dtype.kind in "iu" and not np.all(y):
        raise division_by_zero()


@elementwise("RealDiv", "x: T, y: T -> z: T", T=_WIDE, cpu=_CPU, public="realdiv")
def realdiv(x, y):
    """x / y of real numbers; of integers without the fraction."""
    _checked_divisor(y)
    return _truncated_quotient(x, y) if x.dtype.kind in "iu" else np.divide(x, y)


@elementwise("Div", "x: T, y: T -> z: T", T=_WIDE, cpu=_CPU)
def div_op(x, y):
    """x / y; of integers without the fraction."""
    _checked_divisor(y)
    return _truncated_quotient(x, y) if x.dtype.kind in "iu" else np.divide(x, y)


@realdiv.gradient
@div_op.gradient
def realdiv_grad(node, dz):
    x, y = conjugated(node.x), conjugated(node.y)
    return _both(node, realdiv(dz, y), dz * realdiv(realdiv(-x, y), y))


@elementwise("TruncateDiv", "x: T, y: T -> z: T", T=_WIDE, cpu=_CPU, public="truncatediv")
def truncatediv(x, y):
    """The integer part of x / y, rounded towards 0."""
    _checked_divisor(y)
    return _truncated_quotient(x, y) if x.dtype.kind in "iu" else np.trunc(np.divide(x, y))


truncatediv.no_gradient(_STEPS)


@elementwise("FloorDiv", "x: T, y: T -> z: T", T=_WIDE, cpu=_CPU, public="floor_div")
@widened
def floor_div(x, y):
    """The largest integer not above x / y."""
    _checked_divisor(y)
    if x.dtype.kind == "c":
        raise errors.UnimplementedError(None, None, "FloorDiv has no meaning for complex numbers")
    return np.floor_divide(x, y) if x.dtype.kind in "iu" else np.floor(np.divide(x, y))


floor_div.no_gradient(_STEPS)


@elementwise("FloorMod", "x: T, y: T -> z: T", T=_ORDERED, cpu=_CPU, public="floormod")
@widened
def floormod(x, y):
    """x - y floor(x / y): the remainder that has the sign of y."""
    _checked_divisor(y)
    if x.dtype.kind in "iu":
        return np.mod(x, y)
    rest = np.fmod(x, y)
    return np.where((x < 0) == (y < 0), rest, np.fmod(rest + y, y))


@floormod.gradient
def floormod_grad(node, dz):
    return _both(node, dz, dz * -floor_div(node.x, node.y))


def _fmod(x, y):
    _checked_divisor(y)
    return np.fmod(x, y)


@elementwise("Mod", "x: T, y: T -> z: T", T=_ORDERED, cpu=_CPU)
def mod_op(x, y):
    """The remainder of x / y that has the sign of x, as in C."""
    return _fmod(x, y)


@elementwise("TruncateMod", "x: T, y: T -> z: T", T=_ORDERED, cpu=_CPU, public="truncatemod")
def truncatemod(x, y):
    """The remainder of x / y that has the sign of x, as in C."""
    return _fmod(x, y)


@mod_op.gradient
@truncatemod.gradient
def truncatemod_grad(node, dz):
    return _both(node, dz, dz * -truncatediv(node.x, node.y))


@elementwise("DivNoNan", "x: T, y: T -> z: T", T=_SMOOTH, cpu=_CPU)
def div_no_nan_op(x, y):
    """x / y, and 0 where y is 0."""
    return np.where(y == 0, x.dtype.type(0), np.divide(x, y))


@div_no_nan_op.gradient
def div_no_nan_grad(node, dz):
    x, y = conjugated(node.x), conjugated(node.y)
    return _both(node, div_no_nan_op(dz, y), dz * div_no_nan_op(div_no_nan_op(-x, y), y))


_QUOTIENT = {uint8: float32, int8: float32, uint16: float32, int16: float32, int32: float64, int64: float64}


def truediv(x, y, name=None):
    """x / y; integers are divided as float32 (8 and 16 bits) or float64."""
    with name_scope(name, "truediv", [x, y]) as scope:
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, name="y")
        dtype = x.dtype.base_dtype
        if y.dtype.base_dtype is not dtype:
            raise errors.DTypeError(f"x and y must have the same dtype, got {dtype!r} != {y.dtype.base_dtype!r}. "
                                    f"Try tf.cast(y, tf.{dtype.name}).")
        if dtype in _QUOTIENT:
            x, y = cast.cast(x, _QUOTIENT[dtype]), cast.cast(y, _QUOTIENT[dtype])
        return realdiv(x, y, name=scope)


def divide(x, y, name=None):
    """x / y by Python's rules: what the operator builds."""
    if name is not None:
        return truediv(x, y, name)
    return x / y if isinstance(x, Tensor) or isinstance(y, Tensor) else convert_to_tensor(x) / y


def div(x, y, name=None):
    """x / y by Python 2's rules: of integers the floor."""
    with name_scope(name, "div", [x, y]) as scope:
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, x.dtype.base_dtype, name="y")
        divided = realdiv if x.dtype.is_floating or x.dtype.is_complex else floor_div
        return divided(x, y, name=scope)


def div_no_nan(x, y, name=None):
    """x / y, and 0 where y is 0."""
    with name_scope(name, "div_no_nan", [x, y]) as scope:
        x = convert_to_tensor(x, name="x")
        return div_no_nan_op(x, convert_to_tensor(y, x.dtype.base_dtype, name="y"), name=scope)


def floordiv(x, y, name=None):
    """The largest integer not above x / y."""
    with name_scope(name, "floordiv", [x, y]) as scope:
        return floor_div(x, y, name=scope)


# --- powers, extrema, angles ------------------------------------------------------------------------

@elementwise("Pow", "x: T, y: T -> z: T", T=_SMOOTH + (int32, int64), cpu=_CPU)
def pow_op(x, y):
    """x to the power y; integers only to powers that are not negative."""
    if y.dtype.kind in "iu" and np.any(y < 0):
        raise errors.InvalidArgumentError(None, None, "Integers to negative integer powers are not allowed")
    return np.power(x, y)


@pow_op.gradient
def pow_grad(node, dz):
    x, y, z = (conjugated(t) for t in (node.x, node.y, node.z))
    has_log = comparison.not_equal(x, 0) if x.dtype.is_complex else comparison.greater(x, 0)
    safe = select.where(has_log, x, constant.ones_like(x))
    logarithm = select.where(has_log, unary.log(safe), constant.zeros_like(x))
    return _both(node, dz * y * pow_op(x, y - 1), dz * z * logarithm)


def pow(x, y, name=None):
    """x to the power y."""
    with name_scope(name, "Pow", [x]) as scope:
        return pow_op(x, y, name=scope)


@elementwise("Maximum", "x: T, y: T -> z: T", T=_ORDERED, cpu=_CPU, public="maximum")
def maximum(x, y):
    """The larger of x and y; x where they are equal or not comparable."""
    return np.where(x < y, y, x)


@maximum.gradient
def maximum_grad(node, dz):
    return _chosen(node, dz, comparison.greater_equal(node.x, node.y))


@elementwise("Minimum", "x: T, y: T -> z: T", T=_ORDERED, cpu=_CPU, public="minimum")
def minimum(x, y):
    """The smaller of x and y; x where they are equal or not comparable."""
    return np.where(y < x, y, x)


@minimum.gradient
def minimum_grad(node, dz):
    return _chosen(node, dz, comparison.less_equal(node.x, node.y))


def _chosen(node, dz, is_x):
    """All of the gradient goes to x where x was chosen, ties included, else to y."""
    none = constant.zeros_like(dz)
    return _both(node, select.where(is_x, dz, none), select.where(is_x, none, dz))


@elementwise("Atan2", "y: T, x: T -> z: T", T=FLOATS, cpu=_CPU, public="atan2")
def atan2(y, x):
    """The angle of the point (x, y), in (-pi, pi]."""
    return np.arctan2(y, x)


@atan2.gradient
def atan2_grad(node, dz):
    share = dz / (unary.square(node.x) + unary.square(node.y))
    return _both(node, node.x * share, share * -node.y)


@elementwise("Xlogy", "x: T, y: T -> z: T", T=_SMOOTH, cpu=_CPU, public="math.xlogy")
@widened
def xlogy(x, y):
    """x log(y), and 0 where x is 0."""
    return np.where(x == 0, x.dtype.type(0), x * np.log(y))


@xlogy.gradient
def xlogy_grad(node, dz):
    x, y = conjugated(node.x), conjugated(node.y)
    return _both(node, dz * xlogy(_is_not_zero(x), y), dz * xdivy(x, y))


@elementwise("Xdivy", "x: T, y: T -> z: T", T=_SMOOTH, cpu=_CPU, public="math.xdivy")
def xdivy(x, y):
    """x / y, and 0 where x is 0."""
    return np.where(x == 0, x.dtype.type(0), np.divide(x, y))


@xdivy.gradient
def xdivy_grad(node, dz):
    x, y = conjugated(node.x), conjugated(node.y)
    return _both(node, dz * xdivy(_is_not_zero(x), y), dz * xdivy(-x, unary.square(y)))


def _is_not_zero(x):
    return cast.cast(comparison.not_equal(x, constant.constant(0, x.dtype.base_dtype)), x.dtype.base_dtype)


@elementwise("NextAfter", "x1: T, x2: T -> output: T", T=(float32, float64), cpu=_CPU, public="math.nextafter")
def nextafter(x1, x2):
    """The number next to x1 in the direction of x2."""
    return np.nextafter(x1, x2)


@nextafter.gradient
def nextafter_grad(node, dy):
    ones, zeros = constant.ones_like(node.x1), constant.zeros_like(node.x2)
    return _both(node, ones * dy, zeros * dy)

