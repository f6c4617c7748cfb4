"""Reductions over segments, rows that share an id, with the folds of the reduction kernels."""
from libc.string cimport memcpy, memset

from math import prod

from thalweg.cpu._folds cimport find_fold, thw_fold
from thalweg.cpu._places cimport Places, init_places, number_at, tell_outside
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INVALID, THW_OK, int32_t, int64_t, thw_call, thw_tensor

import numpy as np

from thalweg.cpu._request import Unsupported

cdef enum:
    COLUMNS = 64                # elements of a row that one unit of work takes
    GRAIN = 65536               # elements of a chunk


cdef struct State:
    Places places               # of the ids, in [0, segments)
    const thw_fold* fold
    int is_sorted               # ids must not decrease, nor be negative; else rows with a negative id are dropped
    int is_mean
    int64_t segments
    int64_t row                 # elements
    int64_t grain               # blocks of COLUMNS
    int64_t counts_bytes        # of the rows per segment, ahead of the accumulators in the workspace
    char empty[8]               # what an element of a segment without rows is


cdef struct Job:
    const State* state
    const char* x
    const void* ids
    char* y
    const int64_t* counts
    char* acc


def segment(Request r):
    """Prepare SegmentSum, ...Mean, ...Prod, ...Max and ...Min: ids in increasing order; an empty segment is 0 or 1."""
    name = r.op_type.removeprefix("Segment")
    _set(r, name, _as_bytes(r, name == "Prod"), r.out_shapes[0][0], True)


def unsorted_segment(Request r):
    """Prepare UnsortedSegmentSum, ...Prod, ...Max and ...Min: an empty segment is 0, 1, the lowest or the highest."""
    name = r.op_type.removeprefix("UnsortedSegment")
    _set(r, name, _identity(r, name), r.out_shapes[0][0], False)


# DataType -> NumPy type, of those that the folds know
_TYPES = {1: "f4", 2: "f8", 3: "i4", 4: "u1", 9: "i8"}
_LARGEST = {14: float.fromhex("0x1.fep127"), 19: 65504.0}             # of bfloat16 and float16


def _as_bytes(Request r, value):
    return np.array(value).astype(_TYPES.get(r.in_dtypes[0], "f8")).tobytes()


def _identity(Request r, name):
    if name not in ("Max", "Min"):
        return _as_bytes(r, name == "Prod")
    stored = r.attr_int("T", r.in_dtypes[0])            # 16 bits are computed in float32, and have limits of their own
    if stored in _LARGEST:
        return _as_bytes(r, -_LARGEST[stored] if name == "Max" else _LARGEST[stored])
    dtype = np.dtype(_TYPES.get(r.in_dtypes[0], "f8"))
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return _as_bytes(r, limits.min if name == "Max" else limits.max)


def _set(Request r, name, empty, segments, is_sorted):
    cdef const thw_fold* fold = find_fold("Sum" if name == "Mean" else name, r.in_dtypes[0])
    data, ids = r.in_shapes[0], r.in_shapes[1]
    if fold == NULL:
        raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {r.in_dtypes[0]}")
    if data[:len(ids)] != ids:
        raise ValueError(f"{r.op_type}: segment_ids of shape {ids} for data of shape {data}")
    cdef State* state = <State*>r.new_state(sizeof(State))
    init_places(&state.places, r, 1, (segments,), False, "segment_ids", f"is out of range [0, {segments})")
    state.fold, state.is_sorted, state.is_mean, state.segments = fold, is_sorted, name == "Mean", segments
    state.row = prod(data[len(ids):])
    memcpy(state.empty, <const char*><bytes>empty, len(empty))
    state.grain = max(1, GRAIN // (COLUMNS * max(<int64_t>1, state.places.count)))
    state.counts_bytes = (segments * 8 + 63) // 64 * 64
    r.kernel.workspace_bytes = state.counts_bytes + segments * state.row * fold.acc_item
    r.set(reduce_segments)


cdef int reduce_segments(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y,
                         int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, <const char*>x[0].data, x[1].data, <char*>y[0].data, <const int64_t*>call.workspace,
                       <char*>call.workspace + state.counts_bytes)
    cdef int64_t n = (state.row + COLUMNS - 1) // COLUMNS
    cdef int code = count_rows(call, state, job.ids, <int64_t*>call.workspace)
    if code:
        return code
    if n <= state.grain:
        reduce_columns(&job, 0, n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, n, state.grain, reduce_columns, &job)
    return THW_OK


cdef int count_rows(thw_call* call, const State* state, const void* ids, int64_t* counts) noexcept nogil:
    """Checks every id, and counts the rows of each segment."""
    cdef int64_t i, segment, last = 0
    memset(counts, 0, state.segments * sizeof(int64_t))
    for i in range(state.places.count):
        segment = number_at(&state.places, ids, i)
        if state.is_sorted and (segment < last or segment >= state.segments):   # the last id is segments - 1
            call.core.set_error(call.core_ctx, THW_INVALID, b"segment ids must be >= 0" if segment < 0
                                else b"segment ids are not increasing")
            return THW_INVALID
        if segment >= state.segments:
            return tell_outside(call, &state.places, ids, i)
        if segment >= 0:
            counts[segment] += 1
        last = segment
    return THW_OK


cdef void reduce_columns(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    """All rows, in order, but some columns alone."""
    cdef const Job* job = <const Job*>arg
    cdef const State* state = job.state
    cdef const thw_fold* fold = state.fold
    cdef int64_t first = begin * COLUMNS, n = min(end * COLUMNS, state.row) - first
    cdef int64_t i, k, segment, at
    for segment in range(state.segments):
        fold.start(job.acc + (segment * state.row + first) * fold.acc_item, n)
    for i in range(state.places.count):
        segment = number_at(&state.places, job.ids, i)
        if segment >= 0:
            fold.columns(job.x + (i * state.row + first) * fold.item, 1, 0, n,
                         job.acc + (segment * state.row + first) * fold.acc_item)
    for segment in range(state.segments):
        at = segment * state.row + first
        if job.counts[segment]:
            fold.finish(job.acc + at * fold.acc_item, n, <double>job.counts[segment] if state.is_mean else 1,
                        job.y + at * fold.item)
        else:
            for k in range(n):
                memcpy(job.y + (at + k) * fold.item, state.empty, fold.item)
