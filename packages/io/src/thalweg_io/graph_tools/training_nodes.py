"""Taking out nodes that pass their input on: what is left of training in a graph for inference."""
from thalweg.framework import errors

from .node_map import check_is_graph_def, like, nodes_by_name, output_of, source_of

_PASSING = frozenset(("CheckNumerics", "Identity"))


def remove_training_nodes(input_graph, protected_nodes=None):
    """`input_graph` without Identity and CheckNumerics; who took from them takes from their input.

    Nodes that hold others back, or are held back, by control inputs stay, and so do `protected_nodes` and those of
    `input_graph.library`.

    Parameters
    ----------
    input_graph : GraphDef
    protected_nodes : list of str       names of nodes to keep, outputs first of all
    """
    check_is_graph_def(input_graph, "remove_training_nodes")
    nodes_by_name(input_graph)                           # checks it
    ordering = {source_of(text) for node in input_graph.node for text in node.input if text.startswith("^")}
    keep = ordering.union(protected_nodes or ())
    passed = {node.name: node.input[0] for node in input_graph.node
              if node.op in _PASSING and node.name not in keep and len(node.input) == 1}
    left = []
    for node in input_graph.node:
        if node.name not in passed:
            node, copied = type(node)(), node
            node.CopyFrom(copied)
            del node.input[:]
            node.input.extend(_origin(text, passed) for text in copied.input)
            left.append(node)
    return like(input_graph, left)


def _origin(text, passed):
    """The input behind all nodes that are taken out."""
    for _ in range(len(passed) + 1):
        if text.startswith("^") or output_of(text)[0] not in passed:
            return text
        text = passed[output_of(text)[0]]
    raise errors.InvalidArgumentError(None, None, f"Node '{output_of(text)[0]}' takes its own output: a cycle of "
                                                  "Identity nodes has no value")
