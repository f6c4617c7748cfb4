"""A Geometry as the window of a job of cpu/c/gemm.h."""
from thalweg.cpu._geometry cimport Geometry
from thalweg.cpu._gemm cimport int64_t, thw_margin, thw_window


cdef bint is_row_wise(Geometry g)
cdef int fill_window(Geometry g, thw_window* w, thw_margin* margin, int64_t y_channels) except -1
cdef int fill_phase(Geometry g, thw_window* w, tuple phase, int64_t y_channels) except -1
cdef int count_phase_taps(Geometry g, tuple phase) except -1
cdef list phase_taps(Geometry g, int axis, int64_t phase)
