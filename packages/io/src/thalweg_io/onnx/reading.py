"""Looking into an ONNX file: its nodes and constants, to be shown."""
import os

from ..graph_tools.listing import ListedNode
from ..protos import read_message


def nodes_of_file(path):
    """[ListedNode] of the file at `path`: inputs, constants, nodes.

    Raises
    ------
    NotFoundError       without such a file
    DataLossError       if it is no ONNX model
    """
    from .protos import ModelProto
    graph = read_message(os.fspath(path), ModelProto).graph
    known = {info.name: _shape(info) for info in (*graph.input, *graph.output, *graph.value_info)}
    nodes = [ListedNode(info.name, "Input", [known[info.name]]) for info in graph.input]
    for tensor in graph.initializer:
        shape = tuple(tensor.dims)
        nodes.append(ListedNode(tensor.name, "Constant", [shape], _size(shape)))
    for node in graph.node:
        nodes.append(ListedNode(node.name or (node.output[0] if node.output else ""), node.op_type,
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
