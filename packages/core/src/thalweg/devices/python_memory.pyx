"""Memory of a device that is written in Python, by address.

What `alloc` gives may be an address on the device (`addresses` in its descriptor), host memory (`host_memory`), or any
object. Core lays tensors out in arenas by address, which objects do not have: an arena of such a device is a range of
addresses without memory, and each tensor in it gets an object from `alloc` when it is first written.
"""
from bisect import bisect_left

from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.memoryview cimport PyMemoryView_FromMemory
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_NONE, mmap, munmap

import operator

import numpy as np


cdef class PyHandle:
    """One opened ordinal of a PyDevice, and what lies at which address of it."""

    cdef uintptr_t alloc(self, size_t nbytes, size_t align) except 0:
        if self.has_addresses:
            return self._alloc_address(nbytes, align)
        if not self.is_host:
            return self._reserve(nbytes)
        block = self.device.alloc(self.ordinal, nbytes, align)
        address = np.frombuffer(block, np.uint8).ctypes.data if nbytes else id(block)
        if nbytes and address % align:
            raise ValueError(f"alloc gave an address that is no multiple of {align}")
        self.blocks[address] = block
        return address

    cdef uintptr_t _alloc_address(self, size_t nbytes, size_t align) except 0:
        """Memory at the address that the device gives; what is empty has one of its own, too."""
        given = self.device.alloc(self.ordinal, max(nbytes, 1), align)
        if not hasattr(given, "__index__"):
            raise TypeError(f"alloc gave {given!r}; an address, an int, was expected")
        address = operator.index(given)
        if not 0 < address < 1 << 64 or address % align:
            raise ValueError(f"alloc gave the address {address:#x}; one that is a multiple of {align}, and not 0, was "
                             "expected")
        return address

    cdef uintptr_t _reserve(self, size_t nbytes) except 0:
        """A range of addresses that nobody else has; touching it is a fault."""
        cdef void* base = mmap(NULL, max(nbytes, 1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if base == MAP_FAILED:
            raise MemoryError(f"no range of {nbytes} addresses is free")
        self.blocks[<uintptr_t>base] = nbytes
        return <uintptr_t>base

    cdef int free(self, uintptr_t address) except -1:
        if self.has_addresses:
            self.device.free(self.ordinal, address)
            return 0
        block = self.blocks.pop(address, None)
        if block is None:
            return 0
        if self.is_host:
            self.device.free(self.ordinal, block)
            return 0
        self.evict(address, block)
        munmap(<void*>address, max(block, 1))
        return 0

    cdef int close(self) except? -1:
        """Gives back what no `free` does; what has been allocated is the caller's."""
        buffer, self.empty = self.empty, None
        if buffer is not None:
            self.device.free(self.ordinal, buffer)
        return 0

    cdef int evict(self, address, nbytes) except -1:
        """Gives back the objects of all tensors that overlap a range."""
        first = bisect_left(self.starts, address)
        if first and self.starts[first - 1] + self.buffers[self.starts[first - 1]][0] > address:
            first -= 1
        last = bisect_left(self.starts, address + nbytes)
        buffers = [self.buffers.pop(start)[1] for start in self.starts[first:last]]
        del self.starts[first:last]
        for buffer in buffers:               # the device's code may let other threads in: the books are closed before
            self.device.free(self.ordinal, buffer)
        return 0

    cdef object target(self, uintptr_t address, size_t nbytes):
        """What the device knows a tensor by that is about to be written: its address or its object."""
        if self.has_addresses:
            return address
        if not nbytes:
            return self.nothing()
        known = self.buffers.get(address)
        if known is not None and known[0] == nbytes:
            return known[1]
        self.evict(address, nbytes)
        buffer = self.device.alloc(self.ordinal, nbytes, 64)
        known = self.buffers.get(address)
        if known is not None and known[0] == nbytes:     # another thread has been here while this one allocated
            self.device.free(self.ordinal, buffer)
            return known[1]
        self.evict(address, nbytes)
        self.buffers[address] = nbytes, buffer
        self.starts.insert(bisect_left(self.starts, address), address)
        return buffer

    cdef object nothing(self):
        """The object of tensors without bytes."""
        if self.empty is None:
            buffer = self.device.alloc(self.ordinal, 0, 64)
            if self.empty is None:
                self.empty = buffer
                return buffer
            self.device.free(self.ordinal, buffer)
        return self.empty

    cdef object source(self, uintptr_t address, size_t nbytes):
        """The same for a tensor that has been written."""
        if self.has_addresses:
            return address
        if not nbytes:
            return self.nothing()
        known = self.buffers.get(address)
        if known is None or known[0] != nbytes:
            raise ValueError(f"{nbytes} bytes are read at {address:#x}, where "
                             f"{'nothing has been' if known is None else f'{known[0]} bytes have been'} written")
        return known[1]


cdef PyHandle new_handle(object device, int ordinal, plugin):
    cdef PyHandle handle = PyHandle.__new__(PyHandle)
    handle.device, handle.ordinal = device, ordinal
    handle.is_host, handle.has_addresses = plugin.host_memory, plugin.addresses
    handle.blocks, handle.buffers, handle.starts = {}, {}, []
    return handle


cdef object bytes_at(void* address, size_t nbytes, bint writable):
    return PyMemoryView_FromMemory(<char*>address, nbytes, PyBUF_WRITE if writable else PyBUF_READ)
