"""Ops that read or write rows by index: gather, scatter, one-hot, permutations.

A row is what an index names: a slice of the tensor, a single element if there is nothing more to slice. The segment
ops are in `_segments`, the largest elements in `_top_k`.
"""
from libc.stdio cimport snprintf
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from math import prod

from thalweg.cpu._loops cimport find_loop, item_size, loop_error, thw_loop, thw_loop_entry
from thalweg.cpu._places cimport Places, init_places, number_at, row_at, tell_outside
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INPLACE, THW_INVALID, THW_OK, int32_t, int64_t, thw_call, thw_tensor

from thalweg.cpu._request import Unsupported
from thalweg.cpu._segments import segment, unsorted_segment
from thalweg.cpu._top_k import in_top_k, top_k

cdef enum:
    GRAIN_BYTES = 262144        # of a chunk
    COLUMNS = 64                # elements of a row that one unit of a scatter takes

segment_sum = segment_mean = segment_prod = segment_max = segment_min = segment
unsorted_segment_sum = unsorted_segment_prod = unsorted_segment_max = unsorted_segment_min = unsorted_segment
top_k_v2, in_top_k_v2 = top_k, in_top_k


# --- gather ----------------------------------------------------------------------------------------------------------

cdef struct GatherState:
    Places places
    int64_t batch               # params [batch, outer, size, row], indices [batch, per_batch]
    int64_t outer
    int64_t per_batch
    int64_t size
    int64_t row_bytes
    int64_t grain               # rows


cdef struct GatherJob:
    const GatherState* state
    const char* params
    const void* indices
    char* y
    int64_t outside             # a position that lies outside, or -1


def gather(Request r):
    """Prepare Gather, and GatherV2 along a constant axis, with or without batch dimensions."""
    params, indices = r.in_shapes[0], r.in_shapes[1]
    axis, batch_dims = 0, r.attr_int("batch_dims", 0)
    if r.op_type == "GatherV2":
        axis = r.in_value(2)
        if axis is None:
            raise Unsupported("GatherV2 on the CPU needs a constant axis")
        axis = int(axis) % max(1, len(params))
    if not batch_dims <= axis < len(params) or params[:batch_dims] != indices[:batch_dims]:
        raise ValueError(f"{r.op_type}: axis {axis} and {batch_dims} batch dimensions for params of shape {params} "
                         f"and indices of shape {indices}")
    cdef GatherState* state = <GatherState*>r.new_state(sizeof(GatherState))
    init_places(&state.places, r, 1, (params[axis],), False, "indices", f"is not in [0, {params[axis]})")
    state.batch, state.outer, state.size = prod(params[:batch_dims]), prod(params[batch_dims:axis]), params[axis]
    state.per_batch = prod(indices[batch_dims:])
    state.row_bytes = prod(params[axis + 1:]) * item_size(r.in_dtypes[0])
    _set_gather(r, state)


gather_v2 = gather


def gather_nd(Request r):
    """Prepare GatherNd."""
    params = r.in_shapes[0]
    cdef GatherState* state = <GatherState*>r.new_state(sizeof(GatherState))
    suffix = f"does not index into param shape [{','.join(map(str, params))}]"
    init_places(&state.places, r, 1, params, True, "indices", suffix)
    depth = state.places.depth
    state.batch = state.outer = 1
    state.per_batch, state.size = state.places.count, prod(params[:depth])
    state.row_bytes = prod(params[depth:]) * item_size(r.in_dtypes[0])
    _set_gather(r, state)


