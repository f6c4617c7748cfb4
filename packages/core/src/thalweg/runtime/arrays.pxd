"""Arrays of the host on their way into a run and out of it."""
cimport numpy as cnp


cdef new_array(tuple shape, cnp.dtype dtype)
cdef as_array(result, dtype)
cdef bint is_free(array, shape, dtype) except -1
