"""The histories of a `While`: what an output of its body was in each iteration, stacked for the gradient to read."""
import numpy as np

from . import errors, shapes


def stacked_history(values, tensor):
    """The values of an output of a body in all iterations, stacked; see `While`."""
    dtype = tensor.dtype.base_dtype.np
    if not values:
        return np.zeros((0, *[d or 0 for d in tensor._shape or ()]), dtype)
    if len({v.shape for v in values}) == 1:
        return np.stack(values)
    if tensor in tensor.graph.uniform_outputs or len({v.ndim for v in values}) != 1:
        raise errors.InvalidArgumentError(None, tensor.op, errors.explain(
            f'While "{tensor.graph.name}": the shape of {tensor.name} changes between iterations',
            got=", ".join(sorted({shapes.text(v.shape) for v in values})),
            expected="one shape in all iterations: the values are stacked to one tensor",
            hint="pad or reshape the value to one shape inside the function", built_at=tensor.op.frame))
    largest = np.max([v.shape for v in values], axis=0)
    stack = np.zeros((len(values), *largest), dtype)
    for row, value in zip(stack, values):
        row[tuple(map(slice, value.shape))] = value
    return stack


def history_sizes(values, tensor):
    """The shapes of the values that `stacked_history` stacks, [count, rank]."""
    rank = values[0].ndim if values else len(tensor._shape or ())
    return np.array([v.shape for v in values], np.int64).reshape(len(values), rank)
