"""An ONNX model being written: nodes, constants, names."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.dtypes import as_dtype

from .._version import __version__

IR_VERSION, OPSET = 7, 13                 # of 2020; every runtime since reads them
_MOST_BYTES = (1 << 31) - 1               # of a message, protobuf's limit

_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "string": 8, "bool": 9,
          "float16": 10, "float64": 11, "uint32": 12, "uint64": 13, "complex64": 14, "complex128": 15, "bfloat16": 16}


def type_number(dtype, owner):
    """ONNX's number of an element type; errors name `owner`."""
    name = as_dtype(dtype).base_dtype.name
    if name not in _TYPES:
        raise errors.UnimplementedError(None, None, f"{owner} is {name}, which ONNX does not have")
    return _TYPES[name]


class Model:
    """Nodes and constants under names that are each used once."""

    def __init__(self):
        from .protos import ModelProto
        self.message = ModelProto(ir_version=IR_VERSION, producer_name="thalweg", producer_version=__version__)
        self.message.opset_import.add(domain="", version=OPSET)
        self._names: set = set()
        self._nbytes = 0                       # of constants
        self._constants: dict = {}             # (bytes, type, shape) of a small constant -> name

    @property
    def graph(self):
        return self.message.graph

    def unique(self, hint):
        """`hint`, or with a number behind it where that name is taken."""
        name, number = hint, 0
        while name in self._names:
            number += 1
            name = f"{hint}_{number}"
        self._names.add(name)
        return name

    def add_input(self, name, dtype, shape):
        """Declares an input of the model; a size that is not known gets a name of its own."""
        self._names.add(name)
        _fill(self.graph.input.add(name=name), name, dtype, shape)

    def add_output(self, name, dtype, shape):
        """Declares an output of the model."""
        _fill(self.graph.output.add(name=name), name, dtype, shape)

    def constant(self, array, hint):
        """The name of a constant; small equal ones are kept once."""
        array = np.asarray(array)
        key = (array.tobytes(), array.dtype.str, array.shape) if array.size <= 64 and array.dtype.kind != "O" else None
        if key in self._constants:
            return self._constants[key]
        self._nbytes += array.nbytes
        if self._nbytes > _MOST_BYTES:         # before memory is taken for them
            raise errors.InvalidArgumentError(
                None, None, f"the constants of the ONNX model have {self._nbytes} bytes up to {hint}, and a file "
                            f"of this form holds at most {_MOST_BYTES}: export parts of the graph")
        name = self.unique(hint)
        tensor = self.graph.initializer.add(name=name, dims=array.shape, data_type=type_number(array.dtype, name))
        if array.dtype.kind == "O":
            tensor.string_data.extend(array.ravel().tolist())
        else:
            tensor.raw_data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        if key is not None:
            self._constants[key] = name
        return name

    def add_node(self, op_type, inputs, hints, **attributes):
        """Adds a node and gives the names of its outputs, one for each of `hints`."""
        outputs = [self.unique(hint) for hint in hints]
        node = self.graph.node.add(op_type=op_type, name=outputs[0], input=inputs, output=outputs)
        for name, value in attributes.items():
            if value is not None:
                _set_attribute(node.attribute.add(name=name), value)
        return outputs

    def rename(self, old, new):
        """Gives the value `old` the name `new`; its constant or node is found from the end."""
        for node in self.graph.node:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new
        self._names.add(new)


def _fill(info, name, dtype, shape):
    tensor = info.type.tensor_type
    tensor.elem_type = type_number(dtype, name)
    if shape is None:
        return
    tensor.shape.SetInParent()
    for i, size in enumerate(shapes.plain(shape)):
        if size is None:
            tensor.shape.dim.add(dim_param=f"{name}_{i}")
        else:
            tensor.shape.dim.add(dim_value=size)


def _set_attribute(message, value):
    """Floats, ints, texts and lists of ints."""
    if isinstance(value, (bool, int, np.integer)):
        message.i, message.type = _int64(value, message.name), message.INT
    elif isinstance(value, float):
        message.f, message.type = value, message.FLOAT
    elif isinstance(value, str):
        message.s, message.type = value.encode(), message.STRING
    else:
        message.ints.extend(_int64(item, message.name) for item in value)
        message.type = message.INTS


def _int64(value, name):
    if not -(1 << 63) <= value < 1 << 63:
        raise errors.InvalidArgumentError(None, None, f"{value} is too large for the attribute {name}")
    return int(value)
