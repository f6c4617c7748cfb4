"""A part of a graph as a graph of its own: the nodes of one name scope, for `export_meta_graph(export_scope=...)`."""
from ..protos import GraphDef

_UNBOUND = "$unbound_inputs_"                 # TensorFlow's mark of inputs that the part's user must give


def scoped_graph_def(graph_def, scope):
    """The nodes under `scope`, named without it.

    Returns
    -------
    GraphDef, list of str       and the inputs from outside, as the part's nodes name them
    """
    result, unbound = GraphDef(versions=graph_def.versions), []
    prefix = scope.rstrip("/") + "/"
    for node in graph_def.node:
        if node.name.startswith(prefix):
            unbound += _add_inside(result.node.add(), node, prefix)
    _add_functions(result, graph_def.library)
    return result, list(dict.fromkeys(unbound))


def _add_inside(inside, node, prefix):
    inside.CopyFrom(node)
    inside.name = node.name[len(prefix):]
    unbound = []
    for i, text in enumerate(node.input):
        control, name = ("^", text[1:]) if text[:1] == "^" else ("", text)
        if name.startswith(prefix):
            inside.input[i] = control + name[len(prefix):]
        else:
            inside.input[i] = f"{control}{_UNBOUND}{name}"
            unbound.append(inside.input[i])
    if "_class" in node.attr:
        groups = node.attr["_class"].list.s
        mark = b"loc:@" + prefix.encode()
        inside.attr["_class"].list.s[:] = [b"loc:@" + group[len(mark):] for group in groups if group.startswith(mark)]
        if not inside.attr["_class"].list.s:
            del inside.attr["_class"]
    return unbound


def _add_functions(result, library):
    """The functions that the part uses, and those that these use."""
    functions = {function.signature.name: function for function in library.function}
    waiting, used = list(result.node), {}
    while waiting:
        node = waiting.pop()
        for attr in node.attr.values():
            function = functions.get(attr.func.name) if attr.WhichOneof("value") == "func" else None
            if function is not None and attr.func.name not in used:
                used[attr.func.name] = function
                waiting += function.node_def
    result.library.function.extend(function for name, function in functions.items() if name in used)


def inside(name, scope):
    """`name` without `scope`, or None for a name that lies outside."""
    prefix = scope.rstrip("/") + "/"
    return name[len(prefix):] if name.startswith(prefix) else None
