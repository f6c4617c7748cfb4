"""Devices written in Python, seen through the C table."""
from thalweg.devices.abi cimport thw_device_api


# The table whose functions call this PyDevice; without `open` and `device_count`: core opens such a device itself.
cdef int fill_python_table(object device, thw_device_api* table) except -1

# A handle for ordinal `i` of a PyDevice, to be closed with the table's `close`.
cdef void* open_python_device(object device, int ordinal, plugin) except NULL
