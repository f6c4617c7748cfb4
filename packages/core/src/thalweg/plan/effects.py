"""Which node touches which variable, and the order that follows: the program's own.

A fetch runs as if its ops ran in the order in which the program made them. So for each variable a read made before
a write sees the old value and one made after it the new, unless control dependencies say otherwise; between two
writes the later one wins. As creation order is a topological order, these edges never close a cycle.

`v/read`, the node that stands for a variable in expressions, is no read of its own: each op that takes it reads the
variable at the op's own place. Every other identity or reshape of a variable is a snapshot at its own place: it
shares the buffer while no write comes between it and its users, and is copied otherwise.
"""
from thalweg.framework import errors
from thalweg.framework.func_graph import FuncGraph

from .ir import COPY, FETCH, Node, Value

VARIABLES = ("VariableV2", "Variable", "TemporaryVariable")
ALIASES = frozenset(("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "PreventGradient",
                     "PlaceholderWithDefault", "Snapshot"))
_ORDERED = frozenset(("PyFunc", "PyFuncStateless", "Print", "PrintV2", "Assert"))   # effects outside of the graph


def variable_name(attrs, name):
    """The name under which a session keeps a variable's storage."""
    return attrs.get("shared_name") or attrs.get("_captured_variable") or name


def resolve_variables(ir):
    """Sets `Value.variable` on every value whose bytes are a variable's buffer, before snapshots are decided."""
    for node in ir.nodes:
        if node.op_type in VARIABLES:
            node.outputs[0].variable = variable_name(node.attrs, node.name)
            continue
        sources = [v.variable for v in node.inputs]
        if node.declaration is not None and any(o.is_ref for o in node.declaration.outputs):
            refs = [s for s, wants in zip(sources, node.declaration.wants_ref) if wants]
            if None in refs:
                raise _fed_variable(node, node.inputs[sources.index(None)])
            for value, name in zip(node.outputs, refs):
                value.variable = name
        elif node.op_type in ALIASES and node.inputs:
            node.outputs[0].variable = sources[0]


def _fed_variable(node, value):
    return errors.InvalidArgumentError(None, node.source, errors.explain(
        f"{node.op_type} {node.name!r} changes a variable, but this run feeds a value in its place",
        fed=value.node.name, hint="feed what is computed from the variable, or set the variable with Variable.load",
        built_at=node.source and node.source.frame))


def is_lazy_read(node):
    """Whether `node` is a variable's own `NAME/read`."""
    return (node.op_type == "Identity" and not node.controls and node.inputs[0].node.op_type in VARIABLES
            and node.name == f"{node.inputs[0].node.name}/read")


def reads_and_writes(node):
    """The variables that a node reads and those that it writes, two sets of names."""
    reads = {v.variable for v in node.inputs if v.variable}
    writes = set()
    if node.declaration is not None and node.op_type not in VARIABLES and _writes_refs(node.declaration):
        # where the variable lies on another device the input is a copy of its value; the output says whose it is
        refs = [v for v, wants in zip(node.inputs, node.declaration.wants_ref) if wants]
        writes = {v.variable for v in [*refs, *node.outputs] if v.variable}
    for graph in function_graphs(node.attrs):
        inner_reads, inner_writes = graph_effects(graph)
        reads |= inner_reads
        writes |= inner_writes
    return reads, writes


def _writes_refs(declaration):
    """Whether an op changes the variables that it is handed: all do that hand them on, and CountUpTo."""
    return any(o.is_ref for o in declaration.outputs) or declaration.name == "CountUpTo"


def function_graphs(attrs):
    """The function graphs among a node's attributes (branches and bodies)."""
    return [v for v in attrs.values() if isinstance(v, FuncGraph)]


def is_found_by_name(node, index):
    """Whether an input of an `If` or `While` is a variable that its graphs declare again, so that no value is passed.

    A variable that the caller feeds is passed like any other value.
    """
    if node.inputs[index].variable is None:
        return False
    first = node.op_type == "If"                 # the condition comes before what the graphs take
    return index >= first and any(g.inputs[index - first].op.type != "Placeholder"
                                  for g in function_graphs(node.attrs))


def graph_effects(graph):
    """Variables read and written anywhere inside a function graph, remembered with the graph."""
    known = graph.effects
    if known is not None and known[0] == len(graph._ops):
        return known[1]
    reads, writes = set(), set()
    for op in graph._ops:
        if op.type in VARIABLES:
            reads.add(variable_name(op.attrs, op.name))
        for inner in function_graphs(op.attrs):
            inner_reads, inner_writes = graph_effects(inner)
            reads |= inner_reads
            writes |= inner_writes
        if op.type not in VARIABLES and _writes_refs(op.declaration):
            writes |= {_root_name(t) for t in op.inputs if t.dtype.is_ref_dtype}
    graph.effects = len(graph._ops), (reads, writes)
    return reads, writes


