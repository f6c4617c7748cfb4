# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The table of the device ACME: memory, copies, and kernels for float32 and float64.

Its memory is the host's, but thalweg is not told so and copies to and from it, as it does for an accelerator.
`find_kernel` is asked once per op of a plan and prepares what a run needs; a kernel runs often, from any thread.
"""
from cpython.pycapsule cimport PyCapsule_New
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strcmp
from posix.stdlib cimport posix_memalign

from thalweg.devices.abi cimport (THW_ABI_MAJOR, THW_ABI_MINOR, THW_CAPSULE, THW_DETERMINISTIC, THW_INPLACE, THW_OK,
                                  THW_OOM, THW_UNIMPLEMENTED, int32_t, int64_t, thw_call, thw_core_api,
                                  thw_device_api, thw_kernel, thw_op_desc, thw_tensor)

cdef enum:
    FLOAT32 = 1                 # DataType numbers of TensorFlow
    FLOAT64 = 2
    GRAIN = 16384               # elements of a chunk
    MAX_RANK = 8

cdef enum Op:
    ADD, SUB, MUL, NEG, SQUARE, RELU, MATMUL

ctypedef fused real:
    float
    double

# What find_kernel prepares for one op of a plan.
cdef struct State:
    Op op
    bint is_double
    int32_t rank
    int64_t dims[MAX_RANK]                       # of the result
    int64_t x_strides[MAX_RANK]                  # in elements; 0 along a dimension that is broadcast
    int64_t y_strides[MAX_RANK]
    int64_t m, k, n                              # MatMul: [m, k] @ [k, n]
    int64_t x_row, x_column, y_row, y_column     # MatMul: steps through x and y, which may be transposed

# One call of a kernel, for the chunks of it.
cdef struct Work:
    const State* state
    const void* x
    const void* y
    void* z

cdef int64_t calls = 0


def count_of_calls():
    """How often a kernel has run."""
    return calls


# --- kernels --------------------------------------------------------------------------------------------

cdef inline real apply(Op op, real a, real b) noexcept nogil:
    if op == ADD:
        return a + b
    if op == SUB:
        return a - b
    if op == MUL:
        return a * b
    if op == NEG:
        return -a
    if op == SQUARE:
        return a * a
    return <real>0 if a < 0 else a               # Relu: a NaN stays one


cdef void elements(const State* s, const real* x, const real* y, real* z, int64_t begin, int64_t end) noexcept nogil:
    """z[i] = op(x[..], y[..]) for begin <= i < end."""
    cdef int64_t i, rest, along, at_x, at_y
    cdef int32_t d
    for i in range(begin, end):
        rest, at_x, at_y = i, 0, 0
        for d in range(s.rank - 1, -1, -1):
            along = rest % s.dims[d]
            rest //= s.dims[d]
            at_x += along * s.x_strides[d]
            at_y += along * s.y_strides[d]
        z[i] = apply[real](s.op, x[at_x], y[at_y])


cdef void rows(const State* s, const real* x, const real* y, real* z, int64_t begin, int64_t end) noexcept nogil:
    """Rows begin <= i < end of the product z = x @ y."""
    cdef int64_t i, j, p
    cdef double total
    for i in range(begin, end):
        for j in range(s.n):
            total = 0
            for p in range(s.k):
                total += <double>x[i * s.x_row + p * s.x_column] * y[p * s.y_row + j * s.y_column]
            z[i * s.n + j] = <real>total


cdef void chunk(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef Work* w = <Work*>arg
    if w.state.op == MATMUL and w.state.is_double:
        rows[double](w.state, <const double*>w.x, <const double*>w.y, <double*>w.z, begin, end)
    elif w.state.op == MATMUL:
        rows[float](w.state, <const float*>w.x, <const float*>w.y, <float*>w.z, begin, end)
    elif w.state.is_double:
        elements[double](w.state, <const double*>w.x, <const double*>w.y, <double*>w.z, begin, end)
    else:
        elements[float](w.state, <const float*>w.x, <const float*>w.y, <float*>w.z, begin, end)


cdef int run(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* z, int32_t n_out) noexcept nogil:
    """Splits the work over thalweg's own threads, so that two packages never fight for processors."""
    global calls
    cdef const State* s = <const State*>call.state
    cdef Work work = Work(s, x[0].data, x[n_in - 1].data, z[0].data)
    cdef int64_t count = s.m if s.op == MATMUL else 1, grain = GRAIN
    cdef int32_t d
    if s.op == MATMUL:
        grain = 1 + GRAIN // (1 + s.n * s.k)
    else:
        for d in range(s.rank):
            count *= s.dims[d]
    calls += 1
    call.core.parallel_for(call.core_ctx, count, grain, chunk, &work)
    return THW_OK


# --- finding them ---------------------------------------------------------------------------------------

cdef int op_of(const char* name) noexcept nogil:
    """The Op of a name, -1 for any other."""
    if strcmp(name, b"Add") == 0 or strcmp(name, b"AddV2") == 0:
        return ADD
    if strcmp(name, b"Sub") == 0:
        return SUB
    if strcmp(name, b"Mul") == 0:
        return MUL
    if strcmp(name, b"Neg") == 0:
        return NEG
    if strcmp(name, b"Square") == 0:
        return SQUARE
    if strcmp(name, b"Relu") == 0:
        return RELU
    if strcmp(name, b"MatMul") == 0:
        return MATMUL
    return -1


cdef int refuse(const thw_core_api* core, const char* why) noexcept nogil:
    """The text is shown where the op runs elsewhere, and in the error of a program that does not allow that."""
    core.set_error(NULL, THW_UNIMPLEMENTED, why)
    return THW_UNIMPLEMENTED


