"""The elementwise kernels: one prepare function for all of them; the loops are in cpu/c/elementwise_impl.h."""
from libc.string cimport memcpy

from math import prod

from thalweg.cpu._loops cimport (THW_ALONG, THW_SCALAR, find_loop, find_streamed, init_grid, init_operand, item_size,
                                 loop_error, operand_block, stream_end, thw_block, thw_block_at, thw_grid, thw_loop,
                                 thw_loop_entry, thw_operand, tile_operand)
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport (THW_INPLACE, THW_INVALID, THW_OK, int32_t, int64_t, thw_call, thw_tensor, uint64_t)

from thalweg.cpu._request import Unsupported

# op type -> the attribute that its loop gets, where it is not `alpha`
_ALPHAS = {"ApproximateEqual": "tolerance"}

# op type -> the one whose loop it shares
_SAME = {"SelectV2": "Select"}

cdef enum:
    MAX_OPERANDS = 3
    COPY_BLOCK = 1024           # elements; what is laid out in scratch memory stays in the L1 cache


cdef struct State:
    thw_loop loop
    thw_loop streamed           # or NULL
    double alpha
    int n_operands
    int out_item
    int64_t grain               # blocks of a chunk
    int64_t step[MAX_OPERANDS]  # for `whole`
    thw_grid grid
    thw_operand operands[MAX_OPERANDS]


cdef struct Job:
    const State* state
    const thw_tensor* x
    char* y
    bint is_streamed
    int error                   # what some worker has met; any of them is as good as another


