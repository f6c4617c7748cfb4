"""Elementwise functions of one tensor: powers, exponentials, trigonometry, rounding."""
import numpy as np

from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import elementwise
from thalweg.framework.dtypes import COMPLEX, FLOATS, INTS, bool_, int32, int64
from thalweg.framework.graph import name_scope

from . import complex as complex_numbers
from . import constant
from ._gradient import conjugated
from ._reference import widened

_SMOOTH = FLOATS + COMPLEX
_SIGNED = FLOATS + COMPLEX + (int32, int64)
_CPU = "elementwise:elementwise"
_STEPS = "the result is constant between its steps"


# --- sign and powers --------------------------------------------------------------------------------

@elementwise("Abs", "x: T -> y: T", T=FLOATS + INTS[:4], cpu=_CPU)
def abs_op(x):
    """|x|; the smallest integer has no positive counterpart and stays."""
    return np.abs(x)


@abs_op.gradient
def abs_grad(node, dy):
    return dy * sign(node.x)                     # 0 at x = 0


def abs(x, name=None):
    """|x|; of a complex number its modulus, a real number."""
    with name_scope(name, "Abs", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        if x.dtype.is_complex:
            return complex_numbers.complex_abs(x, Tout=x.dtype.real_dtype, name=scope)
        return abs_op(x, name=scope)


@elementwise("Neg", "x: T -> y: T", T=_SIGNED, cpu=_CPU, public="negative")
def negative(x):
    """-x."""
    return np.negative(x)


@negative.gradient
def negative_grad(node, dy):
    return -dy


@elementwise("Sign", "x: T -> y: T", T=_SIGNED, cpu=_CPU, public="sign")
def sign(x):
    """-1, 0 or 1 by the sign of x, 0 for NaN; x / |x| for complex numbers, 0 for 0."""
    if x.dtype.kind != "c":
        return np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype)
    modulus = np.abs(x)
    return np.where(modulus == 0, x, x / np.where(modulus == 0, 1, modulus)).astype(x.dtype)


@sign.gradient
def sign_grad(node, dy):
    return constant.zeros_like(node.x)


@elementwise("Square", "x: T -> y: T", T=_SIGNED, cpu=_CPU, public="square")
def square(x):
    """x * x."""
    return np.multiply(x, x)


@square.gradient
def square_grad(node, dy):
    return dy * (conjugated(node.x) * 2)


@elementwise("Sqrt", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="sqrt")
def sqrt(x):
    """The square root; NaN below 0."""
    return np.sqrt(x)


@sqrt.gradient
def sqrt_grad(node, dy):
    return sqrt_grad_op(node.y, dy)


@elementwise("SqrtGrad", "y: T, dy: T -> z: T", T=_SMOOTH, cpu=_CPU)
@widened
def sqrt_grad_op(y, dy):
    """dy / (2 y), the gradient of y = sqrt(x)."""
    return dy * y.dtype.type(0.5) / np.conj(y)


@sqrt_grad_op.gradient
def sqrt_grad_grad(node, dz):
    share = dz / node.y
    return -conjugated(share) * node.z, share * 0.5


@elementwise("Rsqrt", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="rsqrt")
@widened
def rsqrt(x):
    """1 / sqrt(x); infinite at 0, NaN below."""
    return x.dtype.type(1) / np.sqrt(x)


@rsqrt.gradient
def rsqrt_grad(node, dy):
    return rsqrt_grad_op(node.y, dy)


@elementwise("RsqrtGrad", "y: T, dy: T -> z: T", T=_SMOOTH, cpu=_CPU)
@widened
def rsqrt_grad_op(y, dy):
    """-dy y^3 / 2, the gradient of y = 1 / sqrt(x)."""
    y = np.conj(y)
    return dy * y.dtype.type(-0.5) * (y * y * y)


@rsqrt_grad_op.gradient
def rsqrt_grad_grad(node, dz):
    y = conjugated(node.y)
    return conjugated(dz) * node.dy * -1.5 * square(y), rsqrt_grad_op(y, dz)


def _reciprocal(x):
    if x.dtype.kind == "i" and not np.all(x):
        from .math import division_by_zero
        raise division_by_zero()
    return x.dtype.type(1) // x if x.dtype.kind == "i" else np.reciprocal(x)


@elementwise("Reciprocal", "x: T -> y: T", T=_SIGNED, cpu=_CPU, public="reciprocal")
def reciprocal(x):
    """1 / x."""
    return _reciprocal(x)


@elementwise("Inv", "x: T -> y: T", T=_SIGNED, cpu=_CPU)
def inv(x):
    """1 / x, the older name of Reciprocal."""
    return _reciprocal(x)


