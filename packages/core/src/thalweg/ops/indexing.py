"""Gathering and scattering by index."""
import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.graph import name_scope
from thalweg.framework.indexed_slices import IndexedSlices

from . import array, broadcast, cast, constant, math, reduction, segment, select, sequence
from ._reference import with_numbers


def _checked(indices, size, what="indices"):
    """`indices`, after each was found in [0, size)."""
    wrong = (indices < 0) | (indices >= size)
    if np.any(wrong):
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise errors.InvalidArgumentError(None, None, f"{what}[{','.join(map(str, place))}] = {indices[place]} is not "
                                                      f"in [0, {size})")
    return indices


# --- gather -----------------------------------------------------------------------------------------

@define_op("Gather", "params: Tparams, indices: Tindices -> output: Tparams", Tindices=INDEX_TYPES,
           cpu="indexing:gather")
def gather_op(params, indices, *, validate_indices: bool = True):
    """The rows params[indices]; an index outside raises InvalidArgumentError."""
    return params[_checked(indices, params.shape[0])]


@gather_op.shape
def gather_shape(node, params, indices):
    return None if params is None or indices is None else indices + params[1:]


@gather_op.gradient
def gather_grad(node, dy):
    return _rows_gradient(node.params, node.indices, dy), None


def _rows_gradient(params, indices, dy):
    """The gradient of rows that were gathered: only these rows, as IndexedSlices."""
    sizes = array.shape(params)
    count = array.reshape(array.size(indices), [1])
    rest = sizes[1:]
    flat = array.reshape(dy, array.concat([count, rest], 0) if params._shape is None or len(params._shape) > 1
                         else count)
    return IndexedSlices(flat, array.reshape(indices, count), sizes)


@define_op("GatherV2", "params: Tparams, indices: Tindices, axis: Taxis[] -> output: Tparams", Tindices=INDEX_TYPES,
           Taxis=INDEX_TYPES, cpu="indexing:gather_v2")
def gather_v2(params, indices, axis, *, batch_dims=0):
    """The slices of params along `axis` at `indices`; the first `batch_dims` dimensions are paired."""
    axis = int(axis) % max(params.ndim, 1)
    _checked(indices, params.shape[axis])
    if not batch_dims:
        return np.take(params, indices, axis)
    picked = indices.reshape(indices.shape[:batch_dims] + (1,) * (axis - batch_dims) + (-1,)
                             + (1,) * (params.ndim - axis - 1))
    rows = np.take_along_axis(params, picked, axis)
    return rows.reshape(params.shape[:axis] + indices.shape[batch_dims:] + params.shape[axis + 1:])


@gather_v2.shape
def gather_v2_shape(node, params, indices, axis_shape):
    axis, batch = node.constant(2), node.batch_dims
    if params is None or indices is None:
        return None
    if axis is None:
        return (None,) * (len(params) - 1 + len(indices) - batch)
    axis = array.normal_axis(int(axis), len(params))
    shapes.merge(params[:batch], indices[:batch])
    return params[:axis] + indices[batch:] + params[axis + 1:]


@gather_v2.gradient
def gather_v2_grad(node, dy):
    axis = constant_value(node.axis)
    rank = None if node.params._shape is None else len(node.params._shape)
    if axis is not None and (axis == 0 or rank and axis % rank == 0) and not node.batch_dims:
        return _rows_gradient(node.params, node.indices, dy), None, None
    return _axis_gradient(node, dy), None, None


def _axis_gradient(node, dy):
    """Adds dy up into zeros of the shape of params, which are seen as [batches B, before O, axis A, after I].

    Sizes are taken when the graph runs: neither rank has to be known, nor the axis.
    """
    batch, indices, sizes = node.batch_dims, node.indices, array.shape(node.params)
    axis = math.floormod(cast.cast(node.axis, dtypes.int32), array.size(sizes))
    b, o, i = (reduction.reduce_prod(part) for part in (sizes[:batch], sizes[batch:axis], sizes[axis + 1:]))
    a, j = sizes[axis], reduction.reduce_prod(array.shape(indices)[batch:])
    rows = array.transpose(array.reshape(dy, array.stack([b, o, j, i])), [0, 2, 1, 3])       # [B, J, O, I]
    rows = array.reshape(rows, array.stack([b * j, o * i]))                                  # -> [B * J, O * I]
    flat = array.reshape(indices, array.stack([b, j]))
    if batch:
        flat = flat + array.expand_dims(cast.cast(sequence.range(b) * a, indices.dtype), 1)
    summed = segment.unsorted_segment_sum(rows, array.reshape(flat, [-1]), b * a)            # [B * A, O * I]
    back = array.transpose(array.reshape(summed, array.stack([b, a, o, i])), [0, 2, 1, 3])   # [B, O, A, I]
    return array.reshape(back, sizes)


