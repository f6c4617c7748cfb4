"""Broadcasting: the ops that spell it out, and its gradient."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.declaration import INDEX_TYPES, define_op

from . import array, reduction


@define_op("BroadcastTo", "input: T, shape: Tidx -> output: T", Tidx=INDEX_TYPES, cpu="array:broadcast_to",
           public="broadcast_to")
def broadcast_to(input, shape):
    """The input repeated to `shape`, by NumPy's rule."""
    if np.any(shape < 0):
        raise errors.InvalidArgumentError(None, None, f"Dimension {shape.min()} must be >= 0 in the shape "
                                                      f"{shape.tolist()}")
    return np.broadcast_to(input, tuple(shape)).copy()


@broadcast_to.shape
def broadcast_to_shape(node, x, shape):
    target = array.shape_from_input(node, 1)
    if x is not None and target is not None:
        if len(x) > len(target) or any(d not in (1, None) and t not in (d, None)
                                       for d, t in zip(x[::-1], target[::-1])):
            raise ValueError(f"shape {shapes.text(x)} does not broadcast to {shapes.text(target)}")
    return target


@broadcast_to.gradient
def broadcast_to_grad(node, dy):
    return unbroadcast(dy, node.input, node.output), None


def _axes_to_sum(shape, other):
    """The axes of the broadcast result along which an operand of `shape` was repeated; None: decided at run time."""
    rank = max(len(shape), len(other))
    padded, against = ((1,) * (rank - len(s)) + s for s in (shape, other))
    axes = list(range(rank - len(shape)))
    for i in range(rank - len(shape), rank):
        d, o = padded[i], against[i]
        if d == 1 and o != 1:
            axes.append(i)
        elif d is None and o != 1:
            return None
    return axes


def unbroadcast(gradient, operand, *others):
    """The part of `gradient` that belongs to `operand`: summed along the axes in which it was repeated.

    gradient : Tensor, of the shape that `operand` and `others` broadcast to
    Static shapes decide where they can; else BroadcastGradientArgs decides when the graph runs.
    """
    shape = operand._shape
    other = others[0]._shape
    for more in others[1:]:
        other = shapes.broadcast(other, more._shape)
    if shape is not None and other is not None:
        summed = unbroadcast_statically(gradient, operand, other)
        if summed is not None:
            return summed
    mine = array.shape(operand)
    theirs = array.shape(others[0])
    for more in others[1:]:
        theirs = broadcast_args(theirs, array.shape(more))
    axes, _ = broadcast_gradient_args(mine, theirs)
    return array.reshape(reduction.sum_op(gradient, axes), mine)


def unbroadcast_statically(gradient, operand, other):
    """`unbroadcast` where the operand's shape and the plain shape `other` of the rest decide it; else None."""
    axes = _axes_to_sum(operand._shape, other)
    return None if axes is None else _sum_static(gradient, axes, operand, max(len(operand._shape), len(other)))


def _sum_static(gradient, axes, operand, rank):
    if not axes:
        return gradient
    extra = rank - len(operand._shape)
    if axes == list(range(extra)):
        return reduction.sum_op(gradient, np.array(axes, np.int32))
    summed = reduction.sum_op(gradient, np.array(axes, np.int32), keep_dims=not extra)
    return array.reshape(summed, array.shape(operand)) if extra else summed


def _repeated_axes(s0, s1):
    rank = max(len(s0), len(s1))
    first, second = (np.concatenate([np.ones(rank - len(s), s.dtype), s]) for s in (s0, s1))
    result = np.array(np.broadcast_shapes(tuple(first), tuple(second)))
    return tuple(np.flatnonzero((side == 1) & ((result != 1) | (np.arange(rank) < rank - len(s)))).astype(s.dtype)
                 for side, s in ((first, s0), (second, s1)))


@define_op("BroadcastGradientArgs", "s0: T, s1: T -> r0: T[R0], r1: T[R1]", T=INDEX_TYPES)
def broadcast_gradient_args(s0, s1):
    """For shapes s0 and s1 that broadcast: the axes of the result along which each was repeated."""
    return _repeated_axes(s0, s1)


@broadcast_gradient_args.shape
def broadcast_gradient_args_shape(node, s0, s1):
    sizes = node.constant(0), node.constant(1)
    if sizes[0] is None or sizes[1] is None:
        return {}
    first, second = _repeated_axes(*sizes)
    return {"R0": len(first), "R1": len(second)}


broadcast_gradient_args.no_gradient("axes are integers")


@define_op("BroadcastArgs", "s0: T, s1: T -> r0: T", T=INDEX_TYPES)
def broadcast_args(s0, s1):
    """The shape that shapes s0 and s1 broadcast to."""
    return np.array(np.broadcast_shapes(tuple(s0), tuple(s1)), s0.dtype)


@broadcast_args.shape
def broadcast_args_shape(node, s0, s1):
    if None in (s0, s1) or None in s0 + s1:
        return (None,)
    return (max(s0[0], s1[0]),)


broadcast_args.no_gradient("sizes are integers")


def broadcast_dynamic_shape(shape_x, shape_y):
    """The shape, an integer vector, that two shapes broadcast to."""
    return broadcast_args(shape_x, shape_y)


def broadcast_static_shape(shape_x, shape_y):
    """The TensorShape that two TensorShapes broadcast to; ValueError if they do not."""
    return shapes.TensorShape(shapes.broadcast(shapes.plain(shape_x), shapes.plain(shape_y)))
