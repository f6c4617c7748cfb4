"""The executor: runs the flat steps of a plan. One loop without Python's lock, which it takes for Python steps only.

A Program is a bound plan. Each run borrows a Frame - operand descriptors, arenas, call records - from the program's
pool, so runs from several threads go side by side; what they share are the variables' buffers.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_REFCNT
from libc.float cimport FLT_MAX
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cimport cython
cimport numpy as cnp

import logging
from collections import OrderedDict
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from thalweg.devices.abi cimport thw_call, thw_device_api, thw_kernel_fn, thw_rng, thw_tensor
from thalweg.devices.core_api cimport (RunContext, core_table, dl_dtype, fresh_outside_context, reserve_random,
                                       start_run, take_error, take_outside_error)
from thalweg.devices.device cimport Device, Gate, Kernel, close_gate, enter, leave, open_gate

from thalweg.devices.core_api import error_of_code
from thalweg.framework import errors, shapes
from thalweg.framework.dtypes import as_dtype
from thalweg.framework.stored_value import StoredValue

from .remote_array import RemoteArray

cnp.import_array()

_log = logging.getLogger("thalweg")

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

cdef extern from * nogil:
    """
    static uint64_t thw_last_version; /* of any variable's or constant's bytes, in this process */
    static void thw_set_new_version(uint64_t* version) {
      __atomic_store_n(version, __atomic_add_fetch(&thw_last_version, 1, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
    }
    /* Who sees that a variable is set sees the move of its buffer, too. */
    static int thw_is_set(const int* flag) { return __atomic_load_n(flag, __ATOMIC_ACQUIRE); }
    static void thw_set(int* flag) { __atomic_store_n(flag, 1, __ATOMIC_RELEASE); }
    """
    void thw_set_new_version(uint64_t* version)
    bint thw_is_set(const int* flag)
    void thw_set(int* flag)

cdef int64_t _SIGNAL_INTERVAL_NS = 50_000_000
cdef size_t _ALIGN = 64
cdef size_t _LARGE_ARENA = 1 << 20       # arenas below are not worth freeing
cdef size_t _IDLE_BYTES = 64 << 20
cdef int _MOST_RECORDINGS = 64           # that a session keeps
cdef size_t _RNG_BYTES = 32              # a thw_rng and what aligns the next


cdef object _sessions = WeakSet()        # the Shared of each


cdef size_t _allocated(Device device, size_t nbytes) except 0:
    """Memory on a device; where there is none, what idle frames of all sessions keep there is given back first."""
    cdef Shared shared
    try:
        return device.alloc(nbytes)
    except errors.ResourceExhaustedError:
        if not any([shared.free_idle(device) for shared in list(_sessions)]):
            raise
    if not device.is_host:
        device.sync()                    # memory is free when the work before is done
    return device.alloc(nbytes)


@cython.no_gc
cdef class _DeviceMemory:
    """A piece of a device's memory, freed with this object."""

    cdef Device device
    cdef size_t pointer

    def __init__(self, Device device, size_t nbytes):
        self.device, self.pointer = device, _allocated(device, nbytes)

    def __dealloc__(self):
        if self.pointer:
            self.device.free(self.pointer)


cdef class VariableBuffer:
    """The storage of one variable in one session: its bytes on a device, or an array of Python objects.

    On the host it may be an array that an assignment leaves to it (plan/taking.py). A constant's is shared: nobody
    writes to it, and `own` copies it before a program that does writes the variable.

    Attributes
    ----------
    name : str
    shape : tuple or None       None until a first value of unknown shape has come
    is_initialized : bool
    is_shaped_by_value : bool   declared without a full shape
    array : ndarray or None     the value seen as an array, where the host can see it
    frame : Frame or None       the user's line that made the variable
    """

    cdef readonly str name
    cdef readonly Device device
    cdef readonly object dtype
    cdef public object shape, frame
    cdef readonly object array
    cdef int initialized
    cdef uint64_t version                # a new one after each write, for kernels that keep what they make of it
    cdef void* data
    cdef readonly Py_ssize_t nbytes
    cdef readonly bint is_shaped_by_value
    cdef readonly object memory          # owns `data`; frames hold it too, as their run may read an earlier buffer
    cdef bint takes                      # no program writes it in place: it may take a value's array
    cdef bint is_shared                  # `array` is a constant's
    cdef object source                   # the constant whose bytes these are
    cdef object __weakref__

    def __init__(self, name, dtype, shape, Device device):
        self.name, self.dtype, self.device = name, dtype, device
        self.data = NULL
        thw_set_new_version(&self.version)
        self.is_shaped_by_value = not shapes.is_known(shape)
        if not self.is_shaped_by_value:
            self._allocate(shape)
            self.takes = device.is_host and dtype.kind != "O"

    cdef _allocate(self, shape):
        self.shape, self.is_shared = shape, False
        if self.dtype.kind == "O":
            self.array = np.empty(shape, object)
            return
        self.nbytes = shapes.size_of(shape) * self.dtype.size
        if self.device.is_host:
            self.array = self.memory = _aligned_array(shape, self.dtype.np)
            self.data = cnp.PyArray_DATA(self.array)
        else:
            self.memory = _DeviceMemory(self.device, max(self.nbytes, 1))
            self.data = <void*>(<_DeviceMemory>self.memory).pointer

    @property
    def is_initialized(self):
        return self.initialized != 0

    @property
    def address(self):
        """Where it lies on its device, 0 before a first value; as long as `memory` is held, that stays its own."""
        return <size_t>self.data

    def assign(self, value):
        """Takes a new value, of any shape; True when the buffer moved and frames must look again."""
        cdef bint moved = False
        value = np.asarray(value)
        if self.shape != value.shape or self.is_shared or (self.array is None and self.data == NULL):
            self._allocate(value.shape)
            moved = True
        if self.array is not None:
            self.array[...] = value
        else:
            value = np.ascontiguousarray(value, self.dtype.np)
            self.device.h2d(<size_t>self.data, value)
        self.takes = False
        self.initialized = 1
        thw_set_new_version(&self.version)
        return moved

    cdef take(self, array, bint is_shared):
        """An array of the variable's shape and dtype becomes its storage; frames must look again."""
        self.array = self.memory = array
        self.data = cnp.PyArray_DATA(array)
        self.takes = self.is_shared = is_shared
        thw_set_new_version(&self.version)

    cdef bint own(self, bint with_value=True) except -1:
        """Makes the memory the variable's own for good; True when it moved and frames must look again."""
        self.takes = False
        if not self.is_shared:
            return False
        copy = _aligned_array(self.shape, self.dtype.np)
        if with_value:
            copy[...] = self.array       # other threads may run meanwhile
        if not self.is_shared:
            return False                 # one of them was quicker
        self.array = self.memory = copy
        self.data = cnp.PyArray_DATA(copy)
        self.is_shared = False
        return True

    def read(self):
        """A copy of the value as an array; None when there is none yet."""
        if not self.initialized:
            return None
        if self.array is not None:
            return self.array.copy()
        result = np.empty(self.shape, self.dtype.np)
        self.device.d2h(result, <size_t>self.data)
        return result


cdef class RngState:
    """The generator of one random op in one session; kernels in C and reference bodies draw from the same one."""

    cdef thw_rng rng

    def __init__(self, key, counter):
        self.rng.key[0], self.rng.key[1] = key
        self.rng.counter[0] = <uint64_t>counter[0] | <uint64_t>counter[1] << 32
        self.rng.counter[1] = <uint64_t>counter[2] | <uint64_t>counter[3] << 32

    @property
    def key(self):
        return self.rng.key[0], self.rng.key[1]

    @property
    def drawn(self):
        """Count of the blocks drawn so far; setting it goes to another place of the stream."""
        return self.rng.counter[0]                       # a seed decides the upper half alone

    @drawn.setter
    def drawn(self, uint64_t blocks):
        self.rng.counter[0] = blocks

    def reserve(self, blocks):
        """Takes `blocks` blocks of 128 bits; the counter of the first, four 32-bit words."""
        return reserve_random(&self.rng, blocks)[0]


def _aligned_array(shape, dtype):
    """An uninitialised array whose data begin at a multiple of 64 bytes."""
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = np.empty(nbytes + _ALIGN, np.uint8)
    offset = -raw.ctypes.data % _ALIGN
    return raw[offset:offset + nbytes].view(dtype).reshape(shape)


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


@cython.no_gc_clear                      # in a cycle of garbage too, __dealloc__ needs the devices of its arenas
cdef class Frame:
    """What one run needs for itself."""

    cdef RunContext context
    cdef CStep* steps
    cdef thw_tensor* operands
    cdef list arenas                     # (Device, pointer)
    cdef list generators                 # per entry of the program's `draws`, where the generators lie on the device
    cdef void** bases
    cdef list objects, views, feeds, fetched, given
    cdef list buffers                    # the variables' memory that the operands point to
    cdef list remote_feeds               # numbers of the feeds that this run takes from where they lie on a device
    cdef list recordings                 # per segment of the plan: a _Recording, True after one run without, or None
    cdef list ran                        # per segment, how this run runs it; None where nobody asks
    cdef long generation
    cdef int code                        # what the step that failed gave
    cdef int64_t deadline                # ns; no step begins after it, 0: none

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


cdef class _ConstantVersion:
    """The version of a constant's bytes, one for all programs of a session."""

    cdef uint64_t version
    cdef readonly object array           # kept, so that its address stays its own
    cdef object __weakref__

    def __init__(self, array):
        self.array = array
        thw_set_new_version(&self.version)


@cython.no_gc
cdef class _End:
    """A device that is not the host's, for steps and for Python."""

    cdef CEnd c
    cdef Device device

    def __init__(self, Device device):
        self.device = device
        self.c.api, self.c.device, self.c.stream, self.c.gate = (
            device.api, device.handle, device.stream, device.gate)


@cython.no_gc
cdef class _Recording:
    """What a device has recorded of a segment; given back with this object."""

    cdef Device device
    cdef size_t pointer                  # 0: given back
    cdef int uses                        # replays under way
    cdef long last_use
    cdef object __weakref__

    cdef int drop(self) except -1:
        pointer, self.pointer = self.pointer, 0
        if pointer:
            self.device.give_back(pointer, True)
        return 0

    def __dealloc__(self):
        self.drop()


cdef class Shared:
    """What all programs of a session share: the count of moved variable buffers, and whether the session is closed."""

    cdef public long generation          # grows when a buffer has moved
    cdef public long reshaped            # grows when a value of another shape has come
    cdef volatile int closed
    cdef object idle                     # programs that keep large arenas, the longest unused first: OrderedDict
    cdef object constants                # array's id -> _ConstantVersion, as long as a program keeps that
    cdef object uploads                  # (array's id, Device) -> VariableBuffer, likewise
    cdef object programs                 # alive: WeakSet
    cdef object recordings               # of all frames
    cdef long clock                      # grows with each use of a recording
    cdef object __weakref__

    def __init__(self):
        self.idle = OrderedDict()
        self.constants, self.uploads = WeakValueDictionary(), WeakValueDictionary()
        self.recordings, self.programs = WeakSet(), WeakSet()
        _sessions.add(self)

    cdef _ConstantVersion version_of(self, array):
        found = self.constants.get(id(array))
        if found is None:
            self.constants[id(array)] = found = _ConstantVersion(array)
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
        while sum(self.idle.values()) > max(_IDLE_BYTES, 4 * max(self.idle.values())):
            (<Program>self.idle.popitem(last=False)[0]).pool.clear()

    cdef int add(self, _Recording recording) except -1:
        """Keeps a recording; gives back the one that was used longest ago where there are too many."""
        cdef _Recording other
        self.recordings.add(recording)
        self.touch(recording)
        kept = [other for other in self.recordings if other.pointer and not other.uses and other is not recording]
        if len(kept) >= _MOST_RECORDINGS:
            (<_Recording>min(kept, key=_last_use)).drop()
        return 0

    cdef void touch(self, _Recording recording) noexcept:
        self.clock += 1
        recording.last_use = self.clock

    cdef bint free_idle(self, Device device) except -1:
        """Gives back what frames that are not in use keep on a device; whether there were any."""
        cdef Program program
        cdef bint found = False
        for program in list(self.programs):
            if device.name in program.arena_devices and program.pool:
                program.pool.clear()
                found = True
        return found

    def check_open(self, node=None):
        """CancelledError when the session has been closed during a run."""
        if self.closed:
            raise errors.CancelledError(None, node, "Session has been closed during the run.")


def _last_use(_Recording recording):
    return recording.last_use


cdef class Program:
    """A plan bound to a session's variables, generators and Python calls.

    Parameters
    ----------
    plan : plan.bind.Plan
    engine : gives `variable(name, node)`, `rng(node)` and `python_call(step)`; see engine.py
    """

    cdef readonly object plan
    cdef Shared shared
    cdef list values, calls, keep, variables, arena_devices, arena_sizes
    cdef dict index_of
    cdef CStep* steps
    cdef int n_steps, n_operands, n_objects
    cdef thw_tensor* operands
    cdef int64_t* shape_store
    cdef int* operand_value              # operand -> index of its value
    cdef uint64_t** operand_version      # operand -> the version of its bytes; NULL where they last for the run only
    cdef list patch_feeds, patch_fetches, patch_given, patch_variables, patch_arena
    cdef list fetch_shapes, fetch_dtypes  # of the caller's arrays; None where a step brings the value
    cdef list written                    # buffers that steps write in place
    cdef set taken_objects               # values that only an assignment needs, which may read them itself
    cdef set reshaped                    # variables that a step gives another buffer before others read it
    cdef list pool
    cdef list remote                     # an _End for each device that is not the host's
    cdef list draws                      # (end, [(step's position, RngState, blocks)]): kernels that core draws for
    cdef size_t max_scratch, arena_total
    cdef int threads
    cdef object held                     # the session's variables by name
    cdef object __weakref__

    def __init__(self, plan, engine, Shared shared):
        self.plan, self.shared, self.threads = plan, shared, plan.placement.threads
        self.pool, self.keep, self.calls, self.variables, self.remote, self.draws = [], [], [], [], [], []
        self.arena_devices = list(plan.arena_bytes)
        self.arena_sizes = [plan.arena_bytes[d] for d in self.arena_devices]
        self.arena_total = sum(self.arena_sizes)
        self.n_objects = plan.n_objects
        self.reshaped = {v.storage.payload for s in plan.steps if not _is_in_c(s) for v in s.outputs
                         if v.storage.kind == VARIABLE}
        self.taken_objects = {s.inputs[1].storage.payload for s in plan.steps
                              if s.kind == TAKE and s.inputs[1].storage.kind == OBJECT}
        static = [v if v is not None and v.is_static else None for v in plan.fetches]
        self.fetch_shapes = [None if v is None else v.shape for v in static]
        self.fetch_dtypes = [None if v is None else v.dtype.np for v in static]
        self.held = engine.variables
        self._number_values()
        self._make_operands()
        self._make_steps(engine)
        shared.programs.add(self)

    @property
    def idle_frames(self):
        """Count of frames, each with an arena, that are kept for later runs."""
        return len(self.pool)

    cdef _number_values(self):
        self.values, self.index_of = [], {}
        for step in self.plan.steps:
            for value in [*step.inputs, *step.outputs]:
                if value not in self.index_of:
                    self.index_of[value] = len(self.values)
                    self.values.append(value)

    cdef _make_operands(self):
        """One descriptor per input and output of each step; shapes are stored once per value."""
        cdef int n = sum(len(s.inputs) + len(s.outputs) for s in self.plan.steps)
        cdef Py_ssize_t total = sum(len(v.shape) for v in self.values if v.shape is not None)
        self.n_operands = n
        self.operands = <thw_tensor*>calloc(max(n, 1), sizeof(thw_tensor))
        self.operand_value = <int*>calloc(max(n, 1), sizeof(int))
        self.shape_store = <int64_t*>calloc(max(total, 1), sizeof(int64_t))
        self.operand_version = <uint64_t**>calloc(max(n, 1), sizeof(uint64_t*))
        if self.operands == NULL or self.operand_value == NULL or self.shape_store == NULL \
                or self.operand_version == NULL:
            raise MemoryError()
        offsets, position = {}, 0
        for i, value in enumerate(self.values):
            offsets[i] = position
            for d in value.shape or ():
                self.shape_store[position] = -1 if d is None else d
                position += 1
        k = 0
        for step in self.plan.steps:
            for value in [*step.inputs, *step.outputs]:
                self._describe(k, self.index_of[value], offsets)
                k += 1

    cdef _describe(self, int k, int index, dict offsets):
        value = self.values[index]
        cdef thw_tensor* operand = &self.operands[k]
        self.operand_value[k] = index
        operand.device.dl_type = 1
        operand.ndim = len(value.shape) if value.shape is not None else 0
        operand.shape = self.shape_store + <Py_ssize_t>offsets[index]
        operand.dtype = dl_dtype(value.dtype.as_datatype_enum)

    cdef _make_steps(self, engine):
        cdef CStep* step
        cdef Kernel kernel
        cdef VariableBuffer buffer
        cdef RngState rng
        cdef Py_ssize_t k = 0, i
        self.n_steps = len(self.plan.steps)
        self.steps = <CStep*>calloc(max(self.n_steps, 1), sizeof(CStep))
        if self.steps == NULL:
            raise MemoryError()
        self.written = [engine.variable(name) for name in self.plan.written]
        for value in self.values:
            self.variables.append(engine.variable(value.storage.payload) if value.storage.kind == VARIABLE else None)
            if value.storage.kind == CONST:
                self.keep.append(_constant(value))
        for i, planned in enumerate(self.plan.steps):
            step = &self.steps[i]
            step.kind, step.n_in, step.n_out = planned.kind, len(planned.inputs), len(planned.outputs)
            step.ins = self.operands + k
            step.outs = self.operands + k + step.n_in
            self._set_versions(step, k)
            k += step.n_in + step.n_out
            call = None
            if planned.kind in (KERNEL, TAKE) and planned.payload is not None:
                kernel = planned.payload
                self._bind_kernel(step, kernel)
                if not kernel.device.is_host:
                    self._upload_constants(step, planned, kernel)
                rng = engine.rng(planned.node)
                if rng is not None:
                    self._bind_generator(step, i, kernel, rng)
                self.keep.append(kernel)
            elif planned.kind in (PYTHON, TAKE):
                call = engine.python_call(planned)
            elif planned.kind == MOVE:
                self._bind_move(step, planned)
            elif planned.kind == WAIT:
                step.target = self._end(planned.payload)
            elif planned.kind in (CHECK, MARK):
                buffer = engine.variable(planned.payload)
                step.flag = &buffer.initialized
                self.keep.append(buffer)
            self.calls.append(call)
        self._list_patches()

    cdef _bind_kernel(self, CStep* step, Kernel kernel):
        step.fn = kernel.kernel.fn
        step.call.struct_size = sizeof(thw_call)
        step.call.core = core_table()
        step.call.device = kernel.device.handle
        step.call.state = kernel.kernel.state
        step.scratch_bytes = kernel.kernel.scratch_bytes
        self.max_scratch = max(self.max_scratch, step.scratch_bytes)
        if not kernel.device.is_host:
            step.kind, step.target = REMOTE, self._end(kernel.device)
            step.call.stream = kernel.device.stream

    cdef CEnd* _end(self, Device device) except NULL:
        """What steps call of a device that is not the host's."""
        cdef _End end
        for end in self.remote:
            if end.device is device:
                return &end.c
        end = _End(device)
        self.remote.append(end)
        return &end.c

    cdef _bind_generator(self, CStep* step, int position, Kernel kernel, RngState rng):
        """A random op's generator: for its kernel to draw from, or for core, which then draws before each run."""
        cdef _End end
        self.keep.append(rng)
        if kernel.kernel.rng_blocks == 0:
            step.call.rng = &rng.rng
            return
        end = next(e for e in self.remote if (<_End>e).device is kernel.device)
        of_end = next((steps for e, steps in self.draws if e is end), None)
        if of_end is None:
            of_end = []
            self.draws.append((end, of_end))
        of_end.append((position, rng, kernel.kernel.rng_blocks))

    cdef _set_versions(self, CStep* step, Py_ssize_t first):
        """Where the versions of a step's operands are found, which begin at operand `first`."""
        cdef VariableBuffer buffer
        cdef _ConstantVersion constant
        cdef Py_ssize_t k
        for k in range(first, first + step.n_in + step.n_out):
            value = self.values[self.operand_value[k]]
            kind = value.storage.kind
            if kind == CONST:
                constant = self.shared.version_of(_constant(value))
                self.keep.append(constant)
                self.operand_version[k] = &constant.version
            elif kind == VARIABLE:
                buffer = self.variables[self.operand_value[k]]
                self.operand_version[k] = &buffer.version
                if k >= first + step.n_in:
                    step.written = self.operand_version + first + step.n_in
        if step.kind in (KERNEL, REMOTE):
            step.call.in_versions = <const uint64_t* const*>(self.operand_version + first)

    cdef _upload_constants(self, CStep* step, planned, Kernel kernel):
        """Puts constants into the memory of a device that cannot see the host's, once per session."""
        cdef VariableBuffer buffer
        for i, value in enumerate(planned.inputs):
            if value.storage.kind == CONST and not kernel.reads_on_host(i):
                buffer = self._uploaded(value, _constant(value), kernel.device)
                self.keep.append(buffer)
                step.ins[<int>i].data = buffer.data

    cdef VariableBuffer _uploaded(self, value, array, Device device):
        cdef VariableBuffer buffer = self.shared.uploads.get((id(array), device))
        if buffer is not None:
            return buffer
        try:
            buffer = VariableBuffer(value.node.name, value.dtype, array.shape, device)
            buffer.assign(array)
        except errors.ResourceExhaustedError as error:
            from .exhausted import value_too_large
            raise value_too_large(value, array.nbytes, "a constant", error, device,
                                  list(self.held.values())) from error
        buffer.source = array            # while it lives, its address means this array
        self.shared.uploads[id(array), device] = buffer
        return buffer

    cdef _bind_move(self, CStep* step, planned):
        source = planned.inputs[0]
        cdef Device origin = self._home(source, planned.node)
        cdef Device target = self._home(planned.outputs[0], planned.node)
        step.nbytes = shapes.size_of(source.shape) * source.dtype.size
        if origin is not None and not origin.is_host:
            step.origin = self._end(origin)
        if target is not None and not target.is_host:
            step.target = self._end(target)
        step.is_peer = step.origin != NULL and step.target != NULL and _are_peers(origin, target)

    cdef _home(self, value, node):
        if value.storage.kind in (CONST, FEED, FETCH):
            return None
        if value.storage.kind == VARIABLE:
            return self.variables[self.index_of[value]].device
        return self.plan.placement.device_of(value.node)

    cdef _list_patches(self):
        """Which operands take their address from what: feeds and fetches per run, variables and arenas per frame."""
        n_feeds, n_fetches = len(self.plan.feeds), len(self.plan.fetches)
        self.patch_feeds = [[] for _ in range(n_feeds)]
        self.patch_fetches = [[] for _ in range(n_fetches)]
        self.patch_given = [[] for _ in self.plan.given]
        self.patch_variables, self.patch_arena = [], []
        in_c = [_is_in_c(s) for s in self.plan.steps for _ in range(len(s.inputs) + len(s.outputs))]
        for k in range(self.n_operands):
            value = self.values[self.operand_value[k]]
            storage = value.storage
            if not in_c[k]:
                continue
            if storage.kind == CONST:
                if self.operands[k].data == NULL:            # else it lies on a device, _upload_constants
                    self.operands[k].data = cnp.PyArray_DATA(_constant(value))
            elif storage.kind == FEED:
                self.patch_feeds[storage.payload].append(k)
            elif storage.kind == FETCH:
                self.patch_fetches[storage.payload].append(k)
            elif storage.kind == GIVEN:
                self.patch_given[storage.payload].append(k)
            elif storage.kind == VARIABLE:
                self.patch_variables.append((k, self.variables[self.operand_value[k]], value))
            elif storage.kind == ARENA:
                self.patch_arena.append((k, self.arena_devices.index(storage.payload.device), storage.payload.offset))

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
            self._place_generators(frame, (<_End>end).device, drawn)
        frame.recordings = [None] * len(self.plan.segments)
        frame.views = [None] * len(self.values)
        return frame

    cdef _add_arena(self, Frame frame, int i, Device device, size_t nbytes):
        try:
            pointer = _allocated(device, max(nbytes, 1))
        except errors.ResourceExhaustedError as error:
            from .exhausted import arena_too_large
            raise arena_too_large(self.plan, device, nbytes, error, list(self.held.values())) from error
        frame.arenas.append((device, pointer))
        frame.bases[i] = <void*><size_t>pointer

    cdef _place_generators(self, Frame frame, Device device, list drawn):
        """Memory for what core draws for a device's kernels, right behind the arenas."""
        cdef size_t pointer = _allocated(device, _RNG_BYTES * len(drawn))
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
            frame.recordings = [None] * len(self.plan.segments)
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
            raise

    cdef _end_work(self, error):
        """Waits for what a run that failed has enqueued: memory of the host may be its target."""
        cdef _End end
        for end in self.remote:
            try:
                end.device.sync()
            except Exception as other:
                error.add_note(f"Then, while waiting for {end.device.name}: {type(other).__name__}: {other}")

    cdef _draw(self, Frame frame):
        """Draws for the kernels that have said how much they need, and puts it on their devices."""
        cdef RngState rng
        cdef _End end
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
            step.is_peer = _are_peers(feed.device, self.plan.placement.device_of(self.plan.steps[position].node))

    cdef _forget_remote_feeds(self, Frame frame):
        for i in frame.remote_feeds:
            for position in self._copies_of_feed(i):
                frame.steps[<int>position].origin = NULL
        frame.remote_feeds = None

    cdef _copies_of_feed(self, Py_ssize_t i):
        """Positions of the steps that copy a feed to a device; None where the host reads it, too."""
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
            return _new_array(self.fetch_shapes[i], self.fetch_dtypes[i])
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
                array = _aligned_array(value.shape, value.dtype.np)
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
                if not thw_is_set(step.flag) or frame.generation != self.shared.generation:
                    return i
            elif step.kind == MARK:
                thw_set(step.flag)
            elif step.kind == MOVE:
                code = _move(step)
            elif step.kind == REMOTE:
                code = _call_remote(step)
            elif step.kind == WAIT:
                code = _wait(step.target)
            else:
                return i
            if step.written != NULL:     # what failed may have written, too
                _note_writes(step)
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
        cdef _End end
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
            if not thw_is_set(step.flag):
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

        Gives its first step where they are to run one by one: in the first run, and where the device refuses.
        """
        cdef _Recording recording
        cdef int begin = position + 1, end = segment.end, index = segment.index
        if segment.refusal:
            return begin
        self._check_variables(frame, begin, end)
        kept, mode = frame.recordings[index], "replayed"
        if kept is None:
            frame.recordings[index] = True
            return begin
        if kept is True or (<_Recording>kept).pointer == 0:
            kept, mode = self._record(frame, segment, begin, end), "recorded"
            if kept is None:
                return begin
            frame.recordings[index] = kept
        recording = kept
        self._replay(frame, segment, begin, end, recording)
        if frame.ran is not None:
            frame.ran[index] = mode
        return end

    cdef _check_variables(self, Frame frame, int begin, int end):
        """The CHECK steps of a segment, before it."""
        cdef int i
        for i in range(begin, end):
            if frame.steps[i].kind == CHECK:
                if not thw_is_set(frame.steps[i].flag):
                    raise self._uninitialized(self.plan.steps[i])
                if frame.generation != self.shared.generation:
                    self._refresh(frame)

    cdef _Recording _record(self, Frame frame, segment, int begin, int end):
        """Records a segment; None, and a refusal that says why, where that does not work. Nothing is run here."""
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
        cdef _Recording recording = _Recording.__new__(_Recording)
        recording.device, recording.pointer = device, <size_t>pointer
        if code == 0 and code_of_end == 0 and pointer != NULL:
            self.shared.add(recording)
            return recording
        for _, error in told:
            if not isinstance(error, Exception | None):
                raise error              # an interrupt
        segment.refusal = next((str(error or text) for text, error in told if error is not None or text),
                               f"{device.name} gave code {code or code_of_end}")
        _log.info("%s does not record the %d steps from %r to %r, which run one by one: %s", device.name,
                  segment.count, segment.first.name, segment.last.name, segment.refusal)
        return None

    cdef _replay(self, Frame frame, segment, int begin, int end, _Recording recording):
        """Enqueues a recorded segment, and notes what an ordinary run notes."""
        cdef Device device = recording.device
        cdef size_t pointer = recording.pointer
        cdef int i, code
        self.shared.touch(recording)
        fresh_outside_context()
        recording.uses += 1
        with nogil:
            enter(device.gate)
            code = device.api.replay(device.handle, device.stream, <void*>pointer)
            leave(device.gate)
            for i in range(begin, end):
                if frame.steps[i].written != NULL:       # what failed may have written, too
                    _note_writes(&frame.steps[i])
        recording.uses -= 1
        device.check(code, f"the replay of the {segment.count} steps from {segment.first.name!r} to "
                           f"{segment.last.name!r}")
        for i in range(begin, end):
            if frame.steps[i].kind == MARK:
                thw_set(frame.steps[i].flag)

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
                _note_writes(step)
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
                thw_set_new_version(&buffer.version)
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
        if Py_REFCNT(array) == 1 and _is_free(array, buffer.shape, buffer.dtype.np):
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
            thw_set_new_version(&buffer.version)
            if result is not buffer.array and buffer.assign(result):
                self.shared.generation += 1
                self.shared.reshaped += buffer.is_shaped_by_value
                self._refresh(frame)
            return
        if isinstance(result, StoredValue):
            frame.objects[storage.payload] = result
            return
        array = _as_array(result, value.dtype)
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

    def __dealloc__(self):
        free(self.steps)
        free(self.operands)
        free(self.operand_value)
        free(self.operand_version)
        free(self.shape_store)


cdef bint _are_peers(Device origin, Device target) except -1:
    """Whether two devices copy between themselves."""
    return origin is not target and origin.owner is target.owner and target.api.copy_peer != NULL


cdef bint _is_in_c(planned) except -1:
    """Whether a step finds its operands by their addresses."""
    return planned.kind in (KERNEL, MOVE) or planned.kind == TAKE and planned.payload is not None


cdef bint _is_free(array, shape, dtype) except -1:
    """Whether an array, which only the caller holds, is all there is of its memory, and fit for a variable."""
    return type(array) is np.ndarray and array.shape == shape and array.dtype == dtype and array.flags.owndata \
        and array.flags.carray


cdef _contradicted_shape(value, shape):
    from .messages import contradicted_shape
    return contradicted_shape(value, shape)


cdef _constant(value):
    """A constant's array, dense and in the machine's byte order."""
    array = value.storage.payload
    if array.dtype != value.dtype.np:
        array = array.astype(value.dtype.np)
    value.storage.payload = array = dense(array)
    return array


def dense(array):
    """The array, or a copy of it, whose elements lie one after the other, each where its type may lie."""
    return array if array.flags.c_contiguous and array.flags.aligned else array.copy("C")


def ready_feed(value, cnp.dtype dtype, tuple shape):
    """The array that stands for a feed where `value` needs no closer look, else None.

    It needs none if it is a dense array of numbers of this dtype that fits this shape, or a Python float for a scalar.
    """
    cdef cnp.ndarray array
    cdef int i
    if dtype is None:
        return None
    if type(value) is float:
        return _scalar_array(value, dtype.type_num) if not shape else None
    if type(value) is not np.ndarray:
        return None
    array = value
    if array.descr is not dtype or dtype.type_num == cnp.NPY_OBJECT \
            or not cnp.PyArray_CHKFLAGS(array, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED):
        return None
    if shape is not None:
        if array.ndim != len(shape):
            return None
        for i in range(array.ndim):
            if shape[i] is not None and shape[i] != array.shape[i]:
                return None
    return array


cdef _scalar_array(double value, int type_num):
    """float32 or float64; None for other types, and for what float32 cannot hold."""
    if type_num != cnp.NPY_DOUBLE and (type_num != cnp.NPY_FLOAT or FLT_MAX < abs(value) < INFINITY):
        return None
    array = cnp.PyArray_EMPTY(0, NULL, type_num, 0)
    if type_num == cnp.NPY_FLOAT:
        (<float*>cnp.PyArray_DATA(array))[0] = <float>value
    else:
        (<double*>cnp.PyArray_DATA(array))[0] = value
    return array


def feed_key(list arrays):
    """What a plan depends on in what is fed: the scalar bools, (number, value) each, and the shapes."""
    cdef list bools = None
    cdef Py_ssize_t i
    cdef cnp.ndarray array
    for i in range(len(arrays)):
        if type(arrays[i]) is RemoteArray:
            continue                     # a bool comes to the host before
        array = arrays[i]
        if array.ndim == 0 and cnp.PyArray_TYPE(array) == cnp.NPY_BOOL:
            bools = bools or []
            bools.append((i, bool(array)))
    return () if bools is None else tuple(bools), tuple([a.shape for a in arrays])


def scalars(list values):
    """The same list, arrays of rank 0 replaced by NumPy scalars."""
    for i in range(len(values)):
        value = values[i]
        if isinstance(value, np.ndarray) and cnp.PyArray_NDIM(<cnp.ndarray>value) == 0:
            values[i] = value[()]
    return values


cdef _new_array(tuple shape, cnp.dtype dtype):
    """An uninitialised array."""
    cdef cnp.npy_intp[32] dims
    cdef int i, rank = len(shape)
    if rank > 32 or dtype.type_num >= cnp.NPY_OBJECT:
        return np.empty(shape, dtype)
    for i in range(rank):
        dims[i] = shape[i]
    return cnp.PyArray_EMPTY(rank, dims, dtype.type_num, 0)


def _as_array(result, dtype):
    if dtype.kind == "O":
        if isinstance(result, np.ndarray) and result.dtype == object:
            return result
        array = np.asarray(result, object)
        return array
    return np.asarray(result, dtype.np)


cdef void _note_writes(CStep* step) noexcept nogil:
    for k in range(step.n_out):
        if step.written[k] != NULL:
            thw_set_new_version(step.written[k])


cdef int _call_remote(CStep* step) noexcept nogil:
    cdef int code
    enter(step.target.gate)
    code = step.fn(&step.call, step.ins, step.n_in, step.outs, step.n_out)
    leave(step.target.gate)
    return code


cdef int _wait(CEnd* end) noexcept nogil:
    cdef int code
    enter(end.gate)
    code = end.api.sync(end.device, end.stream)
    leave(end.gate)
    return code


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


cdef int _move(CStep* step) noexcept nogil:
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


def run_kernel(Kernel kernel, list arrays, list out_shapes, list out_dtypes, RngState rng, bint writes_first,
               int threads):
    """One call of a host kernel outside of any plan: allocates the outputs, gives them as a list of arrays.

    With `writes_first` the kernel changes arrays[0], a variable's own buffer, which is then the first output.
    """
    cdef int n_in = len(arrays), n_out = len(out_shapes)
    cdef thw_tensor* operands = <thw_tensor*>calloc(n_in + n_out + 1, sizeof(thw_tensor))
    cdef thw_call call
    cdef RunContext context
    cdef int code
    arrays = [dense(a) for a in arrays]
    outputs = [arrays[0] if writes_first and k == 0 else np.empty(shape, dtype.np)
               for k, (shape, dtype) in enumerate(zip(out_shapes, out_dtypes))]
    workspace = np.empty(kernel.kernel.workspace_bytes + _ALIGN, np.uint8)
    keep = []
    try:
        for k, array in enumerate([*arrays, *outputs]):
            keep.append(_fill_operand(&operands[k], array))
        start_run(&context, threads, kernel.kernel.scratch_bytes)
        memset(&call, 0, sizeof(call))
        call.struct_size, call.core, call.core_ctx = sizeof(call), core_table(), &context
        call.device, call.state = kernel.device.handle, kernel.kernel.state
        call.workspace = <char*>cnp.PyArray_DATA(workspace) + (-<size_t>cnp.PyArray_DATA(workspace)) % _ALIGN
        call.rng = &rng.rng if rng is not None else NULL
        with nogil:
            code = kernel.kernel.fn(&call, operands, n_in, operands + n_in, n_out)
        if code != 0 or context.code != 0:
            code, text, exception = take_error(&context)
            raise exception or error_of_code(code, text)
        return outputs
    finally:
        free(operands)


cdef _fill_operand(thw_tensor* operand, array):
    """Describes a dense array; gives what must be kept alive while the descriptor is used."""
    dims = np.array(array.shape or (0,), np.int64)
    operand.data = cnp.PyArray_DATA(array)
    operand.ndim = array.ndim
    operand.shape = <int64_t*>cnp.PyArray_DATA(dims)
    operand.device.dl_type = 1
    operand.dtype = dl_dtype(as_dtype(array.dtype).as_datatype_enum)
    return dims
