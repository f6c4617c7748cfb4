"""An opened device: its memory, its copies, its kernels; and the handshake with which a plugin's table is accepted."""
from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_CheckExact, PyCapsule_GetName, PyCapsule_GetPointer
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import json
import re

import numpy as np

from thalweg._version import __version__ as CORE_VERSION
from thalweg.framework import errors
from thalweg.framework.dtypes import as_dtype

from thalweg.devices.abi cimport (THW_ABI_MAJOR, THW_ABI_MINOR, THW_CAPSULE, THW_HOST_IN, THW_INPLACE,
                                  THW_KERNELS_CAPSULE, THW_UNIMPLEMENTED, int64_t, thw_call,
                                  thw_kernels_api, thw_mem_stats, thw_rng, thw_tensor)
from thalweg.devices.core_api cimport (RunContext, core_table, dl_dtype, fill_rng, fresh_outside_context, start_run,
                                       take_error, take_outside_error)
from thalweg.devices.python_tier cimport open_python_device, python_kernel, python_table

from thalweg.devices.core_api import error_of_code
from thalweg.devices.python_tier import missing_methods


cdef extern from * nogil:
    """
    /* -1 where a plugin has left an exception set: Cython then raises it. */
    static inline int thw_pending(void) { return PyErr_Occurred() ? -1 : 0; }
    #define THW_REQUIRED_BYTES (offsetof(thw_device_api, find_kernel) + sizeof(void*))
    """
    int raise_pending "thw_pending"() except -1 with gil
    size_t THW_REQUIRED_BYTES


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
        told, message, error = take_outside_error()
        if error is not None:
            raise error
        raise error_of_code(code, f"{self.name}: {what} failed: {message or f'the device gave code {code}'}")

    # memory --------------------------------------------------------------------------------------

    def alloc(self, size_t nbytes, size_t align=64):
        """Memory on the device, its address. ResourceExhaustedError if there is none."""
        cdef void* pointer = NULL
        cdef int code
        fresh_outside_context()
        with nogil:
            code = self.api.alloc(self.handle, nbytes, align, &pointer)
        self.check(code, f"an allocation of {nbytes} bytes")
        return <uintptr_t>pointer

    def free(self, uintptr_t pointer):
        """Gives memory back."""
        with nogil:
            self.api.free(self.handle, <void*>pointer)

    def h2d(self, uintptr_t target, source):
        """Copies an array (dense; or bytes) of the host to device memory."""
        cdef Py_buffer view
        cdef int code
        fresh_outside_context()
        PyObject_GetBuffer(source, &view, PyBUF_C_CONTIGUOUS)
        try:
            with nogil:
                code = self.api.copy_h2d(self.handle, NULL, <void*>target, view.buf, view.len)
        finally:
            PyBuffer_Release(&view)
        self.check(code, "a copy to the device")

    def d2h(self, target, uintptr_t source):
        """Fills an array (dense, writable) of the host from device memory."""
        cdef Py_buffer view
        cdef int code
        fresh_outside_context()
        PyObject_GetBuffer(target, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
        try:
            with nogil:
                code = self.api.copy_d2h(self.handle, NULL, view.buf, <void*>source, view.len)
        finally:
            PyBuffer_Release(&view)
        self.check(code, "a copy to the host")

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
            code = self.api.copy_d2d(self.handle, NULL, <void*>target, <void*>source, nbytes)
        self.check(code, "a copy inside the device")

    def sync(self):
        """Waits until all work on the device is done; raises what went wrong in it."""
        cdef int code
        fresh_outside_context()
        with nogil:
            code = self.api.sync(self.handle, NULL)
        self.check(code, "work on the device")

    def mem_stats(self):
        """Counts of bytes and allocations as a dict; None where the device does not count."""
        cdef thw_mem_stats stats
        cdef int code = THW_UNIMPLEMENTED
        memset(&stats, 0, sizeof(stats))
        stats.struct_size = sizeof(stats)
        if self.api.mem_stats != NULL:
            fresh_outside_context()
            code = self.api.mem_stats(self.handle, &stats)
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
            code = self.api.describe(self.handle, text, sizeof(text))
        if code == THW_UNIMPLEMENTED:
            return {}
        self.check(code, "describe")
        return json.loads(<bytes>text)

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
        kernel.out_shapes, kernel.out_dtypes = request.out_shapes, request.out_dtypes
        kernel.ref_inputs, kernel.ref_outputs = request.ref_inputs, request.ref_outputs
        kernel.kernel.struct_size = sizeof(thw_kernel)
        request.refusal = None
        for provider in providers:
            if _ask_provider(self, provider, request, kernel):
                return kernel
        fresh_outside_context()
        code = self.api.find_kernel(self.handle, &request.desc, &kernel.kernel)
        if code:
            memset(&kernel.kernel, 0, sizeof(thw_kernel))       # counts only where the device said OK
        if code != THW_UNIMPLEMENTED:
            self.check(code, f"find_kernel for {request.op_type} {request.name!r}")
            _check_kernel(kernel, self.name)
            return kernel
        raise_pending()
        _, message, error = take_outside_error()
        if error is not None:
            raise error
        self.last_refusal = request.refusal = message or f"{self.type} has no kernel for {request.op_type}"
        return None

    def __repr__(self):
        return f"<{self.name}>"

    def __dealloc__(self):
        if self.handle != NULL:
            self.api.close(self.handle)
        free(<void*>self.api)


cdef bint _ask_provider(Device device, provider, KernelRequest request, Kernel kernel) except -1:
    """Whether extra kernels of a package have filled in `kernel`."""
    cdef const thw_kernels_api* api
    cdef int code
    if not PyCapsule_CheckExact(provider.find):
        function = provider.find(request)
        if function is None:
            return False
        if not device.is_host:
            raise PluginError(f"{provider.name or provider.find}: kernels in Python are for devices whose memory the "
                              f"host can see, {device.name} is none; give a capsule of a thw_kernels_api")
        python_kernel(function, request, &kernel.kernel)
        return True
    api = <const thw_kernels_api*>PyCapsule_GetPointer(provider.find, THW_KERNELS_CAPSULE)
    fresh_outside_context()
    code = api.find_kernel(device.handle, core_table(), &request.desc, &kernel.kernel)
    if code:
        memset(&kernel.kernel, 0, sizeof(thw_kernel))
        kernel.kernel.struct_size = sizeof(thw_kernel)
    if code == THW_UNIMPLEMENTED:
        return False
    device.check(code, f"find_kernel of {provider.name} for {request.op_type} {request.name!r}")
    _check_kernel(kernel, provider.name)
    kernel.owner = provider.find
    return True


cdef int _check_kernel(Kernel kernel, str who) except -1:
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

    cpdef bint may_overwrite(self, int k):
        """Whether output 0 may be the very buffer of input k."""
        return k < 8 and (self.kernel.flags & THW_INPLACE(k)) != 0

    @property
    def flags(self):
        return self.kernel.flags

    @property
    def cost_ns(self):
        """Estimated time of a call, 0 where unknown."""
        return self.kernel.cost_ns

    @property
    def workspace_bytes(self):
        """Memory on the device that each call needs."""
        return self.kernel.workspace_bytes

    @property
    def scratch_bytes(self):
        """Memory that each thread of a call needs."""
        return self.kernel.scratch_bytes

    def __call__(self, *arrays, int threads=0, rng=None):
        """Runs the kernel once on arrays of the host and gives a list of arrays: for tests, not for speed.

        Inputs that the op changes (a variable's own buffer) are changed in `arrays`. `threads` as in a session's
        configuration; `rng` is (key, counter), two and four 32-bit words.
        """
        return _Call(self, arrays).run(threads, rng)

    def __repr__(self):
        return f"<kernel {self.op_type} of {self.device.name}>"

    def __dealloc__(self):
        if self.kernel.free_state != NULL and self.kernel.state != NULL:
            self.kernel.free_state(self.kernel.state)


cdef class _Call:
    """One call of a kernel outside of any plan: buffers on the device and copies for its operands."""

    cdef Kernel kernel
    cdef list arrays, outputs, pointers
    cdef thw_tensor* operands
    cdef int64_t* dims
    cdef int n_dims

    def __init__(self, Kernel kernel, arrays):
        self.kernel, self.pointers = kernel, []
        self.arrays = [np.asarray(a, order="C") for a in arrays]
        self.outputs = [np.empty(shape, as_dtype(d).np) for shape, d in zip(kernel.out_shapes, kernel.out_dtypes)]
        n = len(self.arrays) + len(self.outputs)
        self.operands = <thw_tensor*>calloc(n + 1, sizeof(thw_tensor))
        self.dims = <int64_t*>calloc(sum([a.ndim for a in self.arrays + self.outputs]) + 1, sizeof(int64_t))
        if self.operands == NULL or self.dims == NULL:
            raise MemoryError()
        for k, array in enumerate(self.arrays):
            self.describe(k, array, array.ctypes.data if kernel.reads_on_host(k) else self.put(array))
        for k, array in enumerate(self.outputs):
            # An output that is a reference is the buffer of the first input that is one.
            self.describe(len(self.arrays) + k, array, <uintptr_t>self.operands[<int>kernel.ref_inputs[0]].data
                          if k in kernel.ref_outputs else self.reserve(array.nbytes))

    def put(self, array):
        pointer = self.reserve(array.nbytes)
        if array.nbytes:
            self.kernel.device.h2d(pointer, array)
        return pointer

    def reserve(self, nbytes):
        pointer = self.kernel.device.alloc(nbytes)
        self.pointers.append(pointer)
        return pointer

    cdef int describe(self, int k, array, uintptr_t pointer) except -1:
        cdef thw_tensor* operand = &self.operands[k]
        operand.data, operand.ndim, operand.shape = <void*>pointer, array.ndim, self.dims + self.n_dims
        operand.dtype = dl_dtype(int(as_dtype(array.dtype)))
        operand.device.dl_type, operand.device.dl_id = self.kernel.device.dl_type, self.kernel.device.ordinal
        for size in array.shape:
            self.dims[self.n_dims] = size
            self.n_dims += 1
        return 0

    def run(self, int threads, rng):
        cdef Kernel kernel = self.kernel
        cdef int n_in = len(self.arrays), n_out = len(self.outputs), code
        cdef RunContext context
        cdef thw_call call
        cdef thw_rng state
        start_run(&context, threads, kernel.kernel.scratch_bytes)
        memset(&call, 0, sizeof(call))
        call.struct_size, call.core, call.core_ctx = sizeof(call), core_table(), &context
        call.device, call.state = kernel.device.handle, kernel.kernel.state
        call.workspace = <void*><uintptr_t>self.reserve(kernel.kernel.workspace_bytes)
        if rng is not None:
            key, counter = rng
            fill_rng(&state, key, counter)
            call.rng = &state
        with nogil:
            code = kernel.kernel.fn(&call, self.operands, n_in, self.operands + n_in, n_out)
        if code or context.code:
            told, message, error = take_error(&context)
            raise error or error_of_code(told or code, f"{kernel.op_type} on {kernel.device.name}: "
                                                       f"{message or f'the kernel gave code {code}'}")
        kernel.device.sync()
        return self.results()

    def results(self):
        cdef int n_in = len(self.arrays)
        for k in self.kernel.ref_inputs:
            self.fetch(self.arrays[k], <uintptr_t>self.operands[<int>k].data)
        for k, array in enumerate(self.outputs):
            self.fetch(array, <uintptr_t>self.operands[n_in + <int>k].data)
        return self.outputs

    def fetch(self, array, pointer):
        if array.nbytes:
            self.kernel.device.d2h(array, pointer)

    def __dealloc__(self):
        for pointer in self.pointers or ():
            self.kernel.device.free(pointer)
        free(self.operands)
        free(self.dims)


# --- the handshake --------------------------------------------------------------------------------------

def open_plugin(plugin, product, str label, str package=""):
    """Opens all devices of a plugin: a list of Device.

    Parameters
    ----------
    plugin : DevicePlugin
    product : PyCapsule or PyDevice     what plugin.open() gave
    label : str                         the plugin in messages, "plugin acme 2.0"
    package : str                       what to install another version of, "acme"; may be empty

    Raises
    ------
    PluginError, NoDevices      the handshake of docs/devices.md, section 3
    """
    if PyCapsule_CheckExact(product):
        return _open_table(plugin, product, label, package or "the plugin")
    missing = missing_methods(product)
    if missing:
        raise PluginError(f"{label}: open() gave {type(product).__name__}, which is neither a capsule nor a PyDevice; "
                          f"a PyDevice also has {', '.join(missing)}")
    count = _counted(product.count(), label)
    return [_open_python(plugin, product, i) for i in range(count)]


def _counted(count, label):
    if count < 1:
        raise NoDevices(f"{label} finds no device on this machine")
    return count


cdef Device _new_device(plugin, owner, int ordinal, const thw_device_api* table):
    """A device with a table of its own, whole: entries that an older plugin does not have are NULL."""
    cdef Device device = Device.__new__(Device)
    cdef thw_device_api* own = <thw_device_api*>calloc(1, sizeof(thw_device_api))
    if own == NULL:
        raise MemoryError()
    memcpy(own, table, min(table.struct_size, sizeof(thw_device_api)))
    device.api, device.owner, device.plugin = own, owner, plugin
    device.type, device.ordinal, device.name = plugin.type, ordinal, f"/device:{plugin.type}:{ordinal}"
    device.is_host, device.dl_type = plugin.host_memory, plugin.dl_type
    device.build_tag = table.build_tag.decode("utf-8", "replace") if table.build_tag != NULL else ""
    return device


cdef Device _open_python(plugin, product, int ordinal):
    cdef Device device = _new_device(plugin, product, ordinal, python_table())
    device.handle = open_python_device(product, ordinal, plugin.host_memory)
    return device


cdef list _open_table(plugin, capsule, str label, str package):
    cdef const char* name = PyCapsule_GetName(capsule)
    cdef const thw_device_api* table
    _check_name((<bytes>name).decode("utf-8", "replace") if name != NULL else "", label, package)
    table = <const thw_device_api*>PyCapsule_GetPointer(capsule, THW_CAPSULE)
    _check_table(table, label, package)
    return [_open_ordinal(plugin, capsule, i, table, label) for i in range(_device_count(table, label))]


cdef int _device_count(const thw_device_api* table, str label) except -1:
    cdef int32_t count = 0
    fresh_outside_context()
    cdef int code = table.device_count(&count)
    raise_pending()
    if code:
        _, message, error = take_outside_error()
        raise error or PluginError(f"{label}: device_count gave code {code}{': ' if message else ''}{message}")
    return _counted(count, label)


cdef Device _open_ordinal(plugin, capsule, int ordinal, const thw_device_api* table, str label):
    cdef Device device = _new_device(plugin, capsule, ordinal, table)
    cdef void* handle = NULL
    fresh_outside_context()
    device.check(table.open(ordinal, core_table(), &handle), f"open of {label}")
    device.handle = handle
    return device


def _check_name(str name, str label, str package):
    ours = THW_CAPSULE.decode()
    if name == ours:
        return
    match = re.fullmatch(r"thalweg\.device\.v(\d+)", name)
    if match is None:
        raise PluginError(f"{label}: open() gave a capsule named {name!r}; a device's is named {ours!r}")
    theirs = int(match[1])
    hint = (f"a thalweg-core that speaks v{theirs}, or an older {package} that speaks v{THW_ABI_MAJOR}"
            if theirs > THW_ABI_MAJOR else f"a newer {package} that speaks v{THW_ABI_MAJOR}")
    raise PluginError(f"{label} speaks device API v{theirs}, thalweg {CORE_VERSION} speaks v{THW_ABI_MAJOR}: "
                      f"install {hint}")


cdef int _check_table(const thw_device_api* table, str label, str package) except -1:
    if table.abi_major != THW_ABI_MAJOR:
        raise PluginError(f"{label}: its capsule is named {THW_CAPSULE.decode()!r} but its table says version "
                          f"{table.abi_major}.{table.abi_minor}: {package} is built wrongly")
    if table.min_core_minor > THW_ABI_MINOR:
        raise PluginError(f"{label} needs device API {THW_ABI_MAJOR}.{table.min_core_minor}, thalweg {CORE_VERSION} "
                          f"speaks {THW_ABI_MAJOR}.{THW_ABI_MINOR}: install a newer thalweg-core, or an older {package}")
    if table.struct_size < THW_REQUIRED_BYTES:
        raise PluginError(f"{label}: its table has {table.struct_size} bytes, the required entries alone take "
                          f"{THW_REQUIRED_BYTES}: {package} is built wrongly")
    missing = [entry for entry, is_missing in (
        ("device_count", table.device_count == NULL), ("open", table.open == NULL), ("close", table.close == NULL),
        ("alloc", table.alloc == NULL), ("free", table.free == NULL), ("copy_h2d", table.copy_h2d == NULL),
        ("copy_d2h", table.copy_d2h == NULL), ("sync", table.sync == NULL),
        ("find_kernel", table.find_kernel == NULL)) if is_missing]
    if missing:
        raise PluginError(f"{label}: its table lacks {', '.join(missing)}, which every device must have")
    return 0
