"""TensorFlow's TensorList ops, for the graphs of files; their values are the lists of array_list.py.

`tf.TensorArray` builds ops of its own, whose elements can be written once. Here an element can be replaced, the op
says the elements' type, and what was never written is zeros where the shape is known.
"""
import numpy as np

from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import DType

from . import array, constant
from ._variants import ListValue, held
from .array_list import _checked, _elements, _grown, _invalid, _list, _read, _shape_of_element, _stacked, plain_shape

_SHAPES = {"shape_type": INDEX_TYPES}
_TYPED = {"element_dtype": None}           # a type letter that an input binds


@define_op("TensorListReserve", "element_shape: shape_type, num_elements: int32[] -> handle: variant[]", **_SHAPES)
def tensor_list_reserve(element_shape, num_elements, *, element_dtype: DType):
    """A list of `num_elements` elements, none of them written."""
    return _list([None] * int(num_elements), plain_shape(element_shape))


tensor_list_reserve.no_gradient("the sizes are integers")


@define_op("EmptyTensorList", "element_shape: shape_type, max_num_elements: int32[] -> handle: variant[]", **_SHAPES)
def empty_tensor_list(element_shape, max_num_elements, *, element_dtype: DType):
    """A list without elements."""
    return _list([], plain_shape(element_shape))


empty_tensor_list.no_gradient("the sizes are integers")


@define_op("TensorListLength", "input_handle: variant[] -> length: int32[]")
def tensor_list_length(input_handle):
    """The number of elements."""
    return np.int32(len(_elements(input_handle)))


tensor_list_length.no_gradient("the size is an integer")


@define_op("TensorListElementShape", "input_handle: variant[] -> element_shape: shape_type")
def tensor_list_element_shape(input_handle, *, shape_type: DType):
    """What is known of the shape of each element, -1 for an unknown size; the scalar -1 where nothing is."""
    known = _shape_of(input_handle)
    return np.array(-1 if known is None else known, shape_type.np)


tensor_list_element_shape.no_gradient("the sizes are integers")


@tensor_list_element_shape.shape
def tensor_list_element_shape_shape(node, *_):
    return [None]


@define_op("TensorListResize", "input_handle: variant[], size: int32[] -> output_handle: variant[]")
def tensor_list_resize(input_handle, size):
    """The list cut or made longer to `size` elements."""
    elements, size = _elements(input_handle), int(size)
    if size < 0:
        raise _invalid(f"TensorListResize: the size is {size}, expected 0 or more")
    return _list((elements + [None] * (size - len(elements)))[:size], _shape_of(input_handle))


@tensor_list_resize.gradient
def tensor_list_resize_grad(node, d_list):
    return tensor_list_resize(d_list, tensor_list_length(node.input_handle)), None


@define_op("TensorListGetItem", "input_handle: variant[], index: int32[], element_shape: int32 -> item: element_dtype")
def tensor_list_get_item(input_handle, index, element_shape, *, element_dtype: DType):
    """Element `index`."""
    return _read(_elements(input_handle), index, _merged(input_handle, element_shape), element_dtype)


@tensor_list_get_item.shape
def tensor_list_get_item_shape(node, *_):
    return [_shape_of_element(node, 2)]


@tensor_list_get_item.gradient
def tensor_list_get_item_grad(node, dy):
    return tensor_list_set_item(_unwritten_like(node.input_handle, node.element_dtype), node.index, dy), None, None


@define_op("TensorListSetItem", "input_handle: variant[], index: int32[], item: element_dtype -> "
           "output_handle: variant[]", **_TYPED)
def tensor_list_set_item(input_handle, index, item, *, resize_if_index_out_of_bounds: bool = False):
    """The list with `item` at `index`; where it may be resized, with room for it."""
    elements = _elements(input_handle)
    if resize_if_index_out_of_bounds:
        elements = _grown(elements, int(index), dynamic=True)
    elements[_checked(int(index), len(elements), "write to")] = np.array(item)
    return _list(elements, _shape_of(input_handle))


