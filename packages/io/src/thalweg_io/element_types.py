"""Element types by TensorFlow's number, with those that only newer files hold (float8, int4, ...).

NumPy lacks the newer types; their values are arrays of raw bytes under the type's name, as thalweg has bfloat16.
"""
import numpy as np

from thalweg.framework import errors
from thalweg.framework.dtypes import DType, as_dtype

_NEWER = ("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "int4", "uint4",
          "int2", "uint2", "float4_e2m1fn")                       # numbers 24 to 33, one byte per element each
_BY_NUMBER = {number: DType(name, number, np.dtype([(name, "u1")]), "x") for number, name in enumerate(_NEWER, 24)}
_BY_NUMPY = {dtype.np: dtype for dtype in _BY_NUMBER.values()}

STRING, RESOURCE, VARIANT = 7, 20, 21


def dtype_of_number(number, owner):
    """The DType of a stored number; errors name `owner`, the tensor.

    Raises
    ------
    UnimplementedError       for resources and variants
    InvalidArgumentError     for numbers that are no element type
    """
    if number in (RESOURCE, VARIANT):
        raise errors.UnimplementedError(None, None, f"{owner}: tensors of {as_dtype(number).name} are not stored by "
                                                    "TensorFlow 1.x programs and cannot be read")
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
    if not 1 <= number <= 23:
        raise errors.InvalidArgumentError(None, None, f"{owner}: {number} is not a data type")
    return as_dtype(number)


def dtype_of_array(array):
    """The DType of an array's elements."""
    return _BY_NUMPY.get(array.dtype) or as_dtype(array.dtype)
