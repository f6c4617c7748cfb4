"""TensorFlow's optionals, for the graphs of files: tensors, or nothing, as one value.

The second form of control flow keeps in them what only the branch that ran has computed, for the gradient to take.
"""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.shapes import TensorShape

from ._variants import OptionalValue, held


def _components(optional, wanted_by):
    return held(optional, OptionalValue, wanted_by).components


@define_op("OptionalFromValue", "components: Toutput_types... -> optional: variant[]")
def optional_from_value(components, *, Toutput_types: list[DType]):
    """An optional that holds `components`."""
    return np.array(OptionalValue(tuple(map(np.array, components))), object)


@optional_from_value.gradient
def optional_from_value_grad(node, d_optional):
    return optional_get_value(d_optional, output_types=node.Toutput_types,
                              output_shapes=[t._shape for t in node.components])


@define_op("OptionalNone", "-> optional: variant[]")
def optional_none():
    """An optional that holds nothing."""
    return np.array(OptionalValue(None), object)


optional_none.no_gradient("it has no inputs")


@define_op("OptionalHasValue", "optional: variant[] -> has_value: bool[]")
def optional_has_value(optional):
    """Whether the optional holds tensors."""
    return np.bool_(_components(optional, "OptionalHasValue") is not None)


optional_has_value.no_gradient("the result is constant between its steps")


@define_op("OptionalGetValue", "optional: variant[] -> components: output_types...")
def optional_get_value(optional, *, output_types: list[DType], output_shapes: list[TensorShape]):
    """What the optional holds; an error of the run where it is nothing, or of other types."""
    found = _components(optional, "OptionalGetValue")
    if found is None:
        raise errors.InvalidArgumentError(None, None, "OptionalGetValue: the given optional does not have a value.")
    types, wanted = [c.dtype for c in found], [np.dtype(t.np) for t in output_types]
    if types != wanted:
        raise errors.InvalidArgumentError(None, None, f"OptionalGetValue: the optional holds {list(map(str, types))}, "
                                                      f"expected {list(map(str, wanted))}")
    return list(found)


@optional_get_value.shape
def optional_get_value_shape(node, _):
    known = list(map(shapes.plain, node.output_shapes))
    return (known + [None] * len(node.output_types))[:len(node.output_types)]


@optional_get_value.gradient
def optional_get_value_grad(node, *d_components):
    return optional_from_value(list(d_components), Toutput_types=node.output_types)
