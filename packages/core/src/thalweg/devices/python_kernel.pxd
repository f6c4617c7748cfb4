"""Kernels that are Python functions."""
from thalweg.devices.abi cimport thw_kernel
from thalweg.devices.core_api cimport KernelRequest
from thalweg.devices.python_memory cimport PyHandle


# Makes a kernel of a function of (inputs, outputs). `handle` is None where the host sees the device's memory.
cdef int python_kernel(object function, KernelRequest request, PyHandle handle, thw_kernel* out) except -1
