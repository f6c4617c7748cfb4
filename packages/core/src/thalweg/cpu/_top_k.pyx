"""The largest elements of rows, and whether a class is among them."""
from libc.math cimport isfinite

from math import prod

from thalweg.cpu._loops cimport item_size
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_OK, int32_t, int64_t, thw_call, thw_tensor

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/top_k.h" nogil:
    ctypedef void (*thw_top_k_loop)(const void* x, int64_t columns, int64_t k, void* values, int32_t* places,
                                    int32_t* scratch) noexcept nogil
    thw_top_k_loop thw_top_k(int dtype)


cdef enum:
    GRAIN = 16384               # elements of a chunk
    INT64 = 9


# --- TopK, TopKV2 ----------------------------------------------------------------------------------------------------

cdef struct State:
    thw_top_k_loop loop
    int item
    int64_t rows
    int64_t columns
    int64_t k
    int64_t grain               # rows of a chunk


cdef struct Job:
    const State* state
    const char* x
    char* values
    int32_t* places


def top_k(Request r):
    """Prepare TopK and TopKV2: the largest first, of equals the first."""
    shape, last = r.in_shapes[0], len(r.in_shapes[0]) - 1
    cdef thw_top_k_loop loop = thw_top_k(r.in_dtypes[0])
    if loop == NULL:
        raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {r.in_dtypes[0]}")
    cdef State* state = <State*>r.new_state(sizeof(State))
    state.loop, state.item = loop, item_size(r.in_dtypes[0])
    state.rows, state.columns, state.k = prod(shape[:last]), shape[last], r.out_shapes[0][last]
    if state.k > state.columns:
        raise ValueError(f"input must have last dimension >= k = {state.k} but is {state.columns}")
    state.grain = max(1, GRAIN // max(<int64_t>1, state.columns))
    r.kernel.scratch_bytes = r.kernel.workspace_bytes = 2 * state.columns * sizeof(int32_t)
    r.set(top_k_all)


cdef int top_k_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, <const char*>x[0].data, <char*>y[0].data, <int32_t*>y[1].data)
    if state.rows <= state.grain:
        top_k_rows(&job, 0, state.rows, call.workspace)
    else:
        call.core.parallel_for(call.core_ctx, state.rows, state.grain, top_k_rows, &job)
    return THW_OK


cdef void top_k_rows(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    cdef const State* state = job.state
    cdef int64_t i
    for i in range(begin, end):
        state.loop(job.x + i * state.columns * state.item, state.columns, state.k,
                   job.values + i * state.k * state.item, job.places + i * state.k, <int32_t*>scratch)


# --- InTopK, InTopKV2 ------------------------------------------------------------------------------------------------

cdef struct InState:
    int is_int64                # targets, and k where it is an input
    int k_is_input
    int64_t k
    int64_t rows
    int64_t classes


def in_top_k(Request r):
    """Prepare InTopK and InTopKV2: predictions are float32."""
    cdef InState* state = <InState*>r.new_state(sizeof(InState))
    state.is_int64, state.k_is_input = r.in_dtypes[1] == INT64, r.n_in == 3
    state.k = 0 if r.n_in == 3 else r.attr_int("k")
    state.rows, state.classes = r.in_shapes[0]
    if r.in_dtypes[0] != 1:
        raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {r.in_dtypes[0]}")
    r.set(in_top_k_all)


cdef int64_t number_at(const void* numbers, bint is_int64, int64_t i) noexcept nogil:
    return (<const int64_t*>numbers)[i] if is_int64 else (<const int32_t*>numbers)[i]


cdef int in_top_k_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const InState* state = <const InState*>call.state
    cdef const float* row = <const float*>x[0].data
    cdef int64_t k = number_at(x[2].data, state.is_int64, 0) if state.k_is_input else state.k
    cdef int64_t i
    for i in range(state.rows):
        (<char*>y[0].data)[i] = is_among(row, state.classes, number_at(x[1].data, state.is_int64, i), k)
        row += state.classes
    return THW_OK


cdef bint is_among(const float* row, int64_t classes, int64_t target, int64_t k) noexcept nogil:
    """Whether fewer than k classes have more; not if the target is none, or a number that decides is not finite."""
    cdef int64_t i, larger = 0
    if target < 0 or target >= classes or not isfinite(row[target]):
        return False
    for i in range(classes):
        if not isfinite(row[i]) and not row[i] <= row[target]:
            return False
        larger += row[i] > row[target]
    return larger < k
