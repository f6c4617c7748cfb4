"""Slots: variables beside a variable, named `VARIABLE/SLOT`, placed and saved with it (`tf.train.slot_creator`)."""
import thalweg as tf


def create_slot_with_initializer(primary, initializer, shape, dtype, name, colocate_with_primary=True):
    """A slot of `primary` filled by `initializer`; shape and dtype as given."""
    with tf.variable_scope(None, primary.op.name + "/" + name):
        return _make(primary, initializer, shape, dtype, colocate_with_primary)


def create_slot(primary, value, name, colocate_with_primary=True):
    """A slot of `primary` that begins as `value`, a tensor."""
    with tf.variable_scope(None, primary.op.name + "/" + name):
        return _make(primary, value, None, value.dtype.base_dtype, colocate_with_primary)


def create_zeros_slot(primary, name, dtype=None, colocate_with_primary=True):
    """A slot of `primary` with its shape, filled with zeros."""
    dtype = primary.dtype.base_dtype if dtype is None else dtype
    return create_slot_with_initializer(primary, tf.zeros_initializer(), primary.get_shape(), dtype, name,
                                        colocate_with_primary)


def _make(primary, initializer, shape, dtype, colocated):
    def make():
        return tf.get_variable("", shape, dtype, initializer=initializer, trainable=False, use_resource=False,
                               validate_shape=shape is None or shape.is_fully_defined())
    if not colocated:
        return make()
    with tf.colocate_with(primary.op):
        return make()
