"""What one run of a program needs for itself."""
from libc.stdlib cimport free

cimport cython


@cython.no_gc_clear                      # in a cycle of garbage too, __dealloc__ needs the devices of its arenas
cdef class Frame:
    """What one run needs for itself."""

    def __cinit__(self):
        self.steps = NULL
        self.operands = NULL
        self.bases = NULL
        self.generation = -1

    def __dealloc__(self):
        free(self.steps)
        free(self.operands)
        free(self.bases)
        for device, pointer in self.arenas or ():
            device.free(pointer)