def gather(params, indices, validate_indices=None, name=None, axis=None, batch_dims=0):
    """The slices of `params` along `axis` (default: `batch_dims`) at `indices`.

    The first `batch_dims` dimensions of params and indices are paired; a negative count leaves that many dimensions of
    the indices unpaired. `validate_indices` changes nothing: an index
    outside always raises InvalidArgumentError.
    """
    if axis is None:
        axis = batch_dims
    if batch_dims:
        indices = convert_to_tensor(indices, name="indices")
        if indices._shape is None:
            raise ValueError("tf.gather with batch_dims needs indices of known rank. Try indices.set_shape.")
        rank = len(indices._shape)
        batch_dims = array.normal_axis(batch_dims, rank + (batch_dims > 0), "batch_dims")
    return gather_v2(params, indices, axis, batch_dims=batch_dims, name=name)


# --- gather and scatter of sub-tensors --------------------------------------------------------------

def _nd_index(indices, sizes, what="shape"):
    """A NumPy index for the positions in the last dimension of `indices`, each checked."""
    depth = indices.shape[-1]
    if depth > len(sizes):
        raise errors.InvalidArgumentError(None, None, f"index innermost dimension length must be <= params rank; "
                                                      f"saw: {depth} vs. {len(sizes)}")
    wrong = np.any((indices < 0) | (indices >= np.array(sizes[:depth], indices.dtype)), -1)
    if np.any(wrong):
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise errors.InvalidArgumentError(None, None, f"indices[{','.join(map(str, place))}] = "
                                                      f"{indices[place].tolist()} does not index into {what} "
                                                      f"[{','.join(map(str, sizes))}]")
    return tuple(np.moveaxis(indices, -1, 0))


@define_op("GatherNd", "params: Tparams, indices: Tindices -> output: Tparams", Tindices=INDEX_TYPES,
           cpu="indexing:gather_nd")
def gather_nd_op(params, indices):
    """The elements (or slices) of params at the positions in the last dimension of indices."""
    if not indices.shape[-1]:
        return np.broadcast_to(params, indices.shape[:-1] + params.shape).copy()
    return params[_nd_index(indices, params.shape, "param shape")]


@gather_nd_op.shape
def gather_nd_shape(node, params, indices):
    if params is None or indices is None or indices[-1] is None:
        return None
    if indices[-1] > len(params):
        raise ValueError(f"indices.shape[-1] must be <= params.rank, but saw indices shape {shapes.text(indices)} and "
                         f"params shape {shapes.text(params)}")
    return indices[:-1] + params[indices[-1]:]


@gather_nd_op.gradient
def gather_nd_grad(node, dy):
    sizes = array.shape(node.params, out_type=node.Tindices)
    if node.indices._shape is not None and len(node.indices._shape) == 2 and node.indices._shape[-1] == 1:
        return IndexedSlices(dy, array.squeeze(node.indices, axis=-1), sizes), None
    return scatter_nd(node.indices, dy, sizes), None


def gather_nd(params, indices, name=None, batch_dims=0):
    """The elements (or slices) of `params` at the positions in the last dimension of `indices`."""
    if batch_dims:
        return _batch_gather_nd(params, indices, batch_dims, name)
    return gather_nd_op(params, indices, name=name)


def _batch_gather_nd(params, indices, batch_dims, name):
    """Puts the position in each batch dimension before the indices."""
    with name_scope(name, "GatherNd", [params, indices]):
        params, indices = convert_to_tensor(params), convert_to_tensor(indices)
        if indices._shape is None:
            raise ValueError("tf.gather_nd with batch_dims needs indices of known rank. Try indices.set_shape.")
        sizes, rank = array.shape(indices), len(indices._shape)
        parts = []
        for axis in range(batch_dims):
            position = cast.cast(sequence.range(sizes[axis]), indices.dtype)
            shape = [1] * rank
            shape[axis] = -1
            extent = array.concat([sizes[:-1], [1]], 0)
            parts.append(broadcast.broadcast_to(array.reshape(position, shape), extent))
        return gather_nd_op(params, array.concat([*parts, indices], -1))


