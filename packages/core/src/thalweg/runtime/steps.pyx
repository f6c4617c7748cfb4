"""The flat steps of a plan as the executor's loop reads them, and the calls that they make of devices."""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cimport cython

from thalweg.devices.device cimport Device, Gate, enter, leave


@cython.no_gc
cdef class End:
    """A device that is not the host's, for steps and for Python."""

    def __init__(self, Device device):
        self.device = device
        self.c.api, self.c.device, self.c.stream, self.c.gate = (
            device.api, device.handle, device.stream, device.gate)


cdef bint are_peers(Device origin, Device target) except -1:
    """Whether two devices copy between themselves."""
    return origin is not target and origin.owner is target.owner and target.api.copy_peer != NULL


cdef int call_remote(CStep* step) noexcept nogil:
    cdef int code
    enter(step.target.gate)
    code = step.fn(&step.call, step.ins, step.n_in, step.outs, step.n_out)
    leave(step.target.gate)
    return code


cdef int synchronise(CEnd* end) noexcept nogil:
    cdef int code
    enter(end.gate)
    code = end.api.sync(end.device, end.stream)
    leave(end.gate)
    return code


cdef int move(CStep* step) noexcept nogil:
    cdef CEnd* origin = step.origin
    cdef CEnd* target = step.target
    cdef void* source = step.ins[0].data
    cdef void* place = step.outs[0].data
    cdef Gate* here = target.gate if target != NULL else NULL
    cdef Gate* there = origin.gate if origin != NULL and origin != target else NULL
    cdef int code
    if step.nbytes == 0:
        return 0
    if origin == NULL and target == NULL:
        memcpy(place, source, step.nbytes)
        return 0
    if origin != NULL and target != NULL and origin != target and not step.is_peer \
            or origin == target and target.api.copy_d2d == NULL:
        return _move_through_host(step)
    _enter_both(here, there)
    if origin == NULL:
        code = target.api.copy_h2d(target.device, target.stream, place, source, step.nbytes)
    elif target == NULL:
        code = origin.api.copy_d2h(origin.device, origin.stream, place, source, step.nbytes)
    elif origin == target:
        code = target.api.copy_d2d(target.device, target.stream, place, source, step.nbytes)
    else:
        code = target.api.copy_peer(target.device, target.stream, place, origin.device, source, step.nbytes)
    leave(here)
    leave(there)
    return code


cdef void _enter_both(Gate* a, Gate* b) noexcept nogil:
    """Enters two devices' gates, each NULL where there is none to enter, in the order of their addresses.

    In the order of the copy, two threads that copy in opposite directions would each stand in one gate and wait at
    the other, behind somebody who waits to record there until the first has left.
    """
    enter(a if a < b else b)
    enter(b if a < b else a)


cdef int _move_through_host(CStep* step) noexcept nogil:
    cdef CEnd* origin = step.origin
    cdef CEnd* target = step.target
    cdef int code
    cdef void* bounce = malloc(step.nbytes)
    if bounce == NULL:
        return 2
    enter(origin.gate)
    code = origin.api.copy_d2h(origin.device, origin.stream, bounce, step.ins[0].data, step.nbytes)
    if code == 0:
        code = origin.api.sync(origin.device, origin.stream)
    leave(origin.gate)
    if code == 0:
        enter(target.gate)
        code = target.api.copy_h2d(target.device, target.stream, step.outs[0].data, bounce, step.nbytes)
        leave(target.gate)
    free(bounce)
    return code
