"""Arrays of the types that NumPy lacks: bfloat16 and the quantized integers.

Inside of thalweg they are one-field records, the raw bits under the type's name. What a user gives may as well be
numbers or an array of the package ml_dtypes; what a user gets can be computed with.
"""
import numpy as np

from . import dtypes
from .dtypes import is_numpy_bfloat16, numpy_bfloat16

_HALF = np.uint32(16)                    # bits; NumPy before 2.0 would make 64 of a lone uint32 and a Python int


def to_packed(values, dtype):
    """`values` (records, numbers, or some package's bfloat16) as the records that stand for `dtype`."""
    array = np.asarray(values)
    if array.dtype.names == dtype.np.names:
        return array.astype(dtype.np, copy=False)
    if dtype is dtypes.bfloat16:
        return _to_bfloat16(array)
    if array.dtype.names:
        raise TypeError(f"an array of {array.dtype} does not fit {dtype.name}")
    result = np.empty(array.shape, dtype.np)
    result[dtype.np.names[0]] = array
    return result


def _to_bfloat16(array):
    if is_numpy_bfloat16(array.dtype):
        return np.asarray(array, order="C").view(dtypes.bfloat16.np)
    if array.dtype.names or array.dtype.kind == "c":
        raise TypeError(f"an array of {array.dtype} does not fit bfloat16")
    with np.errstate(over="ignore"):                                             # 1e300 is infinite, as for float32
        bits = np.asarray(array, np.float32, order="C").view(np.uint32)
    odd = (bits >> _HALF) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + odd) >> _HALF                          # to the nearest, ties to even
    return np.where(np.isnan(bits.view(np.float32)), 0x7FC0, rounded).astype(np.uint16).view(dtypes.bfloat16.np)


def to_float32(records):
    """The float32 values of bfloat16 records."""
    return (records["bfloat16"].astype(np.uint32) << _HALF).view(np.float32)


def for_user(value):
    """A value that a run gives for a bfloat16 tensor, in a type that users can compute with (`numpy_bfloat16`)."""
    if getattr(value, "dtype", None) != dtypes.bfloat16.np:
        return value
    array = np.asarray(value, order="C")
    kind = numpy_bfloat16()
    array = to_float32(array) if kind is np.float32 else array.view(kind)
    return array if array.ndim else array[()]
