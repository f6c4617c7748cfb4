"""Shapes and arrangements: reshape, transpose, concat, split, pad and their kin."""
import numpy as np

from thalweg.framework import shapes

from ..exporter import channels_first_axes, channels_last_axes, converts


def _number(c, tensor, name):
    """A size that ONNX gives as int64, in the type that the graph has."""
    wanted = tensor.dtype.base_dtype.name
    c.set_plain(tensor, name if wanted == "int64" else c.cast(name, wanted))


# --- shapes ---------------------------------------------------------------------------------------------

def _known_shape(c, op):
    """Whether the shape was known, and is a constant now."""
    shape, result = op.inputs[0]._shape, op.outputs[0]
    value = {"Shape": lambda: None if not shapes.is_known(shape) else list(shape),
             "Size": lambda: shapes.size_of(shape), "Rank": lambda: None if shape is None else len(shape)}[op.type]()
    if value is not None:
        c.set_array(result, np.array(value, result.dtype.base_dtype.np))
    return value is not None


@converts("Shape")
def shape(c, op):
    x = op.inputs[0]
    if _known_shape(c, op):
        return
    if c.is_first(x):
        name = c.add("Shape", [c.first(x)], f"{op.name}/nchw")
        name = c.add("Gather", [name, c.ints(channels_last_axes(c.rank(x)))], f"{op.name}/int64", axis=0)
    else:
        name = c.add("Shape", [c.plain(x)], f"{op.name}/int64")
    _number(c, op.outputs[0], name)


@converts("Size")
def size(c, op):
    if not _known_shape(c, op):
        _number(c, op.outputs[0], c.add("Size", [c.plain(op.inputs[0])], f"{op.name}/int64"))


@converts("Rank")
def rank(c, op):
    if not _known_shape(c, op):
        c.fail("the rank is not known")


@converts("Reshape")
def reshape(c, op):
    x, result = op.inputs[0], op.outputs[0]
    target = c.array(op.inputs[1])
    known = result._shape
    if target is None and known is not None and sum(d is None for d in known) <= 1:
        target = [-1 if d is None else d for d in known]
    name = c.ints(target) if target is not None else c.as_int64(op.inputs[1])
    dims = x._shape
    has_no_extent = dims is not None and len(dims) > 2 and all(d == 1 for d in dims[1:-1])
    source = c.first(x) if c.is_first(x) and has_no_extent else c.plain(x)
    if target is not None and any(d == 0 for d in target):
        c.fail(f"a size of 0 in the shape {list(target)} means 'as before' in ONNX")
    c.set_plain(result, c.add("Reshape", [source, name]))


@converts("Squeeze")
def squeeze(c, op):
    x = op.inputs[0]
    axes = [c.axis(a, c.rank(x)) for a in op.attrs["squeeze_dims"]] or [
        i for i, d in enumerate(c.shape(x)) if d == 1]
    if not op.attrs["squeeze_dims"] and None in c.shape(x):
        c.fail("squeezing all axes of size 1 needs a known shape; name the axes")
    from .reduction import form_for
    is_first, places = form_for(c, x, axes, False)
    c.set_plain(op.outputs[0], c.add("Squeeze", [c.in_form(x, is_first), c.ints(sorted(places))]))


@converts("ExpandDims")
def expand_dims(c, op):
    axis = c.axis(c.known(op.inputs[1], "the axis").ravel()[0], c.rank(op.inputs[0]) + 1)
    c.set_plain(op.outputs[0], c.add("Unsqueeze", [c.plain(op.inputs[0]), c.ints([axis])]))


@converts("BroadcastTo")
def broadcast_to(c, op):
    c.set_plain(op.outputs[0], c.add("Expand", [c.plain(op.inputs[0]), c.as_int64(op.inputs[1])]))


@converts("Fill")
def fill(c, op):
    c.set_plain(op.outputs[0], c.add("Expand", [c.plain(op.inputs[1]), c.as_int64(op.inputs[0])]))


@converts("Tile")
def tile(c, op):
    c.set_plain(op.outputs[0], c.add("Tile", [c.plain(op.inputs[0]), c.as_int64(op.inputs[1])]))


@converts("Range")
def value_range(c, op):
    c.set_plain(op.outputs[0], c.add("Range", [c.plain(t) for t in op.inputs]))


# --- arrangements ---------------------------------------------------------------------------------------

