"""Makes and plans the jobs of cpu/c/gemm.h: the convolutions', their gradients' and the matrix products'."""
from libc.math cimport INFINITY
from libc.stdint cimport uint64_t
from libc.stdlib cimport free

import os

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/gemm.h" nogil:
    ctypedef struct thw_gemm_table:
        void (*plan_correlation)(thw_correlation* job, int is_double, size_t* workspace, size_t* scratch)
        void (*plan_gathering)(thw_gathering* job, int is_double, size_t* workspace, size_t* scratch)
        thw_kernel_fn correlate[2]
        thw_kernel_fn gather[2]
        thw_follow_fn follow[2]
        void (*plan_winograd)(thw_winograd* job, int64_t outputs, size_t* workspace, size_t* scratch)
        thw_kernel_fn winograd
        void (*plan_winograd_gradient)(thw_winograd_gradient* job, size_t* workspace, size_t* scratch)
        thw_kernel_fn winograd_gradient
        int (*is_gradient_quicker)(const thw_tiling* tiling)
        int64_t (*best_outputs)(const thw_tiling* tiling, int filter_lasts)
    const thw_gemm_table* thw_gemm()

cdef extern from "cpu/filters.h" nogil:
    void thw_filter_leave(thw_filter_use* use)
    void thw_filter_set_budget(size_t bytes)
    size_t thw_filter_bytes()
    uint64_t thw_filter_reads()


cdef const thw_gemm_table* TABLE = thw_gemm()

cdef enum:
    FLOAT32 = 1
    FLOAT64 = 2


cdef int _is_double(Request r) except -1:
    dtype = r.out_dtypes[0]
    if dtype not in (FLOAT32, FLOAT64):
        raise Unsupported(f"{r.op_type}: the CPU kernel takes float32 and float64, not DataType {dtype}")
    return dtype == FLOAT64


cdef thw_correlation* new_correlation(Request r, int64_t n_windows, int64_t n_taps, int64_t depth,
                                      int64_t batches=1) except NULL:
    """An empty job with room for its windows, all their taps and, for products, the places of its batches."""
    cdef size_t item = 8 if _is_double(r) else 4
    cdef size_t head = sizeof(thw_correlation) + n_windows * sizeof(thw_window) + n_taps * sizeof(thw_tap)
    cdef char* memory = <char*>r.new_state(head + 2 * batches * sizeof(int64_t) + depth * item)
    cdef thw_correlation* job = <thw_correlation*>memory
    job.windows = <thw_window*>(memory + sizeof(thw_correlation))
    job.windows[0].taps = <thw_tap*>(job.windows + n_windows)
    job.n_windows, job.depth, job.batches = n_windows, depth, batches
    job.x_offsets = <int64_t*>(memory + head)
    job.filter_offsets = job.x_offsets + batches
    job.zeros = job.filter_offsets + batches
    job.finish.shift = job.finish.residual = job.finish.normalisation = -1
    return job


cdef thw_gathering* new_gathering(Request r, int64_t n_taps, int64_t depth, int64_t batches=1) except NULL:
    cdef size_t head = sizeof(thw_gathering) + n_taps * sizeof(thw_tap)
    cdef char* memory = <char*>r.new_state(head + 2 * batches * sizeof(int64_t))
    cdef thw_gathering* job = <thw_gathering*>memory
    job.window.taps = <thw_tap*>(memory + sizeof(thw_gathering))
    job.window.n_taps, job.depth, job.batches = n_taps, depth, batches
    job.x_offsets = <int64_t*>(memory + head)
    job.dy_offsets = job.x_offsets + batches
    job.finish.shift = job.finish.residual = job.finish.normalisation = -1
    return job


cdef thw_winograd* new_winograd(Request r, int64_t depth) except NULL:
    """An empty job, of float32."""
    cdef thw_winograd* job = <thw_winograd*>r.new_state(sizeof(thw_winograd) + depth * 4)
    job.zeros = job + 1
    job.finish.shift = job.finish.residual = job.finish.normalisation = -1
    return job


cdef thw_winograd_gradient* new_winograd_gradient(Request r, int64_t channels) except NULL:
    """An empty job, of float32; `channels`: the more of those of x and of dy."""
    cdef thw_winograd_gradient* job = <thw_winograd_gradient*>r.new_state(sizeof(thw_winograd_gradient) + channels * 4)
    job.zeros = job + 1
    return job


cdef int set_winograd_gradient(Request r, thw_winograd_gradient* job) except -1:
    TABLE.plan_winograd_gradient(job, &r.kernel.workspace_bytes, &r.kernel.scratch_bytes)
    r.set(TABLE.winograd_gradient)
    return 0


