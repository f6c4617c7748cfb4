"""Grids and masks made of ranges."""
from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import as_dtype, bool_
from thalweg.framework.graph import name_scope

from . import array, cast, constant, math, reduction, sequence


def meshgrid(*args, indexing="xy", name="meshgrid"):
    """Tensors of n dimensions with the coordinates of a grid, one for each of n vectors.

    indexing : "xy": the first two dimensions are those of the second and the first vector; "ij": in order
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing parameter must be either 'xy' or 'ij', not {indexing!r}")
    if not args:
        raise ValueError("meshgrid got no vectors, expected one per dimension of the grid: tf.meshgrid(x, y)")
    with name_scope(name, "meshgrid", args):
        rank = len(args)
        spread = []
        for i, x in enumerate(args):
            spread.append(array.reshape(array.stack(x), (1,) * i + (-1,) + (1,) * (rank - i - 1)))
        sizes = [array.size(x) for x in args]
        dtype = convert_to_tensor(args[0]).dtype.base_dtype
        if indexing == "xy" and rank > 1:
            spread[0] = array.reshape(spread[0], (1, -1) + (1,) * (rank - 2))
            spread[1] = array.reshape(spread[1], (-1, 1) + (1,) * (rank - 2))
            sizes[0], sizes[1] = sizes[1], sizes[0]
        ones = constant.ones(sizes, dtype)
        return [x * ones for x in spread]


def sequence_mask(lengths, maxlen=None, dtype=bool_, name=None):
    """mask[..., j] = j < lengths[...], for j below `maxlen` (default: the largest length), as `dtype`."""
    with name_scope(name, "SequenceMask", [lengths, maxlen]):
        lengths = convert_to_tensor(lengths)
        if maxlen is None:
            maxlen = reduction.max_op(lengths, reduction.reduction_axes(lengths, None))
            maxlen = math.maximum(constant.constant(0, maxlen.dtype), maxlen)
        else:
            maxlen = convert_to_tensor(maxlen)
        if maxlen._shape not in (None, ()):
            raise ValueError(f"maxlen must be scalar for sequence_mask, its shape is {shapes.text(maxlen._shape)}")
        row = sequence.range_op(constant.constant(0, maxlen.dtype), maxlen, constant.constant(1, maxlen.dtype))
        column = cast.cast_op(array.expand_dims(lengths, -1), DstT=maxlen.dtype.base_dtype)
        mask = row < column
        return mask if dtype is None or as_dtype(dtype) is bool_ else cast.cast_op(mask, DstT=as_dtype(dtype))
