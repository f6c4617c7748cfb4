"""Branches whose condition is known take the place of their `If`, so that all later passes see through them.

`training` and its kind are placeholders that are fed a bool: a template is made for each value (engine.py), and in it
batch norm, dropout and their gradients are plain nodes, merged and fused like all others.
"""
import numpy as np

from thalweg.framework.declaration import REGISTRY

from .effects import VARIABLES, is_found_by_name, is_lazy_read, resolve_variables
from .ir import Node, Value, sorted_nodes
from .shapes import function_ir, known_value


def fix_values(ir, values):
    """Makes constants of feeds whose value is known: `values` maps a feed's number to its array."""
    mapping = {}
    for i, array in values.items():
        feed = ir.feeds[i]
        const = Node("Const", REGISTRY["Const"], {"value": np.asarray(array), "dtype": feed.dtype}, [], [],
                     feed.node.source, feed.node.rank, feed.node.device, f"{feed.node.name}/value")
        const.outputs = [Value(const, 0, feed.dtype, np.shape(array))]
        mapping[feed] = const.outputs[0]
        ir.nodes.insert(0, const)
    if mapping:
        ir.replace(mapping)


def inline(ir):
    """Replaces each `If` with a constant condition by its branch; whether there was one."""
    found = [n for n in ir.nodes if n.op_type == "If" and known_value(n.inputs[0]) is not None]
    if not found:
        return False
    mapping, controls = {}, {}
    variables = {v.variable: v for n in ir.nodes if n.op_type in VARIABLES for v in n.outputs}
    nodes = [n for n in ir.nodes if n not in set(found)]
    for node in found:
        taken = "then_branch" if bool(known_value(node.inputs[0])) else "else_branch"
        made, ends = expand(node, taken, mapping, variables)
        mapping.update(zip(node.outputs, [end.outputs[0] for end in ends]))
        controls[node] = ends
        nodes += made + ends
    ir.nodes = nodes
    ir.replace(mapping)
    redirect_controls(ir, controls)
    ir.nodes = sorted_nodes(ir.nodes)
    return True


def expand(node, branch, mapping, variables):
    """(the nodes of a branch of an `If`, those that end it, one per output); what it captures enters `mapping`."""
    graph = node.attrs[branch]
    passed = [(t, v) for k, (t, v) in enumerate(zip(graph.inputs, node.inputs[1:]), 1)
              if not is_found_by_name(node, k)]
    body = function_ir(graph, [t for t, _ in passed], [v.shape for _, v in passed])
    resolve_variables(body)
    for feed, (_, value) in zip(body.feeds, passed):
        mapping[feed] = value
    reads = [n for n in body.nodes if n.op_type == "Identity" and is_lazy_read(n)]
    for value in [v for n in body.nodes if n.op_type in VARIABLES for v in n.outputs]:
        mapping[value] = variables.setdefault(value.variable, value)
        if mapping[value] is value:
            del mapping[value]
    for read in reads:                       # by its name it is known as no read of its own (effects.py)
        variable = mapping.get(read.inputs[0], read.inputs[0])
        read.name = f"{variable.node.name}/read"
    made = [n for n in body.nodes if n not in {f.node for f in body.feeds}]
    for inner in made:
        inner.controls = inner.controls + [c for c in node.controls if c not in inner.controls]
        inner.device = inner.device or node.device
    return made, [_end(value, node, i) for i, value in enumerate(body.fetches)]


def _end(value, node, index):
    """An Identity that takes an output of the branch when the branch ends: a snapshot, where it is a variable."""
    end = Node("Identity", REGISTRY["Identity"], {"T": value.dtype}, [value], list(node.controls), node.source,
               node.rank, node.device, f"{node.name}/output_{index}")
    end.outputs = [Value(end, 0, value.dtype, node.outputs[index].shape)]
    return end


def redirect_controls(ir, replaced):
    """What had to follow an `If` follows the outputs of its branch."""
    for node in ir.nodes:
        if any(c in replaced for c in node.controls):
            node.controls = [new for c in node.controls for new in replaced.get(c, [c])]
    ir.targets = [new for t in ir.targets for new in (replaced.get(t) or [t])]
