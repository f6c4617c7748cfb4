"""Constant folding: what follows from constants alone becomes a constant, computed by thalweg's own kernels."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.declaration import REGISTRY
from thalweg.framework.graph import Graph

from ..tensor_proto import tensor_proto
from .node_map import check_is_graph_def, data_inputs, like, nodes_by_name, output_of, sorted_by_data
from .sub_graph import extract_sub_graph

LIMIT_BYTES = 10 << 20                   # a larger result stays an operation
_LEFT_ALONE = frozenset(("Const", "Placeholder", "PlaceholderWithDefault", "NoOp", "Assert", "Print",
                         "PyFunc", "PyFuncStateless", "EagerPyFunc",
                         *(f"{ref}{name}" for ref in ("", "Ref") for name in (
                             "Switch", "Merge", "Enter", "Exit", "NextIteration")), "LoopCond"))
_OF_SHAPES = frozenset(("Shape", "Size", "Rank"))


def fold_constants(graph_def, protected_nodes=()):
    """`graph_def` with constants for nodes whose values follow from constants, or from static shapes.

    Nodes with state, functions, several outputs or control inputs stay, and so do results above LIMIT_BYTES, and what
    would read files or call Python.

    Parameters
    ----------
    graph_def : GraphDef
    protected_nodes : names of nodes to leave as they are
    """
    check_is_graph_def(graph_def, "fold_constants")
    nodes_by_name(graph_def)                             # checks it
    candidates = _candidates(graph_def, set(protected_nodes))
    ends = _ends(graph_def, candidates)
    if not ends:
        return graph_def
    values = _values(graph_def, ends)
    folded = [_constant(node, values[node.name]) if node.name in values else node for node in graph_def.node]
    return _without_orphans(like(graph_def, folded), graph_def, candidates)


def _candidates(graph_def, protected):
    """The names of nodes that are constant, Const itself included."""
    found = set()
    for node in sorted_by_data(graph_def.node):
        if node.op == "Const" and not node.input:
            found.add(node.name)
        elif node.name not in protected and _is_plain(node):
            if node.op in _OF_SHAPES or all(output_of(text)[0] in found for text in node.input):
                found.add(node.name)
    return found


def _is_plain(node):
    declaration = REGISTRY.get(node.op)
    if declaration is None or declaration.is_stateful or any(declaration.wants_ref):
        return False
    if node.op in _LEFT_ALONE or declaration.files:
        return False
    if len(declaration.outputs) != 1 or declaration.outputs[0].is_list or not node.input:
        return False
    if any(text.startswith("^") for text in node.input):
        return False
    return not any(attr.HasField("func") or attr.list.func for attr in node.attr.values())


def _ends(graph_def, candidates):
    """The constant nodes that others take from: only these need a value."""
    taken = {output_of(text)[0] for node in graph_def.node if node.name not in candidates
             for text in data_inputs(node)}
    takers = {output_of(text)[0] for node in graph_def.node for text in data_inputs(node)}
    return [node for node in graph_def.node if node.name in candidates and node.op != "Const"
            and (node.name in taken or node.name not in takers)]


def _values(graph_def, ends):
    """{name: array} of those `ends` that are small enough and whose value is known."""
    from thalweg.framework.constant_value import constant_value
    from thalweg.runtime.session import Session

    from ..graphs.graph_import import import_graph_def
    graph = Graph()
    with graph.as_default():
        import_graph_def(graph_def, name="")
    known, wanted = {}, []
    for node in ends:
        if node.name not in graph._by_name:               # inside of a loop or branch, which became a function
            continue
        tensor = graph.get_tensor_by_name(f"{node.name}:0")
        if node.op in _OF_SHAPES:
            value = constant_value(tensor)
            if value is not None:
                known[node.name] = value
        elif _is_small(tensor):
            wanted.append((node.name, tensor))
    if wanted:
        with Session(graph=graph) as session:
            known.update(zip([name for name, _ in wanted], session.run([tensor for _, tensor in wanted])))
    return known


def _is_small(tensor):
    size = shapes.size_of(tensor._shape)
    return size is not None and size * max(1, tensor.dtype.size or 1) <= LIMIT_BYTES


def _constant(node, value):
    made = type(node)(name=node.name, op="Const", device=node.device)
    message = tensor_proto(np.asarray(value))
    made.attr["dtype"].type = message.dtype
    made.attr["value"].tensor.CopyFrom(message)
    return made


def _without_orphans(folded, before, candidates):
    """`folded` without the constant nodes that only folded ones took from."""
    taken_before = {output_of(text.removeprefix("^"))[0] for node in before.node for text in node.input}
    roots = [node.name for node in folded.node if node.name not in candidates or node.name not in taken_before]
    return extract_sub_graph(folded, roots)
