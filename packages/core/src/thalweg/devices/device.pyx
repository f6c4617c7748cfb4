"""An opened device: its memory, its copies, its kernels. How devices are opened: handshake.pyx."""
from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_CheckExact, PyCapsule_GetPointer
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free
from libc.string cimport memset

import json

import numpy as np

from thalweg.framework import errors

from thalweg.devices.abi cimport (THW_ASYNC, THW_HOST_IN, THW_INPLACE, THW_INPLACE_SECOND, THW_KERNELS_CAPSULE,
                                  THW_UNIMPLEMENTED, thw_kernels_api, thw_mem_stats)
from thalweg.devices.core_api cimport core_table, fresh_outside_context, take_outside_error
from thalweg.devices.python_kernel cimport python_kernel
from thalweg.devices.python_memory cimport PyHandle

from thalweg.devices.core_api import error_of_code

cdef extern from "devices/pending.h":
    int raise_pending "thw_pending"() except -1


class PluginError(errors.ThalwegError):
    """A plugin cannot be used; the text says why and what to install."""


class NoDevices(PluginError):
    """A plugin works but has no device on this machine."""


# --- the device -----------------------------------------------------------------------------------------

cdef class Device:
    """An opened device. `open_plugin` makes them; pointers are plain ints."""

    def __init__(self):
        raise TypeError("devices are opened by thalweg.devices, not made")

    cdef int check(self, int code, str what) except -1:
        if not code:
            return 0
        raise_pending()
        _, message, error = take_outside_error()
        if error is None:
            raise error_of_code(code, f"{self.name}: {what} failed: {message or f'the device gave code {code}'}")
        told = errors.of_device(f"{self.name}: {what} failed", error) if isinstance(error, Exception) else error
        if told is error:
            raise error                  # as it is: one of ours, or an interrupt
        raise told from error

    # memory --------------------------------------------------------------------------------------

    @property
    def alignment(self):
        """What core aligns arenas, workspaces and values in them to: a cache line, or what NVIDIA's libraries want."""
        return 64 if self.is_host else 256

    def alloc(self, size_t nbytes, size_t align=0):
        """Memory on the device, its address; `align` 0: `alignment`. ResourceExhaustedError if there is none."""
        cdef void* pointer = NULL
        cdef int code
        align = align or self.alignment
        self.give_back_unfreed()
        fresh_outside_context()
        with nogil:
            enter(self.gate)
            code = self.api.alloc(self.handle, nbytes, align, &pointer)
            leave(self.gate)
        self.check(code, f"an allocation of {nbytes} bytes")
        return <uintptr_t>pointer

    def free(self, uintptr_t pointer):
        """Gives memory back, after the work that uses it; closing the device has done that for what is left."""
        self.give_back(pointer, False)

    cdef int give_back(self, size_t pointer, bint is_recording) except -1:
        """Frees memory or a recording; later, if somebody records: whoever frees may hold Python's lock."""
        if self.handle == NULL:
            return 0
        if not try_enter(self.gate):
            self.unfreed.append((pointer, is_recording))
            return 0
        with nogil:
            if is_recording:
                self.api.recording_free(self.handle, <void*>pointer)
            else:
                self.api.free(self.handle, <void*>pointer)
            leave(self.gate)
        return 0

    cdef int give_back_unfreed(self) except -1:
        while self.unfreed:
            unfreed, self.unfreed = self.unfreed, []
            for pointer, is_recording in unfreed:
                self.give_back(pointer, is_recording)
            if len(self.unfreed) >= len(unfreed):
                break                    # somebody records again
        return 0

    def h2d(self, uintptr_t target, source):
        """Copies an array (dense; or bytes) of the host to device memory; the source may change at once."""
        cdef Py_buffer view
        cdef int code
        fresh_outside_context()
        PyObject_GetBuffer(source, &view, PyBUF_C_CONTIGUOUS)
        try:
            with nogil:
                enter(self.gate)
                code = self.api.copy_h2d(self.handle, self.stream, <void*>target, view.buf, view.len)
                leave(self.gate)
        finally:
            PyBuffer_Release(&view)
        self.check(code, "a copy to the device")

    def d2h(self, target, uintptr_t source):
        """Fills an array (dense, writable) of the host from device memory, and waits until it is there."""
        cdef Py_buffer view
        cdef int code, code_of_work = 0
        fresh_outside_context()
        PyObject_GetBuffer(target, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        try:
            with nogil:
                enter(self.gate)
                code = self.api.copy_d2h(self.handle, self.stream, view.buf, <void*>source, view.len)
                if code == 0:
                    code_of_work = self.api.sync(self.handle, self.stream)
                leave(self.gate)
        finally:
            PyBuffer_Release(&view)
        self.check(code, "a copy to the host")
        self.check(code_of_work, "work on the device")

    def d2d(self, uintptr_t target, uintptr_t source, size_t nbytes):
        """Copies inside the device; through the host where the device has no copy of its own."""
        cdef int code
        if self.api.copy_d2d == NULL:
            bounce = np.empty(nbytes, np.uint8)
            self.d2h(bounce, source)
            self.h2d(target, bounce)
            return
        fresh_outside_context()
        with nogil:
            enter(self.gate)
            code = self.api.copy_d2d(self.handle, self.stream, <void*>target, <void*>source, nbytes)
            leave(self.gate)
        self.check(code, "a copy inside the device")

    def sync(self):
        """Waits until all work on the device is done; raises what went wrong in it."""
        cdef int code
        fresh_outside_context()
        with nogil:
            enter(self.gate)
            code = self.api.sync(self.handle, self.stream)
            leave(self.gate)
        self.check(code, "work on the device")

    @property
    def can_record(self):
        """Whether work on the device may be recorded, and replayed later."""
        return self.gate != NULL

    @property
    def can_copy_inside(self):
        """Whether it has a copy of its own, and need not go through the host."""
        return self.api.copy_d2d != NULL

    def mem_stats(self):
        """Counts of bytes and allocations as a dict; None where the device does not count."""
        cdef thw_mem_stats stats
        cdef int code = THW_UNIMPLEMENTED
        memset(&stats, 0, sizeof(stats))
        stats.struct_size = sizeof(stats)
        if self.api.mem_stats != NULL:
            fresh_outside_context()
            with nogil:
                enter(self.gate)
                code = self.api.mem_stats(self.handle, &stats)
                leave(self.gate)
        if code == THW_UNIMPLEMENTED:
            return None
        self.check(code, "mem_stats")
        return {"bytes_in_use": stats.bytes_in_use, "peak_bytes": stats.peak_bytes,
                "bytes_reserved": stats.bytes_reserved, "bytes_limit": stats.bytes_limit,
                "num_allocs": stats.num_allocs, "largest_alloc": stats.largest_alloc}

    def describe(self):
        """What the device tells about itself, a dict; empty where it tells nothing."""
        cdef char[4096] text
        cdef int code = THW_UNIMPLEMENTED
        if self.api.describe != NULL:
            fresh_outside_context()
            with nogil:
                enter(self.gate)
                code = self.api.describe(self.handle, text, sizeof(text))
                leave(self.gate)
        if code == THW_UNIMPLEMENTED:
            return {}
        self.check(code, "describe")
        return json.loads(<bytes>text)

    def configure(self, dict options):
        """Hands over a session's options; the first session decides. Gives what comes too late: {name: (wish, is)}."""
        cdef int code
        if self.api.configure == NULL:
            return {}
        if self.options is not None:
            return {name: (wish, self.options.get(name)) for name, wish in options.items()
                    if wish != self.options.get(name)}
        text = json.dumps(options).encode()
        cdef const char* json_text = text
        fresh_outside_context()
        with nogil:
            enter(self.gate)
            code = self.api.configure(self.handle, json_text)
            leave(self.gate)
        self.check(code, "configure")
        self.options = options
        return {}

    def adopt(self, array):
        """`(ordinal, address, shape, DataType number, owner)` of an array of another package that lies on one of the
        plugin's devices; None where it does not, or the device does not know such arrays."""
        adopt = getattr(self.owner, "adopt", None)
        return None if adopt is None else adopt(array)

    @property
    def fallback(self):
        """The type of the device that runs what this one has no kernel for; "": the host's."""
        return self.plugin.fallback

    # kernels -------------------------------------------------------------------------------------

    def find_kernel(self, KernelRequest request not None, providers=()):
        """A Kernel for one node, or None; then `last_refusal` and `request.refusal` say why.

        `providers` are KernelPlugins that are asked first. An exception in a plugin's Python code passes through.
        """
        cdef Kernel kernel = Kernel.__new__(Kernel)
        cdef int code
        kernel.device, kernel.op_type = self, request.op_type
        self.n_kernels += 1
        kernel.out_shapes, kernel.out_dtypes = request.out_shapes, request.out_dtypes
        kernel.ref_inputs, kernel.ref_outputs = request.ref_inputs, request.ref_outputs
        kernel.kernel.struct_size = sizeof(thw_kernel)
        request.refusal = None
        for provider in providers:
            if _ask_provider(self, provider, request, kernel):
                return kernel
        with nogil:
            enter(self.gate)             # waits without Python's lock, which those who record may need
        fresh_outside_context()
        code = self.api.find_kernel(self.handle, &request.desc, &kernel.kernel)
        leave(self.gate)
        if code:
            memset(&kernel.kernel, 0, sizeof(thw_kernel))       # counts only where the device said OK
        raise_pending()                 # before a message is made: repr() may collect garbage, whose callbacks lose it
        if code != THW_UNIMPLEMENTED:
            self.check(code, f"find_kernel for {request.op_type} {request.name!r}")
            _check_kernel(kernel, self.name)
            return kernel
        _, message, error = take_outside_error()
        if error is not None:
            raise error
        self.last_refusal = request.refusal = message or f"{self.type} has no kernel for {request.op_type}"
        return None

    def __repr__(self):
        return f"<{self.name}>"

    # A finalizer, not __dealloc__: in a cycle of garbage, what the plugin's functions need is still there.
    def __del__(self):
        self.is_ending = True
        self.close_if_unused()

    cdef int close_if_unused(self) except -1:
        if self.is_ending and self.n_kernels == 0 and self.handle != NULL:
            self.give_back_unfreed()
            handle, self.handle = self.handle, NULL
            if self.stream != NULL and self.api.stream_destroy != NULL:
                self.api.stream_destroy(handle, self.stream)
            self.api.close(handle)
        return 0

    def __dealloc__(self):
        delete_gate(self.gate)
        free(<void*>self.api)


cdef bint _ask_provider(Device device, provider, KernelRequest request, Kernel kernel) except -1:
    """Whether extra kernels of a package have filled in `kernel`."""
    cdef const thw_kernels_api* api
    cdef int code
    if not PyCapsule_CheckExact(provider.find):
        function = provider.find(request)
        if function is None:
            return False
        if not device.is_host and not device.plugin.addresses:
            raise PluginError(f"{provider.name or provider.find}: kernels in Python are for devices whose memory the "
                              f"host can see, and for devices in Python with addresses; {device.name} is neither: "
                              "give a capsule of a thw_kernels_api")
        python_kernel(function, request, None if device.is_host else <PyHandle>device.handle, &kernel.kernel)
        return True
    api = <const thw_kernels_api*>PyCapsule_GetPointer(provider.find, THW_KERNELS_CAPSULE)
    with nogil:
        enter(device.gate)               # as Device.find_kernel does
    fresh_outside_context()
    code = api.find_kernel(device.handle, core_table(), &request.desc, &kernel.kernel)
    leave(device.gate)
    if code:
        memset(&kernel.kernel, 0, sizeof(thw_kernel))
        kernel.kernel.struct_size = sizeof(thw_kernel)
    raise_pending()
    if code == THW_UNIMPLEMENTED:
        return False
    device.check(code, f"find_kernel of {provider.name} for {request.op_type} {request.name!r}")
    _check_kernel(kernel, provider.name)
    kernel.owner = provider.find
    return True


cdef int _check_kernel(Kernel kernel, str who) except -1:
    if kernel.device.is_host and kernel.kernel.flags & THW_ASYNC:
        raise errors.InternalError(None, None, f"{who}: its kernel for {kernel.op_type} says that it only enqueues "
                                               f"work, but the host sees the memory of {kernel.device.name}, where "
                                               "nobody waits for it")
    if kernel.device.is_host and kernel.kernel.rng_blocks:
        raise errors.InternalError(None, None, f"{who}: its kernel for {kernel.op_type} wants its random numbers "
                                               "drawn by core, which does that for memory that the host does not "
                                               f"see; kernels of {kernel.device.name} reserve them")
    if kernel.kernel.fn == NULL:
        raise errors.InternalError(None, None, f"{who} said that it has a kernel for {kernel.op_type} but gave no "
                                               "function: its prepare function must name one")
    return 0


# --- kernels --------------------------------------------------------------------------------------------

cdef class Kernel:
    """A device's function for one node, with its prepared state. Kernels may run in several threads at once."""

    def __init__(self):
        raise TypeError("kernels come from Device.find_kernel")

    cpdef bint reads_on_host(self, int k):
        """Whether input k must lie in the host's memory."""
        return k < 16 and (self.kernel.flags & THW_HOST_IN(k)) != 0

    cpdef bint may_overwrite(self, int k, int output):
        """Whether this output may be the very buffer of input k."""
        if k >= 8 or output > 1:
            return False
        return (self.kernel.flags & (THW_INPLACE_SECOND(k) if output else THW_INPLACE(k))) != 0

    @property
    def flags(self):
        return self.kernel.flags

    @property
    def cost_ns(self):
        """Estimated time of a call, 0 where unknown."""
        return self.kernel.cost_ns

    @property
    def is_async(self):
        """Whether a call only enqueues work."""
        return (self.kernel.flags & THW_ASYNC) != 0

    @property
    def rng_blocks(self):
        """Blocks of random numbers that core reserves for each call; 0: the kernel does that itself."""
        return self.kernel.rng_blocks

    @property
    def workspace_bytes(self):
        """Memory on the device that each call needs."""
        return self.kernel.workspace_bytes

    @property
    def scratch_bytes(self):
        """Memory that each thread of a call needs."""
        return self.kernel.scratch_bytes

    def __repr__(self):
        return f"<kernel {self.op_type} of {self.device.name}>"

    def __del__(self):
        if self.kernel.free_state != NULL and self.kernel.state != NULL:
            self.kernel.free_state(self.kernel.state)
        self.device.n_kernels -= 1
        self.device.close_if_unused()
