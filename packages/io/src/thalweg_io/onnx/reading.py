"""Looking into an ONNX file: its nodes and constants, to be shown."""
import os

from ..protos import read_message


class OnnxNode:
    """A node or constant of a model, with NodeSummary's names.

    Attributes
    ----------
    name, op : str
    shapes : list of tuple          of its outputs, where the file says them
    parameters : int                elements of a constant
    """

    __slots__ = ("name", "op", "shapes", "parameters")

    def __init__(self, name, op, shapes, parameters=0):
        self.name, self.op, self.shapes, self.parameters = name, op, shapes, parameters


def nodes_of_file(path):
    """[OnnxNode] of the file at `path`: inputs, constants, nodes.

    Raises
    ------
    NotFoundError       without such a file
    DataLossError       if it is no ONNX model
    """
    from .protos import ModelProto
    graph = read_message(os.fspath(path), ModelProto).graph
    known = {info.name: _shape(info) for info in (*graph.input, *graph.output, *graph.value_info)}
    nodes = [OnnxNode(info.name, "Input", [known[info.name]]) for info in graph.input]
    for tensor in graph.initializer:
        shape = tuple(tensor.dims)
        nodes.append(OnnxNode(tensor.name, "Constant", [shape], _size(shape)))
    for node in graph.node:
        nodes.append(OnnxNode(node.name or (node.output[0] if node.output else ""), node.op_type,
                              [known.get(name) for name in node.output]))
    return nodes


def _shape(info):
    tensor = info.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)


def _size(shape):
    size = 1
    for d in shape:
        size *= d
    return size
