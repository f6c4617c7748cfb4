"""Devices written in Python, seen through the C table: trampolines that take Python's lock.

    class PyDevice(Protocol):
        def count(self) -> int: ...
        def alloc(self, i: int, nbytes: int, align: int) -> object: ...       # MemoryError: no memory
        def free(self, i: int, buf: object) -> None: ...
        def h2d(self, i: int, buf: object, src: memoryview, stream=None) -> None: ...
        def d2h(self, i: int, dst: memoryview, buf: object, stream=None) -> None: ...
        def kernel(self, i: int, op: KernelRequest) -> Callable | None: ...    # None: no kernel
        # optional: sync(i, stream=None), d2d(i, dst, src, stream=None), stats(i) -> dict, describe(i) -> dict

A kernel is called as `function(inputs, outputs)`, two lists, and fills the outputs; random ops get `rng=` besides, an
object with `key` and `reserve(blocks)`. A KernelRequest's `refusal` may be set to say why there is no kernel.

Where the plugin says `host_memory`, what `alloc` gives must have a writable buffer, and kernels get NumPy arrays.
Otherwise a buffer may be any object and kernels get those objects. Core lays tensors out in arenas by address, which
objects do not have, so an arena of such a device is a range of addresses without memory, and each tensor in it gets
an object from `alloc` when it is first written.
"""
from bisect import bisect_left

from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy, memset
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_NONE, mmap, munmap

import json

import numpy as np

from thalweg.framework.dtypes import as_dtype

from thalweg.devices.abi cimport (THW_ABI_MAJOR, THW_ABI_MINOR, THW_INTERNAL, THW_OK, THW_OOM, THW_UNIMPLEMENTED,
                                  int32_t, thw_call, thw_mem_stats, thw_op_desc, thw_rng, thw_tensor)
from thalweg.devices.core_api cimport (RunContext, core_table, fresh_outside_context, keep_exception, reserve_random,
                                       thw_node)

_REQUIRED = ("count", "alloc", "free", "h2d", "d2h", "kernel")


def missing_methods(device):
    """Names of the required methods that an object lacks to be a PyDevice."""
    return [name for name in _REQUIRED if not callable(getattr(device, name, None))]


# --- addresses ------------------------------------------------------------------------------------------