@reciprocal.gradient
@inv.gradient
def reciprocal_grad(node, dy):
    return reciprocal_grad_op(node.y, dy)


def _reciprocal_grad(y, dy):
    y = np.conj(y)
    return -dy * (y * y)


@elementwise("ReciprocalGrad", "y: T, dy: T -> z: T", T=_SMOOTH, cpu=_CPU)
@widened
def reciprocal_grad_op(y, dy):
    """-dy y^2, the gradient of y = 1 / x."""
    return _reciprocal_grad(y, dy)


@elementwise("InvGrad", "y: T, dy: T -> z: T", T=_SMOOTH, cpu=_CPU)
@widened
def inv_grad_op(y, dy):
    """-dy y^2, the older name of ReciprocalGrad."""
    return _reciprocal_grad(y, dy)


@reciprocal_grad_op.gradient
@inv_grad_op.gradient
def reciprocal_grad_grad(node, dz):
    y = conjugated(node.y)
    return conjugated(dz) * -2.0 * node.dy * y, reciprocal_grad_op(y, dz)


# --- exponentials -----------------------------------------------------------------------------------

@elementwise("Exp", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="exp")
def exp(x):
    """e to the power x."""
    return np.exp(x)


@exp.gradient
def exp_grad(node, dy):
    return dy * conjugated(node.y)


@elementwise("Expm1", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="expm1")
def expm1(x):
    """exp(x) - 1, exact also where x is small."""
    return np.expm1(x)


@expm1.gradient
def expm1_grad(node, dy):
    return dy * exp(conjugated(node.x))


@elementwise("Log", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="log")
def log(x):
    """The natural logarithm; minus infinity at 0, NaN below."""
    return np.log(x)


@log.gradient
def log_grad(node, dy):
    return dy * reciprocal(conjugated(node.x))


@elementwise("Log1p", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="log1p")
def log1p(x):
    """log(1 + x), exact also where x is small."""
    return np.log1p(x)


@log1p.gradient
def log1p_grad(node, dy):
    return dy * reciprocal(conjugated(node.x) + 1)


@elementwise("Sigmoid", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="sigmoid")
@widened
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    one = x.dtype.type(1)
    if x.dtype.kind == "c":
        return one / (one + np.exp(-x))
    decay = np.exp(-np.abs(x))                   # never overflows
    return np.where(x >= 0, one, decay) / (one + decay)


@sigmoid.gradient
def sigmoid_grad(node, dy):
    return sigmoid_grad_op(conjugated(node.y), dy)


@elementwise("SigmoidGrad", "y: T, dy: T -> z: T", T=_SMOOTH, cpu=_CPU)
@widened
def sigmoid_grad_op(y, dy):
    """dy y (1 - y), the gradient of y = sigmoid(x); of a complex one where y is its conjugate."""
    return dy * y * (y.dtype.type(1) - y)


@sigmoid_grad_op.gradient
def sigmoid_grad_grad(node, dz):
    y, both = conjugated(node.y), dz * conjugated(node.dy)
    return both - both * 2.0 * y, sigmoid_grad_op(y, dz)


# --- trigonometric and hyperbolic -------------------------------------------------------------------

@elementwise("Sin", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="sin")
def sin(x):
    """Sine of x radians."""
    return np.sin(x)


@sin.gradient
def sin_grad(node, dy):
    return dy * cos(conjugated(node.x))


@elementwise("Cos", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="cos")
def cos(x):
    """Cosine of x radians."""
    return np.cos(x)


@cos.gradient
def cos_grad(node, dy):
    return -dy * sin(conjugated(node.x))


def _of_integers(function):
    """TensorFlow lists integers for a few functions that have no integer results: an error when they run."""
    def body(x):
        if x.dtype.kind == "i":
            from thalweg.framework.errors import UnimplementedError
            raise UnimplementedError(None, None, f"{function.__name__} of {x.dtype}: try tf.cast(x, tf.float32).")
        return function(x)
    return body


_tan, _arcsin, _arccos, _arctan = map(_of_integers, (np.tan, np.arcsin, np.arccos, np.arctan))


@elementwise("Tan", "x: T -> y: T", T=_SIGNED, cpu=_CPU, public="tan")
def tan(x):
    """Tangent of x radians."""
    return _tan(x)


@tan.gradient
def tan_grad(node, dy):
    return dy * square(reciprocal(cos(conjugated(node.x))))


@elementwise("Asin", "x: T -> y: T", T=_SIGNED, cpu=_CPU, public="asin")
def asin(x):
    """The angle in [-pi/2, pi/2] whose sine is x; NaN outside [-1, 1]."""
    return _arcsin(x)


@asin.gradient
def asin_grad(node, dy):
    return dy * rsqrt(1 - square(conjugated(node.x)))


