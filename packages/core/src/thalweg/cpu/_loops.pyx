"""The table of elementwise loops of this machine's instruction set, and broadcasting in blocks."""
from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/elementwise.h" nogil:
    ctypedef struct thw_loops:
        const thw_loop_entry* entries
        int count
    ctypedef struct thw_elementwise_table:
        thw_loops ops
        thw_loops pairs
        thw_loops streamed
        int64_t streamed_bytes
        void (*stream_end)() noexcept nogil
    const thw_elementwise_table* thw_elementwise()


cdef extern from "cpu/c/broadcast.h" nogil:
    int thw_operand_init(thw_operand* operand, int32_t item, int32_t rank, const int64_t* dims, int32_t out_rank,
                         const int64_t* out_dims)
    void thw_grid_init(thw_grid* grid, int32_t rank, const int64_t* dims, thw_operand* operands,
                       int32_t n_operands, int64_t max_block, int64_t copy_block)
    void thw_operand_tile(const thw_grid* grid, const thw_operand* operand, const void* data, char* scratch)
    const void* thw_operand_block(const thw_grid* grid, const thw_operand* operand, const void* data,
                                  thw_block block, char* scratch, int64_t* step)


cdef const thw_elementwise_table* TABLE = thw_elementwise()


cdef dict _rows(const thw_loops* loops):
    """(op type, DataType of the operands) -> row of the table."""
    return {(loops.entries[i].op.decode(), loops.entries[i].dtype): i for i in range(loops.count)}


cdef dict OPS = _rows(&TABLE.ops), PAIRS = _rows(&TABLE.pairs), STREAMED = _rows(&TABLE.streamed)

# DataType -> bytes of an element
cdef dict ITEM_SIZES = {1: 4, 2: 8, 3: 4, 4: 1, 5: 2, 6: 1, 8: 8, 9: 8, 10: 1, 14: 2, 17: 2, 18: 16, 19: 2, 22: 4,
                        23: 8}


def supported():
    """Every (op type, DataType of the operands) that has a loop."""
    return frozenset(OPS)


def pairs():
    """The names of the pairs of ops, "Mul+Add", that have a loop of their own, for float32 and float64."""
    return frozenset([name for name, _ in PAIRS])


cdef const thw_loop_entry* _entry(dict rows, const thw_loops* loops, str name, int dtype) noexcept:
    row = rows.get((name, dtype))
    if row is None:
        return NULL
    return loops.entries + <int>row


cdef const thw_loop_entry* find_loop(str op_type, int dtype) noexcept:
    """The loop of an op for operands of a dtype; NULL where there is none."""
    return _entry(OPS, &TABLE.ops, op_type, dtype)


cdef const thw_loop_entry* find_pair(str name, int dtype) noexcept:
    """The loop of a pair of ops, as pairs() names it; NULL where there is none."""
    return _entry(PAIRS, &TABLE.pairs, name, dtype)


cdef thw_loop find_streamed(str name, int dtype, int64_t n) noexcept:
    """The loop of an op or a pair for a result of n elements that is stored past the caches: a large one leaves them
    before it is read, and costs no read of its lines. NULL where it is small, or there is none."""
    cdef const thw_loop_entry* entry = _entry(STREAMED, &TABLE.streamed, name, dtype)
    if entry == NULL or TABLE.streamed_bytes == 0:
        return NULL
    return entry.fn if n * item_size(entry.out_dtype) >= TABLE.streamed_bytes else NULL


cdef void stream_end() noexcept nogil:
    """After the last of them, in each thread."""
    TABLE.stream_end()


cdef int item_size(int dtype) except -1:
    size = ITEM_SIZES.get(dtype)
    if size is None:
        raise Unsupported(f"DataType {dtype} has no fixed size")
    return size


cdef int init_operand(thw_operand* operand, int item, tuple shape, tuple out_shape) except -1:
    """Prepares an input of `shape` for a result of `out_shape`; raises where it does not broadcast."""
    cdef int64_t dims[THW_MAX_RANK]
    cdef int64_t out_dims[THW_MAX_RANK]
    cdef Py_ssize_t i
    if len(out_shape) > THW_MAX_RANK or len(shape) > len(out_shape):
        raise Unsupported(f"shape {shape} in a result of shape {out_shape}: at most {THW_MAX_RANK} dimensions")
    for i in range(len(shape)):
        dims[i] = shape[i]
    for i in range(len(out_shape)):
        out_dims[i] = out_shape[i]
    if thw_operand_init(operand, item, len(shape), dims, len(out_shape), out_dims):
        raise ValueError(f"shape {shape} does not broadcast to {out_shape}")
    return 0


cdef void init_grid(thw_grid* grid, tuple shape, thw_operand* operands, int n, int64_t max_block,
                    int64_t copy_block) noexcept:
    cdef int64_t dims[THW_MAX_RANK]
    cdef Py_ssize_t i
    for i in range(len(shape)):
        dims[i] = shape[i]
    thw_grid_init(grid, len(shape), dims, operands, n, max_block, copy_block)


cdef void tile_operand(const thw_grid* grid, const thw_operand* operand, const void* data,
                       char* scratch) noexcept nogil:
    thw_operand_tile(grid, operand, data, scratch)


cdef const void* operand_block(const thw_grid* grid, const thw_operand* operand, const void* data, thw_block block,
                               char* scratch, int64_t* step) noexcept nogil:
    return thw_operand_block(grid, operand, data, block, scratch, step)


cdef const char* loop_error(int code) noexcept nogil:
    """TensorFlow's words for what a loop has met."""
    if code == THW_LOOP_DIVISION_BY_ZERO:
        return b"Integer division by zero"
    return b"Integers to negative integer powers are not allowed"
