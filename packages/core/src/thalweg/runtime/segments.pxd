"""Recording and replaying the segments of a plan (docs/devices.md, section 4)."""
from thalweg.devices.device cimport Device
from thalweg.runtime.frame cimport Frame


cdef class Recording:
    cdef Device device
    cdef size_t pointer                  # 0: given back
    cdef int uses                        # replays under way
    cdef long last_use
    cdef object __weakref__

    cdef int drop(self) except -1


cdef class Slot:
    cdef Recording recording             # None: there is none
    cdef int wait                        # runs without it before it is recorded
    cdef int patience                    # of these, when it does not last

    cdef bint is_ready(self) except -1
    cdef void put_off(self) noexcept


cdef class Recordings:
    cdef object held                     # Living
    cdef long clock                      # grows with each use of one

    cdef int add(self, Recording recording) except -1
    cdef void touch(self, Recording recording) noexcept


cdef Recording record(Frame frame, segment, int begin, int end, Recordings recordings)
cdef replay(Frame frame, segment, int begin, int end, Recording recording, Recordings recordings)
