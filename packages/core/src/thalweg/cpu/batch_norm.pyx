"""Batch normalisation and its gradient."""
from thalweg.cpu._channels cimport channels_table, check_layout, new_job, plan_job, thw_channels_job
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INPLACE

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


def fused_batch_norm_grad(Request r):
    """Prepare FusedBatchNormGrad, V2 and V3 (dy, x, scale, mean, variance)."""
    cdef thw_channels_job* job = _new_job(r, r.in_shapes[1], r.in_shapes[2:5])
    if r.in_shapes[0] != r.in_shapes[1]:
        raise Unsupported(f"{r.op_type}: gradients of shape {r.in_shapes[0]} for x of shape {r.in_shapes[1]}")
    plan_job(r, job, 2)
    if r.attr_bool("is_training", True):
        r.set(channels_table().batch_norm_training_grad, THW_INPLACE(0) | THW_INPLACE(1))
    else:
        r.set(channels_table().batch_norm_inference_grad, THW_INPLACE(0) | THW_INPLACE(1))


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
