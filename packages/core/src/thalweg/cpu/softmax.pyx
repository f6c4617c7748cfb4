"""Softmax, LogSoftmax and the softmax cross entropies; the loops are in cpu/c/softmax_impl.h."""
from libc.stdio cimport snprintf
from libc.string cimport memset

from math import prod

from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INPLACE, THW_INVALID, THW_OK, int32_t, int64_t, thw_call, thw_tensor

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/softmax.h" nogil:
    ctypedef void (*thw_softmax_loop)(const void* x, int64_t rows, int64_t classes, void* y) noexcept nogil
    ctypedef void (*thw_cross_entropy_loop)(const void* x, int64_t x_stride, const void* labels,
                                            int64_t labels_stride, int64_t rows, int64_t classes, void* loss,
                                            void* backprop) noexcept nogil
    ctypedef int64_t (*thw_sparse_cross_entropy_loop)(const void* x, const void* labels, int is_int64, int64_t rows,
                                                      int64_t classes, void* loss, void* backprop) noexcept nogil
    ctypedef struct thw_softmax_entry:
        unsigned char dtype
        thw_softmax_loop softmax
        thw_softmax_loop log_softmax
        thw_cross_entropy_loop cross_entropy
        thw_sparse_cross_entropy_loop sparse_cross_entropy
    ctypedef struct thw_softmax_table:
        const thw_softmax_entry* entries
    const thw_softmax_table* thw_softmax()


cdef const thw_softmax_table* TABLE = thw_softmax()

cdef enum:
    GRAIN = 16384               # elements: about 20 us
    INT64 = 9
    MESSAGE_BYTES = 1024


cdef struct State:
    const thw_softmax_entry* loops
    thw_softmax_loop loop       # of Softmax or LogSoftmax
    int item
    int is_int64                # labels
    int64_t rows
    int64_t classes
    int64_t x_stride            # elements; 0 if one row serves all
    int64_t labels_stride
    int64_t grain               # rows of a chunk


cdef State* _new_state(Request r, tuple shape) except NULL:
    if r.in_dtypes[0] not in (1, 2):
        raise Unsupported(f"{r.op_type} on the CPU has no loop for DataType {r.in_dtypes[0]}")
    if not shape:
        raise ValueError(f"{r.op_type}: logits must have at least one dimension")
    cdef State* state = <State*>r.new_state(sizeof(State))
    state.loops, state.item = &TABLE.entries[r.in_dtypes[0] == 2], 4 * r.in_dtypes[0]
    state.rows, state.classes = prod(shape[:len(shape) - 1]), shape[len(shape) - 1]
    state.grain = max(1, GRAIN // max(<int64_t>1, state.classes))
    return state


cdef struct Job:
    const State* state
    const char* x
    const char* labels
    char* loss
    char* y
    int64_t wrong               # a row whose label is no class, or -1


def softmax(Request r):
    """Prepare Softmax and LogSoftmax of float32 and float64."""
    cdef State* state = _new_state(r, r.in_shapes[0])
    state.loop = state.loops.softmax if r.op_type == "Softmax" else state.loops.log_softmax
    r.set(softmax_all, THW_INPLACE(0))


log_softmax = softmax


cdef int softmax_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, <const char*>x[0].data, NULL, NULL, <char*>y[0].data, -1)
    if state.classes == 0:
        return THW_OK
    if state.rows <= state.grain:
        softmax_rows(&job, 0, state.rows, NULL)
    else:
        call.core.parallel_for(call.core_ctx, state.rows, state.grain, softmax_rows, &job)
    return THW_OK


