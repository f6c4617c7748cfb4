"""The functions of libcuda that PyCUDA does not have, by ctypes: graphs, and copies between cards.

PyCUDA 2026.1 has memcpy_peer_async, but takes the current context for both ends whatever it is given.
"""
import ctypes
import functools
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_ulonglong, c_void_p

THREAD_LOCAL = 1                         # CUstreamCaptureMode: what other threads do meanwhile is not looked at
_DEVICE_ORDINAL = 9                      # CUpointer_attribute
_OUT_OF_MEMORY, _NO_DEVICE = 2, 100      # CUresult

_FUNCTIONS = {
    "cuInit": (c_uint,),
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, POINTER(c_void_p)),
    "cuGraphInstantiateWithFlags": (POINTER(c_void_p), c_void_p, c_ulonglong),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphExecDestroy": (c_void_p,),
    "cuGraphDestroy": (c_void_p,),
    "cuStreamSynchronize": (c_void_p,),
    "cuPointerGetAttribute": (c_void_p, c_int, c_uint64),
    "cuMemcpyPeerAsync": (c_uint64, c_void_p, c_uint64, c_void_p, c_size_t, c_void_p),
}


class DriverError(RuntimeError):
    """A call of the driver failed; the text says which and why. `code` is the CUresult."""

    def __init__(self, name, code, text):
        super().__init__(f"{name} failed: {text} (CUresult {code})")
        self.code = code


class OutOfMemoryError(DriverError, MemoryError):
    """The card or the driver had no room for what was asked; it may have some later."""


@functools.cache
def _library():
    library = ctypes.CDLL("libcuda.so.1")               # PyCUDA has loaded it: this is the same one
    for name, types in _FUNCTIONS.items():
        function = getattr(library, name)
        function.argtypes, function.restype = types, c_int
    library.cuGetErrorString.argtypes, library.cuGetErrorString.restype = (c_int, POINTER(c_char_p)), c_int
    return library


def call(name, *args):
    """Calls a function of the table; DriverError when it gives anything but success."""
    code = getattr(_library(), name)(*args)
    if code:
        text = c_char_p()
        _library().cuGetErrorString(code, byref(text))
        kind = OutOfMemoryError if code == _OUT_OF_MEMORY else DriverError
        raise kind(name, code, (text.value or b"unknown error").decode())


def finds_cards():
    """Initialises the driver; whether it shows any card. PyCUDA's `init` says that there is none in words only."""
    try:
        call("cuInit", 0)
    except DriverError as error:
        if error.code == _NO_DEVICE:
            return False
        raise
    return True


def begin_capture(stream):
    """From now on what is put on the stream (a handle) is noted instead of done."""
    call("cuStreamBeginCapture_v2", stream, THREAD_LOCAL)


def end_capture(stream):
    """Ends a capture; the handle of what can be launched again and again. DriverError: it cannot be captured."""
    graph, executable = c_void_p(), c_void_p()
    call("cuStreamEndCapture", stream, byref(graph))
    try:
        call("cuGraphInstantiateWithFlags", byref(executable), graph, 0)
    finally:
        call("cuGraphDestroy", graph)
    return executable.value


def number_of_card(address):
    """The driver's number of the card that an address lies on."""
    number = c_int()
    call("cuPointerGetAttribute", byref(number), _DEVICE_ORDINAL, address)
    return number.value


def abandon_capture(stream):
    """Ends a capture whose result nobody wants."""
    graph = c_void_p()
    code = _library().cuStreamEndCapture(stream, byref(graph))
    if code == 0 and graph:
        call("cuGraphDestroy", graph)
