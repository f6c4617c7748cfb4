"""Ops that move elements: copies between views, joined pieces, margins, and constants."""
import math

import numpy as np

from thalweg.framework.dtypes import as_dtype
from thalweg_cuda.work import Copy, Fill, Unsupported, Work, input_, output

from . import kernel
from ._at_run import at_run
from ._copy import copied
from ._fill import filled, numbers
from ._margins import margins
from ._moved import Move, moved_copy
from ._pieces import pieces, row_sizes
from ._views import begin, constants, item_bytes, whole
from .prelude import ctype


def _view(r, target, view, k=0):
    return copied(r, target, [(k, view, 0, whole(view.shape))])


# --- the bytes as they are -------------------------------------------------------------------------------------------

@kernel("Identity", "StopGradient", "PreventGradient", "EnsureShape", "PlaceholderWithDefault", "Reshape",
        "ExpandDims", "Squeeze", "Bitcast", "Snapshot")
def identity(r, target):
    """Input 0's bytes."""
    nbytes = math.prod(r.in_shapes[0]) * item_bytes(r, r.in_dtypes[0])
    room = math.prod(r.out_shapes[0]) * item_bytes(r, r.out_dtypes[0])
    if nbytes != room:
        raise ValueError(f"{r.op_type}: {nbytes} bytes of shape {r.in_shapes[0]} for {room} bytes of shape "
                         f"{r.out_shapes[0]}")
    return Work((Copy(output(), input_(0), nbytes),) if nbytes else (), inplace=(0,))


@kernel("IdentityN")
def identity_n(r, target):
    """The bytes of all inputs."""
    sizes = [math.prod(shape) * item_bytes(r, dtype) for shape, dtype in zip(r.in_shapes, r.in_dtypes)]
    return Work(tuple(Copy(output(k), input_(k), nbytes) for k, nbytes in enumerate(sizes) if nbytes))


# --- constants -------------------------------------------------------------------------------------------------------

@kernel("Shape", "ShapeN")
def shape_n(r, target):
    """The shapes of the inputs."""
    item = item_bytes(r, r.out_dtypes[0])
    return Work(tuple(c for k, shape in enumerate(r.in_shapes) for c in numbers(output(k), shape, item)))


@kernel("Size")
def size(r, target):
    """The count of elements of input 0."""
    return Work(numbers(output(), [math.prod(r.in_shapes[0])], item_bytes(r, r.out_dtypes[0])))


@kernel("Rank")
def rank(r, target):
    """The count of dimensions of input 0."""
    return Work(numbers(output(), [len(r.in_shapes[0])], item_bytes(r, r.out_dtypes[0])))


@kernel("ZerosLike")
def zeros_like(r, target):
    """Zeros of any type of fixed size."""
    nbytes = math.prod(r.out_shapes[0]) * item_bytes(r, r.out_dtypes[0])
    return Work((Fill(output(), nbytes),) if nbytes else ())


@kernel("OnesLike")
def ones_like(r, target):
    """Ones."""
    dtype = as_dtype(r.out_dtypes[0])
    item = item_bytes(r, dtype)
    if ctype(r.op_type, int(dtype)).storage == "bfloat16":
        one = b"\x80\x3f"
    else:
        one = np.ones((), dtype.np).tobytes()
    return Work(filled(output(), math.prod(r.out_shapes[0]), item, target, one))


@kernel("Fill")
def fill(r, target):
    """Input 1 everywhere."""
    return Work(filled(output(), math.prod(r.out_shapes[0]), item_bytes(r, r.out_dtypes[0]), target,
                       source=input_(1)))


# --- one view of one input -------------------------------------------------------------------------------------------

@kernel("Transpose")
def transpose(r, target):
    """Dimensions in the order of the constant input 1."""
    perm, = constants(r, 1)
    return _view(r, target, whole(r.in_shapes[0]).transpose(perm))


@kernel("BroadcastTo")
def broadcast_to(r, target):
    """Input 0 repeated along dimensions of one element."""
    if math.prod(r.in_shapes[0]) == 1:
        return Work(filled(output(), math.prod(r.out_shapes[0]), item_bytes(r, r.out_dtypes[0]), target,
                           source=input_(0)))
    return _view(r, target, np.broadcast_to(whole(r.in_shapes[0]), r.out_shapes[0]))


@kernel("Slice")
def slice_(r, target):
    """A box; the sizes are those of the output."""
    shape, sizes, item = r.in_shapes[0], r.out_shapes[0], item_bytes(r, r.out_dtypes[0])
    if r.values.get(1) is not None:
        first, = constants(r, 1)
        if any(b < 0 or b + n > d for b, n, d in zip(first, sizes, shape)):
            raise ValueError(f"Slice: {sizes} from {first} is outside of an input of shape {shape}")
        return _view(r, target, whole(shape)[tuple(np.s_[b:b + n] for b, n in zip(first, sizes))])
    if not math.prod(sizes):
        return Work(())

    def tell(place, axis):
        return f"Slice [{place}:{place + sizes[axis]}] is outside a dimension of size {shape[axis]}"
    box = whole(shape)[tuple(np.s_[:n] for n in sizes)]
    moves = [Move(d, d, shape[d] - n, step) for d, (n, step) in enumerate(zip(sizes, whole(shape).strides))]
    return Work((moved_copy(r, input_(0), box, math.prod(shape), output(), whole(sizes), math.prod(sizes), item,
                            input_(1), moves, False, True, tell, target),))


