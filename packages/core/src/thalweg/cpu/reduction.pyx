"""The reduction kernels: folds over any set of axes, arg max and min, running sums; loops in cpu/c/reduction_impl.h.

A reduction is walked as kept dimensions around reduced dimensions around one innermost dimension. If the innermost
one is reduced, whole rows are folded, one accumulator each; if it is kept, rows are folded into a row of accumulators.
Where the result is too small to give every thread some of it, the reduced range is cut into parts of fixed size,
whose partial results are merged in order.
"""
from libc.string cimport memcpy, memset

from thalweg.cpu._folds cimport find_arg, find_fold, find_scan, thw_arg_loop, thw_fold, thw_scan_loop
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport (THW_INPLACE, THW_INVALID, THW_OK, int32_t, int64_t, thw_call, thw_tensor)

from math import prod

from thalweg.cpu._request import Unsupported

cdef enum:
    MAX_RANK = 16
    BLOCK = 512                 # most accumulators of a unit: 4 KB, in the L1 cache
    GRAIN = 65536               # elements: about 20 us
    ENOUGH_UNITS = 8            # pieces of the result from which the reduced range is not cut
    MAX_PARTS = 64
    LONG_PIECE = 1024           # elements
    NARROW = 32                 # elements: rows shorter than this are folded several at a time


# --- the plan of a reduction -------------------------------------------------------------------------------------

cdef struct Dims:
    int count
    int64_t size[MAX_RANK]
    int64_t stride[MAX_RANK]    # elements


cdef enum:
    CUT_INNER = -2              # which dimension the parts cut, if not one of `reduced`
    CUT_ROWS = -1


cdef struct State:
    const thw_fold* fold
    double divisor
    int is_row                  # the innermost dimension is reduced
    int64_t inner               # its size
    int64_t rows                # the dimension around it, of the other kind: its size
    int64_t row_stride
    Dims kept                   # the others, outermost first
    Dims reduced
    int64_t n_out
    int64_t across              # results along `rows` (if is_row) or `inner`
    int64_t block               # most results of a unit
    int64_t unit_blocks         # units along `across`
    int64_t n_units
    int64_t n_parts             # parts of the reduced range
    int cut                     # the dimension that is cut into parts
    int64_t cut_size
    int64_t grain               # pairs of unit and part in a chunk


# op type -> name of the fold, where it differs
_FOLDS = {"Mean": "Sum", "L2Loss": "SumOfSquares"}


def reduction(Request r):
    """Prepare Sum, Mean, Prod, Max, Min, All, Any over constant axes, L2Loss, ArgMax and ArgMin."""
    if r.op_type in ("ArgMax", "ArgMin"):
        return _arg(r)
    shape = r.in_shapes[0]
    cdef const thw_fold* fold = find_fold(_FOLDS.get(r.op_type, r.op_type), r.in_dtypes[0])
    if fold == NULL:
        raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {r.in_dtypes[0]}")
    is_reduced = [True] * len(shape) if r.op_type == "L2Loss" else _reduced_dimensions(r, shape)
    cdef State* state = <State*>r.new_state(sizeof(State))
    state.fold = fold
    count = prod([size for size, reduced in zip(shape, is_reduced) if reduced])
    state.divisor = count if r.op_type == "Mean" else 2 if r.op_type == "L2Loss" else 1
    state.n_out = prod([size for size, reduced in zip(shape, is_reduced) if not reduced])
    _plan(state, _merged(shape, is_reduced))
    if state.n_parts > 1:
        r.kernel.workspace_bytes = state.n_parts * state.n_out * fold.acc_item
    r.set(reduce_all)


l2_loss = reduction


def _reduced_dimensions(Request r, shape):
    axes = r.in_value(1)
    if axes is None:
        raise Unsupported(f"{r.op_type} on the CPU needs constant axes")
    is_reduced = [False] * len(shape)
    for axis in axes.ravel().tolist():
        is_reduced[_dimension(r, axis, len(shape))] = True
    return is_reduced