cdef void softmax_rows(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    cdef int64_t at = begin * job.state.classes * job.state.item
    job.state.loop(job.x + at, end - begin, job.state.classes, job.y + at)


def softmax_cross_entropy(Request r):
    """Prepare SoftmaxCrossEntropyWithLogits: loss and its gradient in one pass."""
    shape = r.out_shapes[1]
    cdef State* state = _new_state(r, shape)
    for side in r.in_shapes:
        if side[1] != shape[1]:
            raise Unsupported(f"{r.op_type} of {r.in_shapes}: classes that broadcast")
    state.x_stride = state.classes if r.in_shapes[0][0] == shape[0] else 0
    state.labels_stride = state.classes if r.in_shapes[1][0] == shape[0] else 0
    r.set(cross_entropy_all)


cdef int cross_entropy_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y,
                           int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, <const char*>x[0].data, <const char*>x[1].data, <char*>y[0].data, <char*>y[1].data, -1)
    if state.classes == 0:
        memset(job.loss, 0, state.rows * state.item)
    elif state.rows <= state.grain:
        cross_entropy_rows(&job, 0, state.rows, NULL)
    else:
        call.core.parallel_for(call.core_ctx, state.rows, state.grain, cross_entropy_rows, &job)
    return THW_OK


cdef void cross_entropy_rows(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    cdef const State* state = job.state
    cdef int64_t item = state.item
    state.loops.cross_entropy(job.x + begin * state.x_stride * item, state.x_stride,
                              job.labels + begin * state.labels_stride * item, state.labels_stride, end - begin,
                              state.classes, job.loss + begin * item, job.y + begin * state.classes * item)


def sparse_softmax_cross_entropy(Request r):
    """Prepare SparseSoftmaxCrossEntropyWithLogits: loss and its gradient in one pass; labels are class numbers."""
    cdef State* state = _new_state(r, r.in_shapes[0])
    if len(r.in_shapes[0]) != 2 or r.in_shapes[1] != r.in_shapes[0][:1]:
        raise ValueError(f"{r.op_type}: logits of shape {r.in_shapes[0]} and labels of shape {r.in_shapes[1]}, "
                         "expected [N, C] and [N]")
    state.is_int64 = r.in_dtypes[1] == INT64
    r.set(sparse_cross_entropy_all)


cdef int sparse_cross_entropy_all(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y,
                                  int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, <const char*>x[0].data, <const char*>x[1].data, <char*>y[0].data, <char*>y[1].data, -1)
    if state.rows <= state.grain:
        sparse_cross_entropy_rows(&job, 0, state.rows, NULL)
    else:
        call.core.parallel_for(call.core_ctx, state.rows, state.grain, sparse_cross_entropy_rows, &job)
    if job.wrong < 0:
        return THW_OK
    tell_wrong_label(call, &job)
    return THW_INVALID


cdef void sparse_cross_entropy_rows(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef Job* job = <Job*>arg
    cdef const State* state = job.state
    cdef int64_t at = begin * state.classes * state.item
    cdef int64_t wrong = state.loops.sparse_cross_entropy(
        job.x + at, job.labels + begin * (8 if state.is_int64 else 4), state.is_int64, end - begin, state.classes,
        job.loss + begin * state.item, job.y + at)
    if wrong >= 0:
        job.wrong = begin + wrong


cdef int64_t label_at(const Job* job, int64_t r) noexcept nogil:
    return (<const int64_t*>job.labels)[r] if job.state.is_int64 else (<const int32_t*>job.labels)[r]


cdef void tell_wrong_label(thw_call* call, const Job* job) noexcept nogil:
    """TensorFlow's words, with as many of the labels as there is room for."""
    cdef char message[MESSAGE_BYTES]
    cdef int64_t r
    cdef int n = snprintf(message, MESSAGE_BYTES, b"Received a label value of %lld which is outside the valid range "
                          b"of [0, %lld).  Label values:", <long long>label_at(job, job.wrong),
                          <long long>job.state.classes)
    for r in range(job.state.rows):
        if n < MESSAGE_BYTES - 24:
            n += snprintf(message + n, MESSAGE_BYTES - n, b" %lld", <long long>label_at(job, r))
    call.core.set_error(call.core_ctx, THW_INVALID, message)