@converts("Transpose")
def transpose(c, op):
    x, result = op.inputs[0], op.outputs[0]
    perm = [int(a) for a in c.known(op.inputs[1], "the permutation")]
    rank = len(perm)
    if c.is_first(x):
        axes = [channels_first_axes(rank).index(a) for a in perm]
        if axes == list(range(rank)):
            c.set_plain(result, c.first(x))
        else:
            c.set_plain(result, c.transposed(c.first(x), axes))
    elif rank > 2 and perm == channels_last_axes(rank):
        c.set_first(result, c.plain(x))                        # it was images with channels first all along
    else:
        c.set_plain(result, c.add("Transpose", [c.plain(x)], perm=perm))


@converts("ConcatV2")
def concat(c, op):
    *parts, axis = op.inputs
    dims = c.rank(parts[0])
    axis = c.axis(c.known(axis, "the axis"), dims)
    is_first = any(c.is_first(t) for t in parts) and dims > 2
    place = channels_first_axes(dims).index(axis) if is_first else axis
    c.set_in_form(op.outputs[0], c.add("Concat", [c.in_form(t, is_first) for t in parts], axis=place), is_first)


@converts("Pack")
def pack(c, op):
    axis = c.axis(op.attrs["axis"], c.rank(op.inputs[0]) + 1)
    parts = [c.unsqueezed(c.plain(t), [axis]) for t in op.inputs]
    c.set_plain(op.outputs[0], c.add("Concat", parts, axis=axis))


@converts("Unpack")
def unpack(c, op):
    x = op.inputs[0]
    axis = c.axis(op.attrs["axis"], c.rank(x))
    if op.attrs["num"] == 1:
        parts = [c.plain(x)]
    else:
        parts = c.add_many("Split", [c.plain(x), c.ints([1] * op.attrs["num"])], op.attrs["num"], axis=axis)
    for tensor, part in zip(op.outputs, parts):
        c.set_plain(tensor, c.add("Squeeze", [part, c.ints([axis])], tensor.op.name))


@converts("Split")
def split(c, op):
    axis, x = op.inputs
    _split(c, op, x, c.known(axis, "the axis"), None)


@converts("SplitV")
def split_v(c, op):
    x, sizes, axis = op.inputs
    _split(c, op, x, c.known(axis, "the axis"), c.known(sizes, "the sizes"))


def _split(c, op, x, axis, sizes):
    axis, is_first = c.axis(axis, c.rank(x)), c.is_first(x)
    if sizes is not None and -1 in sizes:
        whole = c.shape(x)[axis]
        if whole is None:
            c.fail(f"a size of -1 needs the size of axis {axis}")
        sizes = [whole - sum(int(s) for s in sizes if s != -1) if s == -1 else int(s) for s in sizes]
    name = c.in_form(x, is_first)
    if len(op.outputs) == 1:
        return c.alias(op.outputs[0], x)
    place = channels_first_axes(c.rank(x)).index(axis) if is_first else axis
    parts = c.add_many("Split", [name] if sizes is None else [name, c.ints(sizes)], len(op.outputs), axis=place)
    for tensor, part in zip(op.outputs, parts):
        c.set_in_form(tensor, part, is_first)
    return None


@converts("Pad", "PadV2", "MirrorPad")
def pad(c, op):
    x = op.inputs[0]
    if op.attrs.get("mode") == "SYMMETRIC":
        c.fail("ONNX has no padding that repeats the border itself; use mode='REFLECT'")
    is_first, dims = c.is_first(x), c.rank(x)
    pairs = c.array(op.inputs[1])
    if pairs is None:
        is_first = False
        turned = c.transposed(c.as_int64(op.inputs[1]), [1, 0])
        pads = c.add("Reshape", [turned, c.ints([-1])], f"{op.name}/pads")
    else:
        pairs = pairs[channels_first_axes(dims)] if is_first else pairs
        pads = c.ints(np.transpose(pairs).ravel())
    names = [c.in_form(x, is_first), pads, *([c.plain(op.inputs[2])] if op.type == "PadV2" else [])]
    mode = "reflect" if op.type == "MirrorPad" else "constant"
    c.set_in_form(op.outputs[0], c.add("Pad", names, mode=mode), is_first)


@converts("InvertPermutation")
def invert_permutation(c, op):
    c.fail("the permutation is not constant")