@elementwise("Acos", "x: T -> y: T", T=_SIGNED, cpu=_CPU, public="acos")
def acos(x):
    """The angle in [0, pi] whose cosine is x; NaN outside [-1, 1]."""
    return _arccos(x)


@acos.gradient
def acos_grad(node, dy):
    return -dy * rsqrt(1 - square(conjugated(node.x)))


@elementwise("Atan", "x: T -> y: T", T=_SIGNED, cpu=_CPU, public="atan")
def atan(x):
    """The angle in (-pi/2, pi/2) whose tangent is x."""
    return _arctan(x)


@atan.gradient
def atan_grad(node, dy):
    return dy * reciprocal(1 + square(conjugated(node.x)))


@elementwise("Sinh", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="sinh")
def sinh(x):
    """Hyperbolic sine."""
    return np.sinh(x)


@sinh.gradient
def sinh_grad(node, dy):
    return dy * cosh(conjugated(node.x))


@elementwise("Cosh", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="cosh")
def cosh(x):
    """Hyperbolic cosine."""
    return np.cosh(x)


@cosh.gradient
def cosh_grad(node, dy):
    return dy * sinh(conjugated(node.x))


@elementwise("Tanh", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="tanh")
def tanh(x):
    """Hyperbolic tangent."""
    return np.tanh(x)


@tanh.gradient
def tanh_grad(node, dy):
    return tanh_grad_op(conjugated(node.y), dy)


@elementwise("TanhGrad", "y: T, dy: T -> z: T", T=_SMOOTH, cpu=_CPU)
@widened
def tanh_grad_op(y, dy):
    """dy (1 - y^2), the gradient of y = tanh(x); of a complex one where y is its conjugate."""
    return dy * (y.dtype.type(1) - y * y)


@tanh_grad_op.gradient
def tanh_grad_grad(node, dz):
    y = conjugated(node.y)
    return dz * -2.0 * conjugated(node.dy) * y, tanh_grad_op(y, dz)


@elementwise("Asinh", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="asinh")
def asinh(x):
    """Inverse of sinh."""
    return np.arcsinh(x)


@asinh.gradient
def asinh_grad(node, dy):
    return dy / cosh(conjugated(node.y))


@elementwise("Acosh", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="acosh")
def acosh(x):
    """Inverse of cosh, not negative; NaN below 1."""
    return np.arccosh(x)


@acosh.gradient
def acosh_grad(node, dy):
    return dy / sinh(conjugated(node.y))


@elementwise("Atanh", "x: T -> y: T", T=_SMOOTH, cpu=_CPU, public="atanh")
def atanh(x):
    """Inverse of tanh; NaN outside [-1, 1]."""
    return np.arctanh(x)


@atanh.gradient
def atanh_grad(node, dy):
    return dy * reciprocal(1 - square(conjugated(node.x)))


# --- rounding and kinds of numbers ------------------------------------------------------------------

@elementwise("Floor", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="floor")
def floor(x):
    """The largest integer not above x."""
    return np.floor(x)


@elementwise("Ceil", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="ceil")
def ceil(x):
    """The smallest integer not below x."""
    return np.ceil(x)


@elementwise("Rint", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="rint")
def rint(x):
    """The nearest integer; halves go to the even one."""
    return np.rint(x)


@elementwise("Round", "x: T -> y: T", T=_SIGNED, cpu=_CPU)
def round_op(x):
    """The nearest integer; halves go to the even one. Only -0 gives -0: what is above it gives 0, as in TensorFlow."""
    return x if x.dtype.kind == "i" else np.where(x == 0, x, np.rint(x) + 0)


def round(x, name=None):
    """The nearest integer, halves to the even one; integers as they are."""
    x = convert_to_tensor(x, name="x")
    return x if x.dtype.is_integer else round_op(x, name=name)


@elementwise("IsNan", "x: T -> y: bool", T=FLOATS, cpu=_CPU, public="is_nan")
def is_nan(x):
    """Whether x is not a number."""
    return np.isnan(x)


@elementwise("IsInf", "x: T -> y: bool", T=FLOATS, cpu=_CPU, public="is_inf")
def is_inf(x):
    """Whether x is plus or minus infinity."""
    return np.isinf(x)


@elementwise("IsFinite", "x: T -> y: bool", T=FLOATS, cpu=_CPU, public="is_finite")
def is_finite(x):
    """Whether x is neither infinite nor NaN."""
    return np.isfinite(x)


for _op in (floor, ceil, rint, round_op):
    _op.no_gradient(_STEPS)
for _op in (is_nan, is_inf, is_finite):
    _op.no_gradient(f"the result is {bool_.name}")