def _scattered_shape(node, indices, updates, sizes):
    if None in (indices, updates, sizes) or indices[-1] is None:
        return
    want = indices[:-1] + sizes[indices[-1]:]
    if not shapes.compatible(updates, want):
        raise ValueError(f"updates has shape {shapes.text(updates)}, must be indices.shape[:-1] + "
                         f"shape[indices.shape[-1]:] = {shapes.text(want)}")


@define_op("ScatterNd", "indices: Tindices, updates: T, shape: Tindices -> output: T", Tindices=INDEX_TYPES,
           cpu="indexing:scatter_nd", public="scatter_nd")
def scatter_nd(indices, updates, shape):
    """Zeros of `shape` to which the updates are added at the positions in the last dimension of indices."""
    return with_numbers(_scattered, indices, updates, tuple(shape))


def _scattered(indices, updates, shape):
    result = np.zeros(shape, updates.dtype)
    np.add.at(result, _nd_index(indices, shape), updates)
    return result


@scatter_nd.shape
def scatter_nd_shape(node, indices, updates, shape):
    sizes = array.shape_from_input(node, 2)
    _scattered_shape(node, indices, updates, sizes)
    return sizes


@scatter_nd.gradient
def scatter_nd_grad(node, dy):
    return None, gather_nd(dy, node.indices), None


@define_op("ScatterNdNonAliasingAdd", "input: T, indices: Tindices, updates: T -> output: T",
           T=dtypes.NUMBERS + (dtypes.bool_,), Tindices=INDEX_TYPES, cpu="indexing:scatter_nd_non_aliasing_add")
def scatter_nd_non_aliasing_add(input, indices, updates):
    """The input with the updates added at the positions in the last dimension of indices."""
    result = input.copy()
    np.add.at(result, _nd_index(indices, result.shape), updates)
    return result


@scatter_nd_non_aliasing_add.shape
def scatter_nd_non_aliasing_add_shape(node, x, indices, updates):
    _scattered_shape(node, indices, updates, x)
    return x


@scatter_nd_non_aliasing_add.gradient
def scatter_nd_non_aliasing_add_grad(node, dy):
    return dy, None, gather_nd(dy, node.indices)


_TENSOR_SCATTER = "tensor: T, indices: Tindices, updates: T -> output: T"


@define_op("TensorScatterUpdate", _TENSOR_SCATTER, Tindices=INDEX_TYPES, cpu="indexing:tensor_scatter_update",
           public="tensor_scatter_update")
def tensor_scatter_update(tensor, indices, updates):
    """The tensor with the elements (or slices) at the positions in the last dimension of indices replaced."""
    result = tensor.copy()
    result[_nd_index(indices, result.shape)] = updates
    return result


@tensor_scatter_update.gradient
def tensor_scatter_update_grad(node, dy):
    taken = gather_nd_op(dy, node.indices)
    return tensor_scatter_update(dy, node.indices, constant.zeros_like(node.updates)), None, taken


@define_op("TensorScatterAdd", _TENSOR_SCATTER, T=dtypes.NUMBERS, Tindices=INDEX_TYPES,
           cpu="indexing:tensor_scatter_add", public="tensor_scatter_add")
def tensor_scatter_add(tensor, indices, updates):
    """The tensor with the updates added at the positions in the last dimension of indices."""
    result = tensor.copy()
    np.add.at(result, _nd_index(indices, result.shape), updates)
    return result


@tensor_scatter_add.gradient
def tensor_scatter_add_grad(node, dy):
    return dy, None, gather_nd_op(dy, node.indices)


@define_op("TensorScatterSub", _TENSOR_SCATTER, T=dtypes.NUMBERS, Tindices=INDEX_TYPES,
           cpu="indexing:tensor_scatter_sub", public="tensor_scatter_sub")
def tensor_scatter_sub(tensor, indices, updates):
    """The tensor with the updates subtracted at the positions in the last dimension of indices."""
    result = tensor.copy()
    np.subtract.at(result, _nd_index(indices, result.shape), updates)
    return result


@tensor_scatter_sub.gradient
def tensor_scatter_sub_grad(node, dy):
    return dy, None, -gather_nd_op(dy, node.indices)


for _op in (tensor_scatter_update, tensor_scatter_add, tensor_scatter_sub):
    _op.shape(scatter_nd_non_aliasing_add_shape)


# --- one hot, permutations, masks -------------------------------------------------------------------

@define_op("OneHot", "indices: TI, depth: int32[], on_value: T[], off_value: T[] -> output: T",
           TI=(dtypes.uint8, dtypes.int32, dtypes.int64), cpu="indexing:one_hot")
