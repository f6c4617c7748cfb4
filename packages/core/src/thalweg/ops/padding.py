"""Padding and tiling."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.declaration import INDEX_TYPES, define_op

from . import array, reduction, sequence, slicing
from ._reference import with_numbers


def _padded(x, paddings, **options):
    if x.dtype.kind == "O" and not options:
        options = {"constant_values": b""}
    return np.pad(x, [(int(b), int(a)) for b, a in paddings], **options) if x.ndim else x


def _pad_shape(node, x, paddings_shape, *value):
    if paddings_shape is not None and (len(paddings_shape) != 2 or paddings_shape[1] not in (2, None)):
        raise ValueError(f"paddings must have shape [rank, 2], not {shapes.text(paddings_shape)}")
    paddings = node.constant(1)
    if x is None or paddings is None:
        rank = len(x) if x is not None else paddings_shape[0] if paddings_shape else None
        return None if rank is None else (None,) * rank
    if len(paddings) != len(x):
        raise ValueError(f"paddings has {len(paddings)} rows, the input {len(x)} dimensions")
    if np.any(paddings < 0):
        raise ValueError(f"paddings must not be negative: {paddings.tolist()}")
    return tuple([None if d is None else d + int(b) + int(a) for d, (b, a) in zip(x, paddings)])


@define_op("Pad", "input: T, paddings: Tpaddings -> output: T", Tpaddings=INDEX_TYPES, cpu="array:pad")
def pad_op(input, paddings):
    """The input with paddings[i] = (before, after) zeros along dimension i."""
    return _padded(input, paddings)


@define_op("PadV2", "input: T, paddings: Tpaddings, constant_values: T[] -> output: T", Tpaddings=INDEX_TYPES,
           cpu="array:pad_v2")
def pad_v2(input, paddings, constant_values):
    """The input with paddings[i] = (before, after) copies of a constant along dimension i."""
    return _padded(input, paddings, constant_values=constant_values[()])


pad_op.shape(_pad_shape)
pad_v2.shape(_pad_shape)


def _inner(node, dy):
    """The part of dy that stems from the input."""
    begin = array.reshape(node.paddings[:, :1], [-1])
    return slicing.slice(dy, begin, array.shape(node.input, out_type=node.paddings.dtype))


@pad_op.gradient
def pad_grad(node, dy):
    return _inner(node, dy), None


@pad_v2.gradient
def pad_v2_grad(node, dy):
    dx = _inner(node, dy)
    return dx, None, reduction.reduce_sum(dy) - reduction.reduce_sum(dx)


def _mirrored(mode):
    """NumPy's name of the mode: "SYMMETRIC" repeats the edge itself, "REFLECT" begins next to it."""
    return {"REFLECT": "reflect", "SYMMETRIC": "symmetric"}[mode]


@define_op("MirrorPad", "input: T, paddings: Tpaddings -> output: T", Tpaddings=INDEX_TYPES, cpu="array:mirror_pad")
def mirror_pad(input, paddings, *, mode: str):
    """The input continued by its mirror image: "REFLECT" without the edge, "SYMMETRIC" with it."""
    return _padded(input, paddings, mode=_mirrored(mode)) if input.size else input


@mirror_pad.shape
def mirror_pad_shape(node, x, paddings_shape):
    result = _pad_shape(node, x, paddings_shape)
    paddings = node.constant(1)
    if paddings is not None and x is not None:
        for d, sides in zip(x, paddings):
            if d is not None and max(sides, default=0) > d - (node.mode == "REFLECT"):
                raise ValueError(f"paddings must be at most the dimension{' - 1' * (node.mode == 'REFLECT')}: "
                                 f"{sides.tolist()} for a dimension of {d}")
    return result


@mirror_pad.gradient
def mirror_pad_grad(node, dy):
    return mirror_pad_grad_op(dy, node.paddings, mode=node.mode), None


@define_op("MirrorPadGrad", "input: T, paddings: Tpaddings -> output: T", Tpaddings=INDEX_TYPES)
def mirror_pad_grad_op(input, paddings, *, mode: str):
    """Folds the mirror images back onto what they mirror: the gradient of MirrorPad."""
    return with_numbers(_folded, input, paddings, mode)


def _folded(input, paddings, mode):
    for axis, (before, after) in enumerate(paddings):
        count = input.shape[axis] - before - after
        source = np.pad(np.arange(count), (int(before), int(after)), mode=_mirrored(mode))
        folded = np.zeros((count,) + np.moveaxis(input, axis, 0).shape[1:], input.dtype)
        np.add.at(folded, source, np.moveaxis(input, axis, 0))
        input = np.moveaxis(folded, 0, axis)
    return input


@mirror_pad_grad_op.shape
def mirror_pad_grad_shape(node, x, paddings_shape):
    paddings = node.constant(1)
    if x is None or paddings is None:
        return None if x is None else (None,) * len(x)
    return tuple([None if d is None else d - int(b) - int(a) for d, (b, a) in zip(x, paddings)])


@mirror_pad_grad_op.gradient
def mirror_pad_grad_grad(node, dy):
    return mirror_pad(dy, node.paddings, mode=node.mode), None


def pad(tensor, paddings, mode="CONSTANT", name=None, constant_values=0):
    """Pads dimension i of `tensor` with paddings[i] = (before, after) elements.

    mode : "CONSTANT" (with `constant_values`), "REFLECT" (mirrored without the edge), "SYMMETRIC" (with it)
    """
    mode = mode.upper()
    if mode == "CONSTANT":
        is_zero = not hasattr(constant_values, "op") and np.ndim(constant_values) == 0 and constant_values == 0
        result = pad_op(tensor, paddings, name=name) if is_zero else pad_v2(tensor, paddings, constant_values,
                                                                            name=name)
    elif mode in ("REFLECT", "SYMMETRIC"):
        result = mirror_pad(tensor, paddings, mode=mode, name=name)
    else:
        raise ValueError(f"Unknown padding mode: {mode}. It is CONSTANT, REFLECT or SYMMETRIC.")
    return result


@define_op("Tile", "input: T, multiples: Tmultiples -> output: T", Tmultiples=INDEX_TYPES, cpu="array:tile",
           public="tile")
def tile(input, multiples):
    """The input repeated multiples[i] times along dimension i."""
    return np.tile(input, [int(m) for m in multiples])


@tile.shape
def tile_shape(node, x, multiples_shape):
    multiples = node.constant(1)
    if x is None or multiples is None:
        rank = len(x) if x is not None else multiples_shape[0] if multiples_shape else None
        return None if rank is None else (None,) * rank
    if len(multiples) != len(x):
        raise ValueError(f"multiples has {len(multiples)} entries, the input {len(x)} dimensions")
    return tuple([None if d is None else d * int(m) for d, m in zip(x, multiples)])


@tile.gradient
def tile_grad(node, dy):
    """The sum over the copies: dy seen as [m0, d0, m1, d1, ...], summed over the m."""
    sizes, multiples = node.input._shape, constant_value(node.multiples)
    if shapes.is_known(sizes) and multiples is not None:
        split = np.stack([multiples, np.array(sizes, multiples.dtype)], 1).reshape(-1)
        axes = np.arange(0, 2 * len(sizes), 2, dtype=np.int32)
    else:
        sizes = array.shape(node.input, out_type=node.multiples.dtype)
        split = array.reshape(array.stack([node.multiples, sizes], axis=1), [-1])
        axes = sequence.range(0, array.size(split), 2)
    return reduction.reduce_sum(array.reshape(dy, split), axes), None