@tensor_list_set_item.gradient
def tensor_list_set_item_grad(node, d_list):
    dx = tensor_list_get_item(d_list, node.index, array.shape(node.item), element_dtype=node.element_dtype)
    return tensor_list_set_item(d_list, node.index, constant.zeros_like(node.item)), None, dx


@define_op("TensorListGather", "input_handle: variant[], indices: int32[K], element_shape: int32 -> "
           "values: element_dtype")
def tensor_list_gather(input_handle, indices, element_shape, *, element_dtype: DType):
    """The elements at `indices`, stacked: [K, ...]."""
    return _stacked(_elements(input_handle), indices, _merged(input_handle, element_shape), element_dtype)


@tensor_list_gather.shape
def tensor_list_gather_shape(node, handle, indices, element_shape):
    element = _shape_of_element(node, 2)
    return [None if element is None or indices is None else (indices[0], *element)]


@tensor_list_gather.gradient
def tensor_list_gather_grad(node, dy):
    empty = _unwritten_like(node.input_handle, node.element_dtype)
    return tensor_list_scatter_into(empty, dy, node.indices, accumulate=True), None, None


@define_op("TensorListScatterIntoExistingList", "input_handle: variant[], tensor: element_dtype, indices: int32[K] -> "
           "output_handle: variant[]", **_TYPED)
def tensor_list_scatter_into(input_handle, tensor, indices, *, accumulate: bool = False):
    """The list with row k of `tensor` at indices[k]; with `accumulate`, which is thalweg's own, added to it."""
    elements = _elements(input_handle)
    for i, row in zip(indices, tensor):
        known = elements[_checked(int(i), len(elements), "write to")]
        elements[i] = known + row if accumulate and known is not None else np.array(row)
    return _list(elements, _shape_of(input_handle))


@tensor_list_scatter_into.gradient
def tensor_list_scatter_into_grad(node, d_list):
    dx = tensor_list_gather(d_list, node.indices, array.shape(node.tensor)[1:], element_dtype=node.element_dtype)
    return tensor_list_scatter_into(d_list, constant.zeros_like(node.tensor), node.indices), dx, None


@define_op("TensorListStack", "input_handle: variant[], element_shape: int32 -> tensor: element_dtype")
def tensor_list_stack(input_handle, element_shape, *, element_dtype: DType, num_elements: int = -1):
    """All elements, stacked: [size, ...]."""
    elements = _elements(input_handle)
    if 0 <= num_elements != len(elements):
        raise _invalid(f"TensorListStack: expected {num_elements} elements, the list has {len(elements)}")
    return _stacked(elements, range(len(elements)), _merged(input_handle, element_shape), element_dtype)


@tensor_list_stack.shape
def tensor_list_stack_shape(node, handle, element_shape):
    element = _shape_of_element(node, 1)
    return [None if element is None else (None if node.num_elements < 0 else node.num_elements, *element)]


@tensor_list_stack.gradient
def tensor_list_stack_grad(node, dy):
    return tensor_list_from_tensor(dy, array.shape(dy)[1:]), None


@define_op("TensorListFromTensor", "tensor: element_dtype, element_shape: shape_type -> output_handle: variant[]",
           **_TYPED, **_SHAPES)
def tensor_list_from_tensor(tensor, element_shape):
    """The list of the rows of `tensor`."""
    return _list([np.array(row) for row in tensor], plain_shape(element_shape))


@tensor_list_from_tensor.gradient
def tensor_list_from_tensor_grad(node, d_list):
    return tensor_list_stack(d_list, array.shape(node.tensor)[1:], element_dtype=node.element_dtype), None


@define_op("TensorListConcatV2", "input_handle: variant[], element_shape: shape_type, leading_dims: int64[N] -> "
           "tensor: element_dtype, lengths: int64[M]", **_SHAPES)
def tensor_list_concat_v2(input_handle, element_shape, leading_dims, *, element_dtype: DType):
    """All elements joined along their first dimension, and the size of each in it."""
    elements = _elements(input_handle)
    element_shape = _merged(input_handle, element_shape)
    known = [element_shape] * len(elements)
    if np.ndim(element_shape) and len(leading_dims) == len(elements):
        known = [[n, *element_shape[1:]] for n in leading_dims]
    parts = [_read(elements, i, shape, element_dtype) for i, shape in enumerate(known)]
    if not parts:
        rest = [] if np.ndim(element_shape) == 0 else [max(int(d), 0) for d in element_shape[1:]]
        return np.zeros((0, *rest), element_dtype.np), np.zeros(0, np.int64)
    return np.concatenate(parts), np.array([len(p) for p in parts], np.int64)


