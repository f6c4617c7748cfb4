"""Memory of devices, freed with the object that stands for it, and aligned arrays of the host."""
from thalweg.devices.device cimport Device

cdef enum:
    ALIGN = 64                           # bytes, of all that is allocated here


cdef class DeviceMemory:
    cdef Device device
    cdef size_t pointer


cdef size_t allocated(Device device, size_t nbytes) except 0
cdef aligned_array(shape, dtype)
