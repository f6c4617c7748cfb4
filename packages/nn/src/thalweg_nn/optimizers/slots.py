"""Slots: variables beside a variable, named `VARIABLE/SLOT`, placed with it, split as it is, saved with it."""
import contextlib

import thalweg as tf
from thalweg.variables.variable import SaveSliceInfo


def create_slot(primary, value, name, colocate_with_primary=True):
    """A slot of `primary` that begins as `value`, a tensor."""
    with tf.variable_scope(None, primary.op.name + "/" + name):
        return _make(primary, value, None, value.dtype.base_dtype, value.get_shape().is_fully_defined(),
                     colocate_with_primary)


def create_slot_with_initializer(primary, initializer, shape, dtype, name, colocate_with_primary=True):
    """A slot of `primary` filled by `initializer`; shape and dtype as given."""
    shape = tf.TensorShape(shape)
    with tf.variable_scope(None, primary.op.name + "/" + name):
        return _make(primary, initializer, shape, dtype, shape.is_fully_defined(), colocate_with_primary)


def create_zeros_slot(primary, name, dtype=None, colocate_with_primary=True):
    """A slot of `primary` with its shape, filled with zeros; its shape may be known in the run only."""
    dtype = primary.dtype.base_dtype if dtype is None else dtype
    if primary.get_shape().is_fully_defined():
        return create_slot_with_initializer(primary, tf.zeros_initializer(), primary.get_shape(), dtype, name,
                                            colocate_with_primary)
    whole = primary.initialized_value() if isinstance(primary, tf.Variable) else primary
    return create_slot(primary, tf.zeros(tf.shape(whole), dtype), name, colocate_with_primary)


def _make(primary, initializer, shape, dtype, validate_shape, colocated):
    scope = tf.get_variable_scope()
    partitioner = scope.partitioner
    scope.set_partitioner(None)          # a part's slot is a part already
    with tf.colocate_with(primary.op) if colocated else contextlib.nullcontext():
        slot = tf.get_variable("", shape, dtype, initializer=initializer, trainable=False, use_resource=False,
                               validate_shape=validate_shape)
    scope.set_partitioner(partitioner)
    _note_part(primary, slot)
    return slot


def _note_part(primary, slot):
    """Where `primary` is a part of a variable, the slot is the same part of the variable's slot."""
    part = primary._get_save_slice_info() if isinstance(primary, tf.Variable) else None
    if part is not None:
        own_name = slot.op.name[len(primary.op.name) + 1:]
        slot._set_save_slice_info(SaveSliceInfo(f"{part.full_name}/{own_name}", list(part.full_shape),
                                                list(part.var_offset), list(part.var_shape)))
