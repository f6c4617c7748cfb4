"""Depthwise convolutions as jobs of cpu/c/depthwise.h."""
from itertools import product

from libc.stdlib cimport free

from thalweg.cpu._gemm cimport (fill_finish, follow_correlation, free_correlation, new_correlation, set_correlation,
                                set_finish, thw_correlation, thw_finish, thw_follow_fn)
from thalweg.cpu._geometry cimport Geometry, conv_geometry
from thalweg.cpu._request cimport Request
from thalweg.cpu._windows cimport fill_window, phase_taps
from thalweg.devices.abi cimport int32_t, int64_t, thw_kernel_fn

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/depthwise.h" nogil:
    ctypedef struct thw_line_tap:
        int64_t at
        int64_t filter
    ctypedef struct thw_line:
        int64_t places
        int64_t size
        int64_t step
        int64_t corner
        int64_t n_taps
        thw_line_tap* taps
    ctypedef struct thw_depthwise_phase:
        thw_line rows
        thw_line columns
        int64_t y_first
        int64_t y_row
        int64_t y_column
        int64_t kind
    ctypedef struct thw_depthwise_job:
        thw_depthwise_phase* phases
        int64_t n_phases
        int64_t images
        int64_t channels
        int64_t filter_rows
        int64_t filter_columns
        int64_t x_image
        int64_t x_row
        int64_t y_image
        int64_t multiplier
        int64_t x_numbers
        int64_t y_numbers
        int32_t x
        int32_t other
        int32_t widens_x
        int32_t sums_y
        thw_finish finish
    ctypedef struct thw_separable:
        thw_depthwise_job* depthwise
        void* product
        thw_follow_fn follow
        int32_t is_made_in_blocks
        int32_t arguments
        size_t depthwise_scratch
        size_t made_at
        size_t product_at
    ctypedef struct thw_depthwise_table:
        void (*plan_correlation)(thw_depthwise_job* job, int is_double, size_t* workspace, size_t* scratch)
        void (*plan_gathering)(thw_depthwise_job* job, int is_double, size_t* workspace, size_t* scratch)
        thw_kernel_fn correlate[2]
        thw_kernel_fn gather[2]
        thw_kernel_fn separable[2]
    const thw_depthwise_table* thw_depthwise()


cdef const thw_depthwise_table* TABLE = thw_depthwise()


cdef int set_depthwise(Request r, bint is_fused) except -1:
    """DepthwiseConv2dNative: output channel c*multiplier + m is channel c under its filter m; `fused_ops` follow."""
    cdef thw_depthwise_job* job = _image_side(r, r.in_shapes[0], r.in_shapes[1], r.out_shapes[0])
    job.x, job.other = 0, 1
    job.widens_x = job.multiplier > 1
    if is_fused:
        set_finish(r, &job.finish, 2)
    return _set_correlation(r, job)


cdef int set_separable(Request r) except -1:
    """_FusedSeparableConv2D (input, depthwise filter, pointwise filter, operands of both epilogues)."""
    if {len(r.in_shapes[0]), len(r.in_shapes[1]), len(r.out_shapes[0])} != {4}:
        raise Unsupported(f"{r.op_type}: {r.in_shapes[0]}, {r.in_shapes[1]} and {r.out_shapes[0]} must have 4 axes")
    cdef tuple between = (*r.out_shapes[0][:3], r.in_shapes[0][3] * r.in_shapes[1][3])
    cdef thw_separable* both = <thw_separable*>r.new_state(sizeof(thw_separable))
    r.take_state()
    try:
        _add_depthwise(r, both, between)
        r.take_state()
        _add_product(r, both, between)
        r.take_state()
    except BaseException:
        _free_separable(both)
        raise
    r.kernel.state, r.kernel.free_state = both, _free_separable
    r.set(TABLE.separable[_is_double(r)])
    return 0


