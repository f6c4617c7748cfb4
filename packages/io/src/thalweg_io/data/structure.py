"""The structure of a dataset's elements: nested tuples, namedtuples and dicts, a dtype and a static shape per leaf.

Unlike elsewhere in TensorFlow, a list is no structure here but a tensor to be.
"""
from collections import abc

from thalweg.framework import nest, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import as_dtype
from thalweg.framework.graph import Tensor, name_scope
from thalweg.framework.shapes import TensorShape


def _is_inner(value):
    return isinstance(value, (tuple, abc.Mapping)) and not isinstance(value, TensorShape)


def _children(value):
    return [value[key] for key in sorted(value)] if isinstance(value, abc.Mapping) else list(value)


def flatten(value):
    """The leaves of a structure, those of dicts in the order of their keys."""
    return [leaf for child in _children(value) for leaf in flatten(child)] if _is_inner(value) else [value]


def pack(like, leaves):
    """`leaves`, a flat list, in the form of `like`."""
    return _pack(like, iter(leaves))


def _pack(like, leaves):
    if not _is_inner(like):
        return next(leaves)
    children = [_pack(child, leaves) for child in _children(like)]
    if isinstance(like, abc.Mapping):
        by_key = dict(zip(sorted(like), children))
        return type(like)([(key, by_key[key]) for key in like])
    return type(like)(*children) if nest.is_namedtuple(like) else tuple(children)


def same_form(a, b):
    """Whether two structures have the same form: containers, keys and counts."""
    if _is_inner(a) != _is_inner(b):
        return False
    if not _is_inner(a):
        return True
    if isinstance(a, abc.Mapping) or isinstance(b, abc.Mapping):
        if not (isinstance(a, abc.Mapping) and isinstance(b, abc.Mapping) and sorted(a) == sorted(b)):
            return False
    first, second = _children(a), _children(b)
    return len(first) == len(second) and all(map(same_form, first, second))


class Structure:
    """What is known of a dataset's elements.

    Attributes
    ----------
    types, shapes : structures of DType and of TensorShape
    flat_types : list of DType
    flat_shapes : list of plain shapes
    """

    def __init__(self, types, element_shapes=None):
        self.types = pack(types, [as_dtype(t).base_dtype for t in flatten(types)])
        if element_shapes is None:
            element_shapes = pack(types, [TensorShape(None)] * len(flatten(types)))
        self.shapes = self._shapes(element_shapes)
        self.flat_types = flatten(self.types)
        self.flat_shapes = [shapes.plain(s) for s in flatten(self.shapes)]

    def _shapes(self, given):
        """`given` in the form of the types: what stands at a leaf is a shape, be it a list, a tuple or None."""
        def at(types, value):
            if not _is_inner(types):
                return TensorShape(value)
            if not _is_inner(value) or len(value) != len(types):
                raise TypeError(f"the structure of the shapes, {given!r}, is not that of the types, {self.types!r}")
            if isinstance(types, abc.Mapping):
                return type(types)((key, at(types[key], value[key])) for key in types)
            children = [at(t, v) for t, v in zip(types, value)]
            return type(types)(*children) if nest.is_namedtuple(types) else tuple(children)
        return at(self.types, given)

    @property
    def classes(self):
        return pack(self.types, [Tensor] * len(self.flat_types))

    def pack(self, leaves):
        return pack(self.types, leaves)

    def with_shapes(self, flat_shapes):
        """The same with other shapes, given flat and plain."""
        return Structure(self.types, self.pack([TensorShape(s) for s in flat_shapes]))

    def attrs(self):
        """The attributes by which ops carry a structure."""
        return {"output_types": self.flat_types, "output_shapes": self.flat_shapes}

    @classmethod
    def of_tensors(cls, value):
        """(structure, flat tensors) of a structure of tensors."""
        tensors = flatten(value)
        types = pack(value, [t.dtype.base_dtype for t in tensors])
        return cls(types, pack(value, [t.shape for t in tensors])), tensors


class Structured:
    """What gives elements of one structure, kept as `_structure`."""

    _structure: Structure

    @property
    def output_types(self):
        """The dtypes of an element, in its structure."""
        return self._structure.types

    @property
    def output_shapes(self):
        """The static shapes of an element, in its structure."""
        return self._structure.shapes

    @property
    def output_classes(self):
        """`tf.Tensor` for each part of an element, in its structure."""
        return self._structure.classes


def tensors_of(value, name, prefix="component"):
    """`value` with each leaf converted to a tensor."""
    leaves = flatten(value)
    with name_scope(name):
        return pack(value, [convert_to_tensor(leaf, name=f"{prefix}_{i}") for i, leaf in enumerate(leaves)])
