"""Sweeps over rows of channels (cpu/c/channels.h); the C is linked into this module alone."""
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport int32_t, int64_t, thw_kernel_fn


cdef extern from "cpu/c/channels.h" nogil:
    ctypedef struct thw_channels_job:
        int64_t rows
        int64_t channels
        double epsilon
        int32_t has_residual
        int32_t is_clamped
        int32_t addends
        int32_t features
        int32_t keeps_g
        double high
        int64_t radius
        double bias
        double alpha
        double beta
    ctypedef struct thw_channels_table:
        thw_kernel_fn bias_add[2]
        thw_kernel_fn bias_add_grad[2]
        thw_kernel_fn activation_bias_add_grad[2]
        thw_kernel_fn batch_norm_training
        thw_kernel_fn batch_norm_inference
        thw_kernel_fn batch_norm_training_grad
        thw_kernel_fn batch_norm_inference_grad
        thw_kernel_fn lrn
        thw_kernel_fn lrn_grad


cdef const thw_channels_table* channels_table() noexcept
cdef thw_channels_job* new_job(Request r, tuple shape) except NULL
cdef int plan_job(Request r, thw_channels_job* job, int sums) except -1
cdef int check_layout(Request r, tuple shape) except -1
cdef double highest_passed(Request r) except -1
