"""Devices written in Python, seen through the C table."""
from thalweg.devices.abi cimport thw_device_api, thw_kernel
from thalweg.devices.core_api cimport KernelRequest


# The table whose functions call a PyDevice; without `open` and `device_count`, since core opens such a device itself.
cdef const thw_device_api* python_table() noexcept nogil

# A handle for ordinal `i` of a PyDevice, to be closed with the table's `close`.
cdef void* open_python_device(object device, int ordinal, bint is_host) except NULL

# Makes a kernel of a Python function of (inputs, outputs), for a device whose memory the host can see.
cdef int python_kernel(object function, KernelRequest request, thw_kernel* out) except -1
