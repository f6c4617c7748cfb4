"""TensorFlow 1.x's TensorArray ops, for the graphs of files: arrays behind handles, and floats that order their uses.

`tf.TensorArray` itself makes lists that flow as values (array_list.py); these ops change the array that the handle
holds, and `flow` does nothing but say which use comes before which. The gradient of an array is a second array, found
by the first one's handle and a name (`source`): all reads of one gradient computation add up in it.
"""
import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.func_graph import FuncGraph
from thalweg.framework.graph import get_default_graph
from thalweg.framework.shapes import TensorShape

from . import array
from .stack import handle_of, resource_of

_FLOW = np.float32(0.0)


class Elements:
    """The elements of one array.

    Attributes
    ----------
    values : list of ndarray or None        None: not written, or cleared by a read
    shapes : list of tuple or None          of what was written, kept when it is cleared
    adds_up : bool                          a gradient: what is written twice is added
    gradients : dict                        source -> Elements
    """

    def __init__(self, size, dtype, shape=None, is_dynamic=False, is_cleared=True, is_uniform=False):
        if size < 0:
            raise _invalid(f"Size should be >= 0, got {size}")
        self.values, self.shapes, self.cleared = [None] * size, [None] * size, set()
        self.dtype, self.shape, self.is_dynamic, self.is_cleared = dtype, shape, is_dynamic, is_cleared
        self.is_uniform, self.adds_up, self.gradients = is_uniform, False, {}

    def __len__(self):
        return len(self.values)

    def __repr__(self):
        return f"<array of {len(self)} tensors>"

    def write(self, index, value):
        """Writes element `index`, which nothing was written to, unless this is a gradient."""
        index = int(index)
        if index < 0 or index >= len(self) and not self.is_dynamic:
            raise _invalid(f"Tried to write to index {index} but array is not resizeable and size is: {len(self)}")
        if index >= len(self):
            missing = index + 1 - len(self)
            self.values += [None] * missing
            self.shapes += [None] * missing
        self._check(index, value)
        if self.values[index] is None or not self.adds_up:
            self.values[index] = np.array(value)
        else:
            self.values[index] = self.values[index] + value
        self.shapes[index] = value.shape

    def _check(self, index, value):
        if not shapes.compatible(self.shape, value.shape):
            raise _invalid(f"Could not write to TensorArray index {index} because the value shape is "
                           f"{shapes.text(value.shape)} which is incompatible with the TensorArray's inferred element "
                           f"shape: {shapes.text(self.shape)} (consider setting infer_shape=False).")
        if self.is_uniform and not self.adds_up:
            self.shape = shapes.merge(self.shape, value.shape)
        if self.shapes[index] is None:
            return
        if not self.adds_up:
            raise _invalid(f"Could not write to TensorArray index {index} because it has already been "
                           f"{'read' if index in self.cleared else 'written to'}.")
        if self.shapes[index] != value.shape and self.values[index] is not None:
            raise _invalid(f"Could not aggregate to TensorArray index {index} because the existing shape is "
                           f"{shapes.text(self.shapes[index])} but the new input shape is "
                           f"{shapes.text(value.shape)}.")

    def read(self, index):
        """Element `index`; where none was written, zeros, if the shape is known."""
        index = int(index)
        if not 0 <= index < len(self):
            raise _invalid(f"Tried to read from index {index} but array size is: {len(self)}")
        if index in self.cleared:
            raise _invalid(f"Could not read index {index} twice because it was cleared after a previous read "
                           "(perhaps try setting clear_after_read = false?).")
        value = self.values[index]
        if value is None:
            return self._zeros(index)
        if self.is_cleared:
            self.values[index] = None
            self.cleared.add(index)
        return value

    def _zeros(self, index):
        shape = self.shapes[index] if self.shapes[index] is not None else self.shape
        if not shapes.is_known(shape):
            raise _invalid(f"Could not read from TensorArray index {index}. Furthermore, the element shape is not "
                           f"fully defined: {shapes.text(shape)}. It is possible you are working with a resizeable "
                           "TensorArray and stop_gradients is not allowing the gradients to be written.")
        if self.dtype is dtypes.string:
            return np.full(shape, b"", object)
        return np.zeros(shape, self.dtype.np)

    def gradient(self, source, leading=()):
        """The array of gradients called `source`, made when it is first asked for."""
        found = self.gradients.get(source)
        if found is None:
            self.is_dynamic = False
            shape = None if self.shape is None else (*leading, *self.shape)
            found = self.gradients[source] = Elements(len(self), self.dtype, shape, is_cleared=False)
            found.adds_up = True
            found.shapes = [None if s is None else (*leading, *s) for s in self.shapes]
        return found


def _invalid(problem):
    return errors.InvalidArgumentError(None, None, f"TensorArray: {problem}")


