"""Ops on lists of tensors, the values behind `tf.TensorArray`: a list is one value that flows, and never changes.

A list is a variant: a zero-dimensional object array that holds a `ListValue`, a tuple of arrays with None where
nothing was written. Ops that write give a new list that shares the untouched elements. TensorFlow 1.x's TensorArray
ops change a resource instead; they have no place in graphs whose loops are functions, so these ops have names of their
own.

Where an element that was never written is read, `shape` decides: zeros of it where it is known, of the other elements'
shape where they have one, an error otherwise. A scalar -1 is a shape of unknown rank.
"""
import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType

from . import array
from ._variants import ListValue, OptionalValue, added, held, zeros


def _list(elements, shape=None):
    return np.array(ListValue(elements, shape), object)


def _elements(value):
    return [*held(value, ListValue, "TensorArray").elements]


def _invalid(problem):
    return errors.InvalidArgumentError(None, None, f"TensorArray: {problem}")


def _checked(index, size, verb):
    if not 0 <= index < size:
        raise _invalid(f"Tried to {verb} index {index} but array size is: {size}")
    return index


def _grown(elements, index, dynamic):
    """The list with room for `index`; an error where it may not grow."""
    if index < 0 or index >= len(elements) and not dynamic:
        raise _invalid(f"Tried to write to index {index} but array is not resizeable and size is: {len(elements)}")
    return elements + [None] * (index + 1 - len(elements))


def plain_shape(shape):
    """An op's input that says a shape as a tuple; None for a scalar, which is a shape of unknown rank."""
    return None if np.ndim(shape) == 0 else tuple(int(d) for d in shape)


def _read(elements, index, shape, dtype):
    """Element `index`, or the zeros that stand for it."""
    found = elements[_checked(int(index), len(elements), "read from")]
    if found is not None:
        return found
    wanted = plain_shape(shape)
    if wanted is None or min(wanted, default=0) < 0:
        wanted = next((e.shape for e in elements if e is not None), None)
    if wanted is None:
        raise _invalid(f"Could not read from TensorArray index {int(index)}: it has not been written, and its shape "
                       "is not known. Give element_shape to the TensorArray.")
    return np.zeros(wanted, dtype.np) if dtype is not dtypes.string else np.full(wanted, b"", object)


def _stacked(elements, indices, shape, dtype):
    rows = [_read(elements, i, shape, dtype) for i in indices]
    if not rows:
        known = () if np.ndim(shape) == 0 else [max(int(d), 0) for d in shape]
        return np.zeros((0, *known), dtype.np)
    if len({r.shape for r in rows}) > 1:
        first = next(i for i, r in enumerate(rows) if r.shape != rows[0].shape)
        raise _invalid(f"has inconsistent shapes.  Index 0 has shape: {list(rows[0].shape)} but index {first} has "
                       f"shape: {list(rows[first].shape)}")
    return np.stack(rows)


def _shape_of_element(node, k):
    known = node.constant(k)
    if known is None or known.ndim == 0:
        return None
    return tuple([None if d < 0 else int(d) for d in known])


@define_op("_ListReserve", "size: int32[] -> list: variant[]")
def list_reserve(size):
    """A list of `size` elements, none of them written."""
    return _list([None] * int(size))


list_reserve.no_gradient("the size is an integer")


@define_op("_ListSize", "list: variant[] -> size: int32[]")
def list_size(list):
    """The number of elements."""
    return np.int32(len(_elements(list)))


list_size.no_gradient("the size is an integer")


@define_op("_ListZeros", "list: variant[] -> zeros: variant[]")
def list_zeros(list):
    """A list of the same size, nothing written: a gradient of zeros. An optional of a file gives one of zeros."""
    if isinstance(list[()], OptionalValue):
        return zeros(list)
    return _list([None] * len(_elements(list)))


list_zeros.no_gradient("the result is the same for all values")


@define_op("_ListWrite", "list: variant[], index: int32[], value: T -> result: variant[]")
def list_write(list, index, value, *, dynamic: bool = False):
    """The list with `value` at `index`, which nothing was written to; `dynamic` lists grow as needed."""
    elements = _grown(_elements(list), int(index), dynamic)
    if elements[int(index)] is not None:
        raise _invalid(f"Could not write to TensorArray index {int(index)} because it has already been written to.")
    elements[int(index)] = np.array(value)
    return _list(elements)


@list_write.gradient
def list_write_grad(node, d_list):
    return (list_drop(d_list, array.reshape(node.index, [1])), None,
            list_read(d_list, node.index, array.shape(node.value), dtype=node.T))


@define_op("_ListDrop", "list: variant[], indices: int32[K] -> result: variant[]")
def list_drop(list, indices):
    """The list without the elements at `indices`, as if they had never been written."""
    elements = _elements(list)
    for i in indices:
        if i < len(elements):
            elements[i] = None
    return _list(elements)