@tensor_list_concat_v2.shape
def tensor_list_concat_v2_shape(node, *_):
    element = _shape_of_element(node, 1)
    return [None if element is None else (None, *element[1:]), (None,)]


@tensor_list_concat_v2.gradient
def tensor_list_concat_v2_grad(node, dy, _):
    return tensor_list_split(dy, np.int32(-1), node.lengths), None, None


@define_op("TensorListSplit", "tensor: element_dtype, element_shape: shape_type, lengths: int64[N] -> "
           "output_handle: variant[]", **_TYPED, **_SHAPES)
def tensor_list_split(tensor, element_shape, lengths):
    """The list of the parts of `tensor`, which have these sizes in the first dimension."""
    if np.sum(lengths) != len(tensor):
        raise _invalid(f"TensorListSplit: the lengths add up to {int(np.sum(lengths))}, the tensor has {len(tensor)} "
                       "rows")
    known = plain_shape(element_shape)
    return _list([np.array(tensor[end - n:end]) for end, n in zip(np.cumsum(lengths), lengths)],
                 known and (-1, *known[1:]))


@tensor_list_split.gradient
def tensor_list_split_grad(node, d_list):
    of_tensor, _ = tensor_list_concat_v2(d_list, array.shape(node.tensor), node.lengths,
                                         element_dtype=node.element_dtype)
    return of_tensor, None, None


@define_op("TensorListPushBack", "input_handle: variant[], tensor: element_dtype -> output_handle: variant[]",
           **_TYPED)
def tensor_list_push_back(input_handle, tensor):
    """The list with `tensor` at its end."""
    return _list([*_elements(input_handle), np.array(tensor)], _shape_of(input_handle))


@tensor_list_push_back.gradient
def tensor_list_push_back_grad(node, d_list):
    return tensor_list_pop_back(d_list, array.shape(node.tensor), element_dtype=node.element_dtype)


@define_op("TensorListPopBack", "input_handle: variant[], element_shape: int32 -> output_handle: variant[], "
           "tensor: element_dtype")
def tensor_list_pop_back(input_handle, element_shape, *, element_dtype: DType):
    """The list without its last element, and that element."""
    elements = _elements(input_handle)
    if not elements:
        raise _invalid("TensorListPopBack: the list is empty")
    return (_list(elements[:-1], _shape_of(input_handle)),
            _read(elements, len(elements) - 1, _merged(input_handle, element_shape), element_dtype))


@tensor_list_pop_back.shape
def tensor_list_pop_back_shape(node, *_):
    return [(), _shape_of_element(node, 1)]


@tensor_list_pop_back.gradient
def tensor_list_pop_back_grad(node, d_list, d_tensor):
    if d_list is None:
        d_list = tensor_list_resize(_unwritten_like(node.input_handle, node.element_dtype),
                                    tensor_list_length(node.input_handle) - 1)
    if d_tensor is None:
        return tensor_list_resize(d_list, tensor_list_length(node.input_handle)), None
    return tensor_list_push_back(d_list, d_tensor), None


def _shape_of(handle):
    return held(handle, ListValue, "TensorList").shape


def _merged(handle, shape):
    """What the list and an op that reads it know together of an element's shape, as an op's input says it."""
    known, said = _shape_of(handle), plain_shape(shape)
    if known is None or said is None:
        return shape if known is None else known
    if len(known) != len(said) or any(0 <= k != s >= 0 for k, s in zip(known, said)):
        raise _invalid(f"Incompatible shapes: elements of a list of {list(known)} are read as {list(said)}")
    return tuple([s if k < 0 else k for k, s in zip(known, said)])


def _unwritten_like(handle, dtype):
    """A list of the same size, nothing written: a gradient of zeros."""
    return tensor_list_reserve(np.int32(-1), tensor_list_length(handle), element_dtype=dtype)