def elementwise(Request r):
    """Prepare any op that the table of loops has; inputs broadcast, and Select takes a vector of conditions."""
    if r.op_type in ("AddN", "AccumulateNV2"):
        return _add_n(r)
    cdef int dtype = r.in_dtypes[r.n_in - 1]
    cdef const thw_loop_entry* entry = find_loop(_SAME.get(r.op_type, r.op_type), dtype)
    if entry == NULL or entry.arity != r.n_in:
        raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {dtype}")
    cdef State* state = <State*>r.new_state(sizeof(State))
    state.loop, state.n_operands, state.out_item = entry.fn, r.n_in, item_size(entry.out_dtype)
    state.streamed = find_streamed(r.op_type, dtype, prod(r.out_shapes[0]))
    state.alpha = r.attr_float(_ALPHAS.get(r.op_type, "alpha"), 0.0)
    for k in range(r.n_in):
        init_operand(&state.operands[k], item_size(r.in_dtypes[k]), _operand_shape(r, k), r.out_shapes[0])
    init_grid(&state.grid, r.out_shapes[0], state.operands, r.n_in, entry.grain, COPY_BLOCK)
    state.grain = max(1, entry.grain // max(1, state.grid.block))
    r.kernel.workspace_bytes = r.kernel.scratch_bytes = state.grid.scratch_bytes
    r.set(whole if _is_one_call(state) else in_blocks, _inplace_flags(r, state.out_item))


def _operand_shape(Request r, int k):
    """The shape of input k as it broadcasts: a vector of conditions selects whole slices of the first dimension."""
    shape, out_shape = r.in_shapes[k], r.out_shapes[0]
    if r.op_type == "Select" and k == 0 and len(shape) == 1 and len(out_shape) > 1:
        return shape + (1,) * (len(out_shape) - 1)
    return shape


cdef bint _is_one_call(State* state) noexcept:
    """Whether one call of the loop does all; it sets the steps for that call."""
    for k in range(state.n_operands):
        if state.operands[k].kind != THW_ALONG and state.operands[k].kind != THW_SCALAR:
            return False
        state.step[k] = state.operands[k].kind == THW_ALONG
    return state.grid.n_blocks <= 1


cdef uint64_t _inplace_flags(Request r, int out_item) except? 0:
    """The inputs whose memory may become the result: those of its very size."""
    cdef uint64_t flags = 0
    for k in range(r.n_in):
        if r.in_shapes[k] == r.out_shapes[0] and item_size(r.in_dtypes[k]) == out_item:
            flags |= THW_INPLACE(k)
    return flags


cdef int whole(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    """The common case, small and without copies: one call."""
    cdef const State* state = <const State*>call.state
    cdef const void* data[MAX_OPERANDS]
    data[0] = x[0].data
    if n_in > 1:
        data[1] = x[1].data
    if n_in > 2:
        data[2] = x[2].data
    cdef int error = state.loop(data, state.step, y[0].data, state.grid.n, state.alpha)
    return THW_OK if not error else _report(call, error)


cdef int _report(thw_call* call, int error) noexcept nogil:
    call.core.set_error(call.core_ctx, THW_INVALID, loop_error(error))
    return THW_INVALID


cdef int in_blocks(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    """Block by block; chunks of blocks over the pool where there is enough work."""
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, x, <char*>y[0].data, state.streamed != NULL, 0)
    cdef int k
    for k in range(n_in):
        if x[k].data == job.y:                                  # its lines are in the caches
            job.is_streamed = False
    if state.grid.n_blocks <= state.grain:
        some_blocks(&job, 0, state.grid.n_blocks, call.workspace)
    else:
        call.core.parallel_for(call.core_ctx, state.grid.n_blocks, state.grain, some_blocks, &job)
    return THW_OK if not job.error else _report(call, job.error)


cdef void some_blocks(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef Job* job = <Job*>arg
    cdef const State* state = job.state
    cdef const thw_grid* grid = &state.grid
    cdef thw_loop loop = state.streamed if job.is_streamed else state.loop
    cdef const void* data[MAX_OPERANDS]
    cdef int64_t step[MAX_OPERANDS]
    cdef thw_block block
    cdef int64_t i
    cdef int k, error
    for k in range(state.n_operands):
        tile_operand(grid, &state.operands[k], job.x[k].data, <char*>scratch)
    for i in range(begin, end):
        block = thw_block_at(grid, i)
        for k in range(state.n_operands):
            data[k] = operand_block(grid, &state.operands[k], job.x[k].data, block, <char*>scratch, &step[k])
        error = loop(data, step, job.y + block.start * state.out_item, block.size, state.alpha)
        if error:
            job.error = error
    if job.is_streamed:
        stream_end()


# --- AddN: a sum of any number of tensors of one shape ---------------------------------------------------------

cdef struct SumState:
    thw_loop add
    thw_loop streamed           # or NULL
    int item
    int64_t n
    int64_t grain


def _add_n(Request r):
    """Prepare AddN: ((x0 + x1) + x2) + ..., block by block, so that partial sums stay in the L1 cache."""
    cdef const thw_loop_entry* entry = find_loop("Add", r.in_dtypes[0])
    if entry == NULL:
        raise Unsupported(f"AddN on the CPU has no loop for DataType {r.in_dtypes[0]}")
    cdef SumState* state = <SumState*>r.new_state(sizeof(SumState))
    state.add, state.item, state.n, state.grain = entry.fn, item_size(r.in_dtypes[0]), 1, entry.grain
    for size in r.out_shapes[0]:
        state.n *= size
    if r.n_in > 1:
        state.streamed = find_streamed("Add", r.in_dtypes[0], state.n)
        r.kernel.scratch_bytes = COPY_BLOCK * state.item if state.streamed != NULL else 0
    # Input 2 and later are read after the first sum is written, so they cannot be its memory.
    r.set(sum_of_all, THW_INPLACE(0) | (THW_INPLACE(1) if r.n_in > 1 else 0))


cdef struct SumJob:
    const SumState* state
    const thw_tensor* x
    int32_t n_in
    char* y
    bint is_streamed


cdef int sum_of_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const SumState* state = <const SumState*>call.state
    cdef SumJob job = SumJob(state, x, n_in, <char*>y[0].data, False)
    job.is_streamed = state.streamed != NULL and job.y != x[0].data and job.y != x[1].data
    if state.n <= state.grain:
        some_sums(&job, 0, state.n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, state.n, state.grain, some_sums, &job)
    return THW_OK


cdef void some_sums(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const SumJob* job = <const SumJob*>arg
    cdef const SumState* state = job.state
    cdef const void* pair[2]
    cdef int64_t step[2]
    cdef int64_t i = begin, size
    cdef int32_t k
    cdef char* y
    cdef char* sums
    step[0] = step[1] = 1
    while i < end:
        size = min(end - i, <int64_t>COPY_BLOCK)
        y = job.y + i * state.item
        pair[0] = <const char*>job.x[0].data + i * state.item
        if job.n_in == 1 and pair[0] != y:
            memcpy(y, pair[0], size * state.item)
        sums = <char*>scratch if job.is_streamed else y
        for k in range(1, job.n_in):
            pair[1] = <const char*>job.x[k].data + i * state.item
            if job.is_streamed and k == job.n_in - 1:
                state.streamed(pair, step, y, size, 0)
            else:
                state.add(pair, step, sums, size, 0)
            pair[0] = sums
        i += size
    if job.is_streamed:
        stream_end()
