"""Resizing images: bilinear for uint8 and float32, nearest neighbour for all, gradients for float32."""
from libc.math cimport ceilf, floorf, roundf
from libc.string cimport memcpy

from thalweg.cpu._loops cimport item_size
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_OK, int32_t, int64_t, thw_call, thw_tensor

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/resize.h" nogil:
    ctypedef struct thw_place:
        int32_t before
        int32_t after
        float part
    ctypedef struct thw_resize_job:
        int64_t h
        int64_t w
        int64_t c
        int64_t oh
        int64_t ow
        const thw_place* rows
        const thw_place* columns
    ctypedef void (*thw_resize_rows)(const thw_resize_job* r, const void* x, float* y, int64_t begin,
                                     int64_t end) noexcept nogil
    ctypedef void (*thw_resize_images)(const thw_resize_job* r, const float* dy, float* dx, int64_t begin,
                                       int64_t end) noexcept nogil
    ctypedef struct thw_resize_table:
        thw_resize_rows bilinear_f32
        thw_resize_rows bilinear_u8
        thw_resize_images bilinear_grad
        thw_resize_images nearest_grad
    const thw_resize_table* thw_resize()


cdef const thw_resize_table* TABLE = thw_resize()

cdef enum:
    GRAIN = 16384               # elements of a chunk: about 20 us


cdef struct State:
    thw_resize_job r
    int64_t n                   # images
    int64_t grain               # rows, or images, of a chunk
    int item                    # bytes of an element
    thw_resize_rows rows
    thw_resize_images images
    thw_place places[1]         # of the oh rows, then of the ow columns


# --- prepare ---------------------------------------------------------------------------------------------------------

cdef State* _new_state(Request r, tuple image, tuple result, bint is_nearest) except NULL:
    """The state for images of shape `image` that are resized to `result`."""
    cdef bint aligned = r.attr_bool("align_corners", False), half = r.attr_bool("half_pixel_centers", False)
    cdef Py_ssize_t count
    cdef State* state
    if len(image) != 4 or len(result) != 4 or image[0] != result[0] or image[3] != result[3]:
        raise Unsupported(f"{r.op_type}: images of shape {image} are not resized to {result}")
    if 0 in image[1:3] or 0 in result[1:3] or aligned and half:
        raise Unsupported(f"{r.op_type}: what is wrong here is told by the reference body")
    if max(image[1:3]) > 2**24 or max(result[1:3]) > 2**24:
        raise Unsupported(f"{r.op_type}: float32 does not count {max(*image, *result)} pixels")
    count = result[1] + result[2]
    state = <State*>r.new_state(sizeof(State) + count * sizeof(thw_place))
    state.n, state.r.h, state.r.w, state.r.c = image
    state.r.oh, state.r.ow = result[1], result[2]
    state.r.rows, state.r.columns = state.places, state.places + state.r.oh
    _fill(state.places, state.r.h, state.r.oh, aligned, half, is_nearest)
    _fill(state.places + state.r.oh, state.r.w, state.r.ow, aligned, half, is_nearest)
    return state


cdef void _fill(thw_place* places, int64_t size, int64_t out_size, bint aligned, bint half, bint is_nearest) noexcept:
    """The places of a line of `out_size` pixels on one of `size` (ops/resize.py)."""
    cdef float scale = <float>size / <float>out_size
    cdef float place
    cdef int64_t i
    if aligned and out_size > 1:
        scale = <float>(size - 1) / <float>(out_size - 1)
    for i in range(out_size):
        if is_nearest:
            place = (<float>i + <float>0.5) * scale if half else <float>i * scale
            place = roundf(place) if aligned else floorf(place)
            places[i].before = <int32_t>min(max(<int64_t>place, <int64_t>0), size - 1)
            continue
        place = <float>i * scale
        if half:
            place = (<float>i + <float>0.5) * scale - <float>0.5
        places[i].before = <int32_t>min(max(<int64_t>floorf(place), <int64_t>0), size - 1)
        places[i].after = <int32_t>min(<int64_t>ceilf(place), size - 1)
        places[i].part = place - floorf(place)


def bilinear(Request r):
    """Prepare ResizeBilinear."""
    if r.in_dtypes[0] not in (1, 4):
        raise Unsupported(f"ResizeBilinear: the CPU kernel takes float32 and uint8, not DataType {r.in_dtypes[0]}")
    cdef State* state = _new_state(r, r.in_shapes[0], r.out_shapes[0], False)
    state.rows = TABLE.bilinear_f32 if r.in_dtypes[0] == 1 else TABLE.bilinear_u8
    state.grain = max(1, GRAIN // max(1, state.r.ow * state.r.c))
    r.set(some_rows)


def nearest(Request r):
    """Prepare ResizeNearestNeighbor."""
    cdef State* state = _new_state(r, r.in_shapes[0], r.out_shapes[0], True)
    state.item = item_size(r.in_dtypes[0])
    state.grain = max(1, GRAIN // max(1, state.r.ow * state.r.c))
    r.set(some_rows)


def bilinear_grad(Request r):
    """Prepare ResizeBilinearGrad (dy, image)."""
    _set_gradient(r, r.in_shapes[1], TABLE.bilinear_grad, False)


def nearest_grad(Request r):
    """Prepare ResizeNearestNeighborGrad (dy, size)."""
    _set_gradient(r, r.out_shapes[0], TABLE.nearest_grad, True)


cdef int _set_gradient(Request r, tuple image, thw_resize_images images, bint is_nearest) except -1:
    if r.out_dtypes[0] != 1:
        raise Unsupported(f"{r.op_type}: the CPU kernel takes float32, not DataType {r.out_dtypes[0]}")
    cdef State* state = _new_state(r, image, r.in_shapes[0], is_nearest)
    state.images, state.grain = images, 1
    r.set(all_images)
    return 0


# --- run -------------------------------------------------------------------------------------------------------------

cdef struct Job:
    const State* state
    const char* x
    char* y


cdef int some_rows(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, <const char*>x[0].data, <char*>y[0].data)
    call.core.parallel_for(call.core_ctx, state.n * state.r.oh, state.grain, rows_of_result, &job)
    return THW_OK


cdef void rows_of_result(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    cdef const State* state = job.state
    cdef const thw_resize_job* r = &state.r
    cdef int64_t pixel = r.c * state.item, i, j
    cdef const char* row
    cdef char* y = job.y + begin * r.ow * pixel
    if state.rows != NULL:
        state.rows(r, job.x, <float*>job.y, begin, end)
        return
    for i in range(begin, end):
        row = job.x + (i // r.oh * r.h + r.rows[i % r.oh].before) * r.w * pixel
        for j in range(r.ow):
            memcpy(y, row + r.columns[j].before * pixel, pixel)
            y += pixel


cdef int all_images(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef Job job = Job(state, <const char*>x[0].data, <char*>y[0].data)
    call.core.parallel_for(call.core_ctx, state.n, state.grain, some_images, &job)
    return THW_OK


cdef void some_images(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    job.state.images(&job.state.r, <const float*>job.x, <float*>job.y, begin, end)