def _of(handle, dtype=None):
    elements = resource_of(handle)
    if dtype is not None and elements.dtype is not dtype:
        raise _invalid(f"dtype is {elements.dtype.name} but Op is trying to use dtype {dtype.name}.")
    return elements


def _value_shape(node, *_):
    return [None]


@define_op("TensorArrayV3", "size: int32[] -> handle: resource[2], flow: float32[]", stateful=True)
def tensor_array_v3(size, *, dtype: DType, element_shape: TensorShape = None, dynamic_size: bool = False,
                    clear_after_read: bool = True, identical_element_shapes: bool = False, tensor_array_name=""):
    """A new array of `size` elements, none of them written."""
    return handle_of(Elements(int(size), dtype, element_shape, dynamic_size, clear_after_read,
                              identical_element_shapes)), _FLOW


tensor_array_v3.no_gradient("the size is an integer")


@define_op("TensorArrayGradV3", "handle: resource[2], flow_in: float32[] -> grad_handle: resource[2], "
           "flow_out: float32[]", stateful=True)
def tensor_array_grad_v3(handle, flow_in, *, source: str):
    """The array in which the gradients of the elements add up; one for each `source`."""
    return handle_of(_of(handle).gradient(source)), _FLOW


tensor_array_grad_v3.no_gradient("TensorFlow's gradient arrays are not differentiated again")


@define_op("TensorArrayGradWithShape", "handle: resource[2], flow_in: float32[], shape_to_prepend: int32[R] -> "
           "grad_handle: resource[2], flow_out: float32[]", stateful=True)
def tensor_array_grad_with_shape(handle, flow_in, shape_to_prepend, *, source: str):
    """As TensorArrayGradV3, for gradients with further dimensions in front."""
    return handle_of(_of(handle).gradient(source, tuple(map(int, shape_to_prepend)))), _FLOW


tensor_array_grad_with_shape.no_gradient("TensorFlow's gradient arrays are not differentiated again")


@define_op("TensorArrayWriteV3", "handle: resource[2], index: int32[], value: T, flow_in: float32[] -> "
           "flow_out: float32[]", stateful=True)
def tensor_array_write_v3(handle, index, value, flow_in):
    """Writes element `index`."""
    resource_of(handle).write(index, np.asarray(value))
    return _FLOW


@define_op("TensorArrayReadV3", "handle: resource[2], index: int32[], flow_in: float32[] -> value: dtype",
           stateful=True)
def tensor_array_read_v3(handle, index, flow_in, *, dtype: DType):
    """Element `index`."""
    return _of(handle, dtype).read(index)


tensor_array_read_v3.shape(_value_shape)


@define_op("TensorArrayGatherV3", "handle: resource[2], indices: int32[K], flow_in: float32[] -> value: dtype",
           stateful=True)
def tensor_array_gather_v3(handle, indices, flow_in, *, dtype: DType, element_shape: TensorShape = None):
    """The elements at `indices`, stacked: [K, ...]."""
    elements = _of(handle, dtype)
    rows = [elements.read(i) for i in indices]
    if not rows:
        shape = elements.shape if element_shape is None else shapes.merge(element_shape, elements.shape)
        if not shapes.is_known(shape):
            raise _invalid("has size zero, but element shape "
                           f"{shapes.text(shape)} is not fully defined. Currently only static shapes are supported "
                           "when packing zero-size TensorArrays.")
        return np.zeros((0, *shape), dtype.np)
    for i, row in enumerate(rows):
        if row.shape != rows[0].shape:
            raise _invalid(f"has inconsistent shapes.  Index 0 has shape: {shapes.text(rows[0].shape)} but index {i} "
                           f"has shape: {shapes.text(row.shape)}")
    return np.stack(rows)


@tensor_array_gather_v3.shape
def tensor_array_gather_v3_shape(node, handle, indices, flow_in):
    if node.element_shape is None:
        return [None]
    return [(None if indices is None else indices[0], *node.element_shape)]


@define_op("TensorArrayScatterV3", "handle: resource[2], indices: int32[K], value: T, flow_in: float32[] -> "
           "flow_out: float32[]", stateful=True)
def tensor_array_scatter_v3(handle, indices, value, flow_in):
    """Writes row k of `value` to element indices[k]."""
    elements = resource_of(handle)
    if len(indices) != len(value):
        raise _invalid(f"expected {len(indices)} rows, one for each index, but value has shape "
                       f"{shapes.text(value.shape)}")
    for index, row in zip(indices, value):
        elements.write(index, np.asarray(row))
    return _FLOW


@define_op("TensorArrayConcatV3", "handle: resource[2], flow_in: float32[] -> value: dtype, lengths: int64[N]",
           stateful=True)
