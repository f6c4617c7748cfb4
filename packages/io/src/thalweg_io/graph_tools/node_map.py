"""The nodes of a GraphDef by name, and what the texts in `NodeDef.input` mean."""
from thalweg.framework import errors


def source_of(text):
    """The name of the node that an input comes from: of `a`, `a:1` and `^a` it is `a`."""
    return text.removeprefix("^").partition(":")[0]


def output_of(text):
    """(node, index of its output) of a data input or a tensor's name.

    Raises
    ------
    InvalidArgumentError      if the index is no number
    """
    node, _, index = text.partition(":")
    if index and not (index.isascii() and index.isdigit() and len(index) < 10):
        raise errors.InvalidArgumentError(None, None, f"{text!r} names no output of a node: after the colon, a number "
                                                      "is expected")
    return node, int(index) if index else 0


def data_inputs(node):
    """The inputs of a NodeDef that carry values."""
    return [text for text in node.input if not text.startswith("^")]


def as_input(node, index):
    """The text of an input that takes output `index` of a node."""
    return f"{node}:{index}" if index else node


def nodes_by_name(graph_def):
    """{name: NodeDef}

    Raises
    ------
    InvalidArgumentError      if two nodes have one name, or an input names a node that is not there
    """
    nodes = {node.name: node for node in graph_def.node}
    if len(nodes) < len(graph_def.node):
        names = [node.name for node in graph_def.node]
        twice = next(name for name in names if names.count(name) > 1)
        raise errors.InvalidArgumentError(None, None, f"Node '{twice}' is not unique")
    for node in graph_def.node:
        for text in node.input:
            if source_of(text) not in nodes:
                raise errors.InvalidArgumentError(None, None, f"Node '{node.name}': Unknown input node '{text}'")
    return nodes


def consumers(graph_def):
    """{name of a node: [(NodeDef that takes from it, position of the input)]}"""
    found: dict = {node.name: [] for node in graph_def.node}
    for node in graph_def.node:
        for position, text in enumerate(node.input):
            found[source_of(text)].append((node, position))
    return found


def like(graph_def, nodes):
    """A GraphDef of `nodes` with the functions and versions of `graph_def`."""
    made = type(graph_def)()
    made.node.extend(nodes)
    for field in ("library", "versions"):
        if graph_def.HasField(field):
            getattr(made, field).CopyFrom(getattr(graph_def, field))
    return made


def check_is_graph_def(graph_def, owner):
    """TypeError unless `graph_def` is a GraphDef."""
    if not (hasattr(graph_def, "node") and hasattr(graph_def, "library")):
        raise TypeError(f"{owner} takes a GraphDef, not {type(graph_def).__name__}; graph.as_graph_def() gives one")


def check_are_names(names, what):
    """TypeError for a single text where a list of names is wanted."""
    if isinstance(names, (str, bytes)):
        raise TypeError(f"{what} must be a list.")
    if not hasattr(names, "__iter__"):
        raise TypeError(f"{what} must be a list of names of nodes, not {names!r}")


def sorted_by_data(nodes):
    """NodeDefs so that each comes after those that it takes from; back edges of loops do not count.

    In a function, names of its arguments may stand among the inputs.
    """
    by_name = {node.name: node for node in nodes}
    order, opened = [], set()
    for start in nodes:
        waiting = [(start, False)]
        while waiting:
            node, is_ready = waiting.pop()
            if is_ready:
                order.append(node)
            elif node.name not in opened:
                opened.add(node.name)
                waiting.append((node, True))
                sources = [source_of(text) for text in reversed(node.input)]
                waiting += [(by_name[name], False) for name in sources if name in by_name and name not in opened]
    return order
