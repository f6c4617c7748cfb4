"""Calls one kernel of any device on NumPy arrays, without graph or session."""
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset

import time

import numpy as np

from thalweg.devices.abi cimport int64_t, thw_call, thw_rng, thw_tensor
from thalweg.devices.core_api cimport RunContext, core_table, dl_dtype, fill_rng, start_run, take_error
from thalweg.devices.device cimport Device, Kernel, enter, leave

from thalweg.devices.core_api import error_of_code
from thalweg.framework.dtypes import as_dtype


cdef enum:
    GUARD_BYTES = 64                     # behind each output, where its memory is the host's

cdef unsigned char[GUARD_BYTES] UNTOUCHED
memset(UNTOUCHED, 0xA5, GUARD_BYTES)


def call(Kernel kernel, *arrays, int threads=0, rng=None, uintptr_t stream=0):
    """The outputs of one call, a list of arrays.

    Inputs that the op changes (a variable's own buffer) are changed in `arrays`. `threads` as in a session's
    configuration; `rng` is (key, counter), two and four 32-bit words. `stream` takes the copies and the kernel.
    AssertionError where a kernel on memory of the host has written behind an output.
    """
    return DeviceCall(kernel, arrays, stream).run(threads, rng)


def seconds_of_calls(Kernel kernel, arrays, int count):
    """How long `count` calls of a kernel take, one after the other on the same buffers, until the device is done."""
    made = DeviceCall(kernel, arrays)
    begun = time.perf_counter()
    made.run(0, None, count)
    return time.perf_counter() - begun


def addresses(Device device):
    """Where a device's table, its handle and core's own table lie, for tests that call a table's entries by ctypes."""
    return <uintptr_t>device.api, <uintptr_t>device.handle, <uintptr_t>core_table()


cdef class DeviceCall:
    """One call of a kernel: buffers on its device, and copies, for arrays of the host."""

    cdef Kernel kernel
    cdef list arrays, outputs, pointers
    cdef thw_tensor* operands
    cdef int64_t* dims
    cdef int n_dims
    cdef uintptr_t stream

    def __init__(self, Kernel kernel, arrays, uintptr_t stream=0):
        self.kernel, self.pointers = kernel, []
        self.stream = stream or <uintptr_t>kernel.device.stream
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
                          if k in kernel.ref_outputs else self.reserve_guarded(array.nbytes))

    def put(self, array):
        pointer = self.reserve(array.nbytes)
        cdef Device device = self.kernel.device
        cdef uintptr_t source = array.ctypes.data
        if array.nbytes:
            device.check(device.api.copy_h2d(device.handle, <void*>self.stream, <void*><uintptr_t>pointer,
                                             <void*>source, array.nbytes), "a copy to the device")
        return pointer

    def reserve(self, nbytes):
        pointer = self.kernel.device.alloc(nbytes)
        self.pointers.append(pointer)
        return pointer

    def reserve_guarded(self, nbytes):
        if not self.kernel.device.is_host:
            return self.reserve(nbytes)
        pointer = self.reserve(nbytes + GUARD_BYTES)
        memset(<char*><uintptr_t>pointer + <size_t>nbytes, 0xA5, GUARD_BYTES)
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

    def run(self, int threads, rng, int count=1):
        """The outputs; of the last call, where the kernel is called `count` times."""
        cdef Kernel kernel = self.kernel
        cdef int _i, n_in = len(self.arrays), n_out = len(self.outputs), code
        cdef RunContext context
        cdef thw_call call
        cdef thw_rng state
        start_run(&context, threads, kernel.kernel.scratch_bytes)
        memset(&call, 0, sizeof(call))
        call.struct_size, call.core, call.core_ctx = sizeof(call), core_table(), &context
        call.device, call.state, call.stream = kernel.device.handle, kernel.kernel.state, <void*>self.stream
        call.workspace = <void*><uintptr_t>self.reserve(kernel.kernel.workspace_bytes)
        if rng is not None:
            key, counter = rng
            fill_rng(&state, key, counter)
            call.rng = &state
            if kernel.kernel.rng_blocks:
                call.rng = <thw_rng*><uintptr_t>self.put(np.uint32([*key, *counter]))
        with nogil:
            enter(kernel.device.gate)
            for _i in range(count):
                code = kernel.kernel.fn(&call, self.operands, n_in, self.operands + n_in, n_out)
                if code:
                    break
            leave(kernel.device.gate)
        if code or context.code:
            told, message, error = take_error(&context)
            raise error or error_of_code(told or code, f"{kernel.op_type} on {kernel.device.name}: "
                                                       f"{message or f'the kernel gave code {code}'}")
        return self.results()

    def results(self):
        cdef int n_in = len(self.arrays)
        cdef Device device = self.kernel.device
        for k in self.kernel.ref_inputs:
            self.fetch(self.arrays[k], <uintptr_t>self.operands[<int>k].data)
        for k, array in enumerate(self.outputs):
            self.fetch(array, <uintptr_t>self.operands[n_in + <int>k].data)
        device.check(device.api.sync(device.handle, <void*>self.stream), "work on the device")
        for k, array in enumerate(self.outputs):
            if device.is_host and k not in self.kernel.ref_outputs:
                self.check_guard(k, array.nbytes, <uintptr_t>self.operands[n_in + <int>k].data)
        return self.outputs

    def check_guard(self, k, size_t nbytes, uintptr_t pointer):
        if memcmp(<char*>pointer + nbytes, UNTOUCHED, GUARD_BYTES):
            raise AssertionError(f"{self.kernel.op_type} on {self.kernel.device.name} has written behind the "
                                 f"{nbytes} bytes of output {k}")

    def fetch(self, array, pointer):
        cdef Device device = self.kernel.device
        cdef uintptr_t target = array.ctypes.data
        if array.nbytes:
            device.check(device.api.copy_d2h(device.handle, <void*>self.stream, <void*>target,
                                             <void*><uintptr_t>pointer, array.nbytes), "a copy to the host")

    def __dealloc__(self):
        for pointer in self.pointers or ():
            self.kernel.device.free(pointer)
        free(self.operands)
        free(self.dims)
