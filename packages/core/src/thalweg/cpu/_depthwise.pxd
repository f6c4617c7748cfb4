"""Depthwise convolutions as jobs of cpu/c/depthwise.h, which is linked into this module alone."""
from thalweg.cpu._request cimport Request


cdef int set_depthwise(Request r, bint is_fused) except -1
cdef int set_separable(Request r) except -1
cdef int set_depthwise_image_gradient(Request r) except -1
cdef int set_depthwise_filter_gradient(Request r) except -1
