"""Reversing and rotating along axes."""
import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import DType, int64

from . import array

_REVERSIBLE = tuple(d for d in dtypes.NUMBERS if d.name not in ("uint32", "uint64")) + (dtypes.bool_, dtypes.string)


@define_op("ReverseV2", "tensor: T, axis: Tidx -> output: T", T=_REVERSIBLE, Tidx=INDEX_TYPES, cpu="array:reverse_v2")
def reverse_op(tensor, axis):
    """The tensor with the order along the given axes turned round."""
    return np.flip(tensor, tuple(int(a) for a in axis))


@reverse_op.shape
def reverse_shape(node, x, axis_shape):
    axes = node.constant(1)
    if x is not None and axes is not None:
        found = [array.normal_axis(int(a), len(x)) for a in axes]
        if len(set(found)) != len(found):
            raise ValueError(f"axes {axes.tolist()} name a dimension twice")
    return x


@reverse_op.gradient
def reverse_grad(node, dy):
    return reverse_op(dy, node.axis), None


def reverse(tensor, axis, name=None):
    """The tensor with the order along the axes of the list `axis` turned round."""
    return reverse_op(tensor, axis, name=name)


@define_op("ReverseSequence", "input: T, seq_lengths: Tlen[N] -> output: T", Tlen=INDEX_TYPES)
def reverse_sequence_op(input, seq_lengths, *, seq_dim: int, batch_dim: int = 0, Tlen: DType = int64):
    """For each slice i along batch_dim the first seq_lengths[i] elements along seq_dim in reverse order."""
    result = np.moveaxis(input, (batch_dim, seq_dim), (0, 1)).copy()
    for row, length in zip(result, seq_lengths):
        if not 0 <= length <= len(row):
            raise errors.InvalidArgumentError(None, None, f"seq_lengths: {length} is not in [0, {len(row)}]")
        row[:length] = row[:length][::-1].copy()
    return np.ascontiguousarray(np.moveaxis(result, (0, 1), (batch_dim, seq_dim)))


@reverse_sequence_op.shape
def reverse_sequence_shape(node, x, lengths):
    if x is None:
        return None
    batch, sequence = array.normal_axis(node.batch_dim, len(x)), array.normal_axis(node.seq_dim, len(x))
    if batch == sequence:
        raise ValueError(f"batch_dim == seq_dim == {batch}")
    size = shapes.merge((x[batch],), lengths)[0]
    return x[:batch] + (size,) + x[batch + 1:]


@reverse_sequence_op.gradient
def reverse_sequence_grad(node, dy):
    return reverse_sequence_op(dy, node.seq_lengths, seq_dim=node.seq_dim, batch_dim=node.batch_dim), None


def reverse_sequence(input, seq_lengths, seq_axis=None, batch_axis=None, name=None, seq_dim=None, batch_dim=None):
    """Turns the first seq_lengths[i] elements along `seq_axis` round, for each slice i along `batch_axis` (0)."""
    seq_axis = array._one_of("seq_axis", seq_axis, "seq_dim", seq_dim)
    batch_axis = array._one_of("batch_axis", batch_axis, "batch_dim", batch_dim)
    return reverse_sequence_op(input, seq_lengths, seq_dim=seq_axis, batch_dim=batch_axis or 0, name=name)


@define_op("Roll", "input: T, shift: Tshift, axis: Taxis -> output: T", Tshift=INDEX_TYPES, Taxis=INDEX_TYPES,
           cpu="array:roll", public="roll")
def roll(input, shift, axis):
    """The input rotated by shift[i] places along axis[i]; what falls off the end comes in at the front."""
    _check_roll(input.shape, np.shape(shift), np.shape(axis), axis)
    return np.roll(input, tuple(int(s) for s in np.ravel(shift)), tuple(int(a) for a in np.ravel(axis)))


@roll.shape
def roll_shape(node, x, shift, axis):
    _check_roll(x, shift, axis, node.constant(2))
    return x


def _check_roll(x, shift, axis, axes):
    """ValueError unless shift and axis go together, and axes, where they are known, are dimensions of x."""
    for name, shape in (("shift", shift), ("axis", axis)):
        if shape is not None and len(shape) > 1:
            raise ValueError(f"{name} must be a scalar or a vector, its shape is {shapes.text(shape)}")
    if shift is not None and axis is not None and not shapes.compatible(shift, axis):
        raise ValueError(f"shift and axis must have the same shape, not {shapes.text(shift)} and {shapes.text(axis)}")
    if x is None:
        return
    if not x:
        raise ValueError("input must be 1-D or higher")
    for a in () if axes is None else np.ravel(axes):
        if not -len(x) <= a < len(x):
            raise errors.Misfit(f"axis {a} is out of range", f"an axis in [{-len(x)}, {len(x)}) for input "
                                f"{shapes.text(x)}")


@roll.gradient
def roll_grad(node, dy):
    return roll(dy, -node.shift, node.axis), None, None
