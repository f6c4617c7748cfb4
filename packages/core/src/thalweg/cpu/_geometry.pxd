"""Where windows lie: the sizes and attributes of convolutions and pooling, checked against each other."""
from thalweg.cpu._request cimport Request


cdef class Geometry:
    cdef readonly int rank                                     # spatial axes, 2 or 3
    cdef readonly tuple size, window, step, dilation, before, places     # z, y, x; absent axes have 1 (before: 0)
    cdef readonly Py_ssize_t images, channels                        # of the windowed tensor
    cdef tuple _paddings(self, Request r)


cdef Geometry conv_geometry(Request r, tuple x_shape, tuple filter_shape, tuple y_shape)
cdef Geometry full_geometry(Request r, tuple x_shape, tuple filter_shape, tuple y_shape)
cdef Geometry pool_geometry(Request r, tuple x_shape, tuple y_shape)
