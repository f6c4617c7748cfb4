"""Which convolutions are done by Winograd's filtering (cpu/c/winograd.h), and their jobs."""
from thalweg.cpu._geometry cimport Geometry
from thalweg.cpu._gemm cimport int32_t, int64_t, thw_winograd, thw_winograd_gradient
from thalweg.cpu._request cimport Request


cdef int64_t tile_outputs(Request r, Geometry g, int64_t columns, int32_t filter, bint is_turned) except -1
cdef thw_winograd_gradient* gradient_job(Request r, Geometry g, int64_t columns) except? NULL
cdef thw_winograd* winograd_job(Request r, Geometry g, int64_t columns, bint is_turned) except NULL
