"""The stand-in NVRTC: from text to a module that the stand-in driver runs, through NVRTC's own calls."""
import ctypes

import numpy as np
import pytest

TEXT = """
template <class T> __global__ void twice(T *x) { x[threadIdx.x] *= FACTOR; }
extern "C" __global__ void plain(float *x) { x[threadIdx.x] += 1; }
"""


class Nvrtc:
    """NVRTC's calls; `status` is that of the last one."""

    def __init__(self):
        self.library = ctypes.CDLL("libnvrtc.so.13")
        self.program = ctypes.c_void_p()

    def call(self, name, *args):
        self.status = getattr(self.library, name)(*args)
        return self.status

    def compile(self, text, options=(), expressions=()):
        self.call("nvrtcCreateProgram", ctypes.byref(self.program), text.encode(), b"kernel.cu", 0, None, None)
        for expression in expressions:
            assert self.call("nvrtcAddNameExpression", self.program, expression.encode()) == 0
        words = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        return self.call("nvrtcCompileProgram", self.program, len(options), words)

    def bytes(self, what):
        size = ctypes.c_size_t()
        assert self.call(f"{what}Size", self.program, ctypes.byref(size)) == 0
        room = ctypes.create_string_buffer(size.value)
        assert self.call(what, self.program, room) == 0
        return room.raw

    def lowered(self, expression):
        name = ctypes.c_char_p()
        self.call("nvrtcGetLoweredName", self.program, expression.encode(), ctypes.byref(name))
        return name.value.decode() if name.value else None


@pytest.fixture
def nvrtc():
    made = Nvrtc()
    yield made
    assert made.call("nvrtcDestroyProgram", ctypes.byref(made.program)) == 0 and not made.program


def test_version_and_architectures(nvrtc):
    major, minor, n = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    nvrtc.call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
    nvrtc.call("nvrtcGetNumSupportedArchs", ctypes.byref(n))
    archs = (ctypes.c_int * n.value)()
    nvrtc.call("nvrtcGetSupportedArchs", archs)
    assert (major.value, minor.value) == (13, 0) and archs[0] == 75 and archs[n.value - 1] == 121
    nvrtc.compile("")


def test_from_text_to_a_launch(nvrtc, cuda, floats, read):
    options = ["--gpu-architecture=sm_90", "--fmad=false", "-DFACTOR=2"]
    for _ in range(2):                                          # compiled, then out of the cache
        assert nvrtc.compile(TEXT, options, ["twice<float>"]) == 0
    module = cuda.module_from_buffer(nvrtc.bytes("nvrtcGetCUBIN"))
    x = floats([1, 2])
    module.get_function(nvrtc.lowered("twice<float>"))(x, block=(2, 1, 1), grid=(1, 1))
    module.get_function(nvrtc.lowered("plain"))(x, block=(2, 1, 1), grid=(1, 1))
    assert list(read(x, 2)) == [3, 5]
    assert nvrtc.lowered("twice<int>") is None and nvrtc.status == 10      # NAME_EXPRESSION_NOT_VALID


def test_a_cubin_is_small(nvrtc):
    assert nvrtc.compile(TEXT, ["-DFACTOR=2"]) == 0
    assert len(nvrtc.bytes("nvrtcGetCUBIN")) < 40_000


def test_what_does_not_compile_is_in_the_log(nvrtc):
    text = 'extern "C" __global__ void k(float *x)\n{\n    x[0] = unknown;\n}\n'
    assert nvrtc.compile(text) == 6                             # COMPILATION
    log = nvrtc.bytes("nvrtcGetProgramLog").decode()
    assert "kernel.cu:3:" in log and "unknown" in log


@pytest.mark.parametrize("option", ["--no-such-option", "--gpu-architecture=sm_70", "-arch=volta"])
def test_options_that_are_refused(nvrtc, option):
    assert nvrtc.compile(TEXT, ["-DFACTOR=2", option]) == 5     # INVALID_OPTION
    assert nvrtc.bytes("nvrtcGetProgramLog").strip(b"\0\n")


def test_headers(cuda, contexts):
    library, program = ctypes.CDLL("libnvrtc.so.13"), ctypes.c_void_p()
    text = b'#include "mine.h"\nextern "C" __global__ void k(float *x) { x[0] = MINE; }'
    pointers = (ctypes.c_char_p * 1)(b"#define MINE 4\n"), (ctypes.c_char_p * 1)(b"mine.h")
    assert library.nvrtcCreateProgram(ctypes.byref(program), text, b"k.cu", 1, *pointers) == 0
    assert library.nvrtcCompileProgram(program, 0, None) == 0
    size = ctypes.c_size_t()
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    image = ctypes.create_string_buffer(size.value)
    library.nvrtcGetCUBIN(program, image)
    target = cuda.mem_alloc(4)
    cuda.module_from_buffer(image.raw).get_function("k")(target, block=(1, 1, 1), grid=(1, 1))
    result = np.empty(1, np.float32)
    cuda.memcpy_dtoh(result, target)
    assert result == [4]
    assert library.nvrtcDestroyProgram(ctypes.byref(program)) == 0


def test_errors_have_names(nvrtc):
    nvrtc.library.nvrtcGetErrorString.restype = ctypes.c_char_p
    assert nvrtc.library.nvrtcGetErrorString(6) == b"NVRTC_ERROR_COMPILATION"
    nvrtc.compile("")