@kernel("ReverseV2")
def reverse_v2(r, target):
    """Dimensions of input 1 backwards."""
    if r.values.get(1) is None:
        return at_run(r, target, reverse_v2, (1,))
    (axes,), shape = constants(r, 1), r.in_shapes[0]
    for k, axis in enumerate(axes):
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"ReverseV2: axis {axis} is out of range for an input of shape {shape}")
        if axis % len(shape) in [other % len(shape) for other in axes[:k]]:
            raise ValueError(f"ReverseV2: axis {axis} is named twice")
    return _view(r, target, np.flip(whole(r.in_shapes[0]), tuple(axes)))


@kernel("StridedSlice")
def strided_slice(r, target):
    """A strided box, with all masks."""
    shape, out_shape = r.in_shapes[0], r.out_shapes[0]
    if r.values.get(3) is None:
        return at_run(r, target, strided_slice, (1, 2, 3))
    if r.values.get(1) is None or r.values.get(2) is None:
        view, moves = _moving_index(r, shape, out_shape)
        if not math.prod(out_shape):
            return Work(())
        return Work((moved_copy(r, input_(0), view, math.prod(shape), output(), whole(out_shape),
                                math.prod(out_shape), item_bytes(r, r.out_dtypes[0]), input_(1), moves, True, True,
                                _outside(shape), target),))
    view = whole(shape)[_strided_index(r, *constants(r, 1, 2, 3))]
    if view.shape != out_shape:
        raise ValueError(f"StridedSlice: a slice of shape {view.shape}, expected {out_shape}")
    return _view(r, target, view)


def _moving_index(r, shape, out_shape):
    """The view at place 0 of a slice whose places are known in the run, and how these move it.

    Its shape is known before, so that what is not a single place is all of a dimension.
    """
    strides, = constants(r, 3)
    count = len(strides)
    first, last = [0] * count, [0] * count
    view = whole(shape)[_strided_index(r, first, last, strides)]
    if view.shape != out_shape:
        raise Unsupported(f"{r.op_type} on CUDA: bounds of a range are known at run only")
    masks = [r.attrs.get(f"{name}_mask", 0) for name in ("ellipsis", "new_axis", "shrink_axis")]
    covered = len(shape) - sum(not (masks[0] | masks[1]) >> i & 1 for i in range(count))
    moves, axis = [], 0
    for i in range(count):
        if masks[0] >> i & 1:
            axis += covered
        elif not masks[1] >> i & 1:
            if masks[2] >> i & 1:
                moves.append(Move(i, axis, shape[axis] - 1, whole(shape).strides[axis]))
            axis += 1
    return view, moves


def _outside(shape):
    def tell(place, axis):
        return f"slice index {place} of dimension {axis} out of bounds (its size is {shape[axis]})"
    return tell


@kernel("StridedSliceGrad")
def strided_slice_grad(r, target):
    """Zeros, and the gradient where the slice took its values from."""
    out_shape, item = r.out_shapes[0], item_bytes(r, r.out_dtypes[0])
    full, size = whole(out_shape), math.prod(out_shape)
    is_constant = r.values.get(1) is not None and r.values.get(2) is not None
    part, moves = (full[_strided_index(r, *constants(r, 1, 2, 3))], ()) if is_constant else \
        _moving_index(r, out_shape, r.in_shapes[4])
    if part.shape != r.in_shapes[4]:
        raise ValueError(f"{r.op_type}: a gradient of shape {r.in_shapes[4]} for a slice of shape {part.shape}")
    zeros = (Fill(output(), size * item),) if part.size != size else ()
    if not part.size:
        return Work(zeros)
    if not is_constant:
        return Work((*zeros, moved_copy(r, input_(4), whole(part.shape), part.size, output(), part, size, item,
                                        input_(1), moves, True, False, _outside(out_shape), target)))
    box = _as_box(part, out_shape)
    if box is not None:
        return Work((margins("pad", input_(4), *box, out_shape, item, target),))
    return copied(r, target, [(4, whole(part.shape), 0, part)], zeros)


def _as_box(part, shape):
    """(counts, befores) of a view that takes every element of a box of a tensor, in order; None for other views."""
    place, counts, befores = begin(part), [], []
    kept = [(n, step) for n, step in zip(part.shape, part.strides) if n != 1]
    for axis, step in enumerate(whole(shape).strides):
        before, place = divmod(place, step) if step else (0, place)
        count = kept.pop(0)[0] if kept and kept[0][1] == step and shape[axis] > 1 else 1
        counts.append(count)
        befores.append(before)
    return (counts, befores) if not kept else None


