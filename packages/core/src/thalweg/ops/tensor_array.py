"""`tf.TensorArray`: a list of tensors that loops and branches build and read, as a value in its flow."""
from thalweg.framework import errors, nest, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import as_dtype, int64
from thalweg.framework.func_graph import uncounted
from thalweg.framework.graph import get_default_graph, name_scope

from . import array, array_list, cast, constant, flow, sequence


class TensorArray:
    """A list of tensors of one dtype; each operation gives a new list, as `tf.TensorArray`.

    The list is the value of `flow`: what was not written through the result of a write, is not there. So, as
    TensorFlow 1.x asks for too, go on with the object that `write` gives.

    Parameters
    ----------
    dtype : DType
    size : int or int32 scalar Tensor
    dynamic_size : bool         writing beyond the size makes the list longer
    clear_after_read : accepted; an element is freed when nothing needs it
    handle, flow :              the list of another TensorArray, instead of a size
    infer_shape : bool          elements have one shape: what is known of it is checked, and known of what is read
    element_shape : TensorShape
    colocate_with_first_write_call, tensor_array_name : accepted

    Raises
    ------
    ValueError      for elements of different shapes (unless `infer_shape` is off), while building
    InvalidArgumentError    at run time, for indices outside of the list, for an element that is written twice, and for
                            one that was never written, if its shape is not known (otherwise it is zeros)
    """

    def __init__(self, dtype, size=None, dynamic_size=None, clear_after_read=None, tensor_array_name=None, handle=None,
                 flow=None, infer_shape=True, element_shape=None, colocate_with_first_write_call=True, name=None):
        if handle is not None and tensor_array_name:
            raise ValueError("Cannot provide both a handle and tensor_array_name at the same time")
        if handle is not None and size is not None:
            raise ValueError("Cannot provide both a handle and size at the same time")
        if handle is None and flow is None and size is None:
            raise ValueError("Size must be provided if handle is not provided")
        self._dtype, self._dynamic_size = as_dtype(dtype).base_dtype, bool(dynamic_size)
        self._infer_shape = infer_shape or element_shape is not None
        self._known = [shapes.plain(element_shape)]              # shared by all objects of one list
        self._flow = handle if flow is None else flow
        if self._flow is None:
            with name_scope(name, "TensorArray", [size]) as scope:
                self._flow = array_list.list_reserve(size, name=scope)
        self._home = self._flow.graph

    @property
    def flow(self):
        """The tensor (a variant) whose value is the list."""
        return self._flow

    @property
    def handle(self):
        """The flow: there is no resource behind a list."""
        return self._flow

    @property
    def dtype(self):
        return self._dtype

    @property
    def dynamic_size(self):
        return self._dynamic_size

    @property
    def element_shape(self):
        return shapes.TensorShape(self._known[0])

    def _with(self, flow):
        result = object.__new__(TensorArray)
        result.__dict__.update(self.__dict__, _flow=flow)
        return result

    def identity(self):
        """The same list, as of here: after the control dependencies that are open."""
        return self._with(array.identity(self._flow))

    def _merge(self, shape):
        """Takes notice of an element's static shape."""
        if not self._infer_shape:
            return
        if not shapes.compatible(self._known[0], shape):
            raise errors.ShapeError(f"Inconsistent shapes: saw {shapes.text(shape)} but expected "
                                    f"{shapes.text(self._known[0])} (in a TensorArray with infer_shape=True)")
        self._known[0] = shapes.merge(self._known[0], shape)

    def _shape_input(self):
        known = self._known[0]
        with uncounted(get_default_graph()):
            return constant.constant(-1) if known is None else constant.constant(
                [-1 if d is None else d for d in known], shape=[len(known)], dtype="int32")

    def _count_handle(self):
        """TensorFlow brings an array's handle into each branch and loop around here, once; seeds count that."""
        graph = get_default_graph()
        while graph is not self._home and getattr(graph, "outer_graph", None) is not None:
            if id(self._known) not in graph.counted_arrays:
                graph.counted_arrays[id(self._known)] = self._known
                get_default_graph()._next_id += 1
            graph = graph.outer_graph

    # --- elements --------------------------------------------------------------------------------

    def write(self, index, value, name=None):
        """A list with `value` at `index`, where nothing was written before."""
        with name_scope(name, "TensorArrayWrite", [self._flow, index, value]):
            value = self._value(value)
            self._merge(value._shape)
            flow = array_list.list_write(self._flow, index, value, dynamic=self._dynamic_size,
                                         name="TensorArrayWriteV3")
        self._count_handle()
        return self._with(flow)

    def read(self, index, name=None):
        """The element at `index`."""
        self._count_handle()
        value = array_list.list_read(self._flow, index, self._shape_input(), dtype=self._dtype,
                                     name=name or "TensorArrayReadV3")
        return self._with_shape(value, self._known[0])

    def _with_shape(self, value, shape):
        if shape is not None:
            value.set_shape(shape)
        return value

    def _value(self, value):
        value = convert_to_tensor(value, preferred_dtype=self._dtype, name="value")
        if value.dtype.base_dtype is not self._dtype:
            raise errors.DTypeError(f"TensorArray dtype is {self._dtype.name} but the value is "
                                    f"{value.dtype.base_dtype.name} ({value.name}). Try tf.cast.")
        return value

    # --- many elements ----------------------------------------------------------------------------

    def stack(self, name=None):
        """All elements in one tensor: [size, ...]."""
        graph = get_default_graph()
        with name_scope(name, "TensorArrayStack", [self._flow]):
            self._count_handle()
            with uncounted(graph):
                indices = sequence.range(0, array_list.list_size(self._flow))
            graph._next_id += 4                                              # TensorFlow's size and range
            return self._gathered(indices, None)

    def gather(self, indices, name=None):
        """The elements at `indices` in one tensor: [k, ...]."""
        self._count_handle()
        return self._gathered(indices, name)

    def _gathered(self, indices, name):
        value = array_list.list_gather(self._flow, indices, self._shape_input(), dtype=self._dtype,
                                       name=name or "TensorArrayGatherV3")
        return self._with_shape(value, None if self._known[0] is None else (None, *self._known[0]))

    def concat(self, name=None):
        """All elements joined along their first dimension."""
        self._count_handle()
        with uncounted(get_default_graph()):
            no_sizes = constant.zeros([0], int64)
        value, _ = array_list.list_concat(self._flow, self._shape_input(), no_sizes, dtype=self._dtype,
                                          name=name or "TensorArrayConcatV3")
        return self._with_shape(value, None if not self._known[0] else (None, *self._known[0][1:]))

    def unstack(self, value, name=None):
        """A list of the rows of `value`."""
        graph = get_default_graph()
        with name_scope(name, "TensorArrayUnstack", [self._flow, value]):
            value = self._value(value)
            with uncounted(graph):
                indices = sequence.range(0, array.shape(value)[0])
            graph._next_id += 8                                              # TensorFlow's shape, slice and range
            return self.scatter(indices, value)

    def scatter(self, indices, value, name=None):
        """A list with row k of `value` at indices[k]."""
        with name_scope(name, "TensorArrayScatter", [self._flow, value, indices]):
            value = self._value(value)
            self._merge(None if value._shape is None else value._shape[1:])
            flow = array_list.list_scatter(self._flow, indices, value, dynamic=self._dynamic_size,
                                           name="TensorArrayScatterV3")
        self._count_handle()
        return self._with(flow)

    def split(self, value, lengths, name=None):
        """A list of the parts of `value`, which have these sizes in the first dimension."""
        with name_scope(name, "TensorArraySplit", [self._flow, value, lengths]):
            value = self._value(value)
            lengths = cast.cast(convert_to_tensor(lengths), int64)
            if value._shape is not None:
                self._merge((None, *value._shape[1:]))
            flow = array_list.list_split(self._flow, value, lengths, dynamic=self._dynamic_size,
                                         name="TensorArraySplitV3")
        self._count_handle()
        return self._with(flow)

    def size(self, name=None):
        """The number of elements, an int32 tensor."""
        self._count_handle()
        return array_list.list_size(self._flow, name=name or "TensorArraySizeV3")

    def close(self, name=None):
        """An operation that does nothing: there is no resource to free."""
        return flow.no_op(name=name or "TensorArrayCloseV3")

    def grad(self, source, flow=None, name=None):
        raise NotImplementedError("TensorArray.grad: gradients flow through the list itself here; use tf.gradients on "
                                  "what was read from it.")

    def __repr__(self):
        return f"<tf.TensorArray '{self._flow.op.name}' dtype={self._dtype.name} element_shape={self.element_shape}>"


nest.register_composite(TensorArray, lambda value: [value.flow], lambda value, parts: value._with(parts[0]),
                        lambda value, shape: [()])
