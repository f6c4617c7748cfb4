"""Runs CUDA-C kernels on the CPU, their source unchanged.

    module = load(text, ["--fmad=false", "-DTILE=16"])
    module.launch("axpy", grid=4, block=256, args=[x, y, np.float32(2), np.int64(x.size)], shared=0, order="reversed")

A grid's blocks run one after the other; a block's threads take turns where they wait for each other. What real
hardware may do in any order is done in the order that is asked for: "forward", "reversed" or "shuffled:SEED". Shared
memory is filled with 0xFF (NaN) before each block. A barrier that not all threads reach, an access beyond a `guarded`
array and a stack overflow end the launch with an EmulationError that names the kernel, the block, the thread and,
where it can be known, the line.
"""
import concurrent.futures
import ctypes
import mmap
import os
import re
import subprocess

import numpy as np

from . import compiler
from .compiler import CompileError  # noqa: F401 - part of the interface

ORDERS = {"forward": 0, "reversed": 1, "shuffled": 2}
MAX_THREADS, MAX_SHARED_BYTES = 1024, 227 << 10         # per block, as on an H200
_MESSAGE_BYTES = 2000


class EmulationError(Exception):
    """A launch that a GPU would not survive, or that has no defined result there."""


class _Kernel(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("run_thread", ctypes.c_void_p), ("parameter_count", ctypes.c_uint),
                ("parameter_bytes", ctypes.c_uint), ("sizes", ctypes.POINTER(ctypes.c_uint)),
                ("offsets", ctypes.POINTER(ctypes.c_uint)), ("is_pointer", ctypes.POINTER(ctypes.c_ubyte)),
                ("max_threads", ctypes.c_uint), ("shared_begin", ctypes.c_void_p), ("shared_end", ctypes.c_void_p)]


class _Launch(ctypes.Structure):
    _fields_ = [("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared_bytes", ctypes.c_uint),
                ("order", ctypes.c_int), ("seed", ctypes.c_ulonglong), ("arguments", ctypes.c_void_p),
                ("stacks", ctypes.c_void_p), ("message", ctypes.c_void_p), ("message_size", ctypes.c_ulong),
                ("fault_code", ctypes.c_void_p), ("fault_address", ctypes.c_void_p)]


_modules = {}
_stacks = []


def load(text, options=(), expressions=()):
    """The Module of CUDA-C `text`, compiled with NVRTC's `options`; the same object for the same text and options.

    `expressions` names template instantiations that are wanted as kernels, such as "scale<float>".
    Raises CompileError with g++'s log.
    """
    key = text, tuple(map(str, options)), tuple(expressions)
    if key not in _modules:
        _modules[key] = Module(*compiler.shared_object(text, options, expressions))
    return _modules[key]


def precompile(requests, at_once=None):
    """Compiles (text, options) pairs side by side, so that `load` finds them ready. The first error is raised."""
    compiler.cache()                                    # the runtime, once
    with concurrent.futures.ThreadPoolExecutor(at_once or len(os.sched_getaffinity(0))) as pool:
        for job in [pool.submit(compiler.shared_object, text, options) for text, options in requests]:
            job.result()


