"""What a prepare function sees: the node, through the device contract alone, and the kernel that it fills in.

    def softplus(Request r):
        if r.in_dtypes[0] != 1:
            raise Unsupported("Softplus on the CPU takes float32")
        cdef State* state = <State*>r.new_state(sizeof(State))
        ...
        r.set(softplus_f32, THW_INPLACE(0))
"""
from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdlib cimport calloc, free

from thalweg.devices.abi cimport (int32_t, int64_t, uint64_t, thw_core_api, thw_kernel, thw_kernel_fn, thw_op_desc,
                                  thw_tensor)

import numpy as np


class Unsupported(Exception):
    """This kernel does not take this node: core runs the reference body instead and logs the reason once."""


cdef object _REQUIRED = object()

# DLPack type codes -> NumPy kind letters
_KINDS = {0: "i", 1: "u", 2: "f", 5: "c", 6: "b"}


cdef void _free_state(void* state) noexcept nogil:
    free(state)


cdef class Request:
    """One node that a kernel is asked for; made by the CPU device, used during prepare only."""

    def __init__(self):
        raise TypeError("a Request is made by the CPU device, for the time of one prepare call")

    @staticmethod
    cdef Request make(const thw_op_desc* desc, const thw_core_api* core, thw_kernel* kernel):
        """`kernel` is zeroed but for its struct_size."""
        cdef Request r = Request.__new__(Request)
        cdef int32_t k
        r.desc, r.core, r.kernel = desc, core, kernel
        r.op_type = desc.op_type.decode()
        r.n_in, r.n_out = desc.n_in, desc.n_out
        r.in_dtypes = tuple([desc.in_dtypes[k] for k in range(desc.n_in)])
        r.out_dtypes = tuple([desc.out_dtypes[k] for k in range(desc.n_out)])
        r.in_shapes = tuple([r._shape(True, k) for k in range(desc.n_in)])
        r.out_shapes = tuple([r._shape(False, k) for k in range(desc.n_out)])
        return r

    cdef tuple _shape(self, bint is_input, int32_t k):
        cdef const int64_t* dims = NULL
        cdef int32_t ndim = 0
        cdef int code
        if is_input:
            code = self.core.in_shape(self.desc.op, k, &dims, &ndim)
        else:
            code = self.core.out_shape(self.desc.op, k, &dims, &ndim)
        if code:
            raise Unsupported(f"{self.op_type}: the shape of {'input' if is_input else 'output'} {k} is not known")
        return tuple([dims[i] for i in range(ndim)])

    cdef void* new_state(self, size_t nbytes) except NULL:
        """Zeroed memory that lives as long as the kernel."""
        if self.kernel.state != NULL:
            raise RuntimeError(f"{self.op_type}: prepare asked for its state twice")
        cdef void* state = calloc(1, nbytes if nbytes else 1)
        if state == NULL:
            raise MemoryError(f"{self.op_type}: {nbytes} bytes of kernel state")
        self.kernel.state, self.kernel.free_state = state, _free_state
        return state

    cdef void* take_state(self) noexcept:
        """The state, whose owner is the caller from now on: a kernel of two jobs makes one after the other."""
        state, self.kernel.state = self.kernel.state, NULL
        return state

    cdef void set(self, thw_kernel_fn fn, uint64_t flags=0) noexcept:
        """Names the function that runs the node, and its THW_* flags."""
        self.kernel.fn = fn
        self.kernel.flags = flags

    # attributes: TensorFlow's names; a default is given back when the node has no such attribute ---------

    def attr_int(self, str name, default=_REQUIRED):
        """An int, bool or type attribute (a type as its DataType number)."""
        cdef int64_t value = 0
        key = name.encode()
        return value if not self.core.attr_i64(self.desc.op, key, &value) else self._default(name, "int", default)

    def attr_bool(self, str name, default=_REQUIRED):
        cdef int64_t value = 0
        key = name.encode()
        if self.core.attr_i64(self.desc.op, key, &value):
            return self._default(name, "bool", default)
        return value != 0

    def attr_float(self, str name, default=_REQUIRED):
        cdef double value = 0
        key = name.encode()
        return value if not self.core.attr_f64(self.desc.op, key, &value) else self._default(name, "float", default)

    def attr_str(self, str name, default=_REQUIRED):
        cdef const char* text = NULL
        cdef size_t length = 0
        key = name.encode()
        if self.core.attr_str(self.desc.op, key, &text, &length):
            return self._default(name, "string", default)
        return text[:length].decode()

    def attr_ints(self, str name, default=_REQUIRED):
        """A list of ints, as a tuple."""
        cdef const int64_t* values = NULL
        cdef size_t n = 0, i
        key = name.encode()
        if self.core.attr_ints(self.desc.op, key, &values, &n):
            return self._default(name, "list of ints", default)
        return tuple([values[i] for i in range(n)])

    cdef object _default(self, str name, str kind, default):
        if default is _REQUIRED:
            raise KeyError(f"{self.op_type} has no attribute {name!r} that is a {kind}")
        return default

    def lasts(self, int32_t k):
        """Whether the bytes of input k may stay what they are from run to run, as filters do in inference."""
        return k in self.attr_ints("inputs:lasting", ())

    def in_value(self, int32_t k):
        """The value of input k as a NumPy array of its own when it is constant in the plan, else None."""
        cdef thw_tensor t
        if self.core.in_value(self.desc.op, k, &t):
            return None
        shape = tuple([t.shape[i] for i in range(t.ndim)])
        dtype = np.dtype(f"{_KINDS[t.dtype.code]}{t.dtype.bits // 8}")
        cdef size_t nbytes = dtype.itemsize
        for i in range(t.ndim):
            nbytes *= t.shape[i]
        if not nbytes:
            return np.empty(shape, dtype)
        data = PyMemoryView_FromMemory(<char*>t.data + t.byte_offset, nbytes, PyBUF_READ)
        return np.frombuffer(data, dtype).reshape(shape).copy()
