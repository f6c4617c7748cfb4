"""Gradients of convolutions, as jobs of cpu/c/gemm.h; the image's is the transposed convolution too."""
from itertools import product

from thalweg.cpu._depthwise cimport set_depthwise_filter_gradient, set_depthwise_image_gradient
from thalweg.cpu._geometry cimport Geometry, full_geometry
from thalweg.cpu._gemm cimport (int64_t, new_correlation, new_gathering, set_correlation, set_gathering,
                                set_winograd, set_winograd_gradient, thw_correlation, thw_gathering, thw_winograd,
                                thw_winograd_gradient)
from thalweg.cpu._request cimport Request
from thalweg.cpu._windows cimport count_phase_taps, fill_phase, fill_window, is_row_wise
from thalweg.cpu._winograd cimport gradient_job, tile_outputs, winograd_job


def conv2d_backprop_input(Request r):
    """Prepare Conv2DBackpropInput (input_sizes, filter, out_backprop)."""
    _image_gradient(r)


def conv3d_backprop_input(Request r):
    """Prepare Conv3DBackpropInputV2 (input_sizes, filter, out_backprop)."""
    _image_gradient(r)


def conv2d_backprop_filter(Request r):
    """Prepare Conv2DBackpropFilter (input, filter_sizes, out_backprop)."""
    _filter_gradient(r)


def conv3d_backprop_filter(Request r):
    """Prepare Conv3DBackpropFilterV2 (input, filter_sizes, out_backprop)."""
    _filter_gradient(r)


def depthwise_backprop_input(Request r):
    """Prepare DepthwiseConv2dNativeBackpropInput (input_sizes, filter, out_backprop)."""
    set_depthwise_image_gradient(r)


def depthwise_backprop_filter(Request r):
    """Prepare DepthwiseConv2dNativeBackpropFilter (input, filter_sizes, out_backprop)."""
    set_depthwise_filter_gradient(r)


cdef int _image_gradient(Request r) except -1:
    """dx[i] = sum over taps and places that meet at i of dy[place] * filter[tap]^T, phase by phase."""
    cdef Geometry g = full_geometry(r, r.out_shapes[0], r.in_shapes[1], r.in_shapes[2])
    cdef int64_t y_channels = r.in_shapes[1][g.rank + 1], outputs = tile_outputs(r, g, y_channels, 1, True)
    cdef thw_winograd* tiled
    if outputs:
        tiled = winograd_job(r, g, y_channels, True)
        tiled.x, tiled.filter = 2, 1
        return set_winograd(r, tiled, outputs)
    # Positions beyond the size have no phase of their own.
    phases = list(product(*[range(max(1, min(g.step[k], g.size[k]))) for k in range(3)]))
    cdef int64_t n_taps = sum([count_phase_taps(g, phase) for phase in phases])
    cdef thw_correlation* job = new_correlation(r, len(phases), n_taps, y_channels)
    job.x, job.filter, job.columns = 2, 1, g.channels
    job.block_stride, job.row_stride, job.column_stride = g.channels * y_channels, 1, y_channels
    taps = job.windows[0].taps
    for i in range(len(phases)):
        job.windows[i].taps = taps
        fill_phase(g, &job.windows[i], phases[i], y_channels)
        taps += job.windows[i].n_taps
    set_correlation(r, job)
    return 0


cdef int _filter_gradient(Request r) except -1:
    """dfilter[tap] = sum over places of x[place + tap]^T * dy[place]."""
    cdef Geometry g = full_geometry(r, r.in_shapes[0], r.out_shapes[0], r.in_shapes[2])
    cdef thw_winograd_gradient* tiled = gradient_job(r, g, r.out_shapes[0][g.rank + 1])
    if tiled != NULL:
        tiled.x, tiled.dy = 0, 2
        return set_winograd_gradient(r, tiled)
    cdef bint row_wise = is_row_wise(g)
    cdef int64_t taps = g.window[0] * g.window[1] * (1 if row_wise else g.window[2])
    cdef thw_gathering* job = new_gathering(r, taps, g.channels * (g.window[2] if row_wise else 1))
    job.x, job.dy, job.columns, job.column_stride = 0, 2, r.out_shapes[0][g.rank + 1], 1
    fill_window(g, &job.window, &job.margin, job.columns)
    set_gathering(r, job)
    return 0
