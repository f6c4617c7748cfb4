"""Views of tensors without memory: NumPy's slicing tells where a view begins and how far its elements lie apart."""
import math

import numpy as np

from thalweg.framework.dtypes import as_dtype
from thalweg_cuda.work import Unsupported

_BASE = np.zeros(1, np.int8)
_BASE_ADDRESS = _BASE.__array_interface__["data"][0]


def whole(shape):
    """An array of `shape` that stands for a dense tensor: one byte per element, so that strides count elements."""
    steps = [math.prod(shape[axis + 1:]) for axis in range(len(shape))]
    return np.lib.stride_tricks.as_strided(_BASE, shape, steps, writeable=False)


def begin(view):
    """Elements from the tensor's first to the view's first."""
    return view.__array_interface__["data"][0] - _BASE_ADDRESS


def repeated(shape):
    """A scalar as a view of `shape`."""
    return np.broadcast_to(whole(()), shape)


def item_bytes(request, dtype):
    """Bytes of an element; Unsupported for strings and the like."""
    size = as_dtype(dtype).size
    if size not in (1, 2, 4, 8, 16):
        raise Unsupported(f"{request.op_type} on CUDA: elements of {as_dtype(dtype).name} have no fixed size")
    return size


def constants(request, *inputs):
    """The values of inputs, which must be constant in the plan, as lists of ints."""
    missing = [k for k in inputs if request.values.get(k) is None]
    if missing:
        raise Unsupported(f"{request.op_type} on CUDA needs a constant input {missing[0]}")
    return [np.asarray(request.values[k]).tolist() for k in inputs]