@list_drop.gradient
def list_drop_grad(node, d_list):
    return list_drop(d_list, node.indices), None


@define_op("_ListRead", "list: variant[], index: int32[], shape: int32 -> value: dtype")
def list_read(list, index, shape, *, dtype: DType):
    """The element at `index`."""
    return _read(_elements(list), index, shape, dtype)


@list_read.shape
def list_read_shape(node, *_):
    return _shape_of_element(node, 2)


@list_read.gradient
def list_read_grad(node, dy):
    return list_write(list_zeros(node.list), node.index, dy), None, None


@define_op("_ListGather", "list: variant[], indices: int32[K], shape: int32 -> value: dtype")
def list_gather(list, indices, shape, *, dtype: DType):
    """The elements at `indices`, stacked: [K, ...]."""
    return _stacked(_elements(list), indices, shape, dtype)


@list_gather.shape
def list_gather_shape(node, list_shape, indices, shape):
    element = _shape_of_element(node, 2)
    return None if element is None or indices is None else (indices[0], *element)


@list_gather.gradient
def list_gather_grad(node, dy):
    return list_scatter(list_zeros(node.list), node.indices, dy, accumulate=True), None, None


@define_op("_ListScatter", "list: variant[], indices: int32[K], value: T -> result: variant[]")
def list_scatter(list, indices, value, *, dynamic: bool = False, accumulate: bool = False):
    """The list with row k of `value` at indices[k]; with `accumulate`, added to what stands there."""
    elements = _elements(list)
    for i, row in zip(indices, value):
        elements = _grown(elements, int(i), dynamic)
        if elements[i] is not None and not accumulate:
            raise _invalid(f"Could not write to TensorArray index {i} because it has already been written to.")
        elements[i] = np.array(row) if elements[i] is None else added(elements[i], row)
    return _list(elements)


@list_scatter.gradient
def list_scatter_grad(node, d_list):
    of_value = list_gather(d_list, node.indices, array.shape(node.value)[1:], dtype=node.T)
    return d_list if node.accumulate else list_drop(d_list, node.indices), None, of_value


@define_op("_ListConcat", "list: variant[], shape: int32, sizes: int64[K] -> value: dtype, lengths: int64[N]")
def list_concat(list, shape, sizes, *, dtype: DType):
    """All elements joined along their first dimension, and the size of each in it.

    Where `sizes` are given, sizes[i] rows of zeros stand for element i if it was never written.
    """
    elements = _elements(list)
    shapes_of = [shape] * len(elements) if len(sizes) != len(elements) else [[n, *shape[1:]] for n in sizes]
    parts = [_read(elements, i, shape, dtype) for i, shape in enumerate(shapes_of)]
    if any(p.ndim == 0 for p in parts):
        raise _invalid("concat expects elements with at least one dimension")
    if not parts:
        known = [0] if np.ndim(shape) == 0 else [max(int(d), 0) for d in shape]
        return np.zeros((0, *known[1:]), dtype.np), np.zeros(0, np.int64)
    return np.concatenate(parts), np.array([len(p) for p in parts], np.int64)


@list_concat.shape
def list_concat_shape(node, *_):
    element = _shape_of_element(node, 1)
    return [None if element is None else (None, *element[1:]), (None,)]


@list_concat.gradient
def list_concat_grad(node, dy, _):
    return list_split(list_zeros(node.list), dy, node.lengths), None, None


@define_op("_ListSplit", "list: variant[], value: T, lengths: int64[N] -> result: variant[]")
def list_split(list, value, lengths, *, dynamic: bool = False):
    """The list of the parts of `value`, which have these sizes in the first dimension."""
    size = len(_elements(list))
    if np.sum(lengths) != len(value):
        raise _invalid(f"Expected sum of lengths to be equal to values.shape[0], but sum of lengths is "
                       f"{int(np.sum(lengths))} and value's shape is: {shapes.text(value.shape)}")
    if len(lengths) != size and not dynamic:
        raise _invalid(f"TensorArray's size is not equal to the size of lengths ({size} vs. {len(lengths)}), and it "
                       "is not marked as dynamically resizeable")
    ends = np.cumsum(lengths)
    return _list([np.array(value[end - n:end]) for end, n in zip(ends, lengths)])


@list_split.gradient
def list_split_grad(node, d_list):
    of_value, _ = list_concat(d_list, array.shape(node.value), node.lengths, dtype=node.T)
    return list_zeros(node.list), of_value, None


@define_op("_ListAdd", "x: variant[], y: variant[] -> z: variant[]")
def list_add(x, y):
    """The sum of two lists, element by element; what was never written counts as zero."""
    return added(x, y)


@list_add.gradient
def list_add_grad(node, dz):
    return dz, dz
