"""What a graph costs, by node and by op type: parameters, multiply-adds, FLOPs, bytes of results."""
import collections

from thalweg.framework import errors, shapes
from thalweg.framework.func_graph import FuncGraph
from thalweg.framework.graph import Graph

from . import costs
from .node_map import like, nodes_by_name, output_of

VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
_NO_RESULT = frozenset((*VARIABLES, "Const", "Placeholder", "PlaceholderWithDefault", "Identity", "IdentityN",
                        "Reshape", "Squeeze", "ExpandDims", "StopGradient", "ReadVariableOp", "NoOp",
                        "If", "StatelessIf", "While", "StatelessWhile"))        # the nodes of their functions count


class NodeSummary:
    """What one node costs; None stands for what unknown sizes leave open.

    Attributes
    ----------
    name, op : str
    shapes : list of tuple                  static shapes of its outputs, None for an unknown size or rank
    parameters : int                        elements of a variable, or of a constant of floats with more than one
    multiply_adds : int                     of convolutions and matrix products: one product added to one sum
    flops : int                             floating-point operations, two per multiply-add (costs.flops)
    activation_bytes : int                  of the results that it computes; views of others count nothing
    """

    __slots__ = ("name", "op", "shapes", "parameters", "multiply_adds", "flops", "activation_bytes")

    def __init__(self, op, name):
        self.name, self.op, self.shapes = name, op.type, [t._shape for t in op.outputs]
        self.parameters = _parameters(op)
        self.multiply_adds, self.flops = costs.multiply_adds(op), costs.flops(op)
        self.activation_bytes = 0 if op.type in _NO_RESULT else _nbytes(op.outputs)

    @property
    def is_known(self):
        return None not in (self.parameters, self.multiply_adds, self.flops, self.activation_bytes)


class Summary:
    """The nodes of a graph with their costs.

    Attributes
    ----------
    nodes : list of NodeSummary             those of functions (branches, loop bodies) once, as `FUNCTION:NODE`
    unknown : list of NodeSummary           those whose costs depend on sizes that the graph does not say
    parameters, multiply_adds, flops, activation_bytes : int        sums over what is known
    """

    def __init__(self, nodes):
        self.nodes = nodes
        self.unknown = [node for node in nodes if not node.is_known]
        for field in ("parameters", "multiply_adds", "flops", "activation_bytes"):
            setattr(self, field, sum(getattr(node, field) or 0 for node in nodes))

    def by_type(self):
        """{op type: (number of nodes, parameters, multiply-adds, flops, bytes)}, the costliest first."""
        found = collections.defaultdict(lambda: [0, 0, 0, 0, 0])
        for node in self.nodes:
            row = found[node.op]
            for i, value in enumerate((1, node.parameters, node.multiply_adds, node.flops, node.activation_bytes)):
                row[i] += value or 0
        ranked = sorted(found.items(), key=lambda item: (-item[1][3], -item[1][1], item[0]))
        return {op: tuple(row) for op, row in ranked}


def summary(graph, input_shapes=None, outputs=None):
    """Counts what a graph costs, from its static shapes.

    Parameters
    ----------
    graph : Graph or GraphDef
    input_shapes : dict {name of a placeholder: shape}      instead of what the placeholders say, so that all sizes
                                                            become known
    outputs : list of str                                   counts only what these nodes need; None: all nodes

    Returns
    -------
    Summary

    Raises
    ------
    NotFoundError           if a name of `input_shapes` or `outputs` is no node
    """
    graph = _graph_of(graph, input_shapes or {})
    operations = graph.get_operations() if outputs is None else _needed(graph, outputs)
    return Summary([node for op in operations for node in _nodes(op)])


def _graph_of(graph, input_shapes):
    if isinstance(graph, Graph):
        if not input_shapes:
            return graph
        graph = graph.as_graph_def()
    return imported(with_input_shapes(graph, input_shapes))


def imported(graph_def):
    """A Graph of the nodes of a GraphDef, under their own names."""
    from ..graphs.graph_import import import_graph_def
    graph = Graph()
    with graph.as_default():
        import_graph_def(graph_def, name="")
    return graph


def with_input_shapes(graph_def, input_shapes):
    """`graph_def` with other shapes of placeholders: {name: shape}."""
    nodes = nodes_by_name(graph_def)
    wanted = {output_of(name)[0]: shape for name, shape in input_shapes.items()}
    for name in wanted:
        if name not in nodes or nodes[name].op not in ("Placeholder", "PlaceholderWithDefault"):
            there = ", ".join(node.name for node in graph_def.node if node.op == "Placeholder") or "none"
            raise errors.NotFoundError(None, None, f"{name} is no placeholder of the graph; there are {there}")
    return like(graph_def, [_reshaped(node, wanted[node.name]) if node.name in wanted else node
                            for node in graph_def.node])


def _reshaped(node, shape):
    made = type(node)()
    made.CopyFrom(node)
    made.attr["shape"].shape.CopyFrom(shapes.TensorShape(shape).as_proto())
    made.attr.pop("_output_shapes", None)
    return made


def _needed(graph, names):
    """The operations that nodes `names` depend on, these included, in the graph's order."""
    found, waiting = set(), []
    for name in names:
        name = output_of(name)[0]
        if name not in graph._by_name:
            raise errors.NotFoundError(None, None, f"output node {name} is not in the graph")
        waiting.append(graph.get_operation_by_name(name))
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting += [*(t.op for t in op.inputs), *op.control_inputs]
    return [op for op in graph.get_operations() if op in found]


def _nodes(op, scope=""):
    """The node of an op, and those of its functions."""
    made = [NodeSummary(op, scope + op.name)]
    for function in op.attrs.values():
        if isinstance(function, FuncGraph):
            arguments = {t.op for t in function.inputs}
            for inner in function.get_operations():
                if inner not in arguments:
                    made += _nodes(inner, f"{scope}{function.name}:")
    return made


def _parameters(op):
    if op.type in VARIABLES:
        return shapes.size_of(shapes.plain(op.attrs.get("shape")))
    if op.type == "Const" and op.outputs[0].dtype.base_dtype.kind in "fcx":
        size = shapes.size_of(op.outputs[0]._shape)
        return size if size is not None and size > 1 else 0
    return 0


def _nbytes(tensors):
    """Bytes of results; a reference to a variable is none."""
    total = 0
    for tensor in tensors:
        size = 0 if tensor.dtype.is_ref_dtype else shapes.size_of(tensor._shape)
        if size is None:
            return None
        total += size * (tensor.dtype.base_dtype.size or 0)
    return total