def _strided_index(r, first, last, step):
    """The NumPy index that the entries and masks mean; with an ellipsis, so that it always gives a view."""
    masks = [r.attrs.get(f"{name}_mask", 0) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")]
    index = []
    for i, bounds in enumerate(zip(first, last, step)):
        from_first, to_last, is_ellipsis, is_new, shrinks = [mask >> i & 1 for mask in masks]
        if is_ellipsis:
            index.append(...)
        elif is_new:
            index.append(None)
        elif shrinks:
            index.append(bounds[0])
        else:
            index.append(np.s_[None if from_first else bounds[0]:None if to_last else bounds[1]:bounds[2]])
    return tuple(index) if ... in index else (*index, ...)


@kernel("Tile")
def tile(r, target):
    """The input repeated along new dimensions, one before each of its own."""
    multiples, = constants(r, 1)
    shape = r.in_shapes[0]
    cut = [n for pair in zip(multiples, shape) for n in pair]
    source = whole(shape).reshape([n for d in shape for n in (1, d)])
    return copied(r, target, [(0, np.broadcast_to(source, cut), 0, whole(cut))])


# --- several parts ---------------------------------------------------------------------------------------------------

def _pieces(r, target, full, axis, shapes, parts, joins):
    """`parts` of `shapes`, side by side along `axis` of the operand `full`."""
    shape = r.out_shapes[0] if joins else r.in_shapes[full.index]
    outer, total = row_sizes(shape, axis)
    widths = [math.prod(s[axis:]) for s in shapes]
    return Work(pieces(full, parts, widths, outer, total, item_bytes(r, r.out_dtypes[0]), target, joins))


@kernel("ConcatV2")
def concat_v2(r, target):
    """Inputs joined along the constant axis that is the last input."""
    count = len(r.in_shapes) - 1
    axis, = constants(r, count)
    axis %= len(r.out_shapes[0])
    return _pieces(r, target, output(), axis, r.in_shapes[:count], [input_(k) for k in range(count)], True)


@kernel("Pack")
def pack(r, target):
    """Inputs joined along a new dimension."""
    axis = r.attrs.get("axis", 0) % len(r.out_shapes[0])
    return _pieces(r, target, output(), axis, r.in_shapes, [input_(k) for k in range(len(r.in_shapes))], True)


@kernel("Unpack")
def unpack(r, target):
    """The input's parts along a dimension, which goes."""
    axis = r.attrs.get("axis", 0) % len(r.in_shapes[0])
    return _pieces(r, target, input_(0), axis, r.out_shapes, [output(k) for k in range(len(r.out_shapes))], False)


@kernel("Split")
def split(r, target):
    """Equal parts: the axis is input 0, the value input 1."""
    return _split(r, target, 1, *constants(r, 0))


@kernel("SplitV")
def split_v(r, target):
    """Parts of given sizes: value, sizes, axis."""
    return _split(r, target, 0, *constants(r, 2))


def _split(r, target, value, axis):
    axis = (axis[0] if isinstance(axis, list) else axis) % len(r.in_shapes[value])
    parts = [output(k) for k in range(len(r.out_shapes))]
    return _pieces(r, target, input_(value), axis, r.out_shapes, parts, False)


# --- margins ---------------------------------------------------------------------------------------------------------

def _margins(r, target, rule, befores, value=None):
    item = item_bytes(r, r.out_dtypes[0])
    shape, n = r.in_shapes[0], math.prod(r.out_shapes[0])
    if not n:
        return Work(())
    if not math.prod(shape):                             # nothing but margins
        constant = None if value else bytes(item)
        return Work(filled(output(), n, item, target, constant, value))
    return Work((margins(rule, input_(0), shape, befores, r.out_shapes[0], item, target, value),))


@kernel("Pad", "PadV2")
def pad(r, target):
    """The input in the middle, zeros or input 2 around it."""
    if r.values.get(1) is None:
        return at_run(r, target, pad, (1,))
    paddings, = constants(r, 1)
    if any(p < 0 for pair in paddings for p in pair):
        raise ValueError(f"{r.op_type}: paddings {paddings}, expected none below 0")
    return _margins(r, target, "pad", [p[0] for p in paddings], input_(2) if r.op_type == "PadV2" else None)


@kernel("MirrorPad")
def mirror_pad(r, target):
    """The input in the middle, mirrored around it."""
    paddings, = constants(r, 1)
    edge = r.attrs["mode"] == "REFLECT"
    for n, (before, after) in zip(r.in_shapes[0], paddings):
        if max(before, after) > n - edge:
            raise ValueError(f"MirrorPad: paddings ({before}, {after}) of a dimension of {n}")
    return _margins(r, target, r.attrs["mode"], [p[0] for p in paddings])


@kernel("Roll")
def roll(r, target):
    """Along each axis the last elements come first."""
    if r.values.get(1) is None or r.values.get(2) is None:
        return at_run(r, target, roll, (1, 2))
    shift, axes = [v if isinstance(v, list) else [v] for v in constants(r, 1, 2)]
    shape = r.in_shapes[0]
    total = [0] * len(shape)
    for s, axis in zip(shift, axes):
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"Roll: axis {axis} is out of range for an input of shape {shape}")
        total[axis % len(shape)] += s
    return _margins(r, target, "roll", [s % n if n else 0 for s, n in zip(total, shape)])
