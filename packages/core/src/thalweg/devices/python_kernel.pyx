"""Kernels that are Python functions: what they are called with, and what their attributes tell core.

A kernel gets two lists, inputs and outputs: arrays where the host sees the device's memory, addresses (ints) where
the device has them, else the objects that `alloc` gave. With addresses, inputs that are read on the host come as
arrays, and core looks at these attributes of the function, each of which may be missing:

    workspace_bytes : int           memory on the device for one call, which then gets workspace=address
    inplace : tuple of int          inputs (below 8) whose buffer output 0 may be
    inplace_second : tuple of int   the same for output 1
    host_inputs : tuple of int      inputs (below 16) that are read on the host
    is_async : bool                 the function only enqueues work, and may be recorded
    rng_blocks : int                of a random op: blocks of 128 bits that each call draws, which core reserves; the
                                    kernel gets rng=address, of key and counter on the device: 6 words of 32 bits
    deterministic : bool
    cost_ns : float                 estimated time of a call
"""
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint64_t, uintptr_t

import numpy as np

from thalweg.framework.dtypes import as_dtype

from thalweg.devices.abi cimport (THW_ASYNC, THW_DETERMINISTIC, THW_HOST_IN, THW_INPLACE, THW_INPLACE_SECOND,
                                  THW_INTERNAL, THW_OK, int32_t, thw_call, thw_rng, thw_tensor)
from thalweg.devices.core_api cimport RunContext, keep_exception, reserve_random
from thalweg.devices.python_memory cimport bytes_at


cdef class PyKernel:
    """The state of a kernel that is a Python function."""
    cdef object function
    cdef tuple in_dtypes, out_dtypes         # NumPy dtypes
    cdef tuple refs                          # operands that are a variable's buffer, which the function may write
    cdef PyHandle handle                     # None where kernels get arrays
    cdef bint has_addresses, has_workspace, draws_on_device
    cdef uint64_t flags                      # as core knows them

    cdef object operand(self, const thw_tensor* tensor, dtype, bint is_written):
        if self.has_addresses:
            return <uintptr_t>tensor.data
        cdef size_t nbytes = _nbytes(tensor, dtype)
        if self.handle is None:
            return _array(tensor, nbytes, dtype, is_written)
        if is_written:
            return self.handle.target(<uintptr_t>tensor.data, nbytes)
        return self.handle.source(<uintptr_t>tensor.data, nbytes)

    cdef object input(self, const thw_tensor* tensor, int k):
        dtype = self.in_dtypes[k]
        if self.has_addresses and k < 16 and self.flags & THW_HOST_IN(k):
            return _array(tensor, _nbytes(tensor, dtype), dtype, False)
        return self.operand(tensor, dtype, k in self.refs)

    cdef int read_attributes(self, thw_kernel* out) except -1:
        """Tells core what the function's attributes say; once, when it is found."""
        function = self.function
        out.workspace_bytes = getattr(function, "workspace_bytes", 0)
        self.has_workspace = out.workspace_bytes != 0
        out.cost_ns, out.rng_blocks = getattr(function, "cost_ns", 0.0), getattr(function, "rng_blocks", 0)
        self.draws_on_device = out.rng_blocks != 0
        for name, most in (("inplace", 8), ("inplace_second", 8), ("host_inputs", 16)):
            for k in getattr(function, name, ()):
                if not 0 <= k < min(most, len(self.in_dtypes)):
                    raise ValueError(f"{function!r}: {name} names input {k}; there are {len(self.in_dtypes)}, and "
                                     f"only the first {most} can be named")
                out.flags |= THW_INPLACE(k) if name == "inplace" else \
                    THW_INPLACE_SECOND(k) if name == "inplace_second" else THW_HOST_IN(k)
        if getattr(function, "is_async", False):
            if not hasattr(self.handle.device, "sync"):
                raise ValueError(f"{function!r} only enqueues work, but {type(self.handle.device).__name__} has no "
                                 "method sync(i) by which core could wait for it")
            out.flags |= THW_ASYNC
        if getattr(function, "deterministic", False):
            out.flags |= THW_DETERMINISTIC
        self.flags = out.flags
        return 0


cdef size_t _nbytes(const thw_tensor* tensor, dtype) except? 0:
    cdef size_t nbytes = dtype.itemsize
    cdef int32_t i
    for i in range(tensor.ndim):
        nbytes *= tensor.shape[i]
    return nbytes


cdef object _array(const thw_tensor* tensor, size_t nbytes, dtype, bint writable):
    shape = [tensor.shape[i] for i in range(tensor.ndim)]
    if not nbytes:
        return np.empty(shape, dtype)
    return np.frombuffer(bytes_at(<char*>tensor.data + tensor.byte_offset, nbytes, writable), dtype).reshape(shape)


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
    cdef int32_t k
    inputs = [kernel.input(&ins[k], k) for k in range(n_in)]
    outputs = [kernel.operand(&outs[k], kernel.out_dtypes[k], True) for k in range(n_out)]
    if call.rng == NULL and not kernel.has_workspace:
        kernel.function(inputs, outputs)
        return 0
    options = {}
    if kernel.has_workspace:
        options["workspace"] = <uintptr_t>call.workspace
    if call.rng != NULL:
        options["rng"] = <uintptr_t>call.rng if kernel.draws_on_device else _generator(call.rng)
    kernel.function(inputs, outputs, **options)
    return 0


cdef void _release(void* state) noexcept nogil:
    with gil:
        Py_DECREF(<object>state)


cdef int python_kernel(object function, KernelRequest request, PyHandle handle, thw_kernel* out) except -1:
    cdef PyKernel kernel = PyKernel.__new__(PyKernel)
    kernel.function, kernel.handle, kernel.refs = function, handle, request.ref_inputs
    kernel.in_dtypes = tuple([as_dtype(d).np for d in request.in_dtypes])
    kernel.out_dtypes = tuple([as_dtype(d).np for d in request.out_dtypes])
    kernel.has_addresses = handle is not None and handle.has_addresses
    if kernel.has_addresses:
        kernel.read_attributes(out)
    Py_INCREF(kernel)
    out.fn, out.state, out.free_state = _call, <void*>kernel, _release
    return 0