cdef int _set_gather(Request r, GatherState* state) except -1:
    state.grain = max(1, GRAIN_BYTES // (state.row_bytes + 8))
    r.set(gather_all)
    return 0


cdef int gather_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const GatherState* state = <const GatherState*>call.state
    cdef GatherJob job = GatherJob(state, <const char*>x[0].data, x[1].data, <char*>y[0].data, -1)
    cdef int64_t n = state.batch * state.outer * state.per_batch
    if n == 0:
        return THW_OK
    if n <= state.grain:
        gather_some(&job, 0, n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, n, state.grain, gather_some, &job)
    return THW_OK if job.outside < 0 else tell_outside(call, &state.places, job.indices, job.outside)


cdef void gather_some(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef GatherJob* job = <GatherJob*>arg
    cdef const GatherState* state = job.state
    cdef int64_t nbytes = state.row_bytes
    cdef int64_t slab = begin // state.per_batch, i = begin % state.per_batch, u, position, row
    cdef const char* x
    for u in range(begin, end):
        position = slab // state.outer * state.per_batch + i
        row = row_at(&state.places, job.indices, position)
        if row < 0:
            job.outside = position if job.outside < 0 else job.outside
        else:
            x = job.params + (slab * state.size + row) * nbytes
            if nbytes == 4:
                memcpy(job.y + u * 4, x, 4)
            else:
                memcpy(job.y + u * nbytes, x, nbytes)
        i += 1
        if i == state.per_batch:
            i, slab = 0, slab + 1


# --- scatter ---------------------------------------------------------------------------------------------------------

cdef enum:
    IN_PLACE = 0                # the target is a variable's buffer
    FROM_ZEROS = 1
    FROM_INPUT = 2              # the target begins as a copy of input 0


cdef struct ScatterState:
    Places places
    thw_loop loop               # NULL: the update replaces the row
    int begins
    int updates                 # numbers of inputs
    int indices
    int item
    int64_t row                 # elements
    int64_t update_step         # 1, or 0 where one number updates everything
    int64_t target_bytes
    int64_t grain               # blocks of COLUMNS


cdef struct ScatterJob:
    const ScatterState* state
    char* target
    const void* indices
    const char* updates
    int64_t outside
    int error


# op type -> what it does to a row: a loop of the elementwise table, or None to replace it
_VERBS = {"Update": None, "Add": "Add", "Sub": "Sub", "Mul": "Mul", "Div": "Div", "Min": "Minimum", "Max": "Maximum"}


def scatter(Request r):
    """Prepare ScatterUpdate, ...Add, ...Sub, ...Mul, ...Div, ...Min, ...Max: rows of a variable."""
    _set_scatter(r, _VERBS[r.op_type.removeprefix("Scatter")], IN_PLACE, False)


scatter_update = scatter_add = scatter_sub = scatter_mul = scatter_div = scatter_min = scatter_max = scatter


def scatter_nd_update(Request r):
    """Prepare ScatterNdUpdate, ScatterNdAdd and ScatterNdSub: slices of a variable."""
    _set_scatter(r, _VERBS[r.op_type.removeprefix("ScatterNd")], IN_PLACE, True)


scatter_nd_add = scatter_nd_sub = scatter_nd_update


def scatter_nd(Request r):
    """Prepare ScatterNd: updates added to zeros."""
    _set_scatter(r, "Add", FROM_ZEROS, True)


def tensor_scatter_update(Request r):
    """Prepare TensorScatterUpdate, TensorScatterAdd and TensorScatterSub: slices of a copy."""
    _set_scatter(r, _VERBS[r.op_type.removeprefix("TensorScatter")], FROM_INPUT, True)


tensor_scatter_add = tensor_scatter_sub = tensor_scatter_update


def scatter_nd_non_aliasing_add(Request r):
    """Prepare ScatterNdNonAliasingAdd: updates added to a copy."""
    _set_scatter(r, "Add", FROM_INPUT, True)


def _set_scatter(Request r, verb, begins, is_tuple):
    cdef const thw_loop_entry* entry = NULL
    k_indices, k_updates = (0, 1) if begins == FROM_ZEROS else (1, 2)
    dtype, shape = r.in_dtypes[k_updates], r.out_shapes[0]
    if verb is not None:
        entry = find_loop(verb, dtype)
        if entry == NULL:
            raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {dtype}")
    cdef ScatterState* state = <ScatterState*>r.new_state(sizeof(ScatterState))
    text = f"does not index into shape [{','.join(map(str, shape))}]" if is_tuple else f"is not in [0, {shape[0]})"
    init_places(&state.places, r, k_indices, shape if is_tuple else shape[:1], is_tuple, "indices", text)
    state.loop = NULL if entry == NULL else entry.fn
    state.begins, state.indices, state.updates, state.item = begins, k_indices, k_updates, item_size(dtype)
    row_shape = shape[state.places.depth:]
    state.row, state.update_step = prod(row_shape), r.in_shapes[k_updates] != ()
    outer = r.in_shapes[k_indices]
    expected = (outer[:len(outer) - 1] if is_tuple else outer) + row_shape
    if r.in_shapes[k_updates] not in (expected, ()):
        raise ValueError(f"{r.op_type}: updates of shape {r.in_shapes[k_updates]}, expected {expected}")
    state.target_bytes = prod(shape) * state.item
    state.grain = max(1, GRAIN_BYTES // (COLUMNS * state.item * max(<int64_t>1, state.places.count)))
    r.set(scatter_all, THW_INPLACE(0) if begins == FROM_INPUT else 0)


cdef int scatter_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    """Each unit of work takes all indices, in order, and some columns of the rows."""
    cdef const ScatterState* state = <const ScatterState*>call.state
    cdef ScatterJob job = ScatterJob(state, <char*>y[0].data, x[state.indices].data,
                                     <const char*>x[state.updates].data, -1, 0)
    cdef int64_t n = (state.row + COLUMNS - 1) // COLUMNS
    if state.begins == FROM_ZEROS:
        memset(job.target, 0, state.target_bytes)
    elif state.begins == FROM_INPUT and x[0].data != job.target:
        memcpy(job.target, x[0].data, state.target_bytes)
    if n <= state.grain:
        scatter_columns(&job, 0, n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, n, state.grain, scatter_columns, &job)
    if job.error:
        call.core.set_error(call.core_ctx, THW_INVALID, loop_error(job.error))
        return THW_INVALID
    return THW_OK if job.outside < 0 else tell_outside(call, &state.places, job.indices, job.outside)


cdef void scatter_columns(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef ScatterJob* job = <ScatterJob*>arg
    cdef const ScatterState* state = job.state
    cdef int64_t first = begin * COLUMNS, n = min(end * COLUMNS, state.row) - first
    cdef int64_t i, row
    cdef char* target
    cdef const char* update
    for i in range(state.places.count):
        row = row_at(&state.places, job.indices, i)
        if row < 0:
            job.outside = i
            return
        target = job.target + (row * state.row + first) * state.item
        update = job.updates + (i * state.row + first) * state.item * state.update_step
        update_row(job, target, update, n)


cdef void update_row(ScatterJob* job, char* target, const char* update, int64_t n) noexcept nogil:
    cdef const ScatterState* state = job.state
    cdef const void* pair[2]
    cdef int64_t step[2]
    cdef int64_t i
    if state.loop == NULL and state.update_step:
        memcpy(target, update, n * state.item)
    elif state.loop == NULL:
        for i in range(n):
            memcpy(target + i * state.item, update, state.item)
    else:
        pair[0], pair[1], step[0], step[1] = target, update, 1, state.update_step
        job.error |= state.loop(pair, step, target, n, 0)


# --- one hot ---------------------------------------------------------------------------------------------------------

cdef struct OneHotState:
    int index_bytes
    int item
    int64_t outer               # indices [outer, inner], result [outer, depth, inner]
    int64_t depth
    int64_t inner


def one_hot(Request r):
    """Prepare OneHot; an index outside of [0, depth) gives off_value everywhere."""
    indices, shape = r.in_shapes[0], r.out_shapes[0]
    axis = r.attr_int("axis", -1)
    axis = len(indices) if axis == -1 else axis
    cdef OneHotState* state = <OneHotState*>r.new_state(sizeof(OneHotState))
    state.index_bytes, state.item = item_size(r.in_dtypes[0]), item_size(r.in_dtypes[2])
    state.outer, state.depth, state.inner = prod(indices[:axis]), shape[axis], prod(indices[axis:])
    r.set(one_hot_all)


cdef int one_hot_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const OneHotState* state = <const OneHotState*>call.state
    cdef const void* indices = x[0].data
    cdef char* out = <char*>y[0].data
    cdef int item = state.item
    cdef int64_t total = state.outer * state.depth * state.inner * item, done = item, i, index
    if total == 0:
        return THW_OK
    memcpy(out, x[3].data, item)
    while done < total:                                 # off_value everywhere, twice as much each time
        memcpy(out + done, out, min(done, total - done))
        done *= 2
    for i in range(state.outer * state.inner):
        if state.index_bytes == 8:
            index = (<const int64_t*>indices)[i]
        elif state.index_bytes == 4:
            index = (<const int32_t*>indices)[i]
        else:
            index = (<const uint8_t*>indices)[i]
        if 0 <= index < state.depth:
            index = (i // state.inner * state.depth + index) * state.inner + i % state.inner
            memcpy(out + index * item, x[2].data, item)
    return THW_OK


# --- permutations ----------------------------------------------------------------------------------------------------

cdef struct PermutationState:
    Places places


def invert_permutation(Request r):
    """Prepare InvertPermutation: y[x[i]] = i."""
    cdef PermutationState* state = <PermutationState*>r.new_state(sizeof(PermutationState))
    init_places(&state.places, r, 0, r.in_shapes[0], False, "", "")
    r.set(invert)


cdef int invert(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const Places* places = &(<const PermutationState*>call.state).places
    cdef const void* indices = x[0].data
    cdef void* out = y[0].data
    cdef int64_t i, place
    memset(out, 0xFF, places.count * (8 if places.is_int64 else 4))             # -1: not yet taken
    for i in range(places.count):
        place = row_at(places, indices, i)
        if place < 0:
            return tell(call, b"%lld is not between 0 and %lld", number_at(places, indices, i), places.count)
        if number_at(places, out, place) != -1:
            return tell(call, b"%lld is duplicated in the input.", place, 0)
        if places.is_int64:
            (<int64_t*>out)[place] = i
        else:
            (<int32_t*>out)[place] = <int32_t>i
    return THW_OK


cdef int tell(thw_call* call, const char* words, int64_t first, int64_t second) noexcept nogil:
    cdef char message[96]
    snprintf(message, sizeof(message), words, <long long>first, <long long>second)
    call.core.set_error(call.core_ctx, THW_INVALID, message)
    return THW_INVALID