cdef int find_kernel(void* dev, const thw_op_desc* desc, thw_kernel* out) noexcept nogil:
    cdef const thw_core_api* core = <const thw_core_api*>dev
    cdef int op = op_of(desc.op_type)
    cdef State* s
    if op < 0:
        return refuse(core, b"ACME has kernels for Add, Sub, Mul, Neg, Square, Relu and MatMul")
    if desc.in_dtypes[0] != FLOAT32 and desc.in_dtypes[0] != FLOAT64:
        return refuse(core, b"ACME computes in float32 and float64")
    s = <State*>calloc(1, sizeof(State))
    if s == NULL:
        return THW_OOM
    s.op, s.is_double = <Op>op, desc.in_dtypes[0] == FLOAT64
    if not (prepare_product(core, desc, s) if op == MATMUL else prepare_elements(core, desc, s)):
        free(s)
        return refuse(core, b"ACME takes known shapes of at most 8 dimensions")
    out.fn, out.state, out.free_state, out.flags = run, s, free, THW_DETERMINISTIC
    if op != MATMUL and reads_in_order(s):
        out.flags |= THW_INPLACE(0)
    return THW_OK


cdef bint prepare_elements(const thw_core_api* core, const thw_op_desc* desc, State* s) noexcept nogil:
    cdef const int64_t* dims = NULL
    if core.out_shape(desc.op, 0, &dims, &s.rank) or s.rank > MAX_RANK:
        return False
    memcpy(s.dims, dims, s.rank * sizeof(int64_t))
    return set_strides(core, desc, 0, s, s.x_strides) and set_strides(core, desc, desc.n_in - 1, s, s.y_strides)


cdef bint set_strides(const thw_core_api* core, const thw_op_desc* desc, int32_t k, State* s,
                      int64_t* strides) noexcept nogil:
    """How input k is walked through: its shape stands at the right end of the result's."""
    cdef const int64_t* dims = NULL
    cdef int64_t step = 1
    cdef int32_t rank = 0, d, ahead
    if core.in_shape(desc.op, k, &dims, &rank) or rank > s.rank:
        return False
    ahead = s.rank - rank
    for d in range(rank - 1, -1, -1):
        strides[ahead + d] = step if dims[d] == s.dims[ahead + d] else 0
        if dims[d] != s.dims[ahead + d] and dims[d] != 1:
            return False
        step *= dims[d]
    return True


cdef bint reads_in_order(const State* s) noexcept nogil:
    """Whether the first input has the result's shape, so that the result may take its place in memory."""
    cdef int32_t d
    for d in range(s.rank):
        if s.x_strides[d] == 0 and s.dims[d] != 1:
            return False
    return True


cdef bint prepare_product(const thw_core_api* core, const thw_op_desc* desc, State* s) noexcept nogil:
    cdef const int64_t* a = NULL
    cdef const int64_t* b = NULL
    cdef int64_t transpose_a = 0, transpose_b = 0
    cdef int32_t rank_a = 0, rank_b = 0
    if core.in_shape(desc.op, 0, &a, &rank_a) or core.in_shape(desc.op, 1, &b, &rank_b):
        return False
    core.attr_i64(desc.op, b"transpose_a", &transpose_a)
    core.attr_i64(desc.op, b"transpose_b", &transpose_b)
    s.m, s.k, s.n = (a[1] if transpose_a else a[0]), (a[0] if transpose_a else a[1]), (b[0] if transpose_b else b[1])
    s.x_row, s.x_column = (1 if transpose_a else a[1]), (a[1] if transpose_a else 1)
    s.y_row, s.y_column = (1 if transpose_b else b[1]), (b[1] if transpose_b else 1)
    return True


# --- memory and copies ----------------------------------------------------------------------------------

cdef int device_count(int32_t* n) noexcept nogil:
    n[0] = 1
    return THW_OK


cdef int open_device(int32_t ordinal, const thw_core_api* core, void** dev) noexcept nogil:
    dev[0] = <void*>core                         # all that this device has to remember
    return THW_OK


cdef void close_device(void* dev) noexcept nogil:
    pass


cdef int alloc(void* dev, size_t nbytes, size_t align, void** out) noexcept nogil:
    return THW_OOM if posix_memalign(out, max(align, sizeof(void*)), max(nbytes, <size_t>1)) else THW_OK


cdef void free_memory(void* dev, void* pointer) noexcept nogil:
    free(pointer)


cdef int copy(void* dev, void* stream, void* target, const void* source, size_t n) noexcept nogil:
    if n:
        memcpy(target, source, n)
    return THW_OK


cdef int sync(void* dev, void* stream) noexcept nogil:
    return THW_OK                                # every call above has finished when it returns


cdef thw_device_api TABLE
memset(&TABLE, 0, sizeof(TABLE))
TABLE.struct_size = sizeof(TABLE)
TABLE.abi_major, TABLE.abi_minor, TABLE.build_tag = THW_ABI_MAJOR, THW_ABI_MINOR, b"acme 1.0"
TABLE.device_count, TABLE.open, TABLE.close, TABLE.sync = device_count, open_device, close_device, sync
TABLE.alloc, TABLE.free, TABLE.copy_h2d, TABLE.copy_d2h = alloc, free_memory, copy, copy
TABLE.find_kernel = find_kernel


def capsule():
    """The table, as the descriptor's `open` hands it over."""
    return PyCapsule_New(&TABLE, THW_CAPSULE, NULL)
