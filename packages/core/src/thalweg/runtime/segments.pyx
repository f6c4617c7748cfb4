"""Recording and replaying the segments of a plan (docs/devices.md, section 4)."""
cimport cython

import logging

from thalweg.devices.abi cimport THW_OOM
from thalweg.devices.core_api cimport RunContext, fresh_outside_context, take_error, take_outside_error
from thalweg.devices.device cimport Device, close_gate, enter, leave, open_gate
from thalweg.runtime.frame cimport Frame
from thalweg.runtime.steps cimport MARK, MOVE, REMOTE, CStep, note_writes
from thalweg.runtime.variables cimport set_flag

from .living import Living

_log = logging.getLogger("thalweg")

cdef int _MOST_RECORDINGS = 64           # that a session keeps
cdef int _MOST_PATIENCE = 256            # runs one by one between two recordings of a segment


@cython.no_gc
cdef class Recording:
    """What a device has recorded of a segment; given back with this object."""

    cdef int drop(self) except -1:
        pointer, self.pointer = self.pointer, 0
        if pointer:
            self.device.give_back(pointer, True)
        return 0

    def __dealloc__(self):
        self.drop()


@cython.no_gc
cdef class Slot:
    """What a frame has of a segment: a recording, or how long it runs without.

    The first run goes without, as kernels may have to be loaded. After a recording that was given back for others, or
    that found no memory, come 2, 4, 8 ... runs without: where a session has more segments than it keeps recordings,
    it does not spend its time on recording.
    """

    def __init__(self):
        self.wait, self.patience = 1, 2

    cdef bint is_ready(self) except -1:
        """Whether the segment is to be replayed, or recorded, in this run."""
        if self.recording is not None and self.recording.pointer == 0:
            self.put_off()
        if self.recording is None and self.wait:
            self.wait -= 1
            return False
        return True

    cdef void put_off(self) noexcept:
        """Goes without a recording for a while."""
        self.recording, self.wait = None, self.patience
        self.patience = min(2 * self.patience, _MOST_PATIENCE)


cdef class Recordings:
    """Those of all frames of a session."""

    def __init__(self):
        self.held = Living()

    cdef int add(self, Recording recording) except -1:
        """Keeps a recording; gives back the one that was used longest ago where there are too many."""
        cdef Recording other
        self.held.add(recording)
        self.touch(recording)
        kept = [other for other in self.held if other.pointer and not other.uses and other is not recording]
        if len(kept) >= _MOST_RECORDINGS:
            (<Recording>min(kept, key=_last_use)).drop()
        return 0

    cdef void touch(self, Recording recording) noexcept:
        self.clock += 1
        recording.last_use = self.clock


def _last_use(Recording recording):
    return recording.last_use


cdef Recording record(Frame frame, segment, int begin, int end, Recordings recordings):
    """Records a segment; None where that does not work, and a refusal that says why unless it was for want of memory.

    Nothing is run here.
    """
    cdef Device device = segment.device
    cdef void* pointer = NULL
    cdef int code, code_of_end
    cdef list told = []
    fresh_outside_context()
    with nogil:
        close_gate(device.gate)
        code = device.api.record_begin(device.handle, device.stream)
        if code == 0:
            code = _enqueue(frame.steps, begin, end, &frame.context)
        if code != 0:
            with gil:
                told = _told(frame)
        # Whatever came before: a device that has begun half-way would write down what comes, and never do it.
        code_of_end = device.api.record_end(device.handle, device.stream, &pointer)
        open_gate(device.gate)
    told += _told(frame)
    device.give_back_unfreed()
    cdef Recording recording = Recording.__new__(Recording)
    recording.device, recording.pointer = device, <size_t>pointer
    if code == 0 and code_of_end == 0 and pointer != NULL:
        recordings.add(recording)
        return recording
    for _, error in told:
        if not isinstance(error, Exception | None):
            raise error                  # an interrupt
    why = next((str(error or text) for text, error in told if error is not None or text),
               f"{device.name} gave code {code or code_of_end}")
    is_passing = (code or code_of_end) == THW_OOM
    if not is_passing:
        segment.refusal = why
    _log.info("%s does not record the %d steps from %r to %r, which run one by one%s: %s", device.name, segment.count,
              segment.first.name, segment.last.name, " for a while" if is_passing else "", why)
    return None


cdef replay(Frame frame, segment, int begin, int end, Recording recording, Recordings recordings):
    """Enqueues a recorded segment, and notes what an ordinary run notes."""
    cdef Device device = recording.device
    cdef size_t pointer = recording.pointer
    cdef int i, code
    recordings.touch(recording)
    fresh_outside_context()
    recording.uses += 1
    with nogil:
        enter(device.gate)
        code = device.api.replay(device.handle, device.stream, <void*>pointer)
        leave(device.gate)
        for i in range(begin, end):
            if frame.steps[i].written != NULL:       # what failed may have written, too
                note_writes(&frame.steps[i])
    recording.uses -= 1
    device.check(code, f"the replay of the {segment.count} steps from {segment.first.name!r} to "
                       f"{segment.last.name!r}")
    for i in range(begin, end):
        if frame.steps[i].kind == MARK:
            set_flag(frame.steps[i].flag)


cdef int _enqueue(CStep* steps, int begin, int end, RunContext* context) noexcept nogil:
    """The steps of a segment, by the thread that records."""
    cdef CStep* step
    cdef int i, code = 0
    for i in range(begin, end):
        step = &steps[i]
        if step.kind == REMOTE:
            code = step.fn(&step.call, step.ins, step.n_in, step.outs, step.n_out)
        elif step.kind == MOVE and step.nbytes:
            code = step.target.api.copy_d2d(step.target.device, step.target.stream, step.outs[0].data,
                                            step.ins[0].data, step.nbytes)
        if code != 0 or context.code != 0:
            return code or context.code
    return 0


cdef list _told(Frame frame):
    """(text, exception) of what went wrong in kernels, and outside of them, since this was asked."""
    return [take_error(&frame.context)[1:], take_outside_error()[1:]]
