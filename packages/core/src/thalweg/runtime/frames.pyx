"""Making a frame for a plan's runs, and what it needs anew: addresses of variables, random numbers of devices."""
from libc.stdlib cimport calloc, malloc
from libc.string cimport memcpy

from thalweg.devices.abi cimport thw_rng, thw_tensor
from thalweg.devices.core_api cimport reserve_random
from thalweg.devices.device cimport Device
from thalweg.runtime.bound_plan cimport BoundPlan
from thalweg.runtime.frame cimport Frame
from thalweg.runtime.memory cimport allocated
from thalweg.runtime.segments cimport Slot
from thalweg.runtime.steps cimport CStep, End
from thalweg.runtime.variables cimport RngState, VariableBuffer

import numpy as np

from thalweg.framework import errors, shapes

cdef size_t _RNG_BYTES = 32              # a thw_rng and what aligns the next


cdef Frame new_frame(BoundPlan bound):
    """A frame with memory of its own; ResourceExhaustedError where there is none."""
    cdef Frame frame = Frame.__new__(Frame)
    frame.operands = <thw_tensor*>malloc(max(bound.n_operands, 1) * sizeof(thw_tensor))
    frame.steps = <CStep*>malloc(max(bound.n_steps, 1) * sizeof(CStep))
    frame.bases = <void**>calloc(max(len(bound.arena_devices), 1), sizeof(void*))
    frame.arenas, frame.generators = [], []
    if frame.operands == NULL or frame.steps == NULL or frame.bases == NULL:
        raise MemoryError()
    memcpy(frame.operands, bound.operands, bound.n_operands * sizeof(thw_tensor))
    memcpy(frame.steps, bound.steps, bound.n_steps * sizeof(CStep))
    for i, (name, nbytes) in enumerate(zip(bound.arena_devices, bound.arena_sizes)):
        _add_arena(bound, frame, i, bound.plan.placement.by_name(name), nbytes)
    for i in range(bound.n_steps):
        frame.steps[i].ins = frame.operands + (bound.steps[i].ins - bound.operands)
        frame.steps[i].outs = frame.operands + (bound.steps[i].outs - bound.operands)
        frame.steps[i].call.core_ctx = &frame.context
        workspace = bound.plan.steps[i].workspace
        if workspace is not None:
            arena = bound.arena_devices.index(workspace.device)
            frame.steps[i].call.workspace = <char*>frame.bases[arena] + <size_t>workspace.offset
    for k, arena, offset in bound.patch_arena:
        frame.operands[<int>k].data = <char*>frame.bases[<int>arena] + <size_t>offset
    for end, drawn in bound.draws:
        _place_generators(bound, frame, (<End>end).device, drawn)
    frame.slots = [Slot() for _ in bound.plan.segments]
    frame.views = [None] * len(bound.values)
    return frame


cdef _add_arena(BoundPlan bound, Frame frame, int i, Device device, size_t nbytes):
    try:
        pointer = allocated(device, max(nbytes, 1))
    except errors.ResourceExhaustedError as error:
        from .exhausted import arena_too_large
        raise arena_too_large(bound.plan, device, nbytes, error, list(bound.held.values())) from error
    frame.arenas.append((device, pointer))
    frame.bases[i] = <void*><size_t>pointer


cdef _place_generators(BoundPlan bound, Frame frame, Device device, list drawn):
    """Memory for what core draws for a device's kernels, right behind the arenas."""
    cdef size_t pointer = allocated(device, _RNG_BYTES * len(drawn))
    frame.arenas.append((device, pointer))
    for i, (position, _, _) in enumerate(drawn):
        frame.steps[<int>position].call.rng = <thw_rng*>(pointer + _RNG_BYTES * <size_t>i)
    frame.generators.append(pointer)


cdef draw(BoundPlan bound, Frame frame):
    """Draws for the kernels that have said how much they need, and puts it on their devices."""
    cdef RngState rng
    cdef End end
    for (end, drawn), pointer in zip(bound.draws, frame.generators):
        words = np.zeros((len(drawn), _RNG_BYTES // 4), np.uint32)
        for row, (_, rng, blocks) in zip(words, drawn):
            counter, key = reserve_random(&rng.rng, blocks)
            row[:2], row[2:6] = key, counter
        end.device.h2d(pointer, words)


cdef refresh(BoundPlan bound, Frame frame):
    """Looks up the variables' addresses again after a buffer has moved; then what was recorded with the old ones
    is of no use."""
    cdef VariableBuffer buffer
    cdef bint moved = False
    _own_written(bound)
    generation = bound.shared.generation     # what moves while the addresses are looked up is looked up again
    for k, buffer, value in bound.patch_variables:
        whole = value.base or value      # the variable itself, of which `value` may be a reshaped view
        if buffer.data != NULL and buffer.shape != whole.shape and buffer.name not in bound.reshaped:
            raise errors.InvalidArgumentError(
                None, value.node.source, f"Variable {buffer.name} holds a value of shape "
                f"{shapes.text(buffer.shape)}, but the graph says {shapes.text(whole.shape)}. Declare it with "
                "validate_shape=False to assign values of any shape.")
        moved = moved or buffer.device.gate != NULL and frame.operands[<int>k].data != buffer.data
        frame.operands[<int>k].data = buffer.data
    if moved:
        frame.slots = [Slot() for _ in bound.plan.segments]
    frame.buffers = [(<VariableBuffer>buffer).memory for _, buffer, _ in bound.patch_variables]
    frame.views = [None] * len(bound.values)
    frame.generation = generation


cdef _own_written(BoundPlan bound):
    """Gives variables that this program writes in place memory that no constant shares."""
    cdef VariableBuffer buffer
    for buffer in bound.written:
        bound.shared.generation += buffer.own()