cdef class PyHandle:
    """One opened ordinal of a PyDevice, and what lies at which address of it."""

    cdef object device
    cdef int ordinal
    cdef bint is_host
    cdef dict blocks             # address -> what alloc gave, or its size where addresses have no memory
    cdef dict buffers            # address -> (nbytes, object), for devices whose buffers are objects
    cdef list starts             # the addresses in `buffers`, sorted
    cdef object empty            # what stands for all tensors without bytes, once there was one

    cdef uintptr_t alloc(self, size_t nbytes, size_t align) except 0:
        if not self.is_host:
            return self._reserve(nbytes)
        block = self.device.alloc(self.ordinal, nbytes, align)
        address = np.frombuffer(block, np.uint8).ctypes.data if nbytes else id(block)
        if nbytes and address % align:
            raise ValueError(f"alloc gave an address that is no multiple of {align}")
        self.blocks[address] = block
        return address

    cdef uintptr_t _reserve(self, size_t nbytes) except 0:
        """A range of addresses that nobody else has; touching it is a fault."""
        cdef void* base = mmap(NULL, max(nbytes, 1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if base == MAP_FAILED:
            raise MemoryError(f"no range of {nbytes} addresses is free")
        self.blocks[<uintptr_t>base] = nbytes
        return <uintptr_t>base

    cdef int free(self, uintptr_t address) except -1:
        block = self.blocks.pop(address, None)
        if block is None:
            return 0
        if self.is_host:
            self.device.free(self.ordinal, block)
            return 0
        self.evict(address, block)
        munmap(<void*>address, max(block, 1))
        return 0

    cdef int close(self) except? -1:
        """Gives back what no `free` does; what has been allocated is the caller's."""
        buffer, self.empty = self.empty, None
        if buffer is not None:
            self.device.free(self.ordinal, buffer)
        return 0

    cdef int evict(self, address, nbytes) except -1:
        """Gives back the objects of all tensors that overlap a range."""
        first = bisect_left(self.starts, address)
        if first and self.starts[first - 1] + self.buffers[self.starts[first - 1]][0] > address:
            first -= 1
        last = bisect_left(self.starts, address + nbytes)
        buffers = [self.buffers.pop(start)[1] for start in self.starts[first:last]]
        del self.starts[first:last]
        for buffer in buffers:               # the device's code may let other threads in: the books are closed before
            self.device.free(self.ordinal, buffer)
        return 0

    cdef object target(self, address, nbytes):
        """The object for a tensor that is about to be written."""
        if not nbytes:
            return self.nothing()
        known = self.buffers.get(address)
        if known is not None and known[0] == nbytes:
            return known[1]
        self.evict(address, nbytes)
        buffer = self.device.alloc(self.ordinal, nbytes, 64)
        known = self.buffers.get(address)
        if known is not None and known[0] == nbytes:     # another thread has been here while this one allocated
            self.device.free(self.ordinal, buffer)
            return known[1]
        self.evict(address, nbytes)
        self.buffers[address] = nbytes, buffer
        self.starts.insert(bisect_left(self.starts, address), address)
        return buffer

    cdef object nothing(self):
        """The object of tensors without bytes."""
        if self.empty is None:
            buffer = self.device.alloc(self.ordinal, 0, 64)
            if self.empty is None:
                self.empty = buffer
                return buffer
            self.device.free(self.ordinal, buffer)
        return self.empty

    cdef object source(self, address, nbytes):
        """The object of a tensor that has been written."""
        if not nbytes:
            return self.nothing()
        known = self.buffers.get(address)
        if known is None or known[0] != nbytes:
            raise ValueError(f"{nbytes} bytes are read at {address:#x}, where "
                             f"{'nothing has been' if known is None else f'{known[0]} bytes have been'} written")
        return known[1]


cdef void* open_python_device(object device, int ordinal, bint is_host) except NULL:
    cdef PyHandle handle = PyHandle.__new__(PyHandle)
    handle.device, handle.ordinal, handle.is_host = device, ordinal, is_host
    handle.blocks, handle.buffers, handle.starts = {}, {}, []
    Py_INCREF(handle)
    return <void*>handle


cdef object _bytes_at(void* address, size_t nbytes, bint writable):
    return PyMemoryView_FromMemory(<char*>address, nbytes, PyBUF_WRITE if writable else PyBUF_READ)


# --- the table ------------------------------------------------------------------------------------------

cdef int _failed(error) noexcept:
    """Keeps the exception for core, and gives the code that goes with it."""
    if isinstance(error, MemoryError):
        core_table().set_error(NULL, THW_OOM, str(error).encode() or b"no memory")
        return THW_OOM
    keep_exception(fresh_outside_context(), error)
    return THW_INTERNAL


cdef void _close(void* dev) noexcept nogil:
    with gil:
        (<PyHandle>dev).close()
        Py_DECREF(<object>dev)


cdef int _alloc(void* dev, size_t nbytes, size_t align, void** out) noexcept nogil:
    with gil:
        try:
            out[0] = <void*>(<PyHandle>dev).alloc(nbytes, align)
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef void _free(void* dev, void* address) noexcept nogil:
    with gil:
        (<PyHandle>dev).free(<uintptr_t>address)            # an exception here is printed: nobody waits for it


cdef int _h2d(void* dev, void* stream, void* target, const void* source, size_t n) noexcept nogil:
    with gil:
        try:
            _copy_in(<PyHandle>dev, target, source, n)
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef int _copy_in(PyHandle handle, void* target, const void* source, size_t n) except -1:
    if handle.is_host:
        memcpy(target, source, n)
    elif n:
        buffer = handle.target(<uintptr_t>target, n)
        handle.device.h2d(handle.ordinal, buffer, _bytes_at(<void*>source, n, False))
    return 0


cdef int _d2h(void* dev, void* stream, void* target, const void* source, size_t n) noexcept nogil:
    with gil:
        try:
            _copy_out(<PyHandle>dev, target, source, n)
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef int _copy_out(PyHandle handle, void* target, const void* source, size_t n) except -1:
    if handle.is_host:
        memcpy(target, source, n)
    elif n:
        buffer = handle.source(<uintptr_t>source, n)
        handle.device.d2h(handle.ordinal, _bytes_at(target, n, True), buffer)
    return 0


cdef int _d2d(void* dev, void* stream, void* target, const void* source, size_t n) noexcept nogil:
    with gil:
        try:
            _copy_inside(<PyHandle>dev, target, source, n)
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef int _copy_inside(PyHandle handle, void* target, const void* source, size_t n) except -1:
    if handle.is_host:
        memcpy(target, source, n)
        return 0
    if not n:
        return 0
    source_buffer = handle.source(<uintptr_t>source, n)
    target_buffer = handle.target(<uintptr_t>target, n)
    if hasattr(handle.device, "d2d"):
        handle.device.d2d(handle.ordinal, target_buffer, source_buffer)
        return 0
    bounce = memoryview(bytearray(n))
    handle.device.d2h(handle.ordinal, bounce, source_buffer)
    handle.device.h2d(handle.ordinal, target_buffer, bounce)
    return 0


cdef int _sync(void* dev, void* stream) noexcept nogil:
    with gil:
        try:
            if hasattr((<PyHandle>dev).device, "sync"):
                (<PyHandle>dev).device.sync((<PyHandle>dev).ordinal)
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef int _mem_stats(void* dev, thw_mem_stats* out) noexcept nogil:
    with gil:
        try:
            return _stats(<PyHandle>dev, out)
        except BaseException as error:
            return _failed(error)


cdef int _stats(PyHandle handle, thw_mem_stats* out) except -1:
    if not hasattr(handle.device, "stats"):
        return THW_UNIMPLEMENTED
    stats = handle.device.stats(handle.ordinal)
    out.bytes_in_use, out.peak_bytes = stats.get("bytes_in_use", 0), stats.get("peak_bytes", 0)
    out.bytes_reserved, out.bytes_limit = stats.get("bytes_reserved", 0), stats.get("bytes_limit", 0)
    out.num_allocs, out.largest_alloc = stats.get("num_allocs", 0), stats.get("largest_alloc", 0)
    return THW_OK


cdef int _describe(void* dev, char* text, size_t room) noexcept nogil:
    with gil:
        try:
            return _description(<PyHandle>dev, text, room)
        except BaseException as error:
            return _failed(error)


cdef int _description(PyHandle handle, char* text, size_t room) except -1:
    if not hasattr(handle.device, "describe"):
        return THW_UNIMPLEMENTED
    described = json.dumps(handle.device.describe(handle.ordinal)).encode()
    if <size_t>len(described) >= room:
        return THW_OOM
    memcpy(text, <const char*>described, len(described) + 1)
    return THW_OK


cdef int _find_kernel(void* dev, const thw_op_desc* desc, thw_kernel* out) noexcept nogil:
    with gil:
        try:
            return _find(<PyHandle>dev, <KernelRequest>(<const thw_node*>desc.op).python, out)
        except BaseException as error:
            return _failed(error)


cdef int _find(PyHandle handle, KernelRequest request, thw_kernel* out) except -1:
    function = handle.device.kernel(handle.ordinal, request)
    if function is None:
        if request.refusal:
            core_table().set_error(NULL, THW_UNIMPLEMENTED, request.refusal.encode())
        return THW_UNIMPLEMENTED
    _fill_kernel(function, request, None if handle.is_host else handle, out)
    return THW_OK


cdef thw_device_api TABLE
memset(&TABLE, 0, sizeof(TABLE))
TABLE.struct_size = sizeof(thw_device_api)
TABLE.abi_major, TABLE.abi_minor, TABLE.build_tag = THW_ABI_MAJOR, THW_ABI_MINOR, b"python tier"
TABLE.close, TABLE.alloc, TABLE.free = _close, _alloc, _free
TABLE.copy_h2d, TABLE.copy_d2h, TABLE.copy_d2d, TABLE.sync = _h2d, _d2h, _d2d, _sync
TABLE.find_kernel, TABLE.mem_stats, TABLE.describe = _find_kernel, _mem_stats, _describe


cdef const thw_device_api* python_table() noexcept nogil:
    return &TABLE


# --- kernels --------------------------------------------------------------------------------------------

cdef class PyKernel:
    """The state of a kernel that is a Python function."""
    cdef object function
    cdef tuple in_dtypes, out_dtypes         # NumPy dtypes
    cdef tuple refs                          # operands that are a variable's buffer, which the function may write
    cdef PyHandle handle                     # None where kernels get arrays

    cdef object operand(self, const thw_tensor* tensor, dtype, bint is_written):
        cdef size_t nbytes = dtype.itemsize
        cdef int32_t i
        for i in range(tensor.ndim):
            nbytes *= tensor.shape[i]
        if self.handle is None:
            return _array(tensor, nbytes, dtype, is_written)
        if is_written:
            return self.handle.target(<uintptr_t>tensor.data, nbytes)
        return self.handle.source(<uintptr_t>tensor.data, nbytes)


cdef object _array(const thw_tensor* tensor, size_t nbytes, dtype, bint writable):
    shape = [tensor.shape[i] for i in range(tensor.ndim)]
    if not nbytes:
        return np.empty(shape, dtype)
    return np.frombuffer(_bytes_at(<char*>tensor.data + tensor.byte_offset, nbytes, writable), dtype).reshape(shape)


class Generator:
    """The generator of a random op, as a Python kernel sees it."""

    def __init__(self, key, reserve):
        self.key, self.reserve = key, reserve


cdef object _generator(thw_rng* rng):
    cdef uintptr_t address = <uintptr_t>rng

    def reserve(blocks):
        """Takes `blocks` blocks of 128 bits: the counter of the first, four 32-bit words."""
        return reserve_random(<thw_rng*>address, blocks)[0]
    return Generator((rng.key[0], rng.key[1]), reserve)


cdef int _call(thw_call* call, const thw_tensor* ins, int32_t n_in, thw_tensor* outs, int32_t n_out) noexcept nogil:
    with gil:
        try:
            _run(<PyKernel>call.state, call, ins, n_in, outs, n_out)
            return THW_OK
        except BaseException as error:
            keep_exception(<RunContext*>call.core_ctx, error)
            return THW_INTERNAL


cdef int _run(PyKernel kernel, thw_call* call, const thw_tensor* ins, int32_t n_in, thw_tensor* outs,
              int32_t n_out) except -1:
    inputs = [kernel.operand(&ins[k], kernel.in_dtypes[k], k in kernel.refs) for k in range(n_in)]
    outputs = [kernel.operand(&outs[k], kernel.out_dtypes[k], True) for k in range(n_out)]
    if call.rng != NULL:
        kernel.function(inputs, outputs, rng=_generator(call.rng))
    else:
        kernel.function(inputs, outputs)
    return 0


cdef void _release(void* state) noexcept nogil:
    with gil:
        Py_DECREF(<object>state)


cdef int _fill_kernel(object function, KernelRequest request, PyHandle handle, thw_kernel* out) except -1:
    cdef PyKernel kernel = PyKernel.__new__(PyKernel)
    kernel.function, kernel.handle, kernel.refs = function, handle, request.ref_inputs
    kernel.in_dtypes = tuple([as_dtype(d).np for d in request.in_dtypes])
    kernel.out_dtypes = tuple([as_dtype(d).np for d in request.out_dtypes])
    Py_INCREF(kernel)
    out.fn, out.state, out.free_state = _call, <void*>kernel, _release
    return 0


cdef int python_kernel(object function, KernelRequest request, thw_kernel* out) except -1:
    return _fill_kernel(function, request, None, out)
