"""Complex numbers: their parts, conjugates and moduli."""
import numpy as np

from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import elementwise
from thalweg.framework.dtypes import COMPLEX, DType, complex64, complex128, float32, float64
from thalweg.framework.errors import DTypeError
from thalweg.framework.graph import name_scope

from . import constant, math, unary
from .broadcast import unbroadcast

_CPU = "elementwise:elementwise"
_REAL = (float32, float64)


@elementwise("Conj", "input: T -> output: T", T=COMPLEX, cpu=_CPU)
def conj_op(input):
    """The complex conjugate."""
    return np.conj(input)


@conj_op.gradient
def conj_grad(node, dy):
    return conj_op(dy)


@elementwise("Real", "input: T -> output: Tout", T=COMPLEX, Tout=_REAL, cpu=_CPU)
def real_op(input, *, Tout: DType = float32):
    """The real part."""
    return input.real.astype(Tout.np)


@real_op.gradient
def real_grad(node, dy):
    return complex(dy, constant.constant(0, dy.dtype))


@elementwise("Imag", "input: T -> output: Tout", T=COMPLEX, Tout=_REAL, cpu=_CPU)
def imag_op(input, *, Tout: DType = float32):
    """The imaginary part."""
    return input.imag.astype(Tout.np)


@imag_op.gradient
def imag_grad(node, dy):
    return complex(constant.constant(0, dy.dtype), dy)


@elementwise("Angle", "input: T -> output: Tout", T=COMPLEX, Tout=_REAL, cpu=_CPU)
def angle_op(input, *, Tout: DType = float32):
    """The argument, in (-pi, pi]."""
    return np.angle(input).astype(Tout.np)


@angle_op.gradient
def angle_grad(node, dy):
    z = node.input
    return complex(dy, constant.zeros_like(dy)) * -unary.reciprocal(complex(imag(z), real(z)))


@elementwise("ComplexAbs", "x: T -> y: Tout", T=COMPLEX, Tout=_REAL, cpu=_CPU)
def complex_abs(x, *, Tout: DType = float32):
    """The modulus."""
    return np.abs(x).astype(Tout.np)


@complex_abs.gradient
def complex_abs_grad(node, dy):
    return complex(math.div_no_nan(dy, node.y), constant.zeros_like(dy)) * node.x


@elementwise("Complex", "real: T, imag: T -> out: Tout", T=_REAL, Tout=COMPLEX, cpu=_CPU)
def complex_op(real, imag, *, Tout: DType = complex64):
    """real + imag i."""
    result = np.empty(np.broadcast_shapes(real.shape, imag.shape), Tout.np)
    result.real, result.imag = real, imag
    return result


@complex_op.gradient
def complex_grad(node, dy):
    return unbroadcast(real(dy), node.real, node.imag), unbroadcast(imag(dy), node.imag, node.real)


def complex(real, imag, name=None):
    """Complex numbers of two real tensors: float32 gives complex64, float64 complex128."""
    real = convert_to_tensor(real, name="real")
    imag = convert_to_tensor(imag, name="imag")
    with name_scope(name, "Complex", [real, imag]) as scope:
        result = {(float64, float64): complex128, (float32, float32): complex64}.get(
            (real.dtype.base_dtype, imag.dtype.base_dtype))
        if result is None:
            raise DTypeError(f"real and imag have incorrect types: {real.dtype.name} {imag.dtype.name}; expected two "
                             "float32 or two float64 tensors")
        return complex_op(real, imag, Tout=result, name=scope)


def real(input, name=None):
    """The real part; real tensors as they are."""
    with name_scope(name, "Real", [input]) as scope:
        return real_op(input, Tout=input.dtype.real_dtype, name=scope) if input.dtype.is_complex else input


def imag(input, name=None):
    """The imaginary part; zeros for real tensors."""
    with name_scope(name, "Imag", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        if input.dtype.is_complex:
            return imag_op(input, Tout=input.dtype.real_dtype, name=scope)
        return constant.zeros_like(input)


def angle(input, name=None):
    """The argument in radians; of real tensors 0, or pi below 0."""
    with name_scope(name, "Angle", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        if input.dtype.is_complex:
            return angle_op(input, Tout=input.dtype.real_dtype, name=scope)
        return constant.zeros_like(input)


def conj(x, name=None):
    """The complex conjugate; real tensors as they are."""
    x = convert_to_tensor(x, name="x") if not hasattr(x, "dtype") else x
    if not x.dtype.is_complex:
        if not (x.dtype.is_floating or x.dtype.is_integer):
            raise DTypeError(f"Expected numeric tensor, got dtype {x.dtype!r}")
        return x
    with name_scope(name, "Conj", [x]) as scope:
        return conj_op(convert_to_tensor(x, name="x"), name=scope)
