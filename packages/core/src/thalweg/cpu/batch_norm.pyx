"""Batch normalisation and its gradient, alone and with a residual and an activation."""
from libc.math cimport INFINITY

from thalweg.cpu._channels cimport channels_table, check_layout, highest_passed, new_job, plan_job, thw_channels_job
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INPLACE, THW_INPLACE_SECOND, int32_t, uint64_t

from thalweg.cpu._request import Unsupported


def fused_batch_norm(Request r):
    """Prepare FusedBatchNorm, V2 and V3 (x, scale, offset, mean, variance)."""
    cdef bint is_training = r.attr_bool("is_training", True)
    cdef thw_channels_job* job = _new_job(r, r.in_shapes[0], r.in_shapes[1:3 if is_training else 5])
    plan_job(r, job, 2)
    if is_training:
        r.set(channels_table().batch_norm_training, THW_INPLACE(0))
    else:
        r.set(channels_table().batch_norm_inference, THW_INPLACE(0))


def fused_batch_norm_ex(Request r):
    """Prepare _FusedBatchNormEx (x, scale, offset, maybe a residual): training, then Add, Relu or Relu6."""
    cdef thw_channels_job* job = _new_job(r, r.in_shapes[0], r.in_shapes[1:3])
    _add_followers(r, job, 3)
    plan_job(r, job, 2)
    r.set(channels_table().batch_norm_training, THW_INPLACE(0) | (THW_INPLACE(3) if job.has_residual else 0))


def fused_batch_norm_inference(Request r):
    """Prepare _FusedBatchNormInference (x, scale, offset, mean, variance, maybe a residual): then the same."""
    cdef thw_channels_job* job = _new_job(r, r.in_shapes[0], r.in_shapes[1:5])
    _add_followers(r, job, 5)
    plan_job(r, job, 2)
    r.set(channels_table().batch_norm_inference, THW_INPLACE(0) | (THW_INPLACE(5) if job.has_residual else 0))


cdef int _add_followers(Request r, thw_channels_job* job, int32_t residual) except -1:
    """What `fused_ops` name; a residual is input number `residual`."""
    for name in r.attr_str("fused_ops").split(","):
        if name == "Add" and not job.has_residual and not job.is_clamped:
            job.has_residual = 1
        elif name in ("Relu", "Relu6") and not job.is_clamped:
            job.is_clamped, job.high = 1, 6 if name == "Relu6" else INFINITY
        else:
            raise Unsupported(f"{r.op_type}: {name!r} at this place of fused_ops")
    if r.in_shapes[residual:] != r.in_shapes[:1] * job.has_residual:
        raise Unsupported(f"{r.op_type}: residuals of shapes {r.in_shapes[residual:]} for x of shape {r.in_shapes[0]}")
    return 0


def fused_batch_norm_grad(Request r):
    """Prepare FusedBatchNormGrad, V2 and V3 (dy, x, scale, mean, variance)."""
    _new_gradient(r, 1)
    if r.attr_bool("is_training", True):
        r.set(channels_table().batch_norm_training_grad, THW_INPLACE(0) | THW_INPLACE(1))
    else:
        r.set(channels_table().batch_norm_inference_grad, THW_INPLACE(0) | THW_INPLACE(1))


def fused_batch_norm_grad_ex(Request r):
    """Prepare _FusedBatchNormGradEx (addends of dy, x, scale, mean, variance, features) after a Relu or Relu6."""
    cdef int32_t addends = r.attr_int("num_addends")
    cdef thw_channels_job* job = _new_gradient(r, addends)
    job.features, job.keeps_g = r.attr_int("num_features"), r.attr_int("num_sides")
    told = r.in_shapes[addends + 4:]
    if told not in ((r.in_shapes[addends],), ((job.channels,),) * 2):
        raise Unsupported(f"{r.op_type}: features of shapes {told} for x of shape {r.in_shapes[addends]}")
    job.high = highest_passed(r)
    r.set(channels_table().batch_norm_training_grad, _gradient_places(job))


cdef uint64_t _gradient_places(const thw_channels_job* job) except? 0:
    """Where dx, and g as the second result, may lie.

    g is written while x, and addend 2 and later, are still to be read; dx holds it where it is no result.
    """
    cdef uint64_t over_x = THW_INPLACE(job.addends) if job.addends < 8 else 0, of_dx = THW_INPLACE(0), of_g
    if job.addends == 1 and job.features == 2 and not job.keeps_g:       # the sweeps need no g in memory
        return over_x | of_dx
    of_dx |= THW_INPLACE(1) if job.addends > 1 else 0
    of_g = THW_INPLACE_SECOND(0) | (THW_INPLACE_SECOND(1) if job.addends > 1 else 0)
    return over_x | of_g if job.keeps_g else of_dx


cdef thw_channels_job* _new_gradient(Request r, int32_t addends) except NULL:
    """A job over x, which comes after `addends` gradients of its shape."""
    x_shape = r.in_shapes[addends]
    cdef thw_channels_job* job = _new_job(r, x_shape, r.in_shapes[addends + 1:addends + 4])
    if r.in_shapes[:addends] != (x_shape,) * addends:
        raise Unsupported(f"{r.op_type}: gradients of shapes {r.in_shapes[:addends]} for x of shape {x_shape}")
    job.addends = addends
    plan_job(r, job, 2)
    return job


cdef thw_channels_job* _new_job(Request r, tuple x_shape, statistics) except NULL:
    check_layout(r, x_shape)
    if set(r.in_dtypes) != {1}:
        raise Unsupported(f"{r.op_type}: the CPU kernel takes float32, not DataTypes {r.in_dtypes}")
    cdef thw_channels_job* job = new_job(r, x_shape)
    for shape in statistics:
        if shape != (job.channels,):
            raise Unsupported(f"{r.op_type}: statistics of shape {shape} for {job.channels} channels")
    job.epsilon = r.attr_float("epsilon", 1e-4)
    return job