def tensor_array_concat_v3(handle, flow_in, *, dtype: DType, element_shape_except0: TensorShape = None):
    """All elements joined along their first dimension, and the size of each in it."""
    elements = _of(handle, dtype)
    parts = [elements.read(i) for i in range(len(elements))]
    if any(p.ndim == 0 for p in parts):
        raise _invalid("Concat saw a scalar shape at index 0 but requires at least vectors.")
    if not parts:
        rest = element_shape_except0
        if rest is None or not shapes.is_known(rest):
            raise _invalid("has size zero, but the element shape except the first dimension is not known")
        return np.zeros((0, *rest), dtype.np), np.zeros(0, np.int64)
    return np.concatenate(parts), np.array([len(p) for p in parts], np.int64)


@tensor_array_concat_v3.shape
def tensor_array_concat_v3_shape(node, handle, flow_in):
    rest = node.element_shape_except0
    return [None if rest is None else (None, *rest), (None,)]


@define_op("TensorArraySplitV3", "handle: resource[2], value: T, lengths: int64[N], flow_in: float32[] -> "
           "flow_out: float32[]", stateful=True)
def tensor_array_split_v3(handle, value, lengths, flow_in):
    """Writes the parts of `value` that have these sizes in the first dimension."""
    elements = resource_of(handle)
    if np.sum(lengths) != len(value):
        raise _invalid(f"Expected sum of lengths to be equal to values.shape[0], but sum of lengths is "
                       f"{int(np.sum(lengths))} and value's shape is: {shapes.text(value.shape)}")
    if len(lengths) != len(elements) and not elements.is_dynamic:
        raise _invalid(f"TensorArray's size is not equal to the size of lengths ({len(elements)} vs. {len(lengths)}), "
                       "and the TensorArray is not marked as dynamically resizeable")
    for i, (end, count) in enumerate(zip(np.cumsum(lengths), lengths)):
        elements.write(i, value[end - count:end])
    return _FLOW


@define_op("TensorArraySizeV3", "handle: resource[2], flow_in: float32[] -> size: int32[]", stateful=True)
def tensor_array_size_v3(handle, flow_in):
    """The number of elements."""
    return np.int32(len(resource_of(handle)))


tensor_array_size_v3.no_gradient("the size is an integer")


@define_op("TensorArrayCloseV3", "handle: resource[2] -> ", stateful=True)
def tensor_array_close_v3(handle):
    """Frees the elements."""
    elements = resource_of(handle)
    elements.values, elements.gradients = [None] * len(elements), {}
    return ()


tensor_array_close_v3.no_gradient("it has no outputs")


# --- gradients --------------------------------------------------------------------------------------

def _gradient_array(handle, flow):
    """(handle, flow) of the gradient array of the gradient computation that is being built."""
    return tensor_array_grad_v3(handle, flow, source=_source())


def _source():
    """The name of the gradient computation: the scope up to its last part called `gradients`, as in TensorFlow.

    Inside of a loop or branch that is differentiated with others, it is the scope outside that counts.
    """
    graphs = [get_default_graph()]
    while isinstance(graphs[-1], FuncGraph):
        graphs.append(graphs[-1].outer_graph)
    for graph in reversed(graphs):
        parts = graph.get_name_scope().split("/")
        places = [i for i, part in enumerate(parts) if part.startswith("gradients")]
        if places:
            return "/".join(parts[:places[-1] + 1])
    return "gradients"


@tensor_array_write_v3.gradient
def tensor_array_write_v3_grad(node, d_flow):
    handle, flow = _gradient_array(node.handle, d_flow)
    return None, None, tensor_array_read_v3(handle, node.index, flow, dtype=node.T), d_flow


@tensor_array_read_v3.gradient
def tensor_array_read_v3_grad(node, dy):
    handle, flow = _gradient_array(node.handle, node.flow_in)
    return None, None, tensor_array_write_v3(handle, node.index, dy, flow)


@tensor_array_gather_v3.gradient
def tensor_array_gather_v3_grad(node, dy):
    handle, flow = _gradient_array(node.handle, node.flow_in)
    return None, None, tensor_array_scatter_v3(handle, node.indices, dy, flow)


@tensor_array_scatter_v3.gradient
def tensor_array_scatter_v3_grad(node, d_flow):
    handle, flow = _gradient_array(node.handle, d_flow)
    dx = tensor_array_gather_v3(handle, node.indices, flow, dtype=node.T, element_shape=None)
    return None, None, array.reshape(dx, array.shape(node.value)), d_flow


@tensor_array_concat_v3.gradient
def tensor_array_concat_v3_grad(node, dy, _):
    handle, flow = _gradient_array(node.handle, node.flow_in)
    return None, tensor_array_split_v3(handle, dy, node.lengths, flow)


@tensor_array_split_v3.gradient
def tensor_array_split_v3_grad(node, d_flow):
    handle, flow = _gradient_array(node.handle, d_flow)
    dx, _ = tensor_array_concat_v3(handle, flow, dtype=node.T)
    return None, dx, None, d_flow
