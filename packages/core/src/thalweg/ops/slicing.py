"""Ops that take a part of a tensor, and `tensor[...]`."""
import sys

import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.graph import Tensor, name_scope

from . import array, cast, constant, indexing, padding

newaxis = None


# --- a box ------------------------------------------------------------------------------------------

@define_op("Slice", "input: T, begin: Index, size: Index -> output: T", Index=INDEX_TYPES, cpu="array:slice")
def slice_op(input, begin, size):
    """The box of the sizes `size` that begins at `begin`; size -1 reaches to the end."""
    ends = [n if s == -1 else b + s for b, s, n in zip(begin, size, input.shape)]
    for b, e, n in zip(begin, ends, input.shape):
        if not 0 <= b <= e <= n:
            raise errors.InvalidArgumentError(None, None, f"Slice [{b}:{e}] is outside a dimension of size {n}")
    return input[tuple([np.s_[int(b):int(e)] for b, e in zip(begin, ends)])]


@slice_op.shape
def slice_shape(node, x, begin_shape, size_shape):
    begin, size = node.constant(1), node.constant(2)
    rank = next((len(s) if s is x else s[0] for s in (x, begin_shape, size_shape) if s is not None and s != ()), None)
    if x is not None and (begin_shape or (None,))[0] not in (len(x), None):
        raise ValueError(f"begin has {begin_shape[0]} entries, input has {len(x)} dimensions")
    if size is None or rank is None:
        return None if rank is None else (None,) * rank
    result = []
    for i in range(rank):
        n, b, s = x[i] if x else None, None if begin is None else int(begin[i]), int(size[i])
        if b is not None and n is not None and not 0 <= b <= (n if s == -1 else n - s):
            raise ValueError(f"slice [{b}:{'end' if s == -1 else b + s}] is outside dimension {i} of size {n}")
        result.append(s if s != -1 else None if n is None or b is None else n - b)
    return tuple(result)


@slice_op.gradient
def slice_grad(node, dy):
    before = node.begin
    after = array.shape(node.input, out_type=node.Index) - before - array.shape(dy, out_type=node.Index)
    return padding.pad_op(dy, array.stack([before, after], axis=1)), None, None


def slice(input_, begin, size, name=None):
    """The box of the sizes `size` (-1: to the end) that begins at `begin`."""
    return slice_op(input_, begin, size, name=name)


# --- strided slices ---------------------------------------------------------------------------------

def _plan(rank, count, masks):
    """What each dimension does: pairs (dimension or None for a new one, entry of the spec or None for all of it).

    A dimension that an ellipsis covers has no entry. `masks` has begin, end, ellipsis, new_axis, shrink_axis.
    """
    ellipsis, new_axis = masks["ellipsis_mask"], masks["new_axis_mask"]
    if ellipsis & (ellipsis - 1):
        raise ValueError("Multiple ellipses in slice spec not allowed")
    is_ellipsis = [bool(ellipsis >> i & 1) for i in range(count)]
    taken = sum(not is_ellipsis[i] and not new_axis >> i & 1 for i in range(count))
    if taken > rank:
        raise ValueError(f"Index out of range using input dim {rank}; input has only {rank} dims")
    steps, dimension = [], 0
    for i in range(count):
        if is_ellipsis[i]:
            steps += [(d, None) for d in range(dimension, dimension + rank - taken)]
            dimension += rank - taken
        elif new_axis >> i & 1:
            steps.append((None, i))
        else:
            steps.append((dimension, i))
            dimension += 1
    return steps + [(d, None) for d in range(dimension, rank)]


def _index(shape, begin, end, strides, masks):
    """The NumPy index that a strided slice means, for arrays of `shape`."""
    index = []
    for dimension, i in _plan(len(shape), len(begin), masks):
        if dimension is None:
            index.append(None)
        elif i is None:
            index.append(np.s_[:])
        elif masks["shrink_axis_mask"] >> i & 1:
            index.append(_checked_position(int(begin[i]), int(strides[i]), shape[dimension], dimension))
        else:
            index.append(np.s_[None if masks["begin_mask"] >> i & 1 else int(begin[i]):
                               None if masks["end_mask"] >> i & 1 else int(end[i]):_checked_stride(strides[i], i)])
    return tuple(index)


def _checked_stride(stride, i):
    if stride == 0:
        raise ValueError(f"strides[{i}] must be non-zero")
    return int(stride)


def _checked_position(position, stride, size, dimension):
    if stride <= 0:
        raise ValueError("only stride 1 allowed on non-range indexing")
    if size is not None and not -size <= position < size:
        raise ValueError(f"slice index {position} of dimension {dimension} out of bounds (its size is {size})")
    return position


_SIGNATURE = "input: T, begin: Index, end: Index, strides: Index -> output: T"


@define_op("StridedSlice", _SIGNATURE, Index=INDEX_TYPES, cpu="array:strided_slice")
def strided_slice_op(input, begin, end, strides, *, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0,
                     shrink_axis_mask=0):
    """input[begin:end:strides] per dimension; bit i of a mask changes what entry i means.

    begin_mask, end_mask: from the first, to the last; ellipsis_mask: as many whole dimensions as are left;
    new_axis_mask: a new dimension of size 1; shrink_axis_mask: the one element `begin`, its dimension dropped.
    """
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}
    return input[_index(input.shape, begin, end, strides, masks)]


