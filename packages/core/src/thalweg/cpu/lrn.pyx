"""Local response normalisation and its gradient."""
from thalweg.cpu._channels cimport channels_table, new_job, plan_job, thw_channels_job
from thalweg.cpu._request cimport Request

from thalweg.cpu._request import Unsupported


def lrn(Request r):
    """Prepare LRN: x / (bias + alpha * sum of squares over channels within depth_radius)^beta."""
    plan_job(r, _new_job(r), 0)
    r.set(channels_table().lrn)


def lrn_grad(Request r):
    """Prepare LRNGrad (dy, x, y)."""
    plan_job(r, _new_job(r), 0)
    r.set(channels_table().lrn_grad)


cdef thw_channels_job* _new_job(Request r) except NULL:
    if r.in_dtypes[0] != 1:
        raise Unsupported(f"{r.op_type}: the CPU kernel takes float32, not DataType {r.in_dtypes[0]}")
    cdef thw_channels_job* job = new_job(r, r.in_shapes[0])
    job.radius = r.attr_int("depth_radius", 5)
    if job.radius < 0:
        raise Unsupported(f"{r.op_type}: depth_radius {job.radius} must not be negative")
    job.bias, job.alpha, job.beta = r.attr_float("bias", 1.0), r.attr_float("alpha", 1.0), r.attr_float("beta", 0.5)
    return job
