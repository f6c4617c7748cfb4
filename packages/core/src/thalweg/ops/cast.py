"""Conversions between element types."""
import numpy as np

from thalweg.framework import dtypes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType, as_dtype
from thalweg.framework.graph import Tensor, name_scope
from thalweg.framework.packed import to_float32, to_packed

from . import math as arithmetic

_CASTABLE = dtypes.NUMBERS + (dtypes.bool_, dtypes.bfloat16)


@define_op("Cast", "x: SrcT -> y: DstT", kind="elementwise", cpu="cast:cast", SrcT=_CASTABLE, DstT=_CASTABLE)
def cast_op(x, *, DstT: DType, Truncate: bool = False):
    """x as `DstT`: reals go to integers by dropping the fraction, anything but 0 is True, complex loses its imaginary
    part. Reals round to the nearest, ties to even; `Truncate` drops the surplus bits instead (to bfloat16 only)."""
    if x.dtype.names:
        x = to_float32(x)
    if DstT.np.names:
        return _truncated(x) if Truncate else to_packed(x, DstT)
    if x.dtype.kind == "c" and DstT.kind not in "cb":
        x = x.real
    return x.astype(DstT.np)


def _truncated(x):
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32) >> 16
    return bits.astype(np.uint16).view(dtypes.bfloat16.np)


@cast_op.gradient
def cast_grad(node, dy):
    smooth = dtypes.FLOATS + dtypes.COMPLEX + (dtypes.bfloat16,)
    if node.SrcT in smooth and node.DstT in smooth:
        return cast(dy, node.SrcT)
    return None


def cast(x, dtype, name=None):
    """x as `dtype`; a tensor that has it already comes back as it is. IndexedSlices stay sparse."""
    dtype = as_dtype(dtype).base_dtype
    if isinstance(x, Tensor) and x.dtype is dtype:
        return x
    with name_scope(name, "Cast", [x]) as scope:
        if hasattr(x, "indices") and hasattr(x, "values") and hasattr(x, "dense_shape"):
            return type(x)(cast(x.values, dtype, name=scope), x.indices, x.dense_shape)
        x = convert_to_tensor(x, name="x")
        return x if x.dtype.base_dtype is dtype else cast_op(x, DstT=dtype, name=scope)


def saturate_cast(value, dtype, name=None):
    """value as `dtype`, after it was clipped to what `dtype` can hold."""
    with name_scope(name, "saturate_cast", [value]) as scope:
        value = convert_to_tensor(value, name="value")
        dtype = as_dtype(dtype).base_dtype
        if value.dtype.min < dtype.min:
            value = arithmetic.maximum(value, convert_to_tensor(dtype.min, value.dtype, name="min"))
        if value.dtype.max > dtype.max:
            value = arithmetic.minimum(value, convert_to_tensor(dtype.max, value.dtype, name="max"))
        return cast(value, dtype, name=scope)


def _caster(dtype, default_name):
    def to(x, name=default_name):
        return cast(x, dtype, name=name)
    to.__name__ = to.__qualname__ = f"to_{dtype.name}"
    to.__doc__ = f"x as {dtype.name}; the older spelling of tf.cast(x, tf.{dtype.name})."
    return to


to_float = _caster(dtypes.float32, "ToFloat")
to_double = _caster(dtypes.float64, "ToDouble")
to_int32 = _caster(dtypes.int32, "ToInt32")
to_int64 = _caster(dtypes.int64, "ToInt64")
to_complex64 = _caster(dtypes.complex64, "ToComplex64")
to_complex128 = _caster(dtypes.complex128, "ToComplex128")
to_bfloat16 = _caster(dtypes.bfloat16, "ToBFloat16")

