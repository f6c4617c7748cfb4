"""Elements as they flow through a pipeline: lists of NumPy arrays, one per leaf of the structure, never written to."""
import numpy as np

from thalweg.framework import errors, shapes


def kept(array):
    """`array` for longer than the run that has it: constants as they are, others copied."""
    return array.copy() if array.flags.writeable else array


def row(array, i):
    """array[i] as an array, whatever its rank."""
    return array[i, ...] if array.ndim > 1 else np.asarray(array[i:i + 1]).reshape(())


def scalar(value, dtype=np.int64):
    return np.array(value, dtype)


def stacked(elements, op_type):
    """Elements of equal shapes as one, with a new first dimension; InvalidArgumentError names those that differ."""
    batch = []
    for k, first in enumerate(elements[0]):
        found = np.empty((len(elements), *first.shape), first.dtype)
        for i, element in enumerate(elements):
            if element[k].shape != first.shape:
                raise errors.InvalidArgumentError(None, None, errors.explain(
                    f"{op_type}: Cannot batch tensors with different shapes in component {k}. First element had shape "
                    f"{shapes.text(first.shape)} and element {i} had shape {shapes.text(element[k].shape)}.",
                    hint="padded_batch, or a map that gives all elements one shape (tf.image.resize_images)"))
            found[i, ...] = element[k]                   # a string's array as what it holds
        batch.append(found)
    return batch


def check(element, types, element_shapes, what):
    """Raises InvalidArgumentError unless the arrays have the dtypes and shapes that were announced."""
    if len(element) != len(types):
        raise errors.InvalidArgumentError(None, None, f"{what}: got {len(element)} components, expected {len(types)}")
    for k, (array, dtype, shape) in enumerate(zip(element, types, element_shapes)):
        if array.dtype != dtype.np:
            raise errors.InvalidArgumentError(None, None, f"{what}: component {k} is {array.dtype.name}, expected "
                                                          f"{dtype.name}")
        if array.shape != shape and not shapes.compatible(array.shape, shape):
            raise errors.InvalidArgumentError(None, None, f"{what}: component {k} has shape "
                                                          f"{shapes.text(array.shape)}, expected {shapes.text(shape)}")
