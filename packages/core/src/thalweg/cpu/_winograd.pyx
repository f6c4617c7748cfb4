"""Which convolutions are done by Winograd's filtering (cpu/c/winograd.h), and their jobs.

`convolution:algorithm`, an attribute that the session's options add, decides: "exact" never, "2x2" and "4x4" where
they can (lines are of four places, so not by "2x2"), "auto" or none where it is estimated to be quicker.
"""
from thalweg.cpu._gemm cimport best_outputs, is_gradient_quicker, new_winograd, new_winograd_gradient, thw_tiling

from thalweg.cpu._request import Unsupported

cdef enum:
    FLOAT32 = 1

SQUARES = (1, 3, 3), (1, 5, 5)
LINES = (1, 1, 3), (1, 3, 1), (1, 1, 7), (1, 7, 1)


cdef int64_t tile_outputs(Request r, Geometry g, int64_t columns, int32_t filter, bint is_turned) except -1:
    """Places of a tile's side; 0: by direct sums. `filter`: the input that is one."""
    cdef thw_tiling tiling
    wish = _wish(r)
    if wish == "exact" or not _can(r, g, columns, wish, is_turned):
        return 0
    if wish != "auto":
        return 2 if wish == "2x2" else 4
    _fill_tiling(&tiling, g, columns, is_turned)
    return best_outputs(&tiling, r.lasts(filter))


cdef str _wish(Request r):
    wish = r.attr_str("convolution:algorithm", "auto")
    if wish not in ("auto", "exact", "2x2", "4x4"):
        raise Unsupported(f"{r.op_type}: convolution algorithm {wish!r}; there are auto, exact, 2x2 and 4x4")
    return wish


cdef bint _can(Request r, Geometry g, int64_t columns, str wish, bint is_turned):
    if r.out_dtypes[0] != FLOAT32 or g.rank != 2 or g.step != (1, 1, 1) or g.dilation != (1, 1, 1):
        return False
    if g.window not in SQUARES + (() if wish == "2x2" else LINES):
        return False
    if 0 in (*g.size, *g.places, g.images, g.channels, columns):
        return False
    return not is_turned or (g.before[1] < g.window[1] and g.before[2] < g.window[2])


cdef bint _is_beyond(Geometry g):
    return any([size < window for size, window in zip(g.size, g.window)])


cdef int _fill_tiling(thw_tiling* tiling, Geometry g, int64_t columns, bint is_turned) except -1:
    """The image side, or with `is_turned` the output side, which is read for the image's gradient."""
    tiling.images = g.images
    tiling.depth, tiling.columns = columns if is_turned else g.channels, g.channels if is_turned else columns
    for d in range(2):
        size, places, before = g.size[d + 1], g.places[d + 1], g.before[d + 1]
        if is_turned:
            size, places, before = places, size, g.window[d + 1] - 1 - before
        tiling.size[d], tiling.places[d], tiling.before[d] = size, places, before
        tiling.window[d] = g.window[d + 1]
    return 0


cdef thw_winograd* winograd_job(Request r, Geometry g, int64_t columns, bint is_turned) except NULL:
    """The convolution of the image with `columns` filters, or the gradient of the image from as many channels of y.

    The caller sets `x` and `filter`, and plans it.
    """
    cdef thw_winograd* job = new_winograd(r, columns if is_turned else g.channels)
    job.is_turned = is_turned
    _fill_tiling(&job.tiling, g, columns, is_turned)
    return job


cdef thw_winograd_gradient* gradient_job(Request r, Geometry g, int64_t columns) except? NULL:
    """The gradient of the filter; NULL: by direct sums. The caller sets `x` and `dy`, and plans it.

    A window larger than the image has taps that meet no pixel: by direct sums their gradient is 0, not rounding.
    """
    cdef thw_tiling tiling
    wish = _wish(r)
    if wish in ("exact", "2x2") or not _can(r, g, columns, wish, False) or _is_beyond(g):
        return NULL
    _fill_tiling(&tiling, g, columns, False)
    if wish == "auto" and not is_gradient_quicker(&tiling):
        return NULL
    cdef thw_winograd_gradient* job = new_winograd_gradient(r, max(g.channels, columns))
    job.tiling = tiling
    return job
