"""Biases of channels and their gradients."""
from thalweg.cpu._channels cimport channels_table, check_layout, highest_passed, new_job, plan_job, thw_channels_job
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INPLACE

from thalweg.cpu._request import Unsupported


def bias_add(Request r):
    """Prepare BiasAdd: x [..., C] + bias [C]."""
    cdef int is_double = _is_double(r)
    cdef thw_channels_job* job = new_job(r, r.in_shapes[0])
    if r.in_shapes[1] != (job.channels,):
        raise Unsupported(f"BiasAdd: a bias of shape {r.in_shapes[1]} for {job.channels} channels")
    plan_job(r, job, 0)
    r.set(channels_table().bias_add[is_double], THW_INPLACE(0))


def bias_add_grad(Request r):
    """Prepare BiasAddGrad: the sum of dy [..., C] over all dimensions but the last."""
    cdef int is_double = _is_double(r)
    plan_job(r, new_job(r, r.in_shapes[0]), 1)
    r.set(channels_table().bias_add_grad[is_double])


def fused_bias_add_grad(Request r):
    """Prepare _FusedBiasAddGrad (gradients, features): the gradient of Relu or Relu6, then BiasAddGrad."""
    cdef int is_double = _is_double(r)
    cdef thw_channels_job* job = new_job(r, r.in_shapes[0])
    if r.in_shapes[1] != r.in_shapes[0]:
        raise Unsupported(f"{r.op_type}: features of shape {r.in_shapes[1]} for gradients of {r.in_shapes[0]}")
    job.high = highest_passed(r)
    plan_job(r, job, 1)
    r.set(channels_table().activation_bias_add_grad[is_double], THW_INPLACE(0) | THW_INPLACE(1))


cdef int _is_double(Request r) except -1:
    check_layout(r, r.in_shapes[0])
    if r.in_dtypes[0] not in (1, 2):
        raise Unsupported(f"{r.op_type}: the CPU kernel takes float32 and float64, not DataType {r.in_dtypes[0]}")
    return r.in_dtypes[0] == 2
