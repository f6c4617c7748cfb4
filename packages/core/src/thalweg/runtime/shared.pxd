"""What all programs of a session share."""
from thalweg.runtime.segments cimport Recordings
from thalweg.runtime.variables cimport ConstantVersion


cdef class Shared:
    cdef public long generation          # grows when a buffer has moved
    cdef public long reshaped            # grows when a value of another shape has come
    cdef volatile int closed
    cdef object idle                     # programs that keep large arenas, the longest unused first: OrderedDict
    cdef object constants                # array's id -> ConstantVersion, as long as a program keeps that
    cdef object uploads                  # (array's id, Device) -> VariableBuffer, likewise
    cdef object programs                 # Living
    cdef Recordings recordings           # of all frames
    cdef object __weakref__

    cdef ConstantVersion version_of(self, array)
