"""The values of a run as Python steps see them: arrays without a copy, and results that go where the plan says."""
cimport numpy as cnp

from thalweg.runtime.arrays cimport as_array
from thalweg.runtime.bound_plan cimport BoundPlan
from thalweg.runtime.frame cimport Frame
from thalweg.runtime.frames cimport refresh
from thalweg.runtime.steps cimport ARENA, CONST, FEED, FETCH, GIVEN, OBJECT, VARIABLE
from thalweg.runtime.variables cimport VariableBuffer, set_new_version

import numpy as np

from thalweg.framework import shapes
from thalweg.framework.stored_value import StoredValue

from .arrays import dense

cnp.import_array()


cdef array_of(BoundPlan bound, Frame frame, int index):
    """A value as an array, without a copy."""
    value = bound.values[index]
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
        array = (<VariableBuffer>bound.variables[index]).array
    elif kind == CONST:
        array = storage.payload
    else:
        array = frame.views[index]
        if array is None:
            array = frame.views[index] = _view(bound, frame, value)
        return array
    if array is None or value.shape is None or None in value.shape or array.shape == value.shape:
        return array                                     # None: a variable without a buffer that the host can see
    return array.reshape(value.shape)


cdef _view(BoundPlan bound, Frame frame, value):
    cdef cnp.npy_intp dims[1]
    cdef char* base = <char*>frame.bases[<int>bound.arena_devices.index(value.storage.payload.device)]
    dims[0] = shapes.size_of(value.shape) * value.dtype.size
    raw = cnp.PyArray_SimpleNewFromData(1, dims, cnp.NPY_UINT8, base + <size_t>value.storage.payload.offset)
    return raw.view(value.dtype.np).reshape(value.shape)


cdef store(BoundPlan bound, Frame frame, value, result):
    """Puts the result of a Python step where the plan wants it."""
    storage = value.storage
    kind = storage.kind
    if isinstance(result, StoredValue):
        result = _found(bound, frame, value, result)
    if kind == VARIABLE:
        buffer = <VariableBuffer>bound.variables[bound.index_of[value]]
        set_new_version(&buffer.version)
        if result is not buffer.array and buffer.assign(result):
            bound.shared.generation += 1
            bound.shared.reshaped += buffer.is_shaped_by_value
            refresh(bound, frame)
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
    target = array_of(bound, frame, bound.index_of[value])
    if target is not array:
        target[...] = array


cdef _found(BoundPlan bound, Frame frame, value, stored):
    """A value that is still stored, if only an assignment needs it; else what was read of it."""
    storage = value.storage
    kind = storage.kind
    if value.shape is not None and not shapes.compatible(stored.shape, value.shape):
        raise _contradicted_shape(value, stored.shape)
    if kind == OBJECT and storage.payload in bound.taken_objects:
        return stored
    array = array_of(bound, frame, bound.index_of[value]) if kind in (GIVEN, ARENA, FETCH) else None
    if array is None or array.shape != stored.shape or array.dtype != stored.dtype:
        array = np.empty(stored.shape, stored.dtype)
    stored.read_into(array)
    return array


cdef _contradicted_shape(value, shape):
    from .messages import contradicted_shape
    return contradicted_shape(value, shape)