def _dimension(Request r, axis, rank):
    if not -rank <= axis < rank:
        raise ValueError(f"{r.op_type}: axis {axis} of an input with {rank} dimensions")
    return axis % rank


def _merged(shape, is_reduced):
    """(size, stride, is_reduced) per dimension, innermost first: without size 1, neighbours of one kind as one."""
    dims, stride = [], 1
    for size, reduced in zip(reversed(shape), reversed(is_reduced)):
        if size != 1:
            outer = (size, stride, reduced)
            if dims and dims[len(dims) - 1][2] == reduced:
                inner = dims.pop()
                outer = (inner[0] * size, inner[1], reduced)
            dims.append(outer)
        stride *= size
    return dims


cdef int _plan(State* state, list dims) except -1:
    state.inner, _, state.is_row = dims.pop(0) if dims else (1, 1, False)
    state.rows, state.row_stride, _ = dims.pop(0) if dims else (1, 0, False)
    if len(dims) > MAX_RANK:
        raise Unsupported(f"a reduction over {len(dims)} dimensions that cannot be merged")
    for size, stride, is_reduced in reversed(dims):
        _append(&state.reduced if is_reduced else &state.kept, size, stride)
    state.across = state.rows if state.is_row else state.inner
    # A unit walks neighbouring rows, so that memory is read in order.
    state.block = max(1, min(<int64_t>BLOCK, GRAIN // max(<int64_t>1, state.inner))) if state.is_row else BLOCK
    state.unit_blocks = (state.across + state.block - 1) // state.block
    state.n_units = state.unit_blocks * _count(&state.kept)
    state.n_parts = 1
    cdef int64_t total = state.inner * state.rows * _count(&state.kept) * _count(&state.reduced)
    if state.n_units < ENOUGH_UNITS and total > 2 * GRAIN:
        _cut(state, total)
    state.grain = max(1, GRAIN * state.n_units * state.n_parts // max(1, total))
    return 0


cdef void _append(Dims* dims, int64_t size, int64_t stride) noexcept:
    dims.size[dims.count], dims.stride[dims.count] = size, stride
    dims.count += 1


cdef int64_t _count(const Dims* dims) noexcept nogil:
    cdef int64_t n = 1
    cdef int d
    for d in range(dims.count):
        n *= dims.size[d]
    return n


cdef void _cut(State* state, int64_t total) noexcept:
    """Chooses the parts of the reduced range, along its longest dimension; a row is cut only into long pieces."""
    cdef int d
    cdef int64_t most = state.inner // LONG_PIECE if state.is_row else state.rows
    state.cut = CUT_INNER if state.is_row else CUT_ROWS
    state.cut_size = state.inner if state.is_row else state.rows
    for d in range(state.reduced.count):
        if state.reduced.size[d] > most:
            state.cut, state.cut_size, most = d, state.reduced.size[d], state.reduced.size[d]
    state.n_parts = max(<int64_t>1, min(<int64_t>MAX_PARTS, total // GRAIN, most))


# --- the run -------------------------------------------------------------------------------------------------------

cdef struct Job:
    const State* state
    const char* x
    char* y
    char* partial               # [part, result] accumulators


cdef int reduce_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, <const char*>x[0].data, <char*>y[0].data, <char*>call.workspace)
    cdef int64_t n = state.n_units * state.n_parts
    if n <= state.grain:
        some_units(&job, 0, n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, n, state.grain, some_units, &job)
    if state.n_parts > 1:
        merge_parts(&job)
    return THW_OK


cdef void some_units(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    cdef const State* state = job.state
    cdef const thw_fold* fold = state.fold
    cdef char[8 * BLOCK] acc
    cdef int64_t i, part, unit, block, outer, first, n, result
    for i in range(begin, end):
        part, unit = i // state.n_units, i % state.n_units
        outer, block = unit // state.unit_blocks, unit % state.unit_blocks
        first = block * state.block
        n = min(state.block, state.across - first)
        fold.start(acc, n)
        fold_part(job, outer, first, n, part, acc)
        result = outer * state.across + first
        if state.n_parts > 1:
            memcpy(job.partial + (part * state.n_out + result) * fold.acc_item, acc, n * fold.acc_item)
        else:
            fold.finish(acc, n, state.divisor, job.y + result * fold.item)


cdef void fold_part(const Job* job, int64_t outer, int64_t first, int64_t n, int64_t part, char* acc) noexcept nogil:
    """Folds one part of what belongs to results `first` to `first + n` of the kept position `outer`."""
    cdef const State* state = job.state
    cdef Dims reduced = state.reduced
    cdef int64_t position[MAX_RANK]
    cdef int64_t inner = state.inner, rows = state.rows
    cdef int64_t offset = offset_of(&state.kept, outer) + first * (state.row_stride if state.is_row else 1)
    cdef int64_t low, size
    if state.n_parts > 1:
        low = part * state.cut_size // state.n_parts
        size = (part + 1) * state.cut_size // state.n_parts - low
        if state.cut == CUT_INNER:
            inner, offset = size, offset + low
        elif state.cut == CUT_ROWS:
            rows, offset = size, offset + low * state.row_stride
        else:
            reduced.size[state.cut] = size
            offset += low * reduced.stride[state.cut]
    memset(position, 0, sizeof(position))
    for _ in range(_count(&reduced)):
        fold_rows(job, offset, n, rows, inner, acc)
        offset = next_offset(&reduced, offset, position)


cdef void fold_rows(const Job* job, int64_t offset, int64_t n, int64_t rows, int64_t inner, char* acc) noexcept nogil:
    cdef const State* state = job.state
    cdef const thw_fold* fold = state.fold
    cdef const char* x = job.x + offset * fold.item
    cdef int64_t together = NARROW // max(<int64_t>1, inner)
    if state.is_row:
        fold.rows(x, n, state.row_stride, inner, acc)
    elif state.row_stride == inner and together > 1 and rows >= 2 * together:
        fold_narrow(fold, x, rows, inner, together, acc)
    else:
        fold.columns(x, rows, state.row_stride, n, acc)


cdef void fold_narrow(const thw_fold* fold, const char* x, int64_t rows, int64_t inner, int64_t together,
                      char* acc) noexcept nogil:
    """Short rows, one right after the other: several of them as one longer row, so that the loops have vectors."""
    cdef char[8 * NARROW] wide
    cdef int64_t width = together * inner, k
    cdef int64_t whole = rows // together
    fold.start(wide, width)
    fold.columns(x, whole, width, width, wide)
    fold.columns(x + whole * width * fold.item, rows - whole * together, inner, inner, wide)
    for k in range(together):
        fold.merge(acc, wide + k * inner * fold.acc_item, inner)


cdef int64_t offset_of(const Dims* dims, int64_t index) noexcept nogil:
    cdef int64_t offset = 0
    cdef int d
    for d in range(dims.count - 1, -1, -1):
        offset += index % dims.size[d] * dims.stride[d]
        index //= dims.size[d]
    return offset


cdef int64_t next_offset(const Dims* dims, int64_t offset, int64_t* position) noexcept nogil:
    cdef int d
    for d in range(dims.count - 1, -1, -1):
        offset += dims.stride[d]
        position[d] += 1
        if position[d] < dims.size[d]:
            break
        offset -= position[d] * dims.stride[d]
        position[d] = 0
    return offset


cdef void merge_parts(const Job* job) noexcept nogil:
    cdef const State* state = job.state
    cdef int64_t part
    for part in range(1, state.n_parts):
        state.fold.merge(job.partial, job.partial + part * state.n_out * state.fold.acc_item, state.n_out)
    state.fold.finish(job.partial, state.n_out, state.divisor, job.y)


# --- one axis: arg max and min, running sums and products --------------------------------------------------------

cdef struct LineState:
    thw_arg_loop arg
    thw_scan_loop scan
    int is_exclusive
    int is_reverse
    int item
    int out_item
    int64_t outer
    int64_t length              # of the axis
    int64_t inner
    int64_t columns             # neighbours that one call takes
    int64_t grain               # calls of a chunk
    char message[128]


def _arg(Request r):
    cdef LineState* state = _line_state(r, 1)
    state.out_item = 8 if r.out_dtypes[0] == 9 else 4
    state.arg = find_arg(r.op_type == "ArgMax", r.in_dtypes[0], state.out_item)
    if state.arg == NULL:
        raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {r.in_dtypes[0]}")
    if state.length == 0 and state.outer * state.inner:
        axis = _dimension(r, int(r.in_value(1)), len(r.in_shapes[0]))
        text = f"Reduction axis {axis} is empty in shape [{','.join(map(str, r.in_shapes[0]))}]".encode()[:127]
        memcpy(state.message, <const char*>text, len(text))
        r.set(empty_axis)
    else:
        r.set(lines)


def cumulative(Request r):
    """Prepare Cumsum and Cumprod along a constant axis."""
    cdef LineState* state = _line_state(r, 1)
    state.scan = find_scan(r.op_type, r.in_dtypes[0])
    if state.scan == NULL:
        raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {r.in_dtypes[0]}")
    state.out_item = state.item
    state.is_exclusive, state.is_reverse = r.attr_bool("exclusive", False), r.attr_bool("reverse", False)
    r.set(lines, THW_INPLACE(0))


cumsum = cumprod = cumulative


cdef LineState* _line_state(Request r, int k) except NULL:
    """The input's shape around the axis that input k names."""
    value, shape = r.in_value(k), r.in_shapes[0]
    if value is None:
        raise Unsupported(f"{r.op_type} on the CPU needs a constant axis")
    axis = _dimension(r, int(value), len(shape))
    cdef LineState* state = <LineState*>r.new_state(sizeof(LineState))
    state.item = _ITEM_SIZES.get(r.in_dtypes[0], 0)
    state.outer, state.length, state.inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1:])
    state.columns = max(1, min(state.inner, <int64_t>BLOCK))
    state.grain = max(1, GRAIN // 4 // max(1, state.length * state.columns))
    return state


# DataType -> bytes of an element, of the types that the tables know
_ITEM_SIZES = {1: 4, 2: 8, 3: 4, 4: 1, 9: 8}


cdef struct LineJob:
    const LineState* state
    const char* x
    char* y


cdef int empty_axis(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    call.core.set_error(call.core_ctx, THW_INVALID, (<const LineState*>call.state).message)
    return THW_INVALID


cdef int lines(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const LineState* state = <const LineState*>call.state
    cdef LineJob job = LineJob(state, <const char*>x[0].data, <char*>y[0].data)
    cdef int64_t n = state.outer * ((state.inner + state.columns - 1) // state.columns)
    if n <= state.grain:
        some_lines(&job, 0, n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, n, state.grain, some_lines, &job)
    return THW_OK


cdef void some_lines(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const LineJob* job = <const LineJob*>arg
    cdef const LineState* state = job.state
    cdef int64_t blocks = (state.inner + state.columns - 1) // state.columns
    cdef int64_t i, outer, first, n
    cdef const char* x
    cdef char* y
    for i in range(begin, end):
        outer, first = i // blocks, i % blocks * state.columns
        n = min(state.columns, state.inner - first)
        x = job.x + (outer * state.length * state.inner + first) * state.item
        if state.arg != NULL:
            y = job.y + (outer * state.inner + first) * state.out_item
            state.arg(x, state.length, state.inner, n, y)
        else:
            y = job.y + (outer * state.length * state.inner + first) * state.item
            state.scan(x, state.length, state.inner, n, state.is_exclusive, state.is_reverse, y)
