"""What a variant holds: a list of tensors, or an optional. A variant is a zero-dimensional object array around one."""
import numpy as np

from thalweg.framework import errors

from ._reference import with_numbers


class ListValue:
    """The elements of a list. No sequence itself, or NumPy would take it apart.

    Attributes
    ----------
    elements : tuple of array or None   None where nothing was written
    shape : tuple of int or None        what is known of each element's shape, -1 for an unknown size; files say it
    """

    __slots__ = ("elements", "shape")

    def __init__(self, elements, shape=None):
        self.elements, self.shape = tuple(elements), shape

    def __repr__(self):
        return f"<list of {len(self.elements)} tensors>"


class OptionalValue:
    """The tensors of an optional: a tuple of arrays, or None where it holds nothing."""

    __slots__ = ("components",)

    def __init__(self, components):
        self.components = components

    def __repr__(self):
        what = "without a value" if self.components is None else f"of {len(self.components)} tensors"
        return f"<optional {what}>"


def held(value, kind, wanted_by):
    """The `kind` (ListValue, OptionalValue) that a variant holds; what a file feeds an op may be another."""
    found = value[()] if value.ndim == 0 else value
    if not isinstance(found, kind):
        wanted = "a list of tensors" if kind is ListValue else "an optional"
        raise errors.InvalidArgumentError(None, None, f"{wanted_by}: expected a variant that holds {wanted}, got "
                                                      f"{str(found)[:100]}")
    return found


def zeros(value):
    """Zeros in the place of a value: of each tensor in a variant; what holds nothing stays so."""
    inner = value[()] if value.dtype.kind == "O" and value.ndim == 0 else None
    if isinstance(inner, ListValue):
        return np.array(ListValue([e if e is None else zeros(e) for e in inner.elements], inner.shape), object)
    if isinstance(inner, OptionalValue):
        components = inner.components
        return np.array(OptionalValue(components and tuple(map(zeros, components))), object)
    return np.full_like(value, b"") if value.dtype.kind == "O" else np.zeros_like(value)


def added(a, b):
    """The sum of two values, of variants that of the tensors in them; an element never written counts as zero."""
    inner = a[()] if a.dtype.kind == "O" and a.ndim == 0 else None
    if isinstance(inner, ListValue):
        return _added_lists(inner, held(b, ListValue, "the sum of lists"))
    if isinstance(inner, OptionalValue):
        return _added_optionals(inner, held(b, OptionalValue, "the sum of optionals"))
    return with_numbers(np.add, a, b)


def _added_lists(a, b):
    size = max(len(a.elements), len(b.elements))
    pairs = zip(*[[*x.elements, *[None] * (size - len(x.elements))] for x in (a, b)])
    total = [q if p is None else p if q is None else added(p, q) for p, q in pairs]
    return np.array(ListValue(total, b.shape if a.shape is None else a.shape), object)


def _added_optionals(a, b):
    if (a.components is None) != (b.components is None) or len(a.components or ()) != len(b.components or ()):
        raise errors.InvalidArgumentError(None, None, f"the sum of optionals: they hold {a} and {b}, expected the "
                                                      "same number of tensors")
    if a.components is None:
        return np.array(OptionalValue(None), object)
    return np.array(OptionalValue(tuple(map(added, a.components, b.components))), object)
