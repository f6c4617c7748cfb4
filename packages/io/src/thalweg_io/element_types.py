"""Element types by TensorFlow's number, with those that only newer files hold (float8, int4, ...).

NumPy lacks the newer types. Inside, their values are arrays of raw bytes under the type's name, one byte per element,
as thalweg has bfloat16: `numpy.dtype([("int4", "u1")])`. What is written may as well be arrays of the package
ml_dtypes; users get these, or where it is not installed plain int8 (int4, int2) and uint8 (all others), the bytes as
stored.
"""
import importlib

import numpy as np

from thalweg.framework import errors, packed
from thalweg.framework.dtypes import DType, as_dtype, bfloat16, is_numpy_bfloat16

_NEWER = ("float8_e5m2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2fnuz", "int4", "uint4",
          "int2", "uint2", "float4_e2m1fn")                       # numbers 24 to 33, one byte per element each
_BY_NUMBER = {number: DType(name, number, np.dtype([(name, "u1")]), "x") for number, name in enumerate(_NEWER, 24)}
_BY_NUMPY = {dtype.np: dtype for dtype in _BY_NUMBER.values()}
_BY_NAME = {dtype.name: dtype for dtype in _BY_NUMBER.values()}
_SIGNED = ("int4", "int2")

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
    return _BY_NUMPY.get(array.dtype) or _of_ml_dtypes(array.dtype) or as_dtype(array.dtype)


def _of_ml_dtypes(dtype):
    """The newer type that a dtype of the package ml_dtypes stands for, or None."""
    return _BY_NAME.get(dtype.name) if dtype.names is None and dtype.itemsize == 1 else None


def as_stored(value):
    """`value` as an array of one of our dtypes: those of ml_dtypes become raw bytes under their name."""
    array = np.asarray(value)
    if array.dtype.names is None and array.dtype.kind not in "fciubOSU":
        kind = bfloat16 if is_numpy_bfloat16(array.dtype) else _of_ml_dtypes(array.dtype)
        if kind is not None:
            return np.asarray(array, order="C").view(kind.np)
    return array


def for_user(array, dtype):
    """A value as users get it: of ml_dtypes where that is installed, else what the module's text says."""
    if dtype.name not in _BY_NAME:
        return packed.for_user(array)
    try:
        kind = getattr(importlib.import_module("ml_dtypes"), dtype.name)
    except (ImportError, AttributeError):                  # an older one has not all of them
        kind = np.int8 if dtype.name in _SIGNED else np.uint8
    return array.view(kind)
