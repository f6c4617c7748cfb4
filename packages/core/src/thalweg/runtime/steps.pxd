"""The flat steps of a plan as the executor's loop reads them, and the calls that they make of devices."""
from libc.stdint cimport uint64_t

from thalweg.devices.abi cimport thw_call, thw_device_api, thw_kernel_fn, thw_tensor
from thalweg.devices.device cimport Device, Gate
from thalweg.runtime.variables cimport set_new_version

cdef enum:                               # plan/steps.py
    KERNEL = 0
    PYTHON = 1
    CHECK = 2
    MARK = 3
    MOVE = 4
    TAKE = 5
    WAIT = 6
    SEGMENT = 7
    REMOTE = 8                           # a KERNEL whose device is not the host's: so the others need not ask

cdef enum:                               # plan/memory.py
    CONST = 0
    FEED = 1
    VARIABLE = 2
    FETCH = 3
    ARENA = 4
    OBJECT = 5
    GIVEN = 6


cdef struct CEnd:                        # a device that is not the host's, as steps call it
    const thw_device_api* api
    void* device
    void* stream
    Gate* gate


cdef struct CStep:
    int kind
    thw_kernel_fn fn
    thw_call call
    thw_tensor* ins
    int n_in
    thw_tensor* outs
    int n_out
    uint64_t** written                   # [n_out] versions of the variables that the step writes; NULL: of none
    size_t scratch_bytes
    int* flag                            # CHECK, MARK: the variable's
    CEnd* origin                         # MOVE; NULL is the host
    CEnd* target                         # REMOTE, MOVE, WAIT; NULL is the host
    size_t nbytes
    bint is_peer                         # MOVE: the devices copy between themselves


cdef class End:
    cdef CEnd c
    cdef Device device


cdef bint are_peers(Device origin, Device target) except -1

cdef inline void note_writes(CStep* step) noexcept nogil:
    """Gives what a step has written a new version; here, as the loop calls it for each such step."""
    cdef int k
    for k in range(step.n_out):
        if step.written[k] != NULL:
            set_new_version(step.written[k])

# Each gives the device's code.
cdef int call_remote(CStep* step) noexcept nogil
cdef int synchronise(CEnd* end) noexcept nogil
cdef int move(CStep* step) noexcept nogil