def _root_name(tensor):
    while tensor.op.type not in VARIABLES:
        tensor = tensor.op.inputs[0]
    return variable_name(tensor.op.attrs, tensor.op.name)


def add_fetch_nodes(ir):
    """Gives each fetched value a FETCH node at the place of its producer."""
    for i, value in enumerate(ir.fetches):
        if value is not None:
            node = Node(FETCH, None, {"index": i}, [value], [], value.node.source, value.node.rank + 0.5,
                        value.node.device, f"fetch/{value!r}")
            ir.nodes.append(node)
            ir.targets.append(node)
    ir.nodes.sort(key=lambda n: n.position if n.position >= 0 else n.inputs[0].node.position + 0.5)
    ir.link()


def order_effects(ir):
    """Adds the control edges that keep each variable's reads and writes in the program's order."""
    ir.link()
    _make_reads(ir)
    _take_snapshots(ir)
    writer, readers, outside = {}, {}, None
    for node in sorted(ir.nodes, key=lambda n: (n.rank, n.position)):
        if node.op_type in VARIABLES or node.op_type in ALIASES and node.outputs[0].variable:
            continue
        reads, writes = reads_and_writes(node)
        for name in reads - writes:
            _follow(node, [writer[name]] if name in writer else ())
            readers.setdefault(name, []).append(node)
        for name in writes:
            _follow(node, readers.pop(name, ()))
            _follow(node, [writer[name]] if name in writer else ())
            writer[name] = node
        if node.op_type in _ORDERED:
            _follow(node, [outside] if outside else ())
            outside = node


def _follow(node, others):
    for other in others:
        if other is not node and other not in node.controls and not _comes_before(node, other):
            node.controls.append(other)


def _comes_before(node, other):
    """Whether `node` already has to run before `other` (explicit control edges against the program's order)."""
    if other.rank < node.rank and other.position < node.position:
        return False
    stack, seen = [other], set()
    while stack:
        current = stack.pop()
        if current is node:
            return True
        if current not in seen and current.position >= node.position:
            seen.add(current)
            stack.extend(v.node for v in current.inputs)
            stack.extend(current.controls)
    return False


def _make_reads(ir):
    """A reshape of a variable into what only the run tells is no alias of it, but reads it where it stands."""
    for node in ir.nodes:
        value = node.outputs[0] if node.op_type in ALIASES else None
        if value is not None and value.variable and not value.is_proven and value.shape != node.inputs[0].shape:
            _forget_variable(value)


def _take_snapshots(ir):
    """Turns an alias of a variable into a copy where a write comes between it and a user."""
    writes_of = {}
    for node in ir.nodes:
        for name in reads_and_writes(node)[1]:
            writes_of.setdefault(name, []).append(node.rank)
    if not writes_of:
        return
    for node in ir.nodes:
        if node.op_type not in ALIASES or is_lazy_read(node):
            continue
        name = node.outputs[0].variable
        ranks = writes_of.get(name, ())
        if any(node.rank < w < _last_read(user) for w in ranks for user in _users_through_aliases(node.outputs[0])):
            _make_copy(ir, node)
    _read_before_scattering(ir)


def _read_before_scattering(ir):
    """Gives scatters into a resource variable a copy of it where they take it as a value, too.

    TensorFlow's resource variables are read whole; a reference variable is read while it is written.
    """
    names = {n.outputs[0].variable for n in ir.nodes if n.op_type in VARIABLES and n.attrs.get("_resource")}
    for node in [n for n in ir.nodes if n.op_type.startswith("Scatter") and n.inputs[0].variable in names]:
        for k, value in enumerate(node.inputs[1:], 1):
            if value.variable == node.inputs[0].variable:
                node.inputs[k] = _copied(ir, value, node)
                ir.link()


def _last_read(user):
    """The place at which a user is done with its inputs: branches and bodies read theirs between their own writes."""
    return user.rank + 0.5 if function_graphs(user.attrs) else user.rank


def _users_through_aliases(value):
    for user in value.uses:
        if user.op_type in ALIASES and user.outputs[0].variable:
            yield from _users_through_aliases(user.outputs[0])
        else:
            yield user


def _make_copy(ir, node):
    """Inserts a COPY of the variable before the alias `node`, which then aliases the copy."""
    node.inputs[0] = _copied(ir, node.inputs[0], node)
    _forget_variable(node.outputs[0])
    ir.link()


def _copied(ir, source, node):
    """The copy of a value that a new COPY node makes at the place of `node`."""
    copy = Node(COPY, None, {}, [source], list(node.controls), node.source, node.rank - 0.25, node.device,
                f"{node.name}/snapshot")
    copy.position = node.position
    copy.outputs = [Value(copy, 0, source.dtype, source.shape)]
    ir.nodes.insert(ir.nodes.index(node), copy)
    return copy.outputs[0]


def _forget_variable(value):
    value.variable = None
    for user in value.uses:
        if user.op_type in ALIASES and user.outputs[0].variable:
            _forget_variable(user.outputs[0])