cdef bint is_gradient_quicker(const thw_tiling* tiling):
    """Whether the filter's gradient is quicker by tiles than by direct sums."""
    return TABLE.is_gradient_quicker(tiling)


cdef int64_t best_outputs(const thw_tiling* tiling, bint filter_lasts):
    """Places of a tile's side where tiles are quicker than direct sums, else 0."""
    return TABLE.best_outputs(tiling, filter_lasts)


cdef void _free_winograd(void* job) noexcept nogil:
    thw_filter_leave(&(<thw_winograd*>job).use)
    free(job)


cdef int set_winograd(Request r, thw_winograd* job, int64_t outputs) except -1:
    """Plans a job that is filled in, for tiles of so many places a side, and names its kernel."""
    job.filter_lasts = r.lasts(job.filter)
    r.kernel.free_state = _free_winograd
    TABLE.plan_winograd(job, outputs, &r.kernel.workspace_bytes, &r.kernel.scratch_bytes)
    r.set(TABLE.winograd)
    return 0


cdef void free_correlation(void* job) noexcept nogil:
    thw_filter_leave(&(<thw_correlation*>job).use)
    free(job)


def kept_bytes():
    """Bytes of all filters that are kept ready from run to run."""
    return thw_filter_bytes()


def kept_reads():
    """How often a call found its filter ready."""
    return thw_filter_reads()


def _budget():
    """Bytes for kept filters; ValueError if THALWEG_FILTER_CACHE_MB is no number of megabytes."""
    wish = os.environ.get("THALWEG_FILTER_CACHE_MB", "") or "256"
    if not (wish.isascii() and wish.isdigit()):
        raise ValueError(f"THALWEG_FILTER_CACHE_MB is {wish!r}; it must be a whole number, 0 or more, or unset")
    return min(int(wish) << 20, <size_t>-1)


thw_filter_set_budget(_budget())


cdef int set_correlation(Request r, thw_correlation* job) except -1:
    """Plans a job that is filled in, and names its kernel."""
    cdef int is_double = _is_double(r)
    job.filter_lasts = r.lasts(job.filter)
    r.kernel.free_state = free_correlation
    TABLE.plan_correlation(job, is_double, &r.kernel.workspace_bytes, &r.kernel.scratch_bytes)
    r.set(TABLE.correlate[is_double])
    return 0


cdef thw_follow_fn follow_correlation(Request r) except NULL:
    """What runs a planned correlation inside of another kernel."""
    return TABLE.follow[_is_double(r)]


cdef int set_gathering(Request r, thw_gathering* job) except -1:
    cdef int is_double = _is_double(r)
    TABLE.plan_gathering(job, is_double, &r.kernel.workspace_bytes, &r.kernel.scratch_bytes)
    r.set(TABLE.gather[is_double])
    return 0


cdef int set_finish(Request r, thw_finish* finish, int32_t first_argument) except -1:
    """The epilogue that `fused_ops` asks for; its operands are the inputs from `first_argument` on, in order."""
    argument = fill_finish(r, finish, r.attr_str("fused_ops", ""), r.attr_float("epsilon", 0.0), r.out_shapes[0],
                           first_argument)
    if argument != r.n_in:
        raise Unsupported(f"{r.op_type}: {r.n_in} inputs, but fused_ops use {argument}")
    return 0


cdef int32_t fill_finish(Request r, thw_finish* finish, str ops, double epsilon, tuple shape,
                         int32_t argument) except -1:
    """The epilogue of a result of this shape; gives the input after its last operand."""
    channels = shape[len(shape) - 1:]
    for name in ops.split(",") if ops else ():
        if finish.is_clamped:
            raise Unsupported(f"{r.op_type}: {name} after the activation")
        if name == "BiasAdd" and finish.shift < 0 and finish.normalisation < 0 and finish.residual < 0:
            finish.shift, operands = argument, [channels]
        elif name == "FusedBatchNorm" and finish.normalisation < 0 and finish.residual < 0:
            finish.normalisation, operands = argument, [channels] * 4
            finish.epsilon = epsilon
        elif name == "Add" and finish.residual < 0:
            finish.residual, operands = argument, [shape]
        elif name in ("Relu", "Relu6"):
            finish.is_clamped, finish.low, operands = 1, 0, []
            finish.high = 6 if name == "Relu6" else INFINITY
        else:
            raise Unsupported(f"{r.op_type}: {name!r} at this place of fused_ops")
        if list(r.in_shapes[argument:argument + len(operands)]) != operands:
            raise Unsupported(f"{r.op_type}: {name} with operands {r.in_shapes[argument:]}, not {operands}")
        argument += <int32_t>len(operands)
    return argument
