"""Forward convolutions: places of the output, taps of the filter, as jobs of cpu/c/gemm.h."""
from thalweg.cpu._depthwise cimport set_depthwise, set_separable
from thalweg.cpu._geometry cimport Geometry, full_geometry
from thalweg.cpu._gemm cimport (int64_t, new_correlation, set_correlation, set_finish, set_winograd,
                                thw_correlation, thw_winograd)
from thalweg.cpu._request cimport Request
from thalweg.cpu._windows cimport fill_window, is_row_wise
from thalweg.cpu._winograd cimport tile_outputs, winograd_job


def conv2d(Request r):
    """Prepare Conv2D: any window, stride, dilation and padding; channels last."""
    _set_convolution(r, False)


def conv3d(Request r):
    """Prepare Conv3D."""
    _set_convolution(r, False)


def fused_conv2d(Request r):
    """Prepare _FusedConv2D: Conv2D, then BiasAdd, FusedBatchNorm, a residual Add, Relu or Relu6 in one sweep."""
    _set_convolution(r, True)


def depthwise_conv2d(Request r):
    """Prepare DepthwiseConv2dNative: each channel under filters of its own."""
    set_depthwise(r, False)


def fused_depthwise_conv2d(Request r):
    """Prepare _FusedDepthwiseConv2dNative: the same, with the epilogue of _FusedConv2D."""
    set_depthwise(r, True)


def fused_separable_conv2d(Request r):
    """Prepare _FusedSeparableConv2D: a depthwise convolution and a 1 x 1 convolution of its result, in blocks."""
    set_separable(r)


cdef int _set_convolution(Request r, bint is_fused) except -1:
    cdef Geometry g = full_geometry(r, r.in_shapes[0], r.in_shapes[1], r.out_shapes[0])
    cdef int64_t columns = r.in_shapes[1][g.rank + 1], outputs = tile_outputs(r, g, columns, 1, False)
    cdef thw_winograd* tiled
    cdef thw_correlation* direct
    if outputs:
        tiled = winograd_job(r, g, columns, False)
        tiled.x, tiled.filter = 0, 1
        if is_fused:
            set_finish(r, &tiled.finish, 2)
        return set_winograd(r, tiled, outputs)
    direct = _direct_convolution(r, g, columns)
    if is_fused:
        set_finish(r, &direct.finish, 2)
    return set_correlation(r, direct)


cdef thw_correlation* _direct_convolution(Request r, Geometry g, int64_t columns) except NULL:
    cdef bint row_wise = is_row_wise(g)
    cdef int64_t depth = g.channels * (g.window[2] if row_wise else 1)
    cdef int64_t taps = g.window[0] * g.window[1] * (1 if row_wise else g.window[2])
    cdef thw_correlation* job = new_correlation(r, 1, taps, depth)
    job.x, job.filter, job.columns = 0, 1, columns
    job.block_stride, job.row_stride, job.column_stride = depth * columns, columns, 1
    fill_window(g, job.windows, NULL, columns)
    return job