class Module:
    """Kernels of one source."""

    def __init__(self, path, names):
        # PyDLL: the GIL is kept during a launch, as the scheduler has one state per module.
        self.path, self._library = path, ctypes.PyDLL(str(path))
        self._library.cuemu_kernels.restype = ctypes.POINTER(ctypes.POINTER(_Kernel))
        self._library.cuemu_make_stacks.restype = ctypes.c_void_p
        self._library.cuemu_static_shared.argtypes = [ctypes.c_void_p]
        listed = self._library.cuemu_kernels()
        found = {}
        for i in range(self._library.cuemu_kernel_count()):
            found[listed[i].contents.name.decode()] = listed[i].contents
        self._kernels = {expression: found[name] for expression, name in names.items()}
        self._message = ctypes.create_string_buffer(_MESSAGE_BYTES)

    @property
    def kernels(self):
        """Names of the kernels that can be launched."""
        return sorted(self._kernels)

    def static_shared_bytes(self, entry):
        """Bytes of shared memory that `entry` declares with a size."""
        return self._library.cuemu_static_shared(ctypes.addressof(self._kernel(entry)))

    def address_of(self, name):
        """The address of a `__constant__` or `__device__` variable."""
        return ctypes.addressof(ctypes.c_char.in_dll(self._library, name))

    def launch(self, entry, grid, block, args, shared=0, order="forward"):
        """Runs kernel `entry` on a grid of blocks.

        Parameters
        ----------
        grid, block : int or up to three ints
        args : list of NumPy scalars; addresses as int; arrays, for their address; bytes, for a struct by value
        shared : bytes of dynamic shared memory
        order : "forward", "reversed" or "shuffled:SEED": of blocks, warps and lanes
        """
        kernel = self._kernel(entry)
        grid, block = _three(grid), _three(block)
        self._check(entry, kernel, grid, block, shared)
        packed = self._pack(entry, kernel, args)
        kind, _, seed = order.partition(":")
        launch = _Launch(grid, block, shared, ORDERS[kind], int(seed or 0), packed.ctypes.data,
                         _stacks_of(self._library), ctypes.addressof(self._message), _MESSAGE_BYTES)
        if self._library.cuemu_run(ctypes.byref(kernel), ctypes.byref(launch)):
            raise EmulationError(self._message.value.decode(errors="replace") + self._line(launch.fault_code))

    def _kernel(self, entry):
        if entry not in self._kernels:
            raise EmulationError(f"no kernel {entry}; the module has {', '.join(self.kernels) or 'none'}")
        return self._kernels[entry]

    def _check(self, entry, kernel, grid, block, shared):
        """The limits that a driver checks."""
        threads = block[0] * block[1] * block[2]
        total = shared + self._library.cuemu_static_shared(ctypes.addressof(kernel))
        if min(*grid, *block) < 1 or grid[0] > 2**31 - 1 or max(grid[1:]) > 65535 or block[2] > 64:
            raise EmulationError(f"kernel {entry}: grid {grid} of blocks {block} is not allowed; each size is at "
                                 "least 1, grid at most (2**31 - 1, 65535, 65535), the third of a block at most 64")
        if threads > kernel.max_threads:
            raise EmulationError(f"kernel {entry}: {threads} threads in a block, at most {kernel.max_threads} are "
                                 "allowed")
        if total > MAX_SHARED_BYTES:
            raise EmulationError(f"kernel {entry}: {total} bytes of shared memory, at most {MAX_SHARED_BYTES} are "
                                 "allowed")

    def _pack(self, entry, kernel, args):
        """The arguments in one buffer, as a CUDA launch packs them."""
        if len(args) != kernel.parameter_count:
            raise EmulationError(f"kernel {entry} takes {kernel.parameter_count} arguments, {len(args)} came")
        packed = np.empty(kernel.parameter_bytes + 16, np.uint8)
        packed = packed[-packed.ctypes.data % 16:]
        for i, arg in enumerate(args):
            data, is_address = _bytes_of(arg)
            if len(data) != kernel.sizes[i] or (is_address and not kernel.is_pointer[i]):
                wanted = "a pointer" if kernel.is_pointer[i] else f"{kernel.sizes[i]} bytes"
                raise EmulationError(f"kernel {entry}: argument {i} is {arg!r} ({type(arg).__name__}, {len(data)} "
                                     f"bytes), the kernel takes {wanted}")
            packed[kernel.offsets[i]:kernel.offsets[i] + len(data)] = np.frombuffer(data, np.uint8)
        return packed

    def _line(self, code):
        """Of a fault: the source line that it came from, if it came from the module."""
        base = ctypes.c_size_t.from_address(self._library._handle).value        # the link map begins with it
        if not code or not base <= code < base + os.path.getsize(self.path) + (1 << 20):
            return ""
        command = ["addr2line", "-i", "-e", str(self.path), hex(code - base)]
        answer = subprocess.run(command, capture_output=True, text=True).stdout
        lines = re.findall(r"(?:^|/)kernel\.cu:(\d+)", answer, re.MULTILINE)     # the innermost inlined call first
        return f", in line {lines[0]}" if lines else ""


def _three(size):
    size = tuple(int(n) for n in np.atleast_1d(size))
    return size + (1,) * (3 - len(size))


def _bytes_of(arg):
    """An argument as bytes, and whether it is an address."""
    if isinstance(arg, bytes):
        return arg, False
    if isinstance(arg, np.ndarray):
        return np.uint64(arg.ctypes.data).tobytes(), True
    if isinstance(arg, int) and not isinstance(arg, bool):
        return np.uint64(arg & (2**64 - 1)).tobytes(), False
    return np.asarray(arg).tobytes(), False


def _stacks_of(library):
    if not _stacks:
        _stacks.append(library.cuemu_make_stacks())
    return _stacks[0]


# ---- guarded memory ----


def guarded(array, align=None):
    """A copy of `array` that ends at a protected page, so that an access beyond it ends a launch.

    The first byte lies at a multiple of `align`, by default of the item size: the end then touches the page. A larger
    `align` (16 for vector loads) leaves a gap of less than that between end and page, filled with 0xFF.
    """
    array = np.asarray(array)
    result = guarded_empty(array.shape, array.dtype, align)
    result[...] = array
    return result


def guarded_empty(shape, dtype=np.float32, align=None):
    """As `guarded`, filled with 0xFF: NaN in floating-point types."""
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    align = align or dtype.itemsize
    padded = -(-nbytes // align) * align
    room = -(-padded // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = mmap.mmap(-1, room + mmap.PAGESIZE)
    memory = np.frombuffer(pages, np.uint8)
    memory[:room] = 0xFF
    _protect(memory.ctypes.data + room)
    return memory[room - padded:room - padded + nbytes].view(dtype).reshape(shape)


def _protect(address):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), 0):
        raise OSError(ctypes.get_errno(), "mprotect")
