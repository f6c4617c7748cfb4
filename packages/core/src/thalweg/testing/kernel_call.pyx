"""Calls one CPU kernel on NumPy arrays, without graph or session: for the tests of kernels and for timing them."""
from libc.stdlib cimport free
from libc.string cimport memset
from libc.stdint cimport uintptr_t

from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport (THW_INPLACE, THW_INPLACE_SECOND, int64_t, thw_call, thw_kernel, thw_rng, thw_tensor)
from thalweg.devices.core_api cimport (KernelRequest, RunContext, core_table, dl_dtype, fill_rng, start_run,
                                       take_error)

import time

import numpy as np

from thalweg.devices.core_api import error_of_code
from thalweg.framework.dtypes import as_dtype

cdef extern from "stdlib.h" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    MAX_TENSORS = 64
    MAX_RANK = 32


cdef class KernelCall:
    """A prepared kernel and the arrays that it runs on.

    Parameters
    ----------
    prepare : callable            a prepare function
    op_type : str
    inputs : list of arrays       contiguous; those in `refs` are written in place
    outputs : list                (shape, dtype) each, or an array that is the output's memory (a ref, or in place)
    attrs : dict
    constants : tuple of int      inputs whose values the prepare function may read
    threads : int                 most threads of one parallel_for
    rng : (key, counter)          state of the generator that a random op starts from: two and four 32-bit words

    Raises what prepare raises. `run()` gives the outputs; it raises the error that the kernel tells.
    """
    cdef thw_kernel kernel
    cdef RunContext context
    cdef thw_call call
    cdef thw_rng rng
    cdef thw_tensor tensors[MAX_TENSORS]
    cdef int64_t dims[MAX_TENSORS][MAX_RANK]
    cdef int n_in, n_out
    cdef readonly list inputs, outputs
    cdef object request

    def __init__(self, prepare, op_type, inputs, outputs, attrs=None, constants=(), threads=1, rng=None):
        self.inputs = [np.asarray(x, order="C") for x in inputs]
        self.outputs = [y if isinstance(y, np.ndarray) else np.empty(y[0], as_dtype(y[1]).np) for y in outputs]
        self.n_in, self.n_out = len(self.inputs), len(self.outputs)
        cdef KernelRequest described = KernelRequest(
            op_type, attrs, [x.shape for x in self.inputs], [y.shape for y in self.outputs],
            [as_dtype(x.dtype) for x in self.inputs], [as_dtype(y.dtype) for y in self.outputs],
            {k: self.inputs[k] for k in constants})
        memset(&self.kernel, 0, sizeof(self.kernel))
        self.kernel.struct_size = sizeof(self.kernel)
        self.request = described
        prepare(Request.make(&described.desc, core_table(), &self.kernel))
        assert self.kernel.fn != NULL, f"the prepare function of {op_type} has set no kernel"
        start_run(&self.context, threads, self.kernel.scratch_bytes)
        self.call.struct_size = sizeof(self.call)
        self.call.core, self.call.core_ctx, self.call.state = core_table(), &self.context, self.kernel.state
        if rng is not None:
            fill_rng(&self.rng, rng[0], rng[1])
            self.call.rng = &self.rng
        if self.kernel.workspace_bytes:
            self.call.workspace = aligned_alloc(64, (self.kernel.workspace_bytes + 63) // 64 * 64)
        for k, array in enumerate(self.inputs + self.outputs):
            self._describe(k, array)

    def __dealloc__(self):
        free(self.call.workspace)
        if self.kernel.free_state != NULL:
            self.kernel.free_state(self.kernel.state)

    cdef int _describe(self, int k, array) except -1:
        cdef thw_tensor* tensor = &self.tensors[k]
        memset(tensor, 0, sizeof(tensor[0]))
        tensor.data = <void*><uintptr_t>array.ctypes.data
        tensor.device.dl_type = 1
        tensor.ndim = array.ndim
        tensor.dtype = dl_dtype(int(as_dtype(array.dtype)))
        tensor.shape = self.dims[k]
        for i in range(array.ndim):
            self.dims[k][i] = array.shape[i]
        return 0

    def may_be_in_place(self, int k, int output=0):
        """Whether the kernel allows output 0 or 1 to be the memory of input k."""
        return bool(self.kernel.flags & (THW_INPLACE_SECOND(k) if output else THW_INPLACE(k)))

    def run(self):
        """Runs the kernel once; gives the outputs."""
        cdef int code
        with nogil:
            code = self.kernel.fn(&self.call, self.tensors, self.n_in, &self.tensors[self.n_in], self.n_out)
        told, message, error = take_error(&self.context)
        if error is not None:
            raise error
        if code or told:
            raise error_of_code(told or code, message)
        return self.outputs

    def nanoseconds(self, int repeats=100):
        """The shortest time of one call, of `repeats`."""
        best = float("inf")
        cdef int _i, batch = 20
        for _ in range(max(1, repeats // batch)):
            start = time.perf_counter_ns()
            with nogil:
                for _i in range(batch):
                    self.kernel.fn(&self.call, self.tensors, self.n_in, &self.tensors[self.n_in], self.n_out)
            best = min(best, (time.perf_counter_ns() - start) / batch)
        return best


def call_kernel(prepare, op_type, inputs, outputs, attrs=None, constants=(), threads=1, rng=None):
    """The outputs of one run of a kernel; parameters as of KernelCall."""
    return KernelCall(prepare, op_type, inputs, outputs, attrs, constants, threads, rng).run()