cdef int _add_depthwise(Request r, thw_separable* both, tuple between) except -1:
    cdef thw_depthwise_job* job = _image_side(r, r.in_shapes[0], r.in_shapes[1], between)
    job.x, job.other = 0, 1
    job.widens_x = job.multiplier > 1
    both.arguments = fill_finish(r, &job.finish, r.attr_str("depthwise_ops", ""), r.attr_float("depthwise_epsilon"),
                                 between, 3)
    if job.finish.residual >= 0:
        raise Unsupported(f"{r.op_type}: a residual between the convolutions")
    TABLE.plan_correlation(job, _is_double(r), &both.product_at, &both.depthwise_scratch)
    both.depthwise = job
    return 0


cdef int _add_product(Request r, thw_separable* both, tuple between) except -1:
    """After the depthwise job: its operands and its memory come first."""
    cdef size_t item = 8 if _is_double(r) else 4
    cdef Geometry g = Geometry(r, between, r.out_shapes[0], (1, 1), (1, 1), (1, 1))
    if r.in_shapes[2] != (1, 1, between[3], r.out_shapes[0][3]):
        raise Unsupported(f"{r.op_type}: pointwise filter {r.in_shapes[2]} does not take {between} to "
                          f"{r.out_shapes[0]}")
    cdef thw_correlation* job = new_correlation(r, 1, 1, g.channels)
    job.filter, job.columns = 2, r.out_shapes[0][3]
    job.block_stride, job.row_stride, job.column_stride = g.channels * job.columns, job.columns, 1
    fill_window(g, job.windows, NULL, job.columns)
    cdef int32_t end = fill_finish(r, &job.finish, r.attr_str("fused_ops", ""), r.attr_float("epsilon"),
                                   r.out_shapes[0], both.arguments)
    if end != r.n_in:
        raise Unsupported(f"{r.op_type}: {r.n_in} inputs, but the epilogues use {end}")
    job.makes_x, job.maker_scratch = 1, both.depthwise_scratch
    set_correlation(r, job)
    both.product, both.follow, both.is_made_in_blocks = job, follow_correlation(r), job.makes_x
    both.made_at = -(-both.product_at // 64) * 64
    both.product_at = both.made_at
    if not job.makes_x:
        both.product_at += -(-both.depthwise.y_numbers * item // 64) * 64
    r.kernel.workspace_bytes += both.product_at
    r.kernel.scratch_bytes = max(r.kernel.scratch_bytes, both.depthwise_scratch)
    return 0


cdef void _free_separable(void* state) noexcept nogil:
    cdef thw_separable* both = <thw_separable*>state
    if both.product != NULL:
        free_correlation(both.product)
    free(both.depthwise)
    free(both)


cdef int set_depthwise_filter_gradient(Request r) except -1:
    """DepthwiseConv2dNativeBackpropFilter (input, filter_sizes, out_backprop)."""
    cdef thw_depthwise_job* job = _image_side(r, r.in_shapes[0], r.out_shapes[0], r.in_shapes[2])
    cdef int is_double = _is_double(r)
    job.x, job.other = 0, 2
    job.widens_x = job.multiplier > 1
    TABLE.plan_gathering(job, is_double, &r.kernel.workspace_bytes, &r.kernel.scratch_bytes)
    r.set(TABLE.gather[is_double])
    return 0


cdef int set_depthwise_image_gradient(Request r) except -1:
    """DepthwiseConv2dNativeBackpropInput (input_sizes, filter, out_backprop): a correlation per phase."""
    cdef Geometry g = _geometry(r, r.out_shapes[0], r.in_shapes[1], r.in_shapes[2])
    steps = [(y, x) for y, x in product(range(min(g.step[1], g.size[1])), range(min(g.step[2], g.size[2])))]
    cdef thw_depthwise_job* job = _new_job(r, g, r.in_shapes[1], len(steps))
    cdef thw_depthwise_phase* phase
    _fill_strides(job, g.places, g.size)
    job.x, job.other = 2, 1
    job.sums_y = job.multiplier > 1
    for i, (y, x) in enumerate(steps):
        phase = &job.phases[i]
        _fill_phase_line(g, 1, y, &phase.rows)
        _fill_phase_line(g, 2, x, &phase.columns)
        phase.y_column = g.step[2] * job.channels
        phase.y_row = g.step[1] * g.size[2] * job.channels
        phase.y_first = (y * g.size[2] + x) * job.channels
    return _set_correlation(r, job)


cdef int _is_double(Request r) except -1:
    if r.out_dtypes[0] not in (1, 2):
        raise Unsupported(f"{r.op_type}: the CPU kernel takes float32 and float64, not DataType {r.out_dtypes[0]}")
    return r.out_dtypes[0] == 2


cdef int _set_correlation(Request r, thw_depthwise_job* job) except -1:
    cdef int is_double = _is_double(r)
    TABLE.plan_correlation(job, is_double, &r.kernel.workspace_bytes, &r.kernel.scratch_bytes)
    r.set(TABLE.correlate[is_double])
    return 0


cdef Geometry _geometry(Request r, tuple x_shape, tuple filter_shape, tuple y_shape):
    cdef Geometry g = conv_geometry(r, x_shape, filter_shape, y_shape)
    if g.rank != 2 or y_shape[3] != x_shape[3] * filter_shape[3]:
        raise Unsupported(f"{r.op_type}: filter {filter_shape} does not take {x_shape} to {y_shape}")
    return g


cdef thw_depthwise_job* _new_job(Request r, Geometry g, tuple filter_shape, int64_t n_phases) except NULL:
    """A job with room for its phases and, in each, for all taps of the window."""
    cdef int64_t rows = g.window[1], columns = g.window[2], i
    cdef size_t head = sizeof(thw_depthwise_job) + n_phases * sizeof(thw_depthwise_phase)
    cdef char* memory = <char*>r.new_state(head + n_phases * (rows + columns) * sizeof(thw_line_tap))
    cdef thw_depthwise_job* job = <thw_depthwise_job*>memory
    cdef thw_line_tap* taps = <thw_line_tap*>(memory + head)
    job.phases, job.n_phases = <thw_depthwise_phase*>(memory + sizeof(thw_depthwise_job)), n_phases
    for i in range(n_phases):
        job.phases[i].rows.taps = taps
        job.phases[i].columns.taps = taps + rows
        taps += rows + columns
    job.images, job.multiplier, job.channels = g.images, filter_shape[3], g.channels * filter_shape[3]
    job.filter_rows, job.filter_columns = rows, columns
    job.finish.shift = job.finish.residual = job.finish.normalisation = -1
    return job


cdef int _fill_strides(thw_depthwise_job* job, tuple x_size, tuple y_size) except -1:
    job.x_row = x_size[2] * job.channels
    job.x_image = x_size[1] * job.x_row
    job.y_image = y_size[1] * y_size[2] * job.channels
    job.x_numbers, job.y_numbers = job.images * job.x_image, job.images * job.y_image
    return 0


cdef thw_depthwise_job* _image_side(Request r, tuple x_shape, tuple filter_shape, tuple y_shape) except NULL:
    """The job whose places are the convolution's outputs."""
    cdef Geometry g = _geometry(r, x_shape, filter_shape, y_shape)
    cdef thw_depthwise_job* job = _new_job(r, g, filter_shape, 1)
    cdef thw_depthwise_phase* phase = job.phases
    _fill_strides(job, g.size, g.places)
    _fill_line(g, 1, &phase.rows)
    _fill_line(g, 2, &phase.columns)
    phase.y_column = job.channels
    phase.y_row = g.places[2] * job.channels
    return job


cdef int _fill_line(Geometry g, int axis, thw_line* line) except -1:
    line.places, line.size, line.step, line.corner = g.places[axis], g.size[axis], g.step[axis], -g.before[axis]
    line.n_taps = g.window[axis]
    for k in range(line.n_taps):
        line.taps[k].at, line.taps[k].filter = k * g.dilation[axis], k
    return 0


cdef int _fill_phase_line(Geometry g, int axis, int64_t first, thw_line* line) except -1:
    """Positions first, first + step, ... of the image read the places that they contribute to."""
    line.places = max(0, -(-(g.size[axis] - first) // g.step[axis]))
    line.size, line.step, line.corner, line.n_taps = g.places[axis], 1, 0, 0
    for at, tap in sorted(phase_taps(g, axis, first)):
        line.taps[line.n_taps].at, line.taps[line.n_taps].filter = at, tap
        line.n_taps += 1
    return 0
