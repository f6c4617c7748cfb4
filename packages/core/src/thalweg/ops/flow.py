"""Order among ops: doing nothing, grouping, waiting."""
import numpy as np

from thalweg.framework import errors, nest
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.graph import Operation, Tensor, colocate_with, control_dependencies, device, name_scope

from . import array


@define_op("NoOp", "-> ", stateful=True)
def no_op_op():
    """Does nothing; others wait for it, and it for its control inputs."""
    return ()


no_op_op.no_gradient("it has no inputs")


@define_op("ControlTrigger", "-> ", stateful=True)
def control_trigger():
    """Does nothing; TensorFlow 1.x's way to wait for ops of branches, whether these run or not."""
    return ()


control_trigger.no_gradient("it has no inputs")


@define_op("Abort", "-> ", stateful=True)
def abort(*, error_msg="", exit_without_error: bool = False):
    """Ends the run with AbortedError (TensorFlow's ends the process)."""
    raise errors.AbortedError(None, None, error_msg or "Abort: the graph asked for it")


abort.no_gradient("it has no inputs")


@define_op("_Nothing", "-> nothing: dtype[]", stateful=True)
def nothing(*, dtype: DType):
    """Stands in a branch for a handle that only the other branch has; nobody looks at it."""
    return np.array(None, object)


nothing.no_gradient("it has no inputs")


def no_op(name=None):
    """An operation that does nothing; others wait for it, and it for its control inputs."""
    return no_op_op(name=name)


def group(*inputs, name=None):
    """An operation that is done when all of `inputs` (tensors, operations, nested lists of them) are done."""
    with name_scope(name, "group_deps", inputs) as scope:
        if not inputs:
            return no_op(name=scope)
        by_device = {}
        for item in nest.flatten(inputs):
            if not hasattr(item, "device"):
                raise TypeError(f"tf.group takes tensors and operations, not {item!r} of type {type(item)}")
            by_device.setdefault(item.device or "", []).append(item)
        if len(by_device) == 1:
            (place, items), = by_device.items()
            return _after(items, place, scope)
        gates = [_after(by_device[place], place, None) for place in sorted(by_device)]
        with control_dependencies(gates):
            return no_op(name=scope)


def _after(items, place, name):
    with control_dependencies(items):
        if not place:
            return no_op(name=name)
        with device(place):
            return no_op(name=name)


def with_dependencies(dependencies, output_tensor, name=None):
    """`output_tensor` (or IndexedSlices), to be had only after `dependencies` are done."""
    with name_scope(name, "control_dependency", [*dependencies, output_tensor]) as scope, \
            colocate_with(output_tensor), control_dependencies(dependencies):
        if hasattr(output_tensor, "indices"):
            return type(output_tensor)(array.identity(output_tensor.values, name=scope), output_tensor.indices,
                                       output_tensor.dense_shape)
        return array.identity(convert_to_tensor(output_tensor), name=scope)


def tuple(tensors, name=None, control_inputs=None):
    """The same tensors, none of which is to be had before all of them and `control_inputs` are done."""
    with name_scope(name, "tuple", tensors):
        tensors = [t if t is None or isinstance(t, Operation) or hasattr(t, "op") else convert_to_tensor(t)
                   for t in tensors]
        gates = [t if isinstance(t, Operation) else t.op for t in tensors if t is not None]
        for item in control_inputs or ():
            if not isinstance(item, (Operation, Tensor)):
                raise TypeError(f"Control input must be Operation or Tensor: {item}")
            gates.append(item.op if isinstance(item, Tensor) else item)
        if not gates:
            raise ValueError(f"Must have at least one Tensor: {tensors}")
        gate = group(*sorted(set(gates), key=lambda op: op._id))
        return [_gated(t, gate) for t in tensors]


def _gated(item, gate):
    if item is None:
        return None
    if isinstance(item, Operation):
        with control_dependencies([gate]):
            return group(item)
    return with_dependencies([gate], item)
