"""Operations on the bits of integers."""
import numpy as np

from thalweg.framework.declaration import define_op, elementwise
from thalweg.framework.dtypes import COMPLEX, FLOATS, INTS, DType

_CPU = "elementwise:elementwise"
_BITS = "bits have no gradient"


@elementwise("BitwiseAnd", "x: T, y: T -> z: T", T=INTS, cpu=_CPU, public="bitwise.bitwise_and")
def bitwise_and(x, y):
    """The bits that both have."""
    return np.bitwise_and(x, y)


@elementwise("BitwiseOr", "x: T, y: T -> z: T", T=INTS, cpu=_CPU, public="bitwise.bitwise_or")
def bitwise_or(x, y):
    """The bits that at least one has."""
    return np.bitwise_or(x, y)


@elementwise("BitwiseXor", "x: T, y: T -> z: T", T=INTS, cpu=_CPU, public="bitwise.bitwise_xor")
def bitwise_xor(x, y):
    """The bits that exactly one has."""
    return np.bitwise_xor(x, y)


@elementwise("Invert", "x: T -> y: T", T=INTS, cpu=_CPU, public="bitwise.invert")
def invert(x):
    """The bits that x lacks."""
    return np.invert(x)


def _within(x, y):
    """Shift distances as TensorFlow clamps them: at least 0, at most all bits but one."""
    return np.clip(y, 0, x.dtype.itemsize * 8 - 1).astype(x.dtype)


@elementwise("LeftShift", "x: T, y: T -> z: T", T=INTS, cpu=_CPU, public="bitwise.left_shift")
def left_shift(x, y):
    """The bits of x moved up by y places; y is clamped to the places that there are."""
    return np.left_shift(x, _within(x, y))


@elementwise("RightShift", "x: T, y: T -> z: T", T=INTS, cpu=_CPU, public="bitwise.right_shift")
def right_shift(x, y):
    """The bits of x moved down by y places, the sign repeated; y is clamped to the places that there are."""
    return np.right_shift(x, _within(x, y))


for _op in (bitwise_and, bitwise_or, bitwise_xor, invert, left_shift, right_shift):
    _op.no_gradient(_BITS)


@define_op("Bitcast", "input: T -> output: type", T=FLOATS + COMPLEX + INTS, type=FLOATS + COMPLEX + INTS,
           cpu="array:bitcast")
def bitcast_op(input, *, type: DType):
    """The same bytes read as another dtype: a smaller one adds a last dimension, a larger one takes it away."""
    have, want = input.dtype.itemsize, type.np.itemsize
    dense = np.ascontiguousarray(input).reshape(input.shape)
    if have == want:
        return dense.view(type.np)
    if have > want:
        return dense.reshape(input.shape + (1,)).view(type.np)
    return dense.view(type.np).reshape(input.shape[:-1])


@bitcast_op.shape
def bitcast_shape(node, x):
    have, want = node.T.size, node.attrs["type"].size
    if x is None or have == want:
        return x
    if have > want:
        return x + (have // want,)
    if not x or x[-1] not in (want // have, None):
        raise ValueError(f"the last dimension must be {want // have} to make one {node.attrs['type'].name} of each")
    return x[:-1]


bitcast_op.no_gradient(_BITS)


def bitcast(input, type, name=None):
    """The same bytes read as dtype `type`."""
    return bitcast_op(input, type=type, name=name)
