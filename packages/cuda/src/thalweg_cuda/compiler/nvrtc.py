"""NVRTC, NVIDIA's compiler as a library, by ctypes. It needs no card, no driver and no other compiler."""
import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_void_p

from thalweg_cuda.requirements import INSTALL_NVRTC, NVRTC_VERSIONS
from thalweg_cuda.shared_library import open_first

_FUNCTIONS = {
    "nvrtcVersion": (POINTER(c_int), POINTER(c_int)),
    "nvrtcGetNumSupportedArchs": (POINTER(c_int),),
    "nvrtcGetSupportedArchs": (POINTER(c_int),),
    "nvrtcCreateProgram": (POINTER(c_void_p), c_char_p, c_char_p, c_int, c_void_p, c_void_p),
    "nvrtcDestroyProgram": (POINTER(c_void_p),),
    "nvrtcCompileProgram": (c_void_p, c_int, POINTER(c_char_p)),
    "nvrtcGetProgramLogSize": (c_void_p, POINTER(c_size_t)),
    "nvrtcGetProgramLog": (c_void_p, c_char_p),
    "nvrtcGetCUBINSize": (c_void_p, POINTER(c_size_t)),
    "nvrtcGetCUBIN": (c_void_p, c_char_p),
    "nvrtcGetPTXSize": (c_void_p, POINTER(c_size_t)),
    "nvrtcGetPTX": (c_void_p, c_char_p),
}
_COMPILATION = 6                         # NVRTC_ERROR_COMPILATION: the log says what is wrong with the text


class CompileError(Exception):
    """A source does not compile; the text is the compiler's log. The fault is a kernel's."""


class Nvrtc:
    """The opened library. Thread-safe; compiling gives Python's lock away.

    Attributes
    ----------
    version : (int, int)
    archs : tuple of int        compute capabilities that it makes code for, 75 to 121, rising
    path : str
    build : str                 what tells its images from those of another build, which may have the same version
    """

    def __init__(self, library):
        self._library, self.path = library, library._name
        for name, types in _FUNCTIONS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = types, c_int
        library.nvrtcGetErrorString.argtypes, library.nvrtcGetErrorString.restype = (c_int,), c_char_p
        major, minor, count = c_int(), c_int(), c_int()
        self._call("nvrtcVersion", byref(major), byref(minor))
        self._call("nvrtcGetNumSupportedArchs", byref(count))
        archs = (c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", archs)
        self.version, self.archs = (major.value, minor.value), tuple(sorted(archs))
        self.build = f"{major.value}.{minor.value}-{os.path.getsize(self.path)}"

    @classmethod
    def load(cls):
        """The library of this machine; OSError that says what to install."""
        return cls(open_first("nvrtc", NVRTC_VERSIONS, INSTALL_NVRTC))

    def architecture(self, capability):
        """What to compile for: "sm_90", or "compute_121" for a card that is newer than this library."""
        wanted = capability[0] * 10 + capability[1]
        if wanted in self.archs:
            return f"sm_{wanted}"
        older = [arch for arch in self.archs if arch < wanted]
        if not older:
            raise CompileError(f"the card's compute capability is {capability[0]}.{capability[1]}, but NVRTC "
                               f"{'.'.join(map(str, self.version))} makes code for {self.archs[0] / 10} and above")
        return f"compute_{older[-1]}"

    def compile(self, text, options, architecture):
        """An image: a cubin for "sm_NN", PTX for "compute_NN"; CompileError with the log."""
        program = c_void_p()
        self._call("nvrtcCreateProgram", byref(program), text.encode(), b"thalweg.cu", 0, None, None)
        try:
            every = [f"--gpu-architecture={architecture}", "--std=c++17", *options]
            words = (c_char_p * len(every))(*[word.encode() for word in every])
            code = self._library.nvrtcCompileProgram(program, len(every), words)
            if code == _COMPILATION:
                raise CompileError(self._bytes(program, "nvrtcGetProgramLog").rstrip(b"\0").decode(errors="replace"))
            self._check("nvrtcCompileProgram", code)
            return self._bytes(program, "nvrtcGetCUBIN" if architecture.startswith("sm_") else "nvrtcGetPTX")
        finally:
            self._call("nvrtcDestroyProgram", byref(program))

    def _bytes(self, program, what):
        size = c_size_t()
        self._call(f"{what}Size", program, byref(size))
        room = ctypes.create_string_buffer(size.value)
        self._call(what, program, room)
        return room.raw

    def _call(self, name, *args):
        self._check(name, getattr(self._library, name)(*args))

    def _check(self, name, code):
        if code:
            raise RuntimeError(f"{name} failed: {self._library.nvrtcGetErrorString(code).decode()}")
