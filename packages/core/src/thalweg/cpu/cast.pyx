"""Cast between all numbers and booleans but complex ones; the loops are in cpu/c/cast_impl.h.

float16 and bfloat16 go by way of float32, block by block.
"""
from math import prod

from thalweg.cpu._loops cimport item_size
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INPLACE, THW_OK, int32_t, int64_t, thw_call, thw_tensor, uint16_t, uint32_t

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/cast.h" nogil:
    ctypedef void (*thw_cast_loop)(const void* x, void* y, int64_t n) noexcept nogil
    ctypedef struct thw_cast_entry:
        unsigned char source "from"
        unsigned char target "to"
        thw_cast_loop fn
    ctypedef struct thw_cast_table:
        const thw_cast_entry* entries
        int count
    const thw_cast_table* thw_cast()

cdef extern from "cpu/c/half.h" nogil:
    enum:
        THW_FLOAT16
    ctypedef struct thw_half_conversion:
        void (*widen)(const uint16_t* x, float* y, int64_t n) noexcept nogil
        void (*narrow)(const float* x, uint16_t* y, int64_t n) noexcept nogil
    ctypedef struct thw_half_table:
        thw_half_conversion of[3]
    const thw_half_table* thw_half()


cdef const thw_cast_table* TABLE = thw_cast()
cdef const thw_half_conversion* HALF = &thw_half().of[THW_FLOAT16]

cdef enum:
    GRAIN = 65536               # elements
    BLOCK = 1024                # elements of float32 between two conversions: in the L1 cache
    FLOAT32 = 1
    BFLOAT16 = 14
    FLOAT16 = 19


cdef struct State:
    thw_cast_loop first
    thw_cast_loop second        # NULL: one conversion is enough
    int64_t n
    int in_item
    int out_item


def cast(Request r):
    """Prepare Cast."""
    cdef int source = r.in_dtypes[0], target = r.out_dtypes[0]
    cdef bint truncates = target == BFLOAT16 and r.attr_bool("Truncate", False)
    cdef State* state = <State*>r.new_state(sizeof(State))
    state.first, state.n = _find(source, target), prod(r.in_shapes[0])
    if truncates and source == FLOAT32:
        state.first = truncate
    elif truncates or state.first == NULL:
        state.first, state.second = _find(source, FLOAT32), truncate if truncates else _find(FLOAT32, target)
        if state.first == NULL or state.second == NULL or not {source, target} & {BFLOAT16, FLOAT16}:
            raise Unsupported(f"Cast on the CPU has no loop from DataType {source} to {target}")
    state.in_item, state.out_item = item_size(source), item_size(target)
    r.set(cast_all, THW_INPLACE(0) if state.in_item == state.out_item else 0)


cdef void widen(const void* x, void* y, int64_t n) noexcept nogil:
    HALF.widen(<const uint16_t*>x, <float*>y, n)


cdef void narrow(const void* x, void* y, int64_t n) noexcept nogil:
    HALF.narrow(<const float*>x, <uint16_t*>y, n)


cdef void truncate(const void* x, void* y, int64_t n) noexcept nogil:
    """The upper halves of float32: bfloat16 with the surplus bits dropped."""
    cdef int64_t i
    for i in range(n):
        (<uint16_t*>y)[i] = <uint16_t>((<const uint32_t*>x)[i] >> 16)


cdef thw_cast_loop _find(int source, int target) noexcept:
    cdef int i
    if source == FLOAT16 and target == FLOAT32:
        return widen
    if source == FLOAT32 and target == FLOAT16:
        return narrow
    for i in range(TABLE.count):
        if TABLE.entries[i].source == source and TABLE.entries[i].target == target:
            return TABLE.entries[i].fn
    return NULL


cdef struct Job:
    const State* state
    const char* x
    char* y


cdef int cast_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, <const char*>x[0].data, <char*>y[0].data)
    if state.n <= GRAIN:
        cast_some(&job, 0, state.n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, state.n, GRAIN, cast_some, &job)
    return THW_OK


cdef void cast_some(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    cdef const State* state = job.state
    cdef float[BLOCK] between
    cdef int64_t i = begin, n
    if state.second == NULL:
        state.first(job.x + begin * state.in_item, job.y + begin * state.out_item, end - begin)
        return
    while i < end:
        n = min(end - i, <int64_t>BLOCK)
        state.first(job.x + i * state.in_item, between, n)
        state.second(between, job.y + i * state.out_item, n)
        i += n
