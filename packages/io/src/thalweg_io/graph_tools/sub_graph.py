"""Parts of a GraphDef, and small questions about nodes: what `tf.graph_util` has besides freezing."""
from thalweg.framework import shapes
from thalweg.framework.dtypes import as_dtype

from .node_map import check_are_names, check_is_graph_def, like, nodes_by_name, source_of

_INT32, _STRING = as_dtype("int32").as_datatype_enum, as_dtype("string").as_datatype_enum
_OF_VARIABLES = frozenset(("Assign", "AssignAdd", "AssignSub", "ScatterAdd", "ScatterSub", "ScatterUpdate",
                           "TruncatedNormal", "Variable", "VariableV2"))


def extract_sub_graph(graph_def, dest_nodes):
    """The nodes that `dest_nodes` need, in their order.

    Parameters
    ----------
    graph_def : GraphDef
    dest_nodes : list of str        names of nodes

    Raises
    ------
    TypeError           if `graph_def` is none, or `dest_nodes` one text
    AssertionError      if a name is not in the graph (TensorFlow's choice of error)
    """
    check_is_graph_def(graph_def, "extract_sub_graph")
    check_are_names(dest_nodes, "dest_nodes")
    nodes = nodes_by_name(graph_def)
    for name in dest_nodes:
        if name not in nodes:
            raise AssertionError(f"{name} is not in graph{_instead(name)}")
    needed = needed_nodes(nodes, dest_nodes)
    return like(graph_def, [node for node in graph_def.node if node.name in needed])


def _instead(name):
    """What to give instead of `name`, where that can be told."""
    if isinstance(name, str):
        return f"; expected the name of a node, {name.partition(':')[0]!r}" if ":" in name else ""
    return f"; expected the name of a node, a str, not a {type(name).__name__}"


def needed_nodes(nodes, names, stop=frozenset()):
    """The names of all nodes that `names` depend on, these included; nodes in `stop` are taken without inputs."""
    found, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            if name not in stop:
                waiting += [source_of(text) for text in nodes[name].input]
    return found


def must_run_on_cpu(node, pin_variables_on_cpu=False):
    """Whether TensorFlow has a node's kernel for the host only: texts and integers that are sizes.

    Parameters
    ----------
    node : NodeDef or Operation
    pin_variables_on_cpu : bool     whether variables and their updates count among them
    """
    node = getattr(node, "node_def", node)
    if pin_variables_on_cpu and node.op in _OF_VARIABLES:
        return True
    if node.op == "Const":
        return node.attr["dtype"].type in (_INT32, _STRING)
    if node.op in ("DynamicStitch", "ParallelDynamicStitch"):
        return node.attr["T"].type == _INT32
    return node.op == "Cast" and node.attr["SrcT"].type == _INT32


def tensor_shape_from_node_def_name(graph, input_name):
    """The static shape of a tensor, by the name as a NodeDef's input has it (`a` for `a:0`)."""
    name = input_name if ":" in input_name else f"{input_name}:0"
    return shapes.TensorShape(graph.get_tensor_by_name(name).get_shape())
