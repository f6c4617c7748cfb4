"""Moving blocks of space into the batch or the depth, and back; dilated windows are made of it.

A window with dilation r over x is a plain window over the r sub-images that take every r-th element of x.
"""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import int32
from thalweg.framework.errors import InvalidArgumentError
from thalweg.framework.graph import name_scope

from . import array, constant
from ._windows import from_last, to_last

_ND = "input: T, block_shape: Tblock_shape, {0}: T{0} -> output: T"


# --- blocks and batch -------------------------------------------------------------------------------

@define_op("SpaceToBatchND", _ND.format("paddings"), Tblock_shape=INDEX_TYPES, Tpaddings=INDEX_TYPES,
           cpu="array:space_to_batch_nd", public="space_to_batch_nd")
def space_to_batch_nd(input, block_shape, paddings):
    """Pads dimensions 1 ... M with zeros, then moves each block's places into the batch: [N * prod(block), ...]."""
    blocks = [int(b) for b in block_shape]
    count = len(blocks)
    _check_moves(blocks, paddings, "paddings")
    widths = [(0, 0)] + [(int(b), int(a)) for b, a in paddings] + [(0, 0)] * (input.ndim - 1 - count)
    padded = np.pad(input, widths)
    sizes = padded.shape[1:1 + count]
    if any(s % b for s, b in zip(sizes, blocks)):
        raise InvalidArgumentError(None, None, f"padded sizes {list(sizes)} are not divisible by blocks {blocks}")
    split = padded.reshape(padded.shape[:1] + sum([(s // b, b) for s, b in zip(sizes, blocks)], ())
                           + padded.shape[1 + count:])
    inner = [2 + 2 * i for i in range(count)]
    outer = [1 + 2 * i for i in range(count)]
    turned = split.transpose(inner + [0] + outer + list(range(1 + 2 * count, split.ndim)))
    return turned.reshape((-1,) + tuple(s // b for s, b in zip(sizes, blocks)) + padded.shape[1 + count:]) \
        if turned.size else np.zeros((input.shape[0] * int(np.prod(blocks)),)
                                     + tuple(s // b for s, b in zip(sizes, blocks)) + padded.shape[1 + count:],
                                     input.dtype)


def _check_moves(blocks, edges, what):
    """Refuses what no rule of either direction allows; None stands for values that are not known yet."""
    if blocks is not None and any(b < 1 for b in blocks):
        raise ValueError(f"block_shape must be positive, not {[int(b) for b in blocks]}")
    if edges is not None and np.any(np.asarray(edges) < 0):
        raise ValueError(f"{what} cannot be negative, but they are {np.asarray(edges).tolist()}")


def _moved_shape(node, x, to_batch):
    """Shape rule of both directions: the batch times or over the block's size, space the other way."""
    blocks, edges = node.constant(1), node.constant(2)
    _check_moves(blocks, edges, "paddings" if to_batch else "crops")
    if x is None:
        return None
    if blocks is None:
        return (None,) * len(x)
    blocks = [int(b) for b in blocks]
    if len(x) < 1 + len(blocks):
        raise ValueError(f"the input {shapes.text(x)} has fewer than {1 + len(blocks)} dimensions")
    product = int(np.prod(blocks))
    sizes = []
    for i, (size, block) in enumerate(zip(x[1:], blocks)):
        if size is None or edges is None:
            sizes.append(None)
        elif to_batch:
            sizes.append(_divided(size + int(edges[i].sum()), block, "padded size"))
        else:
            sizes.append(size * block - int(edges[i].sum()))
            if sizes[-1] < 0:
                raise ValueError(f"crops {edges[i].tolist()} exceed the size {size * block}")
    batch = x[0] if x[0] is None else x[0] * product if to_batch else _divided(x[0], product, "batch")
    return (batch, *sizes, *x[1 + len(blocks):])


def _divided(size, by, what):
    if size % by:
        raise ValueError(f"the {what} {size} is not divisible by {by}")
    return size // by


@space_to_batch_nd.shape
def space_to_batch_nd_shape(node, x, block_shape, paddings):
    return _moved_shape(node, x, True)


@space_to_batch_nd.gradient
def space_to_batch_nd_grad(node, dy):
    return batch_to_space_nd(dy, node.block_shape, node.paddings), None, None


@define_op("BatchToSpaceND", _ND.format("crops"), Tblock_shape=INDEX_TYPES, Tcrops=INDEX_TYPES,
           cpu="array:batch_to_space_nd", public="batch_to_space_nd")
def batch_to_space_nd(input, block_shape, crops):
    """The inverse of SpaceToBatchND; `crops` takes its padding away."""
    blocks = [int(b) for b in block_shape]
    _check_moves(blocks, crops, "crops")
    count, rest = len(blocks), input.shape[1 + len(blocks):]
    batch = input.shape[0] // int(np.prod(blocks, dtype=np.int64))
    if batch * int(np.prod(blocks, dtype=np.int64)) != input.shape[0]:
        raise InvalidArgumentError(None, None, f"batch {input.shape[0]} is not divisible by blocks {blocks}")
    sizes = input.shape[1:1 + count]
    split = input.reshape((*blocks, batch, *sizes, *rest))
    order = [count]
    for i in range(count):
        order += [count + 1 + i, i]
    whole = split.transpose(order + list(range(1 + 2 * count, split.ndim)))
    whole = whole.reshape((batch,) + tuple(s * b for s, b in zip(sizes, blocks)) + rest)
    return whole[(np.s_[:],) + tuple(np.s_[int(b):whole.shape[i + 1] - int(a)] for i, (b, a) in enumerate(crops))]


@batch_to_space_nd.shape
def batch_to_space_nd_shape(node, x, block_shape, crops):
    return _moved_shape(node, x, False)


@batch_to_space_nd.gradient
def batch_to_space_nd_grad(node, dy):
    return space_to_batch_nd(dy, node.block_shape, node.crops), None, None


def _square(block_size):
    return np.array([block_size, block_size], np.int64 if block_size >= 2**31 else np.int32)


def space_to_batch(input, paddings, block_size=None, name=None, block_shape=None):
    """Moves square blocks of rows and columns into the batch, after padding them with zeros."""
    block_size = array._one_of("block_size", block_size, "block_shape", block_shape)
    result = space_to_batch_nd(input, paddings=paddings, block_shape=_square(block_size), name=name)
    return result


def batch_to_space(input, crops, block_size, name=None, block_shape=None):
    """The inverse of `space_to_batch`; `crops` takes its padding away."""
    block_size = array._one_of("block_size", block_size, "block_shape", block_shape)
    return batch_to_space_nd(input, crops=crops, block_shape=_square(block_size), name=name)


# --- blocks and depth -------------------------------------------------------------------------------

@define_op("SpaceToDepth", "input: T -> output: T", cpu="array:space_to_depth")
def space_to_depth_op(input, *, block_size: int, data_format: str = "NHWC"):
    """Moves square blocks of rows and columns into the channels: [N, H / b, W / b, b b C]."""
    x, b = to_last(input, data_format), block_size
    n, h, w, c = x.shape
    split = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
    return from_last(split.reshape(n, h // b, w // b, b * b * c), data_format)


@define_op("DepthToSpace", "input: T -> output: T", cpu="array:depth_to_space")
def depth_to_space_op(input, *, block_size: int, data_format: str = "NHWC"):
    """The inverse of SpaceToDepth: [N, H b, W b, C / b b]."""
    x, b = to_last(input, data_format), block_size
    n, h, w, c = x.shape
    split = x.reshape(n, h, w, b, b, c // (b * b)).transpose(0, 1, 3, 2, 4, 5)
    return from_last(split.reshape(n, h * b, w * b, c // (b * b)), data_format)


def _depth_shape(node, x, to_depth):
    if x is None:
        return (None,) * 4
    first = node.data_format.startswith("NC")
    n, h, w, c = (x[0], x[2], x[3], x[1]) if first else x
    b = node.block_size
    if b < 2:
        raise ValueError(f"block_size must be at least 2, not {b}")
    grow, shrink = (lambda d, by: None if d is None else d * by), (
        lambda d, by: None if d is None else _divided(d, by, "dimension"))
    if to_depth:
        h, w, c = shrink(h, b), shrink(w, b), grow(c, b * b)
    else:
        h, w, c = grow(h, b), grow(w, b), shrink(c, b * b)
    return (n, c, h, w) if first else (n, h, w, c)


@space_to_depth_op.shape
def space_to_depth_shape(node, x):
    return _depth_shape(node, x, True)


@depth_to_space_op.shape
def depth_to_space_shape(node, x):
    return _depth_shape(node, x, False)


@space_to_depth_op.gradient
def space_to_depth_grad(node, dy):
    return depth_to_space_op(dy, block_size=node.block_size, data_format=node.data_format)


@depth_to_space_op.gradient
def depth_to_space_grad(node, dy):
    return space_to_depth_op(dy, block_size=node.block_size, data_format=node.data_format)


def space_to_depth(input, block_size, name=None, data_format="NHWC"):
    """Moves square blocks of rows and columns into the channels."""
    return space_to_depth_op(input, block_size=block_size, data_format=data_format, name=name)


def depth_to_space(input, block_size, name=None, data_format="NHWC"):
    """Moves groups of channels into square blocks of rows and columns."""
    return depth_to_space_op(input, block_size=block_size, data_format=data_format, name=name)


# --- dilated windows --------------------------------------------------------------------------------

def required_space_to_batch_paddings(input_shape, block_shape, base_paddings=None, name=None):
    """Paddings that make sizes divisible by blocks, and the crops that undo the surplus.

    input_shape, block_shape : int32 vectors [M]; base_paddings : [M, 2], padding that is wanted in any case
    Gives two tensors [M, 2], constants where the arguments are.
    """
    with name_scope(name, "required_space_to_batch_paddings", [input_shape, block_shape]):
        sizes = convert_to_tensor(input_shape, int32, name="input_shape")
        blocks = convert_to_tensor(block_shape, int32, name="block_shape")
        count = blocks._shape[0]
        if not count:
            return constant.zeros([0, 2], int32), constant.zeros([0, 2], int32)
        base = constant.zeros([count, 2], int32) if base_paddings is None else convert_to_tensor(
            base_paddings, int32, name="base_paddings")
        known = [constant_value(t) for t in (sizes, blocks, base)]
        if all(v is not None for v in known):
            sizes, blocks, base = known
        before, after = base[:, 0], base[:, 1]
        surplus = (blocks - (sizes + before + after) % blocks) % blocks
        after = after + surplus
        paddings = array.stack([[before[i], after[i]] for i in range(count)], name="paddings")
        return paddings, array.stack([[0, surplus[i]] for i in range(count)], name="crops")


def base_paddings_of(filter_shape, count, rates):
    """The padding, [count, 2], with which a "VALID" window of dilation `rates` does what "SAME" asks."""
    extent = filter_shape[:count] + (filter_shape[:count] - 1) * (rates - 1) - 1
    before = extent // 2
    after = extent - before
    return array.stack([[before[i], after[i]] for i in range(count)])


def with_space_to_batch(input, dilation_rate, padding, op, filter_shape=None, spatial_dims=None, data_format=None):
    """Applies `op`, a function of (input, number of spatial dimensions, padding), with dilated windows.

    dilation_rate : int vector [M]         distance of neighbouring window elements, per spatial dimension
    padding : "SAME" or "VALID"; "SAME" needs `filter_shape`, of which the first M entries count
    spatial_dims : increasing list of M dimensions; default: those that `data_format` says
    """
    input = convert_to_tensor(input, name="input")
    return dilated(input, dilation_rate, padding, op, filter_shape, spatial_dims, data_format)


def dilated(input, dilation_rate, padding, op, filter_shape=None, spatial_dims=None, data_format=None,
            filter=None):
    """`with_space_to_batch` for a tensor; `filter` witnesses the filter's shape where `filter_shape` is partial."""
    rates = convert_to_tensor(dilation_rate, int32, name="dilation_rate")
    if rates._shape is None or len(rates._shape) != 1 or rates._shape[0] is None:
        raise ValueError(f"rate must be a vector of known size, its shape is {shapes.text(rates._shape)}")
    count, known = rates._shape[0], constant_value(rates)
    first = 2 if data_format and data_format.startswith("NC") else 1
    dims = list(spatial_dims or range(first, first + count))
    _check_dims(dims, input._shape, known)
    if known is not None and np.all(known == 1):
        return op(input, count, padding)
    base = _base_paddings(padding, filter_shape, filter, count, rates if known is None else known)
    call_padding = "VALID"
    sizes = None if input._shape is None else [input._shape[d] for d in dims]
    if sizes is None or None in sizes:
        every = array.shape(input)
        sizes = array.stack([every[d] for d in dims])
    if callable(base):
        base = base()
    paddings, crops = required_space_to_batch_paddings(sizes, rates, base)
    blocks, paddings, crops = (_spread(t, fill, dims) for t, fill in ((rates, 1), (paddings, 0), (crops, 0)))
    inside = space_to_batch_nd(input, block_shape=blocks, paddings=paddings)
    return batch_to_space_nd(op(inside, count, call_padding), block_shape=blocks, crops=crops)


def _check_dims(dims, shape, rates):
    if dims != sorted(set(dims)) or dims[0] < 1:
        raise ValueError(f"spatial_dims must be a monotonically increasing sequence of positive integers, not {dims}")
    if shape is not None and len(shape) < dims[-1] + 1:
        raise ValueError(f"input tensor must have rank {dims[-1] + 1} at least, its shape is {shapes.text(shape)}")
    if rates is not None and np.any(rates < 1):
        raise ValueError(f"dilation_rate must be positive, not {rates.tolist()}")


def _base_paddings(padding, filter_shape, filter, count, rates):
    """Padding that turns "SAME" into "VALID"; a function, called later, where the filter is not known."""
    if padding == "VALID":
        return np.zeros([count, 2], np.int32)
    if padding != "SAME":
        raise ValueError(f"Invalid padding method {padding!r}")
    if filter_shape is None:
        raise ValueError("filter_shape must be specified for SAME padding")
    if isinstance(filter_shape, shapes.TensorShape) and not filter_shape.is_fully_defined():
        return lambda: base_paddings_of(array.shape(filter), count, rates)
    filter_shape = convert_to_tensor(filter_shape, name="filter_shape")
    known = constant_value(filter_shape)
    if known is None:
        return lambda: base_paddings_of(filter_shape, count, rates)
    return base_paddings_of(known, count, rates)


def _spread(values, fill, dims):
    """Rows for dimensions 1, 2, ...: those of `values` at `dims`, `fill` between; a NumPy array if it is known."""
    known = constant_value(values)
    rows, result, last = values if known is None else known, [], 0
    start = 0
    while start < len(dims):
        stop = start + 1
        while stop < len(dims) and dims[stop] == dims[stop - 1] + 1:
            stop += 1
        if dims[start] > last + 1:
            gap = [dims[start] - 1 - last, *values._shape[1:]]
            result.append(np.full(gap, fill, values.dtype.np))
        result.append(rows[start:stop])
        last, start = dims[stop - 1], stop
    return array.concat(result, 0) if known is None else np.concatenate(result)
