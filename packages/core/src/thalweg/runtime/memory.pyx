"""Memory of devices, freed with the object that stands for it, and aligned arrays of the host."""
cimport cython

import numpy as np

from thalweg.devices.device cimport Device

from thalweg.framework import errors

from .living import Living

keepers = Living()                       # what may keep memory that it does not use: `free_idle(device)` drops it


cdef size_t allocated(Device device, size_t nbytes) except 0:
    """Memory on a device; where there is none, what idle frames of all sessions keep there is given back first."""
    try:
        return device.alloc(nbytes)
    except errors.ResourceExhaustedError:
        if not any([keeper.free_idle(device) for keeper in keepers]):
            raise
    if not device.is_host:
        device.sync()                    # memory is free when the work before is done
    return device.alloc(nbytes)


@cython.no_gc
cdef class DeviceMemory:
    """A piece of a device's memory, freed with this object."""

    def __init__(self, Device device, size_t nbytes):
        self.device, self.pointer = device, allocated(device, nbytes)

    def __dealloc__(self):
        if self.pointer:
            self.device.free(self.pointer)


cdef aligned_array(shape, dtype):
    """An uninitialised array whose data begin at a multiple of 64 bytes."""
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = np.empty(nbytes + ALIGN, np.uint8)
    offset = -raw.ctypes.data % ALIGN
    return raw[offset:offset + nbytes].view(dtype).reshape(shape)
