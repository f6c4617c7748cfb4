"""Datasets that begin a pipeline, with all their values known: `iterate(run)` gives an iterator over elements."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.dtypes import DType
from thalweg.ops.values import array_of

from .elements import row, scalar


class Single:
    """One element."""

    def __init__(self, components):
        self.components = components

    def iterate(self, run):
        return iter([self.components])


class Slices:
    """The rows of arrays that are equally long."""

    def __init__(self, components):
        self.components = components
        lengths = [len(c) if c.ndim else None for c in components]
        if None in lengths or len(set(lengths)) > 1:
            raise errors.InvalidArgumentError(None, None, "TensorSliceDataset: all components must have the same size "
                                              f"in their first dimension; got shapes "
                                              f"{', '.join(shapes.text(c.shape) for c in components)}")

    def iterate(self, run):
        return ([row(c, i) for c in self.components] for i in range(len(self.components[0])))


class Range:
    """The integers from `start` to before `stop`."""

    def __init__(self, start, stop, step):
        if step == 0:
            raise errors.InvalidArgumentError(None, None, "step must be a non-zero integer.")
        self.range = range(int(start), int(stop), int(step))

    def iterate(self, run):
        return ([scalar(i)] for i in self.range)


class Generator:
    """A function that gives an iterable, and the structure of what comes from it."""

    def __init__(self, function, structure):
        self.function, self.structure = function, structure


class Generated:
    """What a Python generator yields; it is started anew for each pass.

    Parameters
    ----------
    generator : Generator
    arguments : list of arrays      for its function
    """

    def __init__(self, generator, arguments):
        self.function, self.structure, self.arguments = generator.function, generator.structure, arguments

    def iterate(self, run):
        for value in self.function(*[a.copy()[()] for a in self.arguments]):
            yield self._element(value)

    def _element(self, value):
        types = self.structure.types
        if isinstance(types, DType):
            leaves = [value]
        else:
            value = tuple(value) if isinstance(value, list) else value
            try:
                leaves = _leaves_up_to(types, value)
            except (TypeError, KeyError, IndexError) as error:
                raise TypeError("`generator` yielded an element that did not match the expected structure. The "
                                f"expected structure was {types}, but the yielded element was {value}.") from error
        return [self._component(leaf, dtype, shape)
                for leaf, dtype, shape in zip(leaves, self.structure.flat_types, self.structure.flat_shapes)]

    def _component(self, leaf, dtype, shape):
        try:
            array = array_of(leaf, dtype)
        except (TypeError, ValueError) as error:
            raise TypeError("`generator` yielded an element that could not be converted to the expected type. The "
                            f"expected type was {dtype.name}, but the yielded element was {leaf}.") from error
        if not shapes.compatible(array.shape, shape):
            raise ValueError(f"`generator` yielded an element of shape {shapes.text(array.shape)} where an element of "
                             f"shape {shapes.text(shape)} was expected.")
        is_theirs = isinstance(leaf, np.ndarray) and np.may_share_memory(array, leaf)
        return array.copy() if is_theirs else array          # a generator may fill its array again


def _leaves_up_to(types, value):
    """What stands in `value` at the leaves of `types`; an error where it has another form."""
    if not isinstance(types, (tuple, dict)):
        return [value]
    if isinstance(types, dict):
        if sorted(types) != sorted(value):
            raise KeyError(value)
        return [leaf for key in sorted(types) for leaf in _leaves_up_to(types[key], value[key])]
    if len(types) != len(value):
        raise IndexError(value)
    return [leaf for t, v in zip(types, value) for leaf in _leaves_up_to(t, v)]
