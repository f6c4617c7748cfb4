"""Python and NumPy values as arrays that tensors can hold, under TensorFlow 1.x's rules of dtype.

Python floats become float32, Python ints int32 (int64 where one is too large); NumPy values keep their dtype;
strings become object arrays of bytes.
"""
import numbers

import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.dtypes import as_dtype, is_numpy_bfloat16
from thalweg.framework.packed import to_packed


def array_of(value, dtype=None):
    """`value` as a NumPy array of a dtype that tensors can have: native byte order, strings as bytes objects."""
    if isinstance(value, (np.ndarray, np.generic)):
        return _from_numpy(np.asarray(value), dtype)
    if value is None:
        raise ValueError("None values not supported.")
    return _from_python(value, dtype)


def dtype_of(array):
    """The DType of an array that `array_of` made."""
    return dtypes.string if array.dtype.kind == "O" else as_dtype(array.dtype)


def _from_numpy(array, dtype):
    if array.dtype.kind in "SUO":
        if dtype is not None and dtype is not dtypes.string:
            raise errors.DTypeError(f"Expected {dtype.name}, got an array of {array.dtype} instead.")
        return _bytes_array(array)
    if dtype is None:
        dtype = as_dtype(array.dtype)
    if dtype is dtypes.string:
        raise errors.DTypeError(f"Expected string, got an array of {array.dtype} instead.")
    return to_packed(array, dtype) if dtype.np.names else array.astype(dtype.np)


def _as_bytes(value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8")
    raise errors.DTypeError(f"Expected string, got {value!r} of type '{type(value).__name__}' instead.")


def _bytes_array(array):
    result = np.empty(array.shape, object)
    flat = result.reshape(-1)
    for i, item in enumerate(array.ravel().tolist() if array.dtype.kind != "O" else array.ravel()):
        flat[i] = _as_bytes(item)
    return result


_FITS = {"f": numbers.Real, "i": numbers.Integral, "u": numbers.Integral, "b": (bool, np.bool_),
         "c": numbers.Complex, "O": (str, bytes), "x": numbers.Real, "q": numbers.Integral}


def _from_python(value, dtype):
    if isinstance(value, (bool, int, float)) and type(value) is not bool and (dtype is None or dtype.kind == "f"):
        return _scalar(value, dtype)
    items, shape = [], _dense_shape(value)
    _flatten(value, items, 0, shape)
    if dtype is None:
        return _inferred(value, items, shape)
    fits = _FITS.get(dtype.kind, object)
    if dtype.kind in "iu":                       # a known Dimension may stand among ints, as in x.shape[0]
        items = [i.value if isinstance(i, shapes.Dimension) and i.value is not None else i for i in items]
    for item in items:
        if not isinstance(item, fits):
            raise errors.DTypeError(f"Expected {dtype.name}, got {item!r} of type '{type(item).__name__}' instead.")
    if dtype is dtypes.string:
        return _bytes_array(_objects(items).reshape(shape))
    if dtype.np.names:
        return to_packed(np.array(items, np.float64).reshape(shape), dtype)
    try:
        return _within_limits(items, dtype).reshape(shape)
    except OverflowError as error:
        low, high = dtype.limits
        raise errors.DTypeError(f"{value!r} does not fit {dtype.name} ({low} to {high}).") from error


def _within_limits(items, dtype):
    if dtype.kind in "iu" and items and not dtype.holds(min(items), max(items)):
        raise OverflowError("NumPy before 2.0 would wrap around")
    return np.array(items, dtype.np)


def _scalar(value, dtype):
    if dtype is not None or type(value) is float:
        with np.errstate(over="ignore"):         # 1e300 as float32 is infinite, as in TensorFlow
            return np.array(value, np.float32 if dtype is None else dtype.np)
    return _narrow(np.array(value), value)


def _narrow(array, value):
    """TensorFlow's preference for 32 bits: Python floats are float32, Python ints int32 where they fit."""
    if array.dtype == np.float64:
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    if array.dtype == np.int64:
        narrow = array.astype(np.int32)
        return narrow if (narrow == array).all() else array
    if array.dtype.kind == "O":
        raise not_a_tensor(value)
    return array


def not_a_tensor(value):
    """The error for a value that has no conversion."""
    return errors.DTypeError(f"Failed to convert object of type {type(value)} to Tensor. Contents: {value!r}. "
                             "Consider casting elements to a supported type.")


def _inferred(value, items, shape):
    types = set(map(type, items))
    if types == {int} and -2**31 <= min(items) and max(items) < 2**31:
        return np.array(items, np.int32).reshape(shape)          # the usual list, quickly
    kinds = {issubclass(kind, (str, bytes)) for kind in types}
    if kinds == {True}:
        return _bytes_array(_objects(items).reshape(shape))
    if len(kinds) > 1:
        raise errors.DTypeError(f"{value!r} mixes strings and numbers.")
    if not items:
        return np.zeros(shape, np.float32)
    try:
        array = np.array(items)
    except (TypeError, ValueError, OverflowError) as error:
        raise not_a_tensor(value) from error
    if is_numpy_bfloat16(array.dtype):
        return to_packed(array.reshape(shape), dtypes.bfloat16)
    if array.dtype.kind not in "biufc":
        raise not_a_tensor(value)
    return _narrow(array, value).reshape(shape)


def _objects(items):
    result = np.empty(len(items), object)
    result[:] = items
    return result


def _dense_shape(value):
    """The shape of nested lists, by the first element of each level."""
    shape = []
    while isinstance(value, (list, tuple, range)):
        shape.append(len(value))
        if len(value) == 0:
            return tuple(shape)
        value = value[0]
    return tuple(shape) + (value.shape if isinstance(value, np.ndarray) else ())


def _flatten(value, items, depth, shape):
    if isinstance(value, (list, tuple, range)) or isinstance(value, np.ndarray) and value.ndim:
        if depth >= len(shape) or len(value) != shape[depth]:
            raise errors.ShapeError(f"Argument must be a dense tensor: lists of one level differ in length near "
                                    f"{value!r}; wanted shape {list(shape)}.")
        for item in value:
            _flatten(item, items, depth + 1, shape)
    elif depth != len(shape):
        raise errors.ShapeError(f"Argument must be a dense tensor: {value!r} stands where a list was wanted; "
                                f"wanted shape {list(shape)}.")
    elif hasattr(value, "_as_graph_element"):
        raise errors.DTypeError("List of Tensors when single Tensor expected: a constant is made of values, not of "
                                "tensors. Try tf.convert_to_tensor, or tf.stack.")
    else:
        items.append(value)
