"""Devices written in Python, seen through the C table."""
from thalweg.devices.abi cimport thw_device_api


# The table whose functions call a PyDevice; without `open` and `device_count`, since core opens such a device itself.
cdef const thw_device_api* python_table() noexcept nogil

# A handle for ordinal `i` of a PyDevice, to be closed with the table's `close`.
cdef void* open_python_device(object device, int ordinal, plugin) except NULL
