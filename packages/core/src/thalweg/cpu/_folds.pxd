"""The loops of reductions, for the kernels that share them (cpu/c/reduction.h says what each does)."""
from libc.stdint cimport int64_t


cdef extern from "cpu/c/reduction.h" nogil:
    ctypedef struct thw_fold:
        const char* op
        unsigned char dtype
        unsigned char item
        unsigned char acc_item
        void (*start)(void* acc, int64_t n) noexcept nogil
        void (*columns)(const void* x, int64_t rows, int64_t stride, int64_t width, void* acc) noexcept nogil
        void (*rows)(const void* x, int64_t rows, int64_t stride, int64_t width, void* acc) noexcept nogil
        void (*merge)(void* acc, const void* other, int64_t n) noexcept nogil
        void (*finish)(const void* acc, int64_t n, double divisor, void* y) noexcept nogil
    ctypedef void (*thw_arg_loop)(const void* x, int64_t length, int64_t stride, int64_t width,
                                  void* index) noexcept nogil
    ctypedef void (*thw_scan_loop)(const void* x, int64_t length, int64_t stride, int64_t width, int is_exclusive,
                                   int is_reverse, void* y) noexcept nogil


# NULL where there is none.
cdef const thw_fold* find_fold(str name, int dtype) noexcept
cdef thw_arg_loop find_arg(bint is_max, int dtype, int index_bytes) noexcept
cdef thw_scan_loop find_scan(str op_type, int dtype) noexcept
