"""The jobs of cpu/c/gemm.h for prepare functions; the C itself is linked into this module alone."""
from thalweg.devices.abi cimport int32_t, int64_t, thw_call, thw_kernel_fn, thw_tensor
from thalweg.cpu._request cimport Request


cdef extern from "cpu/filters.h" nogil:
    ctypedef struct thw_filter_use:
        pass

cdef extern from "cpu/c/source.h" nogil:
    ctypedef int (*thw_follow_fn)(thw_call* call, void* job, const thw_tensor* inputs, thw_tensor* outputs,
                                  const void* source)

cdef extern from "cpu/c/gemm.h" nogil:
    ctypedef struct thw_tap:
        int64_t at[3]
        int64_t filter
    ctypedef struct thw_window:
        int64_t images
        int64_t grid[3]
        int64_t size[3]
        int64_t step[3]
        int64_t x_stride[4]
        int64_t y_first
        int64_t y_stride[4]
        int64_t corner[3]
        int64_t reach
        int64_t n_taps
        thw_tap* taps
    ctypedef struct thw_margin:
        int64_t rows
        int64_t length
        int64_t left
        int64_t width
    ctypedef struct thw_finish:
        int32_t shift
        int32_t residual
        int32_t normalisation
        int32_t is_clamped
        double low
        double high
        double epsilon
    ctypedef struct thw_correlation:
        thw_window* windows
        int64_t n_windows
        int64_t depth
        int64_t columns
        int64_t block_stride
        int64_t row_stride
        int64_t column_stride
        int32_t x
        int32_t filter
        int32_t filter_lasts
        int64_t batches
        const int64_t* x_offsets
        const int64_t* filter_offsets
        int64_t y_batch_stride
        const void* zeros
        thw_finish finish
        int32_t makes_x
        size_t maker_scratch
        thw_filter_use use
    ctypedef struct thw_tiling:
        int64_t images
        int64_t size[2]
        int64_t places[2]
        int64_t before[2]
        int64_t depth
        int64_t columns
        int64_t window[2]
    ctypedef struct thw_winograd:
        thw_tiling tiling
        int32_t x
        int32_t filter
        int32_t is_turned
        int32_t filter_lasts
        const void* zeros
        thw_finish finish
        thw_filter_use use
    ctypedef struct thw_winograd_gradient:
        thw_tiling tiling
        int32_t x
        int32_t dy
        const void* zeros
    ctypedef struct thw_gathering:
        thw_window window
        int64_t depth
        int64_t columns
        int64_t column_stride
        int32_t x
        int32_t dy
        int64_t batches
        const int64_t* x_offsets
        const int64_t* dy_offsets
        thw_margin margin
        thw_finish finish


cdef thw_correlation* new_correlation(Request r, int64_t n_windows, int64_t n_taps, int64_t depth,
                                      int64_t batches=*) except NULL
cdef thw_gathering* new_gathering(Request r, int64_t n_taps, int64_t depth, int64_t batches=*) except NULL
cdef thw_winograd* new_winograd(Request r, int64_t depth) except NULL
cdef thw_winograd_gradient* new_winograd_gradient(Request r, int64_t channels) except NULL
cdef int set_winograd_gradient(Request r, thw_winograd_gradient* job) except -1
cdef bint is_gradient_quicker(const thw_tiling* tiling)
cdef int64_t best_outputs(const thw_tiling* tiling, bint filter_lasts)
cdef int set_winograd(Request r, thw_winograd* job, int64_t outputs) except -1
cdef int set_correlation(Request r, thw_correlation* job) except -1
cdef thw_follow_fn follow_correlation(Request r) except NULL
cdef void free_correlation(void* job) noexcept nogil
cdef int set_gathering(Request r, thw_gathering* job) except -1
cdef int set_finish(Request r, thw_finish* finish, int32_t first_argument) except -1
cdef int32_t fill_finish(Request r, thw_finish* finish, str ops, double epsilon, tuple shape,
                         int32_t argument) except -1
