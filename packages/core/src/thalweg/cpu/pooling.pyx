"""Pooling and its gradients, in two and three dimensions."""
from libc.float cimport DBL_MAX, FLT_MAX
from libc.math cimport INFINITY

from thalweg.cpu._geometry cimport Geometry, pool_geometry
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport int32_t, int64_t, thw_kernel_fn

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/pool.h" nogil:
    ctypedef struct thw_pool_job:
        int64_t images
        int64_t channels
        int64_t size[3]
        int64_t places[3]
        int64_t window[3]
        int64_t step[3]
        int64_t before[3]
        double lowest
        int32_t numbers_batch
        int32_t is_wide_index
    ctypedef struct thw_pool_table:
        void (*plan)(thw_pool_job* job, int64_t item_bytes, size_t* scratch)
        thw_kernel_fn max[2]
        thw_kernel_fn max_grad_first[2]
        thw_kernel_fn max_grad_all[2]
        thw_kernel_fn max_grad_grad[2]
        thw_kernel_fn argmax[2]
        thw_kernel_fn argmax_grad[2]
        thw_kernel_fn argmax_grad_grad[2]
        thw_kernel_fn mean[2]
        thw_kernel_fn mean_grad[2]
    const thw_pool_table* thw_pool()


cdef const thw_pool_table* TABLE = thw_pool()

cdef enum:
    FLOAT32 = 1
    FLOAT64 = 2
    INT64 = 9


def max_pool(Request r):
    """Prepare MaxPool."""
    r.set(TABLE.max[_prepare(r, r.in_shapes[0], r.out_shapes[0])])


def max_pool3d(Request r):
    """Prepare MaxPool3D."""
    max_pool(r)


def max_pool_grad(Request r):
    """Prepare MaxPoolGrad (orig_input, orig_output, grad): to the first of equal elements."""
    r.set(TABLE.max_grad_first[_prepare(r, r.in_shapes[0], r.in_shapes[2])])


def max_pool_grad_grad(Request r):
    """Prepare MaxPoolGradGrad (orig_input, orig_output, grad)."""
    r.set(TABLE.max_grad_grad[_prepare(r, r.in_shapes[0], r.out_shapes[0])])


def max_pool3d_grad(Request r):
    """Prepare MaxPool3DGrad (orig_input, orig_output, grad): to every element that equals the maximum."""
    r.set(TABLE.max_grad_all[_prepare(r, r.in_shapes[0], r.in_shapes[2])])


def max_pool3d_grad_grad(Request r):
    """Prepare MaxPool3DGradGrad (orig_input, orig_output, grad)."""
    r.set(TABLE.max_grad_grad[_prepare(r, r.in_shapes[0], r.out_shapes[0])])


def max_pool_with_argmax(Request r):
    """Prepare MaxPoolWithArgmax: maxima, and their places in the flattened image or batch."""
    r.set(TABLE.argmax[_prepare(r, r.in_shapes[0], r.out_shapes[0])])


def max_pool_grad_with_argmax(Request r):
    """Prepare MaxPoolGradWithArgmax (input, grad, argmax)."""
    r.set(TABLE.argmax_grad[_prepare(r, r.in_shapes[0], r.in_shapes[1])])


def max_pool_grad_grad_with_argmax(Request r):
    """Prepare MaxPoolGradGradWithArgmax (input, grad, argmax)."""
    r.set(TABLE.argmax_grad_grad[_prepare(r, r.in_shapes[0], r.out_shapes[0])])


def avg_pool(Request r):
    """Prepare AvgPool: the mean of each window, padding left out."""
    r.set(TABLE.mean[_prepare(r, r.in_shapes[0], r.out_shapes[0])])


def avg_pool3d(Request r):
    """Prepare AvgPool3D."""
    avg_pool(r)


def avg_pool_grad(Request r):
    """Prepare AvgPoolGrad (orig_input_shape, grad)."""
    r.set(TABLE.mean_grad[_prepare(r, r.out_shapes[0], r.in_shapes[1])])


def avg_pool3d_grad(Request r):
    """Prepare AvgPool3DGrad (orig_input_shape, grad)."""
    avg_pool_grad(r)


cdef int _prepare(Request r, tuple x_shape, tuple y_shape) except -1:
    """Makes the state for windows of x_shape that give y_shape; the index of the number type in the table."""
    if r.out_dtypes[0] not in (FLOAT32, FLOAT64):
        raise Unsupported(f"{r.op_type}: the CPU kernel takes float32 and float64, not DataType {r.out_dtypes[0]}")
    cdef int is_double = r.out_dtypes[0] == FLOAT64
    cdef Geometry g = pool_geometry(r, x_shape, y_shape)
    cdef thw_pool_job* job = <thw_pool_job*>r.new_state(sizeof(thw_pool_job))
    job.images, job.channels = g.images, g.channels
    for k in range(3):
        job.size[k], job.places[k], job.before[k] = g.size[k], g.places[k], g.before[k]
        job.window[k], job.step[k] = g.window[k], g.step[k]
    # TensorFlow's maximum starts from the lowest finite number in images, from minus infinity in volumes.
    job.lowest = -INFINITY if g.rank == 3 else -DBL_MAX if is_double else -FLT_MAX
    job.numbers_batch = r.attr_bool("include_batch_in_index", False)
    job.is_wide_index = r.attr_int("Targmax", INT64) == INT64
    TABLE.plan(job, 8 if is_double else 4, &r.kernel.scratch_bytes)
    return is_double
