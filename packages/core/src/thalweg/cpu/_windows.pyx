"""A Geometry as the window of a job of cpu/c/gemm.h.

Two readings of the same geometry: the image side read at the filter's taps (convolution, gradient of the filter), and
the output side read at the taps that reach an image position (gradient of the image, which falls apart into phases,
one per position modulo the strides).
"""
from itertools import product


# Rows of few channels are read whole: a row of the window is one tap of window * channels numbers.
cdef enum:
    MOST_ROWS = 64
    MOST_ROW_CHANNELS = 8
    MOST_ROW_NUMBERS = 128


cdef bint is_row_wise(Geometry g):
    """Whether a row of the window is one tap."""
    return (g.channels <= MOST_ROW_CHANNELS and g.window[2] > 1 and g.dilation[2] == 1
            and g.window[0] * g.window[1] <= MOST_ROWS and g.channels * g.window[2] <= MOST_ROW_NUMBERS)


cdef int _fill_strides(int64_t* stride, sizes, int64_t channels) except -1:
    """Strides of image, z, y, x in a dense channels-last tensor."""
    stride[3] = channels
    stride[2] = stride[3] * <int64_t>sizes[2]
    stride[1] = stride[2] * <int64_t>sizes[1]
    stride[0] = stride[1] * <int64_t>sizes[0]
    return 0


cdef int fill_window(Geometry g, thw_window* w, thw_margin* margin, int64_t y_channels) except -1:
    """The image side: every tap of the filter, or every row of it.

    Rows that reach over the edge of x are for the job (`reach`), or with `margin` read a copy of x with margins.
    """
    cdef bint row_wise = is_row_wise(g)
    cdef int64_t width = g.size[2], left = g.before[2]
    columns = range(1 if row_wise else g.window[2])
    w.images, w.y_first, w.n_taps = g.images, 0, 0
    for k in range(3):
        w.grid[k], w.size[k], w.step[k], w.corner[k] = g.places[k], g.size[k], g.step[k], -g.before[k]
    w.reach = g.window[2] if row_wise and margin == NULL else 1
    if row_wise and margin != NULL:
        width = max(left + g.size[2], (g.places[2] - 1) * g.step[2] + g.window[2])
        w.size[2], w.corner[2] = width, 0
        if width > g.size[2]:
            margin.rows = g.images * g.size[0] * g.size[1]
            margin.length, margin.left = g.size[2] * g.channels, left * g.channels
            margin.width = width * g.channels
    _fill_strides(w.x_stride, (g.size[0], g.size[1], width), g.channels)
    _fill_strides(w.y_stride, g.places, y_channels)
    for at in product(range(g.window[0]), range(g.window[1]), columns):
        w.taps[w.n_taps].filter = w.n_taps
        for k in range(3):
            w.taps[w.n_taps].at[k] = at[k] * g.dilation[k]
        w.n_taps += 1
    return 0


cdef list phase_taps(Geometry g, int axis, int64_t phase):
    """(place that is read, tap) of the taps that reach image positions `phase`, `phase + step`, ... of an axis."""
    reached = []
    for tap in range(g.window[axis]):
        distance = phase + g.before[axis] - tap * g.dilation[axis]
        if distance % g.step[axis] == 0:
            reached.append((distance // g.step[axis], tap))
    return reached


cdef int count_phase_taps(Geometry g, tuple phase) except -1:
    return len(phase_taps(g, 0, phase[0])) * len(phase_taps(g, 1, phase[1])) * len(phase_taps(g, 2, phase[2]))


cdef int fill_phase(Geometry g, thw_window* w, tuple phase, int64_t y_channels) except -1:
    """The output side: image positions of one phase read the output's places that they contribute to."""
    cdef int64_t image_stride[4]
    w.images, w.n_taps, w.y_first = g.images, 0, 0
    _fill_strides(w.x_stride, g.places, y_channels)
    _fill_strides(image_stride, g.size, g.channels)
    w.y_stride[0] = image_stride[0]
    for k in range(3):
        w.grid[k], w.size[k] = max(0, -(-(g.size[k] - phase[k]) // g.step[k])), g.places[k]
        w.step[k], w.corner[k] = 1, 0
        w.y_stride[k + 1] = image_stride[k + 1] * <int64_t>g.step[k]
        w.y_first += image_stride[k + 1] * <int64_t>phase[k]
    for z, y, x in product(*[phase_taps(g, k, phase[k]) for k in range(3)]):
        w.taps[w.n_taps].at[0], w.taps[w.n_taps].at[1], w.taps[w.n_taps].at[2] = z[0], y[0], x[0]
        w.taps[w.n_taps].filter = (z[1] * g.window[1] + y[1]) * g.window[2] + x[1]
        w.n_taps += 1
    return 0
