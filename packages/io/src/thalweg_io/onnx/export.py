"""`export`: a graph for inference to an ONNX file."""
import os

from thalweg.framework import errors
from thalweg.framework.graph import Graph

from ..atomic_file import write_file
from .exporter import Exporter

_STORAGE = ("VariableV2", "Variable", "VarHandleOp")


def export(graph_or_session, inputs, outputs, path=None):
    """Writes what computes `outputs` from `inputs` as an ONNX model (operator set 13).

    Images keep TensorFlow's form, channels last, at inputs and outputs; inside they have their channels first, as
    ONNX's convolutions want them. Sizes that the graph does not know stay open.

    Parameters
    ----------
    graph_or_session : Session or GraphDef          of a session, the variables' values are written; a GraphDef must
                                                    be frozen (tf.graph_util.convert_variables_to_constants)
    inputs : list of Tensor or str                  what callers of the model give: placeholders, or any tensor
    outputs : list of Tensor or str                 what they get
    path : str                                      the file; None: nothing is written

    Returns
    -------
    ModelProto          the model; its inputs and outputs have the tensors' names, without `:0`

    Raises
    ------
    UnimplementedError      for an op that has no form in ONNX; names node, op, and the line that built it
    NotFoundError           if a name is not in the graph
    InvalidArgumentError    if the model is too large for one file
    """
    from .operations import load_converters
    load_converters()
    if not hasattr(outputs, "__len__") or not len(outputs):
        raise ValueError(f"outputs must be a list with at least one tensor, or its name, not {outputs!r}")
    graph, session, at_user = _graph(graph_or_session)
    taken, given = [_tensor(graph, item) for item in inputs], [_tensor(graph, item) for item in outputs]
    exporter = Exporter({}, at_user)
    exporter._values.update(_values(exporter, session, taken, given))
    model = exporter.export(taken, given, [_name(t) for t in taken], [_name(t) for t in given])
    model.graph.name = "graph"
    if path is not None:
        write_file(os.fspath(path), model.message.SerializeToString(deterministic=True))
    return model.message


def _graph(source):
    """(Graph, Session or None, function from a node's name to the Operation that knows the user's line)"""
    if hasattr(source, "run") and isinstance(getattr(source, "graph", None), Graph):
        return source.graph, source, source.graph._by_name.get
    if isinstance(source, Graph):
        raise TypeError("export takes a session, which has the variables' values, or a frozen GraphDef; not a Graph")
    if not hasattr(source, "node"):
        raise TypeError(f"export takes a session or a GraphDef, not {type(source).__name__}")
    from ..graphs.graph_import import import_graph_def
    graph = Graph()
    with graph.as_default():
        import_graph_def(source, name="")
    return graph, None, lambda name: None


def _tensor(graph, item):
    if not isinstance(item, str):
        return graph.as_graph_element(item, allow_operation=False)
    name = item if ":" in item else f"{item}:0"
    try:
        return graph.get_tensor_by_name(name)
    except KeyError:
        raise errors.NotFoundError(None, None, f"tensor {name} is not in the graph") from None


def _name(tensor):
    return tensor.name.removesuffix(":0")


def _values(exporter, session, inputs, outputs):
    """{name of a variable: value} of all that the outputs need, read by one call."""
    if session is None:
        return {}
    variables = [op for op in exporter._needed(inputs, outputs) if op.type in _STORAGE]
    reading = {op.name: op.outputs[0] for op in variables if op.type != "VarHandleOp"}
    for op in session.graph.get_operations():
        if op.type == "ReadVariableOp" and op.inputs[0].op in variables:
            reading.setdefault(op.inputs[0].op.name, op.outputs[0])
    return session.run(reading) if reading else {}
