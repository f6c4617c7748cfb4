"""What all programs of a session share."""
from collections import OrderedDict
from weakref import WeakValueDictionary

from thalweg.runtime.segments cimport Recordings
from thalweg.runtime.variables cimport ConstantVersion

from thalweg.framework import errors

from .living import Living
from .memory import keepers

cdef size_t _IDLE_BYTES = 64 << 20


cdef class Shared:
    """What all programs of a session share: the count of moved variable buffers, and whether the session is closed."""

    def __init__(self):
        self.idle = OrderedDict()
        self.constants, self.uploads = WeakValueDictionary(), WeakValueDictionary()
        self.recordings, self.programs = Recordings(), Living()
        keepers.add(self)

    cdef ConstantVersion version_of(self, array):
        found = self.constants.get(id(array))
        if found is None:
            self.constants[id(array)] = found = ConstantVersion(array)
        return found

    def close(self):
        """Ends runs under way at their next look."""
        self.closed = 1
        self.idle.clear()

    def keep(self, program, nbytes):
        """Notes that `program` keeps an arena of `nbytes` for its next run; those used longest ago are freed.

        Together idle arenas take at most four times the largest of them, so that many shapes do not add up.
        """
        self.idle.pop(program, None)
        self.idle[program] = nbytes
        while sum(self.idle.values()) > max(_IDLE_BYTES, 4 * max(self.idle.values(), default=0)):    # or just closed
            self.idle.popitem(last=False)[0].drop_frames()

    def free_idle(self, device):
        """Gives back what frames that are not in use keep on a device; whether there were any."""
        return any([program.drop_frames(device.name) for program in self.programs])

    def check_open(self, node=None):
        """CancelledError when the session has been closed during a run."""
        if self.closed:
            raise errors.CancelledError(None, node, "Session has been closed during the run.")
