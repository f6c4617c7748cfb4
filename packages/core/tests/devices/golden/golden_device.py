"""The descriptor of a golden plugin; GOLDEN_LIBRARY is where its library has been built."""
import os

from thalweg.devices import DevicePlugin


def _open():
    import ctypes
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    library = ctypes.CDLL(os.environ["GOLDEN_LIBRARY"])
    return new(ctypes.addressof(ctypes.c_char.in_dll(library, "golden_table")), b"thalweg.device.v1", None)


plugin = DevicePlugin("GOLDEN", _open, priority=10)