def one_hot_op(indices, depth, on_value, off_value, *, axis=-1, TI: DType = dtypes.int64):
    """A new dimension of size depth: on_value at the index, off_value elsewhere (everywhere for an index outside)."""
    axis = indices.ndim if axis == -1 else axis
    places = np.arange(int(depth)).reshape((-1,) + (1,) * (indices.ndim - axis))
    return np.where(np.expand_dims(indices, axis) == places, on_value, off_value).astype(on_value.dtype)


@one_hot_op.shape
def one_hot_shape(node, indices, *scalars):
    if indices is None:
        return None
    depth = node.constant(1)
    if depth is not None and depth < 0:
        raise ValueError(f"depth must not be negative: {int(depth)}")
    axis = len(indices) if node.axis == -1 else array.normal_axis(node.axis, len(indices) + 1)
    return indices[:axis] + (None if depth is None else int(depth),) + indices[axis:]


one_hot_op.no_gradient("positions are integers, and TensorFlow gives the two values no gradient")


def one_hot(indices, depth, on_value=None, off_value=None, axis=None, dtype=None, name=None):
    """A new dimension `axis` (default: last) of size `depth` with `on_value` (1) at the index and `off_value` (0)
    elsewhere; an index outside gives off_value everywhere."""
    with name_scope(name, "one_hot", [indices, depth, on_value, off_value, axis, dtype]) as scope:
        found = [None if v is None else convert_to_tensor(v).dtype.base_dtype for v in (on_value, off_value)]
        known = [d for d in found if d is not None]
        wanted = known[0] if dtype is None and known else dtypes.as_dtype(dtype or dtypes.float32)
        for what, given in zip(("on_value", "off_value"), found):
            if given is not None and given is not wanted:
                raise errors.DTypeError(f"dtype {given.name} of {what} does not match {wanted.name}")
        if on_value is None:
            on_value = convert_to_tensor(1, wanted, name="on_value")
        if off_value is None:
            off_value = convert_to_tensor(0, wanted, name="off_value")
        return one_hot_op(indices, depth, on_value, off_value, axis=-1 if axis is None else axis, name=scope)


@define_op("InvertPermutation", "x: T[N] -> y: T[N]", T=INDEX_TYPES, cpu="indexing:invert_permutation",
           public="invert_permutation")
def invert_permutation(x):
    """The permutation y with y[x[i]] = i."""
    for i, place in enumerate(x):
        if not 0 <= place < len(x):
            raise errors.InvalidArgumentError(None, None, f"{place} is not between 0 and {len(x)}")
        if place in x[:i]:
            raise errors.InvalidArgumentError(None, None, f"{place} is duplicated in the input.")
    return np.argsort(x).astype(x.dtype)


invert_permutation.no_gradient("positions are integers")


def boolean_mask(tensor, mask, name="boolean_mask", axis=None):
    """The elements of `tensor` where `mask` holds, in row-major order, as [count, rest...].

    mask : bool Tensor of known rank K >= 1, with the shape of tensor[axis : axis + K]
    """
    with name_scope(name, values=[tensor, mask]):
        tensor = convert_to_tensor(tensor, name="tensor")
        mask = convert_to_tensor(mask, name="mask")
        axis = _checked_mask(tensor._shape, mask._shape, axis or 0)
        rank = len(mask._shape)
        known = tensor._shape
        count = reduction.prod_op(array.shape(tensor)[axis:axis + rank], [0])
        before, after = array.shape(tensor)[:axis], array.shape(tensor)[axis + rank:]
        tensor = array.reshape(tensor, array.concat([before, [count], after], 0))
        if known is not None:
            tensor.set_shape(known[:axis] + (shapes.size_of(known[axis:axis + rank]),) + known[axis + rank:])
        positions = array.squeeze(select.where(array.reshape(mask, [-1])), axis=[1])
        return gather(tensor, positions, axis=axis)


def _checked_mask(shape, mask, axis):
    if mask == ():
        raise ValueError("mask cannot be scalar.")
    if mask is None:
        raise ValueError("Number of mask dimensions must be specified, even if some dimensions are None. "
                         "E.g. shape=[None] is ok, but shape=None is not.")
    if shape is not None:
        axis = array.normal_axis(axis, len(shape))
        if not shapes.compatible(shape[axis:axis + len(mask)], mask):
            raise ValueError(f"Shapes {shapes.text(shape[axis:axis + len(mask)])} and {shapes.text(mask)} are "
                             "incompatible: a mask has the shape of what it selects from")
    return axis


