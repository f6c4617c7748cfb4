"""What a prepare function sees: the node, through the device contract alone, and the kernel that it fills in."""
from thalweg.devices.abi cimport (int32_t, int64_t, uint64_t, thw_core_api, thw_kernel, thw_kernel_fn, thw_op_desc)


cdef class Request:
    cdef const thw_op_desc* desc
    cdef const thw_core_api* core
    cdef thw_kernel* kernel
    cdef readonly str op_type
    cdef readonly int n_in, n_out
    cdef readonly tuple in_shapes, out_shapes     # tuples of ints, always fully known
    cdef readonly tuple in_dtypes, out_dtypes     # DataType numbers: 1 float32, 2 float64, 3 int32, 9 int64, 10 bool
    cdef void* new_state(self, size_t nbytes) except NULL       # zeroed; core frees it with the kernel
    cdef void* take_state(self) noexcept                        # the caller frees it
    cdef void set(self, thw_kernel_fn fn, uint64_t flags=*) noexcept

    @staticmethod
    cdef Request make(const thw_op_desc* desc, const thw_core_api* core, thw_kernel* kernel)
    cdef tuple _shape(self, bint is_input, int32_t k)
    cdef object _default(self, str name, str kind, default)