@strided_slice_op.shape
def strided_slice_shape(node, x, begin_shape, end_shape, strides_shape):
    count = next((s[0] for s in (begin_shape, end_shape, strides_shape) if s and s[0] is not None), None)
    begin, end, strides = (node.constant(k) for k in (1, 2, 3))
    if x is None or count is None:
        return None
    result = []
    for dimension, i in _plan(len(x), count, node.attrs):
        if dimension is None:
            result.append(1)
        elif i is None:
            result.append(x[dimension])
        elif node.shrink_axis_mask >> i & 1:
            if begin is not None and strides is not None:
                _checked_position(int(begin[i]), int(strides[i]), x[dimension], dimension)
        else:
            result.append(_sliced_size(x[dimension], i, begin, end, strides, node))
    return tuple(result)


def _sliced_size(size, i, begin, end, strides, node):
    if strides is not None:
        _checked_stride(strides[i], i)
    from_start, to_end = node.begin_mask >> i & 1, node.end_mask >> i & 1
    if size is None or strides is None or begin is None and not from_start or end is None and not to_end:
        return None
    first, last = None if from_start else int(begin[i]), None if to_end else int(end[i])
    return len(range(*np.s_[first:last:_checked_stride(strides[i], i)].indices(size)))


@strided_slice_op.gradient
def strided_slice_grad(node, dy):
    sizes = array.shape(node.input, out_type=node.Index)
    return strided_slice_grad_op(sizes, node.begin, node.end, node.strides, dy, **node.attrs), None, None, None


@define_op("StridedSliceGrad", "shape: Index, begin: Index, end: Index, strides: Index, dy: T -> output: T",
           Index=INDEX_TYPES, cpu="array:strided_slice_grad")
def strided_slice_grad_op(shape, begin, end, strides, dy, *, begin_mask=0, end_mask=0, ellipsis_mask=0,
                          new_axis_mask=0, shrink_axis_mask=0):
    """Zeros of `shape` with dy where StridedSlice of the same arguments takes its values from."""
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}
    result = np.zeros(tuple(shape), dy.dtype)
    result[_index(result.shape, begin, end, strides, masks)] = dy
    return result


@strided_slice_grad_op.shape
def strided_slice_grad_shape(node, *shapes_in):
    return array.shape_from_input(node, 0)


@strided_slice_grad_op.gradient
def strided_slice_grad_grad(node, dy):
    return None, None, None, None, strided_slice_op(dy, node.begin, node.end, node.strides, **node.attrs)


def strided_slice(input_, begin, end, strides=None, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0,
                  shrink_axis_mask=0, var=None, name=None):
    """input_[begin:end:strides], one entry per dimension; see StridedSlice for the masks. `var` is not needed."""
    if strides is None:
        strides = constant.ones_like(begin)
    return strided_slice_op(input_, begin, end, strides, begin_mask=begin_mask, end_mask=end_mask,
                            ellipsis_mask=ellipsis_mask, new_axis_mask=new_axis_mask,
                            shrink_axis_mask=shrink_axis_mask, name=name)


# --- tensor[...] ------------------------------------------------------------------------------------

class _Spec:
    """begin, end, strides and masks, collected from the items between the brackets."""

    def __init__(self):
        self.begin, self.end, self.strides, self.masks = [], [], [], {}

    def add(self, begin, end, stride, *masks):
        bit = 1 << len(self.begin)
        for mask in masks:
            self.masks[mask] = self.masks.get(mask, 0) | bit
        self.begin.append(begin)
        self.end.append(end)
        self.strides.append(stride)

    def add_range(self, item):
        masks = []
        bounds = []
        for value, mask in ((item.start, "begin_mask"), (item.stop, "end_mask")):
            if value is None or type(value) is int and value == sys.maxsize:
                masks.append(mask)
                bounds.append(0)
            else:
                bounds.append(_checked_index(value))
        self.add(*bounds, 1 if item.step is None else _checked_index(item.step), *masks)


_INDEX_HELP = ("Only integers, slices (`:`), ellipsis (`...`), tf.newaxis (`None`) and scalar tf.int32/tf.int64 "
               "tensors are valid indices")


def _checked_index(value):
    if isinstance(value, (int, np.integer)) or isinstance(value, shapes.Dimension):
        return value
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype in INDEX_TYPES and shape is not None and len(shapes.plain(shape) or ()) == 0:
        return value
    raise errors.DTypeError(f"{_INDEX_HELP}, got {value!r}")


def _is_mask(item):
    if isinstance(item, (bool, np.bool_)):
        return True
    return isinstance(item, (Tensor, np.ndarray)) and dtypes.as_dtype(item.dtype).base_dtype is dtypes.bool_


def getitem(tensor, items):
    """`tensor[items]`: NumPy's basic indexing with Python or tensor bounds; a boolean mask selects elements."""
    if _is_mask(items):
        return indexing.boolean_mask(tensor, items)
    spec = _Spec()
    for item in items if isinstance(items, (list, tuple)) else [items]:
        if type(item) is type(np.s_[:]):
            spec.add_range(item)
        elif item is Ellipsis:
            spec.add(0, 0, 1, "ellipsis_mask")
        elif item is newaxis:
            spec.add(0, 0, 1, "new_axis_mask")
        else:
            _checked_index(item)
            spec.add(item, item + 1, 1, "shrink_axis_mask")
    with name_scope(None, "strided_slice", [tensor, *spec.begin, *spec.end, *spec.strides]) as scope:
        bounds = [array.stack(b) for b in (spec.begin, spec.end, spec.strides)] if spec.begin else \
            [constant.constant([], dtypes.int32)] * 3
        if any(b.dtype is dtypes.int64 for b in bounds):
            bounds = [cast.cast(b, dtypes.int64) for b in bounds]
        return strided_slice(tensor, *bounds, name=scope, **spec.masks)


Tensor.__getitem__ = getitem  # type: ignore[misc]

