"""The stacks of TensorFlow 1.x's while gradients: a loop pushes what its gradient pops, in the reverse order.

thalweg's own loops stack their values without them (decision 006); these ops run the graphs of files. A stack is the
value of its handle, an object array that holds it and that pushes and pops do not replace; its shape is [2], as files
say of TensorFlow's. Control dependencies and the handle say in which order pushes and pops run, as in TensorFlow.
"""
import numpy as np

from thalweg.framework import errors
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType


class Stack:
    """The values that were pushed and not popped yet."""

    __slots__ = ("values", "limit", "dtype")

    def __init__(self, limit, dtype):
        self.values, self.limit, self.dtype = [], limit, dtype

    def __repr__(self):
        return f"<stack of {len(self.values)} tensors>"


def handle_of(thing):
    """The value of a resource's handle."""
    handle = np.empty(2, object)
    handle[:] = [thing, thing]
    return handle


def resource_of(handle):
    """What a handle stands for."""
    return handle[0]


@define_op("StackV2", "max_size: int32[] -> handle: resource[2]", stateful=True)
def stack_v2(max_size, *, elem_type: DType, stack_name=""):
    """A new stack; a negative `max_size` is no limit."""
    return handle_of(Stack(int(max_size), elem_type))


@define_op("StackPushV2", "handle: resource[2], elem: T -> output: T", stateful=True)
def stack_push_v2(handle, elem, *, swap_memory: bool = False):
    """Pushes `elem` and gives it."""
    stack = resource_of(handle)
    if 0 <= stack.limit <= len(stack.values):
        raise errors.InvalidArgumentError(None, None, f"StackPushV2: the stack has its {stack.limit} values, "
                                                      "max_size")
    stack.values.append(np.array(elem))
    return elem


@stack_push_v2.shape
def stack_push_v2_shape(node, handle, elem):
    return [elem]


@define_op("StackPopV2", "handle: resource[2] -> elem: elem_type", stateful=True)
def stack_pop_v2(handle, *, elem_type: DType):
    """The value pushed last, taken off the stack."""
    stack = resource_of(handle)
    if not stack.values:
        raise errors.InvalidArgumentError(None, None, "StackPopV2: the stack is empty; more was popped than pushed")
    return stack.values.pop()


@stack_pop_v2.shape
def stack_pop_v2_shape(node, handle):
    return [None]


@define_op("StackCloseV2", "handle: resource[2] -> ", stateful=True)
def stack_close_v2(handle):
    """Drops what is on the stack."""
    resource_of(handle).values.clear()
    return ()


for _op in (stack_v2, stack_push_v2, stack_pop_v2, stack_close_v2):
    _op.no_gradient("a stack belongs to a gradient; TensorFlow's are not differentiated again")
