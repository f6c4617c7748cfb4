"""What one run of a program needs for itself."""
from libc.stdint cimport int64_t

from thalweg.devices.abi cimport thw_tensor
from thalweg.devices.core_api cimport RunContext
from thalweg.runtime.steps cimport CStep


cdef class Frame:
    cdef RunContext context
    cdef CStep* steps
    cdef thw_tensor* operands
    cdef list arenas                     # (Device, pointer)
    cdef list generators                 # per entry of the program's `draws`, where the generators lie on the device
    cdef void** bases
    cdef list objects, views, feeds, fetched, given
    cdef list buffers                    # the variables' memory that the operands point to
    cdef list remote_feeds               # numbers of the feeds that this run takes from where they lie on a device
    cdef list slots                      # per segment of the plan, its Slot
    cdef list ran                        # per segment, how this run runs it; None where nobody asks
    cdef long generation
    cdef int code                        # what the step that failed gave
    cdef int64_t deadline                # ns; no step begins after it, 0: none
