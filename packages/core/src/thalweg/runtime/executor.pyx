"""The executor: runs the flat steps of a plan. One loop without Python's lock, which it takes for Python steps only.

A Program is a BoundPlan that runs. Each run borrows a Frame - operand descriptors, arenas, call records - from the
program's pool, so runs from several threads go side by side; what they share are the variables' buffers.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_REFCNT
from libc.stdint cimport int64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

import numpy as np

from thalweg.devices.core_api cimport RunContext, start_run, take_error, take_outside_error
from thalweg.devices.device cimport Device
from thalweg.runtime.arrays cimport is_free
from thalweg.runtime.bound_plan cimport BoundPlan
from thalweg.runtime.feeds cimport set_feeds_and_fetches
from thalweg.runtime.frame cimport Frame
from thalweg.runtime.frames cimport draw, new_frame, refresh
from thalweg.runtime.segments cimport Slot, record, replay
from thalweg.runtime.shared cimport Shared
from thalweg.runtime.steps cimport (CHECK, CONST, GIVEN, KERNEL, MARK, MOVE, OBJECT, PYTHON, REMOTE, SEGMENT, TAKE,
                                    WAIT, CStep, End, call_remote, move, note_writes, synchronise)
from thalweg.runtime.values cimport array_of, store
from thalweg.runtime.variables cimport VariableBuffer, is_set, set_flag, set_new_version

from thalweg.framework.stored_value import StoredValue

from . import messages

cdef int64_t _SIGNAL_INTERVAL_NS = 50_000_000
cdef size_t _LARGE_ARENA = 1 << 20       # arenas below are not worth freeing


cdef class Program(BoundPlan):
    """A bound plan, and the frames that its runs borrow."""

    cdef public long last_use            # number of the session's run
    cdef list pool
    cdef object __weakref__

    def __init__(self, plan, engine, Shared shared):
        BoundPlan.__init__(self, plan, engine, shared)
        self.pool = []
        shared.programs.add(self)

    @property
    def idle_frames(self):
        """Count of frames, each with an arena, that are kept for later runs."""
        return len(self.pool)

    def drop_frames(self, device_name=None):
        """Gives back the frames that are not in use, if they keep memory on that device; whether there were any."""
        if not self.pool or device_name is not None and device_name not in self.arena_devices:
            return False
        self.pool.clear()
        return True

    # --- running -------------------------------------------------------------------------------------

    def run(self, list feeds, trace=None, int64_t deadline=0, list ran=None):
        """Runs all steps; gives the fetches' values (None for operations).

        `deadline`, in ns of the monotonic clock: no step begins after it, DeadlineExceededError says so; 0: none.
        `ran` gets which of the plan's segments were "recorded" or "replayed".
        """
        cdef Frame frame
        if self.pool:
            try:
                frame = self.pool.pop()
            except IndexError:           # another thread was quicker
                frame = new_frame(self)
        else:
            frame = new_frame(self)
        try:
            if frame.generation != self.shared.generation:
                refresh(self, frame)
            set_feeds_and_fetches(self, frame, feeds)
            frame.deadline = deadline
            if deadline:
                self._heed(frame, 0)
            if trace is not None:
                self._run_traced(frame, trace)
            elif not self.remote:
                self._run_steps(frame)
            else:
                self._run_remote(frame, ran)
            return frame.fetched
        finally:
            frame.feeds = frame.fetched = frame.objects = frame.given = None
            if len(self.pool) < 16 and not self.shared.closed and not self.patch_given:
                self.pool.append(frame)
                if self.arena_total > _LARGE_ARENA:
                    self.shared.keep(self, self.arena_total * len(self.pool))

    cdef _run_remote(self, Frame frame, list ran):
        """Runs steps of which some are on devices that are not the host's."""
        frame.ran = ran
        try:
            draw(self, frame)
            self._run_steps(frame)
        except BaseException as error:
            self._end_work(error)
            self._forget_first_runs(frame)
            messages.name_op(self.plan, error)
            raise

    cdef _forget_first_runs(self, Frame frame):
        """A segment that a run without recording has not ended may have kernels that are not loaded yet."""
        cdef Slot slot
        for slot in frame.slots:
            slot.wait = max(slot.wait, 1)

    cdef _end_work(self, error):
        """Waits for what a run that failed has enqueued: memory of the host may be its target."""
        cdef End end
        for end in self.remote:
            try:
                end.device.sync()
            except Exception as other:
                messages.name_op(self.plan, other)
                error.add_note(f"Then, while waiting for {end.device.name}: {type(other).__name__}: {other}")

    cdef _run_steps(self, Frame frame):
        cdef int position = 0
        cdef bint paused = False
        start_run(&frame.context, self.threads, self.max_scratch)
        while position < self.n_steps:
            with nogil:
                position = self._run_from(frame, position, self.n_steps, &paused)
            if paused:
                self._heed(frame, position)
            elif position < self.n_steps:
                position = self._take_lock(frame, position)

    cdef int _run_from(self, Frame frame, int position, int stop, bint* paused) noexcept nogil:
        """Runs steps from `position` up to `stop`; gives the step that needs Python or failed, or `stop`.

        Sets `paused` when it comes back, between two steps, to let signals and the deadline be heeded.
        """
        cdef CStep* steps = frame.steps
        cdef RunContext* context = &frame.context
        cdef CStep* step
        cdef timespec now
        cdef int64_t begun = 0, seen
        cdef int i, code
        paused[0] = False
        for i in range(position, stop):
            step = &steps[i]
            code = 0
            if step.kind == KERNEL:
                code = step.fn(&step.call, step.ins, step.n_in, step.outs, step.n_out)
            elif step.kind == CHECK:
                if not is_set(step.flag) or frame.generation != self.shared.generation:
                    return i
            elif step.kind == MARK:
                set_flag(step.flag)
            elif step.kind == MOVE:
                code = move(step)
            elif step.kind == REMOTE:
                code = call_remote(step)
            elif step.kind == WAIT:
                code = synchronise(step.target)
            else:
                return i
            if step.written != NULL:     # what failed may have written, too
                note_writes(step)
            if code != 0 or context.code != 0:
                frame.code = code
                return i
            if (i & 15) == 15 or step.scratch_bytes or frame.deadline:
                clock_gettime(CLOCK_MONOTONIC, &now)
                seen = now.tv_sec * 1000000000 + now.tv_nsec
                if begun == 0:
                    begun = seen
                if seen - begun > _SIGNAL_INTERVAL_NS or frame.deadline and seen > frame.deadline:
                    paused[0] = True
                    return i + 1
        return stop

    cdef _run_traced(self, Frame frame, list trace):
        """The same steps one by one, with their start and duration in ns: nothing is replayed, all is waited for."""
        try:
            draw(self, frame)
            self._trace_steps(frame, trace)
        except BaseException as error:
            self._end_work(error)
            messages.name_op(self.plan, error)
            raise

    cdef _trace_steps(self, Frame frame, list trace):
        cdef timespec now
        cdef int position, reached, kind
        cdef bint paused
        start_run(&frame.context, self.threads, self.max_scratch)
        for position in range(self.n_steps):
            kind = frame.steps[position].kind
            if kind == SEGMENT:
                continue
            clock_gettime(CLOCK_MONOTONIC, &now)
            start = now.tv_sec * 1000000000 + now.tv_nsec
            with nogil:
                reached = self._run_from(frame, position, position + 1, &paused)
            if paused and position + 1 < self.n_steps:
                self._heed(frame, position + 1)
            if reached == position:
                self._take_lock(frame, position)
            if kind == WAIT:
                continue
            self._wait_for(&frame.steps[position])
            clock_gettime(CLOCK_MONOTONIC, &now)
            node = self.plan.steps[position].node
            trace.append((node.name, node.op_type, node.device, start,
                          now.tv_sec * 1000000000 + now.tv_nsec - start))

    cdef _wait_for(self, CStep* step):
        """Waits until the devices of a step have done it."""
        cdef End end
        for end in self.remote:
            if &end.c == step.origin or &end.c == step.target:
                end.device.sync()

    cdef _heed(self, Frame frame, int position):
        """Between two steps: raises for a signal, a closed session, and a deadline that passed before the last one."""
        cdef timespec now
        PyErr_CheckSignals()
        self.shared.check_open(self.plan.steps[min(position, self.n_steps - 1)].node.source)
        if frame.deadline and position < self.n_steps:
            clock_gettime(CLOCK_MONOTONIC, &now)
            if now.tv_sec * 1000000000 + now.tv_nsec > frame.deadline:
                raise messages.deadline_exceeded(self.plan.steps[position].node, position, self.n_steps)

    cdef int _take_lock(self, Frame frame, int position) except -1:
        """With Python's lock: runs a Python step or a segment, or raises what stopped the run; gives the next step."""
        planned = self.plan.steps[position]
        cdef CStep* step = &frame.steps[position]
        self._heed(frame, position)
        if step.kind == PYTHON:
            self._run_python(frame, planned, self.calls[position])
            if frame.generation != self.shared.generation:   # a run inside of it may have moved a variable
                refresh(self, frame)
        elif step.kind == TAKE:
            self._take(frame, planned, position)
        elif step.kind == CHECK:
            if not is_set(step.flag):
                raise self._uninitialized(planned)
            refresh(self, frame)         # it may have been set in another buffer than this run knows
        elif step.kind == SEGMENT:
            return self._run_segment(frame, position, planned.payload)
        else:
            self._raise(frame, planned)
        return position + 1

    # --- segments ------------------------------------------------------------------------------------

    cdef int _run_segment(self, Frame frame, int position, segment) except -1:
        """Replays a segment, which the second run of a frame records; gives the step after it.

        Gives its first step where they are to run one by one: where there is no recording yet, or the device refuses.
        """
        cdef int begin = position + 1, end = segment.end
        if segment.refusal:
            return begin
        self._check_variables(frame, begin, end)
        cdef Slot slot = frame.slots[segment.index]      # another one, if the checks have found a buffer moved
        if not slot.is_ready():
            return begin
        mode = "replayed"
        if slot.recording is None:
            slot.recording, mode = record(frame, segment, begin, end, self.shared.recordings), "recorded"
            if slot.recording is None:
                slot.put_off()
                return begin
        replay(frame, segment, begin, end, slot.recording, self.shared.recordings)
        if frame.ran is not None:
            frame.ran[segment.index] = mode
        return end

    cdef _check_variables(self, Frame frame, int begin, int end):
        """The CHECK steps of a segment, before it."""
        cdef int i
        for i in range(begin, end):
            if frame.steps[i].kind == CHECK:
                if not is_set(frame.steps[i].flag):
                    raise self._uninitialized(self.plan.steps[i])
                if frame.generation != self.shared.generation:
                    refresh(self, frame)

    # --- steps in Python -----------------------------------------------------------------------------

    cdef _uninitialized(self, planned):
        return messages.uninitialized_variable(planned.payload, planned.node)

    cdef _raise(self, Frame frame, planned):
        if planned.kind == WAIT:         # the op whose work has failed is not known, unless the device says it
            (<Device>planned.payload).check(frame.code, "work on the device")
        # A copy has no context of its own: what went wrong in it is told outside of the run.
        code, text, error = take_error(&frame.context) if frame.context.code else take_outside_error()
        if error is None:
            raise messages.kernel_error(planned.node, code or frame.code, text)
        if not isinstance(error, Exception):
            raise error                  # an interrupt
        told = error
        if planned.kind == MOVE:
            told = messages.copy_error(self._home(planned.inputs[0], planned.node),
                                       self._home(planned.outputs[0], planned.node), error)
        messages.raise_named(self.plan, planned.node, told, error)

    cdef _take(self, Frame frame, planned, int position):
        """An assignment: leaves the value's array to a variable that may take it, or copies or reads the value."""
        cdef VariableBuffer buffer = self.variables[self.index_of[planned.outputs[0]]]
        cdef CStep* step = &frame.steps[position]
        cdef int code
        if planned.inputs[1].storage.kind == OBJECT and self._is_read(frame, planned, buffer):
            return
        if buffer.takes and self._is_taken(frame, planned.inputs[1], buffer):
            self.shared.generation += 1
            refresh(self, frame)
            return
        self.shared.generation += buffer.own()
        if frame.generation != self.shared.generation:
            refresh(self, frame)
        if step.fn == NULL:
            self._run_python(frame, planned, self.calls[position])
        else:
            with nogil:
                code = step.fn(&step.call, step.ins, step.n_in, step.outs, step.n_out)
                note_writes(step)
            if code != 0 or frame.context.code != 0:
                frame.code = code
                self._raise(frame, planned)
        storage = planned.inputs[1].storage
        if storage.kind == OBJECT:       # nobody else takes it: a restore would hold all its values until the end
            frame.objects[<int>storage.payload] = None

    cdef bint _is_read(self, Frame frame, planned, VariableBuffer buffer) except -1:
        """Reads a value that is still stored: to the variable's memory, or to an array if it does not fit there."""
        cdef int index = planned.inputs[1].storage.payload
        stored = frame.objects[index]
        if not isinstance(stored, StoredValue):
            return False
        is_fit = stored.shape == buffer.shape and stored.dtype == buffer.dtype.np
        if is_fit:
            frame.objects[index] = None
            self.shared.generation += buffer.own(with_value=False)
            if frame.generation != self.shared.generation:
                refresh(self, frame)
            array = buffer.array
        else:
            frame.objects[index] = array = np.empty(stored.shape, stored.dtype)
        try:
            stored.read_into(array)
        except Exception as error:
            raise messages.python_error(planned.node, error) from error
        finally:
            if is_fit:                   # what failed may have written, too
                set_new_version(&buffer.version)
        return is_fit

    cdef bint _is_taken(self, Frame frame, value, VariableBuffer buffer) except -1:
        """Leaves a value's array to a variable, unless it is a Python object that somebody else holds."""
        storage = value.storage
        if storage.kind == CONST:
            buffer.take(array_of(self, frame, self.index_of[value]), True)
            return True
        held = frame.given if storage.kind == GIVEN else frame.objects
        array, held[<int>storage.payload] = held[<int>storage.payload], None
        if storage.kind == GIVEN:
            buffer.take(array.reshape(buffer.shape), False)
            return True
        if Py_REFCNT(array) == 1 and is_free(array, buffer.shape, buffer.dtype.np):
            buffer.take(array, False)
            return True
        held[<int>storage.payload] = array
        return False

    cdef _run_python(self, Frame frame, planned, call):
        arrays = [array_of(self, frame, self.index_of[v]) for v in planned.inputs]
        try:
            results = call(arrays)
            if planned.payload is not None:                  # a fetch of what is no plain bytes
                frame.fetched[<int>planned.payload] = results[0]
                return
            for value, result in zip(planned.outputs, results):
                store(self, frame, value, result)
        except Exception as error:
            messages.raise_named(self.plan, planned.node, error, error)
