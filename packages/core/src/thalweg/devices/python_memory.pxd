"""What lies where on an ordinal of a device that is written in Python."""
from libc.stdint cimport uintptr_t


cdef class PyHandle:
    cdef object device                   # the PyDevice
    cdef int ordinal
    cdef bint is_host                    # `alloc` gives host memory, kernels get arrays
    cdef bint has_addresses              # `alloc` gives addresses, kernels get them
    cdef dict blocks                     # address -> what alloc gave, or its size where addresses have no memory
    cdef dict buffers                    # address -> (nbytes, object), for devices whose buffers are objects
    cdef list starts                     # the addresses in `buffers`, sorted
    cdef object empty                    # what stands for all tensors without bytes, once there was one

    cdef uintptr_t alloc(self, size_t nbytes, size_t align) except 0
    cdef uintptr_t _alloc_address(self, size_t nbytes, size_t align) except 0
    cdef uintptr_t _reserve(self, size_t nbytes) except 0
    cdef int free(self, uintptr_t address) except -1
    cdef int close(self) except? -1
    cdef int evict(self, address, nbytes) except -1
    cdef object target(self, uintptr_t address, size_t nbytes)
    cdef object nothing(self)
    cdef object source(self, uintptr_t address, size_t nbytes)


cdef PyHandle new_handle(object device, int ordinal, plugin)

# Memory of the host as a memoryview, without a copy.
cdef object bytes_at(void* address, size_t nbytes, bint writable)
