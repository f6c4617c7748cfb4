"""What the elementwise and region kernels share: the table of loops, and broadcasting in blocks (cpu/c/broadcast.h).

The C functions themselves are linked into this module alone; others call the Cython ones at the end.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t

from thalweg.cpu._request cimport Request


cdef extern from "cpu/c/elementwise.h" nogil:
    ctypedef int (*thw_loop)(const void* const* x, const int64_t* step, void* y, int64_t n,
                             double alpha) noexcept nogil
    enum:
        THW_LOOP_OK
        THW_LOOP_DIVISION_BY_ZERO
        THW_LOOP_NEGATIVE_POWER
    ctypedef struct thw_loop_entry:
        const char* op
        uint8_t dtype
        uint8_t out_dtype
        uint8_t arity
        int32_t grain
        thw_loop fn


cdef extern from "cpu/c/broadcast.h" nogil:
    enum:
        THW_MAX_RANK
    ctypedef enum thw_operand_kind:
        THW_ALONG
        THW_SCALAR
        THW_PERIODIC
        THW_GATHERED
        THW_ROWS
    ctypedef struct thw_operand:
        thw_operand_kind kind
        int32_t item
    ctypedef struct thw_grid:
        int64_t n
        int64_t block
        int64_t n_blocks
        int64_t scratch_bytes
    ctypedef struct thw_block:
        int64_t start
        int64_t size
    thw_block thw_block_at(const thw_grid* grid, int64_t index)


cdef const thw_loop_entry* find_loop(str op_type, int dtype) noexcept
cdef const thw_loop_entry* find_pair(str name, int dtype) noexcept
cdef thw_loop find_streamed(str name, int dtype, int64_t n) noexcept
cdef void stream_end() noexcept nogil
cdef int item_size(int dtype) except -1
cdef int init_operand(thw_operand* operand, int item, tuple shape, tuple out_shape) except -1
cdef void init_grid(thw_grid* grid, tuple shape, thw_operand* operands, int n, int64_t max_block,
                    int64_t copy_block) noexcept
cdef void tile_operand(const thw_grid* grid, const thw_operand* operand, const void* data,
                       char* scratch) noexcept nogil
cdef const void* operand_block(const thw_grid* grid, const thw_operand* operand, const void* data, thw_block block,
                               char* scratch, int64_t* step) noexcept nogil
cdef const char* loop_error(int code) noexcept nogil
