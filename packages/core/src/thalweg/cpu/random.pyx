"""The random kernels: shapes and attributes are prepared here, the numbers are made by cpu/c/random.c."""
from libc.math cimport isfinite
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INVALID, THW_OK, thw_body_fn, thw_call, thw_tensor

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/random.h" nogil:
    enum:
        THW_DRAW_STEP
        THW_BLOCKS_PER_OUTPUT
    ctypedef struct thw_stream:
        uint32_t key[2]
        uint32_t counter[4]
    ctypedef struct thw_draw_job:
        thw_stream stream
        void* y
        int64_t n
        int64_t low
        uint64_t span
        int64_t samples
        int64_t parameters
        const double* parameter
        double limit
        void (*store)(void* y, int64_t i, double value) noexcept nogil
        int64_t classes
        const double* cumulated
    void thw_uniform_f16(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_uniform_f32(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_uniform_f64(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_uniform_i32(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_uniform_i64(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_normal_f32(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_normal_f64(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_truncated_normal_f32(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_truncated_normal_f64(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_gamma(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_poisson(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_categories(void* job, int64_t begin, int64_t end, void* scratch)
    void thw_cumulate(const double* logits, int64_t classes, double* cumulated)
    void thw_stream_of_seed(int64_t first, int64_t second, thw_stream* stream)
    void thw_shuffled(const thw_stream* stream, int64_t n, int64_t* order)
    void thw_store_f32(void* y, int64_t i, double value)
    void thw_store_f64(void* y, int64_t i, double value)
    void thw_store_i32(void* y, int64_t i, double value)
    void thw_store_i64(void* y, int64_t i, double value)


# DataType numbers
cdef enum:
    FLOAT32 = 1
    FLOAT64 = 2
    INT32 = 3
    UINT8 = 4
    INT16 = 5
    INT8 = 6
    INT64 = 9
    UINT16 = 17
    FLOAT16 = 19
    UINT32 = 22
    UINT64 = 23

# Outputs in a chunk: 20 to 50 microseconds of work. A multiple of THW_DRAW_STEP.
cdef enum:
    UNIFORM_GRAIN = 16384
    NORMAL_GRAIN = 2048
    REJECTION_GRAIN = 256

ctypedef void (*store_fn)(void* y, int64_t i, double value) noexcept nogil


cdef struct State:
    thw_body_fn draw
    store_fn store
    int64_t n                   # outputs
    int64_t blocks              # reserved in each run
    int64_t grain
    int64_t samples             # per parameter, or per row of logits
    int64_t parameters          # in all, or logits per row
    int parameter_dtype
    int parameter_bytes         # of a logit
    int seed_dtype              # of a stateless op
    double limit
    bint needs_finite           # parameters


cdef int64_t _size(shape):
    size = 1
    for d in shape:
        size *= d
    return size


cdef State* _new_state(Request r, thw_body_fn draw, int64_t grain) except NULL:
    cdef State* state = <State*>r.new_state(sizeof(State))
    state.draw, state.grain = draw, grain
    state.n = _size(r.out_shapes[0])
    state.blocks = state.n * THW_BLOCKS_PER_OUTPUT
    return state


cdef void _reserve(thw_call* call, int64_t blocks, thw_stream* stream) noexcept nogil:
    call.core.rng_reserve(call.core_ctx, call.rng, <uint64_t>blocks, stream.counter, stream.key)


cdef void _draw(thw_call* call, const State* state, thw_draw_job* job) noexcept nogil:
    """Makes all outputs: on the caller where there are few, else in chunks over the pool."""
    if state.n <= state.grain:
        state.draw(job, 0, state.n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, state.n, state.grain, state.draw, job)


# --- ops that read their shape only -----------------------------------------------------------------

def uniform(Request r):
    """Prepare RandomUniform."""
    cdef int dtype = r.out_dtypes[0]
    if dtype == FLOAT32:
        _new_state(r, thw_uniform_f32, UNIFORM_GRAIN)
    elif dtype == FLOAT64:
        _new_state(r, thw_uniform_f64, UNIFORM_GRAIN)
    elif dtype == FLOAT16:
        _new_state(r, thw_uniform_f16, UNIFORM_GRAIN)
    else:
        raise Unsupported(f"RandomUniform on the CPU makes floats, not DataType {dtype}")
    r.set(by_shape)


def standard_normal(Request r):
    """Prepare RandomStandardNormal."""
    _prepare_normals(r, thw_normal_f32, thw_normal_f64)


def truncated_normal(Request r):
    """Prepare TruncatedNormal."""
    _prepare_normals(r, thw_truncated_normal_f32, thw_truncated_normal_f64)


cdef _prepare_normals(Request r, thw_body_fn float32s, thw_body_fn float64s):
    if r.out_dtypes[0] == FLOAT32:
        _new_state(r, float32s, NORMAL_GRAIN)
    elif r.out_dtypes[0] == FLOAT64:
        _new_state(r, float64s, NORMAL_GRAIN)
    else:
        raise Unsupported(f"{r.op_type} on the CPU makes float32 and float64")
    r.set(by_shape)


cdef int by_shape(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef thw_draw_job job
    _reserve(call, state.blocks, &job.stream)
    job.y, job.n = y[0].data, state.n
    _draw(call, state, &job)
    return THW_OK


def stateless_normal(Request r):
    """Prepare StatelessRandomNormal."""
    _prepare_stateless(r, thw_normal_f64)


def stateless_truncated_normal(Request r):
    """Prepare StatelessTruncatedNormal."""
    _prepare_stateless(r, thw_truncated_normal_f64)


cdef _prepare_stateless(Request r, thw_body_fn draw):
    """float64 only, where NumPy's functions differ from processor to processor; the bodies make the others."""
    if r.out_dtypes[0] != FLOAT64:
        raise Unsupported(f"{r.op_type} on the CPU makes float64")
    _new_state(r, draw, NORMAL_GRAIN).seed_dtype = r.in_dtypes[1]
    r.set(by_seed)


cdef int by_seed(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef thw_draw_job job
    _seed(&x[1], state.seed_dtype, &job.stream)
    job.y, job.n = y[0].data, state.n
    _draw(call, state, &job)
    return THW_OK


cdef void _seed(const thw_tensor* seed, int dtype, thw_stream* stream) noexcept nogil:
    if dtype == INT32:
        thw_stream_of_seed((<const int32_t*>seed.data)[0], (<const int32_t*>seed.data)[1], stream)
    else:
        thw_stream_of_seed((<const int64_t*>seed.data)[0], (<const int64_t*>seed.data)[1], stream)


def uniform_int(Request r):
    """Prepare RandomUniformInt."""
    if r.out_dtypes[0] == INT32:
        _new_state(r, thw_uniform_i32, UNIFORM_GRAIN)
        r.set(uniform_i32)
    else:
        _new_state(r, thw_uniform_i64, UNIFORM_GRAIN)
        r.set(uniform_i64)


cdef int uniform_i32(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    return _uniform_int(call, (<const int32_t*>x[1].data)[0], (<const int32_t*>x[2].data)[0], y)


cdef int uniform_i64(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    return _uniform_int(call, (<const int64_t*>x[1].data)[0], (<const int64_t*>x[2].data)[0], y)


cdef int _uniform_int(thw_call* call, int64_t low, int64_t high, thw_tensor* y) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef thw_draw_job job
    cdef char message[96]
    if not state.n:
        return THW_OK
    if low >= high:
        snprintf(message, sizeof(message), "Need minval < maxval, got %lld >= %lld", <long long>low, <long long>high)
        call.core.set_error(call.core_ctx, THW_INVALID, message)
        return THW_INVALID
    _reserve(call, state.blocks, &job.stream)
    job.y, job.n, job.low, job.span = y[0].data, state.n, low, <uint64_t>high - <uint64_t>low
    _draw(call, state, &job)
    return THW_OK


# --- ops with a parameter per distribution ----------------------------------------------------------

_STORES = {FLOAT32: 0, FLOAT64: 1, INT32: 2, INT64: 3}
cdef store_fn[4] STORES = [thw_store_f32, thw_store_f64, thw_store_i32, thw_store_i64]
# the largest values, as float64 (int64: the largest that is one)
_LIMITS = {FLOAT32: 3.4028234663852886e38, FLOAT64: 1.7976931348623157e308, INT32: 2.0**31 - 1, INT64: 2.0**63 - 1024}


ctypedef fused number_t:
    float
    double
    int8_t
    int16_t
    int32_t
    int64_t
    uint8_t
    uint16_t
    uint32_t
    uint64_t


cdef void _copy(const number_t* x, int64_t n, double* wide) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        wide[i] = <double>x[i]


cdef void _widen(const void* x, int dtype, int64_t n, double* wide) noexcept nogil:
    if dtype == FLOAT32:
        _copy(<const float*>x, n, wide)
    elif dtype == FLOAT64:
        _copy(<const double*>x, n, wide)
    elif dtype == INT8:
        _copy(<const int8_t*>x, n, wide)
    elif dtype == INT16:
        _copy(<const int16_t*>x, n, wide)
    elif dtype == INT32:
        _copy(<const int32_t*>x, n, wide)
    elif dtype == INT64:
        _copy(<const int64_t*>x, n, wide)
    elif dtype == UINT8:
        _copy(<const uint8_t*>x, n, wide)
    elif dtype == UINT16:
        _copy(<const uint16_t*>x, n, wide)
    elif dtype == UINT32:
        _copy(<const uint32_t*>x, n, wide)
    else:
        _copy(<const uint64_t*>x, n, wide)


cdef State* _prepare_parameters(Request r, thw_body_fn draw) except NULL:
    """State of an op whose second input holds a parameter per distribution, widened into the workspace."""
    if r.in_dtypes[1] not in _STORES or r.out_dtypes[0] not in _STORES:
        raise Unsupported(f"{r.op_type} on the CPU takes and makes float32, float64, int32 and int64, "
                          f"not DataTypes {r.in_dtypes[1]} and {r.out_dtypes[0]}")
    cdef State* state = _new_state(r, draw, REJECTION_GRAIN)
    state.store = STORES[<int>_STORES[r.out_dtypes[0]]]
    state.limit = _LIMITS[r.out_dtypes[0]]
    state.parameter_dtype = r.in_dtypes[1]
    state.parameters = _size(r.in_shapes[1])
    state.samples = state.n // state.parameters if state.parameters else 0
    r.kernel.workspace_bytes = state.parameters * sizeof(double)
    r.set(by_parameter)
    return state


def gamma(Request r):
    """Prepare RandomGamma."""
    _prepare_parameters(r, thw_gamma)


def poisson(Request r):
    """Prepare RandomPoissonV2."""
    _prepare_parameters(r, thw_poisson).needs_finite = True


cdef int by_parameter(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef double* wide = <double*>call.workspace
    cdef thw_draw_job job
    cdef int64_t i
    cdef char message[96]
    if not state.n:
        return THW_OK
    _widen(x[1].data, state.parameter_dtype, state.parameters, wide)
    if state.needs_finite:
        for i in range(state.parameters):
            if not isfinite(wide[i]) or wide[i] > state.limit:
                snprintf(message, sizeof(message),
                         "rate %lld is %g: a finite rate in the range of the result is needed", <long long>i, wide[i])
                call.core.set_error(call.core_ctx, THW_INVALID, message)
                return THW_INVALID
    _reserve(call, state.blocks, &job.stream)
    job.y, job.n, job.store, job.limit = y[0].data, state.n, state.store, state.limit
    job.samples, job.parameters, job.parameter = state.samples, state.parameters, wide
    _draw(call, state, &job)
    return THW_OK


_LOGIT_BYTES = {FLOAT32: 4, FLOAT64: 8, INT8: 1, INT16: 2, INT32: 4, INT64: 8, UINT8: 1, UINT16: 2, UINT32: 4,
                UINT64: 8}


def multinomial(Request r):
    """Prepare Multinomial."""
    cdef State* state = _prepare_logits(r)
    state.blocks = 2 * <int64_t>r.in_shapes[0][0] * ((state.samples + 3) // 4 * 4) * THW_BLOCKS_PER_OUTPUT
    r.set(by_logits)


def stateless_multinomial(Request r):
    """Prepare StatelessMultinomial."""
    _prepare_logits(r).seed_dtype = r.in_dtypes[2]
    r.set(by_logits_and_seed)


cdef State* _prepare_logits(Request r) except NULL:
    """The workspace holds each row's distribution function, and behind them one row of logits."""
    rows, classes = r.in_shapes[0]
    if not classes or r.in_dtypes[0] not in _LOGIT_BYTES or r.out_dtypes[0] not in _STORES:
        raise Unsupported(f"{r.op_type} on the CPU takes float32, float64 and integer logits of at least one class, "
                          f"not DataType {r.in_dtypes[0]} [{rows}, {classes}]")
    cdef State* state = _new_state(r, thw_categories, NORMAL_GRAIN)
    state.samples = r.out_shapes[0][1]
    state.store = STORES[<int>_STORES[r.out_dtypes[0]]]
    state.parameters, state.parameter_dtype = classes, r.in_dtypes[0]
    state.parameter_bytes = _LOGIT_BYTES[r.in_dtypes[0]]
    r.kernel.workspace_bytes = (rows + 1) * classes * sizeof(double)
    return state


cdef int by_logits(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef thw_stream stream
    _reserve(call, (<const State*>call.state).blocks, &stream)
    return _categories(call, &x[0], &stream, &y[0])


cdef int by_logits_and_seed(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y,
                            int32_t n_out) noexcept nogil:
    cdef thw_stream stream
    _seed(&x[2], (<const State*>call.state).seed_dtype, &stream)
    return _categories(call, &x[0], &stream, &y[0])


cdef int _categories(thw_call* call, const thw_tensor* x, const thw_stream* stream, thw_tensor* y) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef int64_t classes = state.parameters, rows, row
    cdef double* cumulated = <double*>call.workspace
    cdef double* logits
    cdef thw_draw_job job
    if not state.n:
        return THW_OK
    rows = state.n // state.samples
    logits = cumulated + rows * classes
    for row in range(rows):
        _widen(<const char*>x.data + row * classes * state.parameter_bytes, state.parameter_dtype, classes, logits)
        thw_cumulate(logits, classes, cumulated + row * classes)
    job.stream, job.y, job.n, job.store = stream[0], y.data, state.n, state.store
    job.samples, job.classes, job.cumulated = state.samples, classes, cumulated
    _draw(call, state, &job)
    return THW_OK


# --- RandomShuffle ----------------------------------------------------------------------------------

cdef struct Rows:
    int64_t n
    int64_t nbytes              # of one row
    int64_t grain


cdef struct Gather:
    const char* x
    char* y
    const int64_t* order
    int64_t nbytes


_ITEM_BYTES = {1: 4, 2: 8, 3: 4, 4: 1, 5: 2, 6: 1, 8: 8, 9: 8, 10: 1, 14: 2, 17: 2, 18: 16, 19: 2, 22: 4, 23: 8}


def shuffle(Request r):
    """Prepare RandomShuffle; the workspace holds the order."""
    cdef Rows* state
    shape = r.in_shapes[0]
    if r.in_dtypes[0] not in _ITEM_BYTES:
        raise Unsupported(f"RandomShuffle on the CPU takes numbers and booleans, not DataType {r.in_dtypes[0]}")
    state = <Rows*>r.new_state(sizeof(Rows))
    size = _size(shape)
    state.n = shape[0] if size > 1 else 1
    state.nbytes = size * _ITEM_BYTES[r.in_dtypes[0]] // state.n
    state.grain = max(1, 131072 // max(16, state.nbytes))
    r.kernel.workspace_bytes = state.n * sizeof(int64_t)
    r.set(shuffle_rows)


cdef int shuffle_rows(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const Rows* state = <const Rows*>call.state
    cdef thw_stream stream
    cdef Gather job = Gather(<const char*>x[0].data, <char*>y[0].data, <const int64_t*>call.workspace, state.nbytes)
    if state.n <= 1:
        memcpy(job.y, job.x, state.n * state.nbytes)
        return THW_OK
    _reserve(call, (state.n - 1 + 3) // 4, &stream)
    thw_shuffled(&stream, state.n, <int64_t*>call.workspace)
    if state.n <= state.grain:
        some_rows(&job, 0, state.n, NULL)
    else:
        call.core.parallel_for(call.core_ctx, state.n, state.grain, some_rows, &job)
    return THW_OK


cdef void some_rows(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Gather* job = <const Gather*>arg
    cdef int64_t i
    if job.nbytes == 4:
        for i in range(begin, end):
            (<int32_t*>job.y)[i] = (<const int32_t*>job.x)[job.order[i]]
    elif job.nbytes == 8:
        for i in range(begin, end):
            (<int64_t*>job.y)[i] = (<const int64_t*>job.x)[job.order[i]]
    else:
        for i in range(begin, end):
            memcpy(job.y + i * job.nbytes, job.x + job.order[i] * job.nbytes, job.nbytes)
