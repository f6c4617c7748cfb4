"""The executor: runs the flat steps of a plan. One loop without Python's lock, which it takes for Python steps only.

A Program is a BoundPlan that runs. Each run borrows a Frame - operand descriptors, arenas, call records - from the
program's pool, so runs from several threads go side by side; what they share are the variables' buffers.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_REFCNT
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, malloc
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cimport numpy as cnp

import numpy as np

from thalweg.devices.abi cimport thw_rng, thw_tensor
from thalweg.devices.core_api cimport RunContext, reserve_random, start_run, take_error, take_outside_error
from thalweg.devices.device cimport Device
from thalweg.runtime.arrays cimport as_array, is_free, new_array
from thalweg.runtime.bound_plan cimport BoundPlan
from thalweg.runtime.frame cimport Frame
from thalweg.runtime.memory cimport aligned_array, allocated
from thalweg.runtime.segments cimport Slot, record, replay
from thalweg.runtime.shared cimport Shared
from thalweg.runtime.steps cimport (ARENA, CHECK, CONST, FEED, FETCH, GIVEN, KERNEL, MARK, MOVE, OBJECT, PYTHON,
                                    REMOTE, SEGMENT, TAKE, VARIABLE, WAIT, CStep, End, are_peers, call_remote, move,
                                    note_writes, synchronise)
from thalweg.runtime.variables cimport RngState, VariableBuffer, is_set, set_flag, set_new_version

from thalweg.framework import errors, shapes
from thalweg.framework.stored_value import StoredValue

from .arrays import dense
from .remote_array import RemoteArray

cnp.import_array()

cdef int64_t _SIGNAL_INTERVAL_NS = 50_000_000
cdef size_t _LARGE_ARENA = 1 << 20       # arenas below are not worth freeing
cdef size_t _RNG_BYTES = 32              # a thw_rng and what aligns the next


cdef class Program(BoundPlan):
    """A bound plan, and the frames that its runs borrow."""

    cdef public long last_use            # number of the session's run
    cdef list pool
    cdef dict copies_of_feeds            # number of a feed -> see _copies_of_feed
    cdef object __weakref__

    def __init__(self, plan, engine, Shared shared):
        BoundPlan.__init__(self, plan, engine, shared)
        self.pool, self.copies_of_feeds = [], {}
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

    # --- frames --------------------------------------------------------------------------------------

    cdef Frame _new_frame(self):
        cdef Frame frame = Frame.__new__(Frame)
        frame.operands = <thw_tensor*>malloc(max(self.n_operands, 1) * sizeof(thw_tensor))
        frame.steps = <CStep*>malloc(max(self.n_steps, 1) * sizeof(CStep))
        frame.bases = <void**>calloc(max(len(self.arena_devices), 1), sizeof(void*))
        frame.arenas, frame.generators = [], []
        if frame.operands == NULL or frame.steps == NULL or frame.bases == NULL:
            raise MemoryError()
        memcpy(frame.operands, self.operands, self.n_operands * sizeof(thw_tensor))
        memcpy(frame.steps, self.steps, self.n_steps * sizeof(CStep))
        for i, (name, nbytes) in enumerate(zip(self.arena_devices, self.arena_sizes)):
            self._add_arena(frame, i, self.plan.placement.by_name(name), nbytes)
        for i in range(self.n_steps):
            frame.steps[i].ins = frame.operands + (self.steps[i].ins - self.operands)
            frame.steps[i].outs = frame.operands + (self.steps[i].outs - self.operands)
            frame.steps[i].call.core_ctx = &frame.context
            workspace = self.plan.steps[i].workspace
            if workspace is not None:
                arena = self.arena_devices.index(workspace.device)
                frame.steps[i].call.workspace = <char*>frame.bases[arena] + <size_t>workspace.offset
        for k, arena, offset in self.patch_arena:
            frame.operands[<int>k].data = <char*>frame.bases[<int>arena] + <size_t>offset
        for end, drawn in self.draws:
            self._place_generators(frame, (<End>end).device, drawn)
        frame.slots = [Slot() for _ in self.plan.segments]
        frame.views = [None] * len(self.values)
        return frame

    cdef _add_arena(self, Frame frame, int i, Device device, size_t nbytes):
        try:
            pointer = allocated(device, max(nbytes, 1))
        except errors.ResourceExhaustedError as error:
            from .exhausted import arena_too_large
            raise arena_too_large(self.plan, device, nbytes, error, list(self.held.values())) from error
        frame.arenas.append((device, pointer))
        frame.bases[i] = <void*><size_t>pointer

    cdef _place_generators(self, Frame frame, Device device, list drawn):
        """Memory for what core draws for a device's kernels, right behind the arenas."""
        cdef size_t pointer = allocated(device, _RNG_BYTES * len(drawn))
        frame.arenas.append((device, pointer))
        for i, (position, _, _) in enumerate(drawn):
            frame.steps[<int>position].call.rng = <thw_rng*>(pointer + _RNG_BYTES * <size_t>i)
        frame.generators.append(pointer)

    cdef _refresh(self, Frame frame):
        """Looks up the variables' addresses again after a buffer has moved; then what was recorded with the old ones
        is of no use."""
        cdef VariableBuffer buffer
        cdef bint moved = False
        self._own_written()
        generation = self.shared.generation      # what moves while the addresses are looked up is looked up again
        for k, buffer, value in self.patch_variables:
            whole = value.base or value          # the variable itself, of which `value` may be a reshaped view
            if buffer.data != NULL and buffer.shape != whole.shape and buffer.name not in self.reshaped:
                raise errors.InvalidArgumentError(
                    None, value.node.source, f"Variable {buffer.name} holds a value of shape "
                    f"{shapes.text(buffer.shape)}, but the graph says {shapes.text(whole.shape)}. Declare it with "
                    "validate_shape=False to assign values of any shape.")
            moved = moved or buffer.device.gate != NULL and frame.operands[<int>k].data != buffer.data
            frame.operands[<int>k].data = buffer.data
        if moved:
            frame.slots = [Slot() for _ in self.plan.segments]
        frame.buffers = [(<VariableBuffer>buffer).memory for _, buffer, _ in self.patch_variables]
        frame.views = [None] * len(self.values)
        frame.generation = generation

    cdef _own_written(self):
        """Gives variables that this program writes in place memory that no constant shares."""
        cdef VariableBuffer buffer
        for buffer in self.written:
            self.shared.generation += buffer.own()

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
                frame = self._new_frame()
        else:
            frame = self._new_frame()
        try:
            if frame.generation != self.shared.generation:
                self._refresh(frame)
            self._set_feeds_and_fetches(frame, feeds)
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
            self._draw(frame)
            self._run_steps(frame)
        except BaseException as error:
            self._end_work(error)
            self._forget_first_runs(frame)
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
                error.add_note(f"Then, while waiting for {end.device.name}: {type(other).__name__}: {other}")

    cdef _draw(self, Frame frame):
        """Draws for the kernels that have said how much they need, and puts it on their devices."""
        cdef RngState rng
        cdef End end
        for (end, drawn), pointer in zip(self.draws, frame.generators):
            words = np.zeros((len(drawn), _RNG_BYTES // 4), np.uint32)
            for row, (_, rng, blocks) in zip(words, drawn):
                counter, key = reserve_random(&rng.rng, blocks)
                row[:2], row[2:6] = key, counter
            end.device.h2d(pointer, words)

    cdef _set_feeds_and_fetches(self, Frame frame, list feeds):
        cdef void* data
        cdef Py_ssize_t i
        frame.feeds = feeds
        if frame.remote_feeds is not None:
            self._forget_remote_feeds(frame)
        for i in range(len(self.patch_feeds)):
            if type(feeds[i]) is RemoteArray:
                self._take_remote_feed(frame, i)
            elif self.patch_feeds[i]:
                data = cnp.PyArray_DATA(feeds[i])
                for k in <list>self.patch_feeds[i]:
                    frame.operands[<int>k].data = data
        frame.objects = [None] * self.n_objects if self.n_objects else None
        frame.fetched = [None] * len(self.fetch_shapes)
        for i in range(len(self.fetch_shapes)):
            if self.fetch_shapes[i] is not None:
                frame.fetched[i] = array = self._new_fetch(i)
                data = cnp.PyArray_DATA(array)
                for k in <list>self.patch_fetches[i]:
                    frame.operands[<int>k].data = data
        if self.patch_given:
            self._give_arrays(frame)

    cdef _take_remote_feed(self, Frame frame, Py_ssize_t i):
        """A feed that lies on a device: steps that copy it to a device take it from there, others the host's copy."""
        cdef CStep* step
        feed, positions = frame.feeds[i], self._copies_of_feed(i)
        if positions is None:
            frame.feeds[i] = feed.to_host()
            for k in <list>self.patch_feeds[i]:
                frame.operands[<int>k].data = cnp.PyArray_DATA(frame.feeds[i])
            return
        if frame.remote_feeds is None:
            frame.remote_feeds = []
        frame.remote_feeds.append(i)
        for position in positions:
            step = &frame.steps[<int>position]
            step.ins[0].data = <void*><size_t>feed.address
            step.origin = self._end(feed.device)
            step.is_peer = are_peers(feed.device, self.plan.placement.device_of(self.plan.steps[position].node))

    cdef _forget_remote_feeds(self, Frame frame):
        for i in frame.remote_feeds:
            for position in self._copies_of_feed(i):
                frame.steps[<int>position].origin = NULL
        frame.remote_feeds = None

    cdef _copies_of_feed(self, Py_ssize_t i):
        """Positions of the steps that copy a feed to a device; None where the host reads it, too."""
        if i not in self.copies_of_feeds:
            self.copies_of_feeds[i] = self._find_copies(i)
        return self.copies_of_feeds[i]

    cdef _find_copies(self, Py_ssize_t i):
        positions = []
        for position, planned in enumerate(self.plan.steps):
            if not any([v.storage.kind == FEED and v.storage.payload == i for v in planned.inputs]):
                continue
            if self.steps[<int>position].kind != MOVE or self.steps[<int>position].target == NULL:
                return None
            positions.append(position)
        return positions

    cdef _new_fetch(self, Py_ssize_t i):
        """An array for the value of fetch `i`, which becomes the caller's."""
        try:
            return new_array(self.fetch_shapes[i], self.fetch_dtypes[i])
        except MemoryError as error:
            from .exhausted import value_too_large
            value = self.plan.fetches[i]
            raise value_too_large(value, shapes.size_of(value.shape) * value.dtype.size, "a fetch", error) from error

    cdef _give_arrays(self, Frame frame):
        """Memory for what assignments leave to their variables."""
        cdef void* data
        frame.given = []
        for node, operands in zip(self.plan.given, self.patch_given):
            value = node.inputs[1]
            try:
                array = aligned_array(value.shape, value.dtype.np)
            except MemoryError as error:
                from .exhausted import value_too_large
                nbytes = shapes.size_of(value.shape) * value.dtype.size
                raise value_too_large(value, nbytes, "a variable", error) from error
            frame.given.append(array)
            data = cnp.PyArray_DATA(array)
            for k in operands:
                frame.operands[<int>k].data = data

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
            self._draw(frame)
            self._trace_steps(frame, trace)
        except BaseException as error:
            self._end_work(error)
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
                from .messages import deadline_exceeded
                raise deadline_exceeded(self.plan.steps[position].node, position, self.n_steps)

    cdef int _take_lock(self, Frame frame, int position) except -1:
        """With Python's lock: runs a Python step or a segment, or raises what stopped the run; gives the next step."""
        planned = self.plan.steps[position]
        cdef CStep* step = &frame.steps[position]
        self._heed(frame, position)
        if step.kind == PYTHON:
            self._run_python(frame, planned, self.calls[position])
            if frame.generation != self.shared.generation:   # a run inside of it may have moved a variable
                self._refresh(frame)
        elif step.kind == TAKE:
            self._take(frame, planned, position)
        elif step.kind == CHECK:
            if not is_set(step.flag):
                raise self._uninitialized(planned)
            self._refresh(frame)         # it may have been set in another buffer than this run knows
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
                    self._refresh(frame)

    # --- steps in Python -----------------------------------------------------------------------------

    cdef _uninitialized(self, planned):
        from .messages import uninitialized_variable
        return uninitialized_variable(planned.payload, planned.node)

    cdef _raise(self, Frame frame, planned):
        from .messages import kernel_error
        if planned.kind == WAIT:         # the op whose work has failed is not known
            (<Device>planned.payload).check(frame.code, "work on the device")
        # A copy has no context of its own: what went wrong in it is told outside of the run.
        code, text, error = take_error(&frame.context) if frame.context.code else take_outside_error()
        if error is not None and not isinstance(error, Exception):
            raise error                  # an interrupt
        raise kernel_error(planned.node, code or frame.code, text, error)

    cdef _take(self, Frame frame, planned, int position):
        """An assignment: leaves the value's array to a variable that may take it, or copies or reads the value."""
        cdef VariableBuffer buffer = self.variables[self.index_of[planned.outputs[0]]]
        cdef CStep* step = &frame.steps[position]
        cdef int code
        if planned.inputs[1].storage.kind == OBJECT and self._is_read(frame, planned, buffer):
            return
        if buffer.takes and self._is_taken(frame, planned.inputs[1], buffer):
            self.shared.generation += 1
            self._refresh(frame)
            return
        self.shared.generation += buffer.own()
        if frame.generation != self.shared.generation:
            self._refresh(frame)
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
                self._refresh(frame)
            array = buffer.array
        else:
            frame.objects[index] = array = np.empty(stored.shape, stored.dtype)
        try:
            stored.read_into(array)
        except Exception as error:
            from .messages import python_error
            raise python_error(planned.node, error) from error
        finally:
            if is_fit:                   # what failed may have written, too
                set_new_version(&buffer.version)
        return is_fit

    cdef bint _is_taken(self, Frame frame, value, VariableBuffer buffer) except -1:
        """Leaves a value's array to a variable, unless it is a Python object that somebody else holds."""
        storage = value.storage
        if storage.kind == CONST:
            buffer.take(self._array(frame, self.index_of[value]), True)
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
        from .messages import python_error
        arrays = [self._array(frame, self.index_of[v]) for v in planned.inputs]
        try:
            results = call(arrays)
            if planned.payload is not None:                  # a fetch of what is no plain bytes
                frame.fetched[<int>planned.payload] = results[0]
                return
            for value, result in zip(planned.outputs, results):
                self._store(frame, value, result)
        except Exception as error:
            raise python_error(planned.node, error) from error

    cdef _array(self, Frame frame, int index):
        """A value as an array, without a copy."""
        value = self.values[index]
        storage = value.storage
        kind = storage.kind
        if kind == OBJECT:
            return frame.objects[storage.payload]
        if kind == FEED:
            array = frame.feeds[storage.payload]
        elif kind == FETCH:
            array = frame.fetched[storage.payload]
        elif kind == GIVEN:
            array = frame.given[storage.payload]
        elif kind == VARIABLE:
            array = (<VariableBuffer>self.variables[index]).array
        elif kind == CONST:
            array = storage.payload
        else:
            array = frame.views[index]
            if array is None:
                array = frame.views[index] = self._view(frame, value)
            return array
        if array is None or value.shape is None or None in value.shape or array.shape == value.shape:
            return array                                     # None: a variable without a buffer that the host can see
        return array.reshape(value.shape)

    cdef _view(self, Frame frame, value):
        cdef cnp.npy_intp dims[1]
        cdef char* base = <char*>frame.bases[<int>self.arena_devices.index(value.storage.payload.device)]
        dims[0] = shapes.size_of(value.shape) * value.dtype.size
        raw = cnp.PyArray_SimpleNewFromData(1, dims, cnp.NPY_UINT8, base + <size_t>value.storage.payload.offset)
        return raw.view(value.dtype.np).reshape(value.shape)

    cdef _store(self, Frame frame, value, result):
        """Puts the result of a Python step where the plan wants it."""
        storage = value.storage
        kind = storage.kind
        if isinstance(result, StoredValue):
            result = self._found(frame, value, result)
        if kind == VARIABLE:
            buffer = <VariableBuffer>self.variables[self.index_of[value]]
            set_new_version(&buffer.version)
            if result is not buffer.array and buffer.assign(result):
                self.shared.generation += 1
                self.shared.reshaped += buffer.is_shaped_by_value
                self._refresh(frame)
            return
        if isinstance(result, StoredValue):
            frame.objects[storage.payload] = result
            return
        array = as_array(result, value.dtype)
        if kind == OBJECT:
            if value.shape is not None and not shapes.compatible(array.shape, value.shape):
                raise _contradicted_shape(value, array.shape)
            frame.objects[storage.payload] = dense(array)
            return
        if array.shape != value.shape:
            raise _contradicted_shape(value, array.shape)
        target = self._array(frame, self.index_of[value])
        if target is not array:
            target[...] = array

    cdef _found(self, Frame frame, value, stored):
        """A value that is still stored, if only an assignment needs it; else what was read of it."""
        storage = value.storage
        kind = storage.kind
        if value.shape is not None and not shapes.compatible(stored.shape, value.shape):
            raise _contradicted_shape(value, stored.shape)
        if kind == OBJECT and storage.payload in self.taken_objects:
            return stored
        array = self._array(frame, self.index_of[value]) if kind in (GIVEN, ARENA, FETCH) else None
        if array is None or array.shape != stored.shape or array.dtype != stored.dtype:
            array = np.empty(stored.shape, stored.dtype)
        stored.read_into(array)
        return array


cdef _contradicted_shape(value, shape):
    from .messages import contradicted_shape
    return contradicted_shape(value, shape)
