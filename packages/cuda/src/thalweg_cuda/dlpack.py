"""DLPack's structures by ctypes: capsules out of a card's memory, and memory out of other packages' capsules.

The layouts are those of DLPack 1.0's unversioned DLManagedTensor, which every package takes.
"""
import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p

import numpy as np

CUDA, CUDA_HOST, CUDA_MANAGED = 2, 3, 13
_NAME, _USED = b"dltensor", b"used_dltensor"

# NumPy's kind and DLPack's code; bfloat16 is a code of its own
CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}
BFLOAT16 = 4


class DLDevice(Structure):
    _fields_ = [("type", c_int32), ("id", c_int32)]


class DLDataType(Structure):
    _fields_ = [("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16)]


class DLTensor(Structure):
    _fields_ = [("data", c_void_p), ("device", DLDevice), ("ndim", c_int32), ("dtype", DLDataType),
                ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)), ("byte_offset", c_uint64)]


class DLManagedTensor(Structure):
    pass


_Deleter = CFUNCTYPE(None, POINTER(DLManagedTensor))
DLManagedTensor._fields_ = [("tensor", DLTensor), ("context", c_void_p), ("deleter", _Deleter)]

_api = ctypes.pythonapi
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, c_void_p, c_char_p)(("PyCapsule_IsValid", _api))
_pointer = ctypes.PYFUNCTYPE(c_void_p, c_void_p, c_char_p)(("PyCapsule_GetPointer", _api))
_set_name = ctypes.PYFUNCTYPE(ctypes.c_int, c_void_p, c_char_p)(("PyCapsule_SetName", _api))


def code_of(dtype):
    """(code, bits) of a thalweg dtype."""
    if dtype.name == "bfloat16":
        return BFLOAT16, 16
    return CODES[dtype.np.kind], dtype.np.itemsize * 8


def capsule(address, shape, dtype, ordinal, owner):
    """A capsule of dense memory on a card; `owner` lives until the consumer, or the capsule, is done.

    NumPy makes it, of an array whose memory nobody touches, and it is told here where the memory is. A consumer that
    does not want the capsule drops it while its exception is pending: no Python may run then, and NumPy's destructor
    is in C.
    """
    made = np.asarray(_Place(address, shape, _SAME_SIZE[dtype.size], owner)).__dlpack__()
    tensor = ctypes.cast(_pointer(id(made), _NAME), POINTER(DLManagedTensor)).contents.tensor
    tensor.device, tensor.dtype = DLDevice(CUDA, ordinal), DLDataType(*code_of(dtype), 1)
    return made


_SAME_SIZE = {1: "|u1", 2: "<u2", 4: "<u4", 8: "<u8", 16: "<c16"}


class _Place:
    """What NumPy takes for the owner of an array's memory."""

    def __init__(self, address, shape, typestr, owner):
        self._owner = owner
        self.__array_interface__ = {"data": (address, False), "shape": tuple(shape), "typestr": typestr, "version": 3}


class Taken:
    """What another package's capsule holds; its deleter is called when this object goes.

    Attributes
    ----------
    address, shape, device_type, ordinal
    code, bits : int        of the dtype
    is_dense : bool         row-major without gaps
    """

    def __init__(self, given):
        where = id(given)
        if not _is_valid(where, _NAME):
            raise ValueError("__dlpack__ gave no capsule named 'dltensor': it has been consumed before, or is of a "
                             "newer DLPack than was asked for")
        self._managed = ctypes.cast(_pointer(where, _NAME), POINTER(DLManagedTensor)).contents
        _set_name(where, _USED)
        tensor = self._managed.tensor
        self.address = (tensor.data or 0) + tensor.byte_offset
        self.shape = tuple(tensor.shape[k] for k in range(tensor.ndim))
        self.device_type, self.ordinal = tensor.device.type, tensor.device.id
        self.code, self.bits = tensor.dtype.code, tensor.dtype.bits
        self.is_dense = tensor.dtype.lanes == 1 and (not tensor.strides or is_dense(
            self.shape, tuple(tensor.strides[k] for k in range(tensor.ndim))))

    def __del__(self):
        managed = self.__dict__.pop("_managed", None)
        if managed is not None and managed.deleter:
            managed.deleter(ctypes.byref(managed))


def is_dense(shape, strides):
    """Whether strides, counted in elements, are those of a row-major array without gaps."""
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and stride != step:
            return 0 in shape
        step *= size
    return True
