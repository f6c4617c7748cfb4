"""Devices written in Python, seen through the C table: trampolines that take Python's lock.

    class PyDevice(Protocol):
        def count(self) -> int: ...
        def alloc(self, i: int, nbytes: int, align: int) -> object: ...       # MemoryError: no memory
        def free(self, i: int, buf: object) -> None: ...
        def h2d(self, i: int, buf: object, src: memoryview, stream=None) -> None: ...
        def d2h(self, i: int, dst: memoryview, buf: object, stream=None) -> None: ...
        def kernel(self, i: int, op: KernelRequest) -> Callable | None: ...    # None: no kernel
        # optional: sync(i), d2d(i, dst, src), stats(i) -> dict, describe(i) -> dict, configure(i, options: dict),
        # copy_peer(i, dst, other_i, src, nbytes), record_begin(i), record_end(i) -> object, replay(i, object)

A kernel is called as `function(inputs, outputs)`, two lists, and fills the outputs; random ops get `rng=` besides, an
object with `key` and `reserve(blocks)`. A KernelRequest's `refusal` may be set to say why there is no kernel.

Where the plugin says `addresses`, `alloc` gives an int, the address on the device, and so are the buffers that copies
and kernels get; `d2d(i, dst, src, nbytes)` is told the size. Where it says `host_memory`, what `alloc` gives must have
a writable buffer, and kernels get NumPy arrays. Otherwise a buffer may be any object and kernels get those objects
(python_memory.pyx). What kernels get and tell: python_kernel.pyx. Asynchronous devices: docs/devices.md, section 4.
"""
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy, memset

import json

from thalweg.devices.abi cimport (THW_ABI_MAJOR, THW_ABI_MINOR, THW_INTERNAL, THW_OK, THW_OOM, THW_UNIMPLEMENTED,
                                  thw_kernel, thw_mem_stats, thw_op_desc)
from thalweg.devices.core_api cimport KernelRequest, core_table, fresh_outside_context, keep_exception, thw_node
from thalweg.devices.python_kernel cimport python_kernel
from thalweg.devices.python_memory cimport PyHandle, bytes_at, new_handle

_REQUIRED = ("count", "alloc", "free", "h2d", "d2h", "kernel")


def missing_methods(device):
    """Names of the required methods that an object lacks to be a PyDevice."""
    return [name for name in _REQUIRED if not callable(getattr(device, name, None))]


cdef void* open_python_device(object device, int ordinal, plugin) except NULL:
    handle = new_handle(device, ordinal, plugin)
    Py_INCREF(handle)
    return <void*>handle


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
        handle.device.h2d(handle.ordinal, buffer, bytes_at(<void*>source, n, False))
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
        handle.device.d2h(handle.ordinal, bytes_at(target, n, True), buffer)
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
    if handle.has_addresses:
        handle.device.d2d(handle.ordinal, target_buffer, source_buffer, n)
    else:
        handle.device.d2d(handle.ordinal, target_buffer, source_buffer)
    return 0


cdef int _peer(void* dev, void* stream, void* target, void* other, const void* source, size_t n) noexcept nogil:
    with gil:
        try:
            _copy_between(<PyHandle>dev, target, <PyHandle>other, source, n)
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef int _copy_between(PyHandle handle, void* target, PyHandle other, const void* source, size_t n) except -1:
    if n:
        source_buffer = other.source(<uintptr_t>source, n)
        handle.device.copy_peer(handle.ordinal, handle.target(<uintptr_t>target, n), other.ordinal, source_buffer, n)
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
    if not callable(function):
        raise TypeError(f"kernel gave {function!r}; a function, or None, was expected")
    python_kernel(function, request, None if handle.is_host else handle, out)
    return THW_OK


# --- recording and options --------------------------------------------------------------------------------

cdef int _record_begin(void* dev, void* stream) noexcept nogil:
    with gil:
        try:
            (<PyHandle>dev).device.record_begin((<PyHandle>dev).ordinal)
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef int _record_end(void* dev, void* stream, void** out) noexcept nogil:
    with gil:
        try:
            recording = (<PyHandle>dev).device.record_end((<PyHandle>dev).ordinal)
            if recording is None:
                return THW_UNIMPLEMENTED
            Py_INCREF(recording)
            out[0] = <void*>recording
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef int _replay(void* dev, void* stream, void* recording) noexcept nogil:
    with gil:
        try:
            (<PyHandle>dev).device.replay((<PyHandle>dev).ordinal, <object>recording)
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef void _recording_free(void* dev, void* recording) noexcept nogil:
    with gil:
        Py_DECREF(<object>recording)


cdef int _configure(void* dev, const char* options) noexcept nogil:
    with gil:
        try:
            (<PyHandle>dev).device.configure((<PyHandle>dev).ordinal, json.loads(<bytes>options))
            return THW_OK
        except BaseException as error:
            return _failed(error)


cdef int fill_python_table(object device, thw_device_api* table) except -1:
    memset(table, 0, sizeof(thw_device_api))
    table.struct_size = sizeof(thw_device_api)
    table.abi_major, table.abi_minor, table.build_tag = THW_ABI_MAJOR, THW_ABI_MINOR, b"python tier"
    table.close, table.alloc, table.free = _close, _alloc, _free
    table.copy_h2d, table.copy_d2h, table.sync = _h2d, _d2h, _sync
    table.find_kernel, table.mem_stats, table.describe = _find_kernel, _mem_stats, _describe
    if hasattr(device, "d2d"):
        table.copy_d2d = _d2d
    if hasattr(device, "copy_peer"):
        table.copy_peer = _peer
    if hasattr(device, "configure"):
        table.configure = _configure
    if hasattr(device, "record_begin"):
        table.record_begin, table.record_end = _record_begin, _record_end
        table.replay, table.recording_free = _replay, _recording_free
    return 0
