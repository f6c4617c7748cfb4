"""Jobs over rows of channels, for the kernels of biases and normalisation."""
from libc.math cimport INFINITY, nextafter, nextafterf

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/channels.h" nogil:
    ctypedef struct thw_planning_table "thw_channels_table":
        void (*plan)(thw_channels_job* job, int64_t item_bytes, int64_t sums, size_t* workspace, size_t* scratch)
    const thw_channels_table* thw_channels()


cdef const thw_channels_table* TABLE = thw_channels()


cdef const thw_channels_table* channels_table() noexcept:
    return TABLE


cdef thw_channels_job* new_job(Request r, tuple shape) except NULL:
    """A job over a tensor of `shape`; its last dimension is the channels."""
    cdef thw_channels_job* job = <thw_channels_job*>r.new_state(sizeof(thw_channels_job))
    job.rows = 1
    for size in shape[:len(shape) - 1]:
        job.rows *= <int64_t>size
    job.channels = shape[len(shape) - 1]
    return job


cdef int plan_job(Request r, thw_channels_job* job, int sums) except -1:
    """Plans a job that keeps `sums` sums for each channel and block of rows."""
    (<const thw_planning_table*>TABLE).plan(job, 8 if r.in_dtypes[0] == 2 else 4, sums, &r.kernel.workspace_bytes,
                                            &r.kernel.scratch_bytes)
    return 0


cdef int check_layout(Request r, tuple shape) except -1:
    layout = r.attr_str("data_format", "")
    if layout not in ("", "NHWC", "NDHWC") and not (layout == "NCHW" and len(shape) == 2):
        raise Unsupported(f"{r.op_type}: data_format {layout!r}; channels-last only")
    return 0


cdef double highest_passed(Request r) except -1:
    """The largest output of `activation`, Relu or Relu6, that its gradient lets through; the least is above 0."""
    activation = r.attr_str("activation")
    if activation == "Relu":
        return INFINITY
    if activation != "Relu6":
        raise Unsupported(f"{r.op_type}: an activation {activation!r}, not Relu or Relu6")
    return nextafter(6, 0) if r.in_dtypes[0] == 2 else nextafterf(6, 0)
