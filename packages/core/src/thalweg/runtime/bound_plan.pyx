"""A plan's steps, flat, with what they find in a session: kernels, variables, generators, constants on devices."""
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free

cimport numpy as cnp

from thalweg.devices.abi cimport thw_call, thw_tensor
from thalweg.devices.core_api cimport core_table, dl_dtype
from thalweg.devices.device cimport Device, Kernel
from thalweg.runtime.shared cimport Shared
from thalweg.runtime.steps cimport (ARENA, CHECK, CONST, FEED, FETCH, GIVEN, KERNEL, MARK, MOVE, OBJECT, PYTHON,
                                    REMOTE, TAKE, VARIABLE, WAIT, CEnd, CStep, End, are_peers)
from thalweg.runtime.variables cimport ConstantVersion, RngState, VariableBuffer

from thalweg.framework import errors, shapes

from .arrays import dense

cnp.import_array()


cdef class BoundPlan:
    """A plan bound to a session's variables, generators and Python calls.

    Parameters
    ----------
    plan : plan.bind.Plan
    engine : gives `variable(name, node)`, `rng(node)` and `python_call(step)`; see engine.py
    """

    def __init__(self, plan, engine, Shared shared):
        self.plan, self.shared, self.threads = plan, shared, plan.placement.threads
        self.keep, self.calls, self.variables, self.remote, self.draws = [], [], [], [], []
        self.copies_of_feeds = {}
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
        cdef End end
        for end in self.remote:
            if end.device is device:
                return &end.c
        end = End(device)
        self.remote.append(end)
        return &end.c

    cdef _bind_generator(self, CStep* step, int position, Kernel kernel, RngState rng):
        """A random op's generator: for its kernel to draw from, or for core, which then draws before each run."""
        cdef End end
        self.keep.append(rng)
        if kernel.kernel.rng_blocks == 0:
            step.call.rng = &rng.rng
            return
        end = next(e for e in self.remote if (<End>e).device is kernel.device)
        of_end = next((steps for e, steps in self.draws if e is end), None)
        if of_end is None:
            of_end = []
            self.draws.append((end, of_end))
        of_end.append((position, rng, kernel.kernel.rng_blocks))

    cdef _set_versions(self, CStep* step, Py_ssize_t first):
        """Where the versions of a step's operands are found, which begin at operand `first`."""
        cdef VariableBuffer buffer
        cdef ConstantVersion constant
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
        step.is_peer = step.origin != NULL and step.target != NULL and are_peers(origin, target)

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

    def __dealloc__(self):
        free(self.steps)
        free(self.operands)
        free(self.operand_value)
        free(self.operand_version)
        free(self.shape_store)


cdef bint _is_in_c(planned) except -1:
    """Whether a step finds its operands by their addresses."""
    return planned.kind in (KERNEL, MOVE) or planned.kind == TAKE and planned.payload is not None


cdef _constant(value):
    """A constant's array, dense and in the machine's byte order."""
    array = value.storage.payload
    if array.dtype != value.dtype.np:
        array = array.astype(value.dtype.np)
    value.storage.payload = array = dense(array)
    return array
