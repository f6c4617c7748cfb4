"""Pass 1: what the fetches need, cut at the feeds (the partial flow of the slides)."""
from thalweg.framework.graph import Tensor

from .ir import FEED, Ir, Node, Value, sorted_nodes


def prune(fetches, feeds):
    """The Ir of `fetches` (Tensors and Operations) given `feeds` (Tensors)."""
    fed = set(feeds)
    ops = needed_ops(fetches, fed)
    values, nodes = {}, {}
    for i, tensor in enumerate(feeds):
        node = Node(FEED, None, {"index": i}, [], [], tensor.op, -1.0, tensor.op.device, tensor.name)
        values[tensor] = _add_output(node, tensor)
        nodes[tensor] = node
    for op in ops:
        node = nodes[op] = Node(op.type, op.declaration, op.attrs, [], [], op, float(op._id), op.device, op.name)
        for tensor in op.outputs:
            value = _add_output(node, tensor)
            values.setdefault(tensor, value)
    for op in ops:
        nodes[op].inputs = [values[t] for t in op.inputs]
        nodes[op].controls = [nodes[c] for c in op.control_inputs]
    return Ir(sorted_nodes(list(nodes.values())), [values[t] for t in feeds],
              [values[f] if isinstance(f, Tensor) else None for f in fetches],
              [nodes[f] for f in fetches if not isinstance(f, Tensor)])


def _add_output(node, tensor):
    value = Value(node, len(node.outputs), tensor.dtype.base_dtype, tensor._shape)
    if tensor.dtype.is_ref_dtype and not node.op_type == FEED:
        value.variable = _UNRESOLVED
    node.outputs.append(value)
    return value


_UNRESOLVED = "?"                        # a reference whose variable effects.py finds


def needed_ops(fetches, fed):
    """The operations that `fetches` need, those behind the tensors `fed` left out, in the program's order."""
    needed = set()
    stack = [f.op if isinstance(f, Tensor) else f for f in fetches if f not in fed]
    while stack:
        op = stack.pop()
        if op in needed:
            continue
        needed.add(op)
        stack.extend(t.op for t in op.inputs if t not in fed)
        stack.extend(op.control_inputs)
    return sorted(needed, key=lambda op: op._id)


def unfed_placeholder(ir):
    """The first placeholder that is needed but not fed, as (node, path of nodes to the fetch), or None."""
    for node in ir.nodes:
        if node.op_type in ("Placeholder", "PlaceholderV2"):
            return node, _path_to_fetch(ir, node)
    return None


def _path_to_fetch(ir, start):
    users = {}
    for node in ir.nodes:
        for value in node.inputs:
            users.setdefault(value.node, node)
        for control in node.controls:
            users.setdefault(control, node)
    path = [start]
    while path[-1] in users:
        path.append(users[path[-1]])
    return path
