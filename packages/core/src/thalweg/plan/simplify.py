"""Pass 3: folds constants, merges common sub-expressions, drops identities, writes a sum of two as an addition."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.declaration import REGISTRY

from .effects import VARIABLES, is_lazy_read, reads_and_writes
from .ir import FEED, Node
from .shapes import infer_node, known_value

_FOLD_LIMIT_BYTES = 1 << 20              # a folded result is kept for the plan's life; larger ones are computed anew
_PASS_THROUGH = frozenset(("Identity", "StopGradient", "PreventGradient", "Snapshot"))
_FOLDS = frozenset(("Max", "Mean", "Min", "Prod", "Sum"))     # over no axes at all: what a gradient does to be sure
_GROWS = frozenset(("Fill", "Range", "Tile", "BroadcastTo", "OneHot", "LinSpace"))    # few numbers in, many out
_OF_SHAPE = frozenset(("Shape", "Size", "Rank", "ShapeN"))


def simplify(ir):
    """One sweep in order: each node is dropped, folded, merged with an equal one, or kept."""
    mapping, seen, kept = {}, {}, []
    writes, targets = written_ranks(ir), set(ir.targets)
    replaced_nodes, effects, afloat = {}, {}, {}
    for node in ir.nodes:
        inherited = [c for other in [*[v.node for v in node.inputs], *node.controls] for c in afloat.get(other, ())]
        node.inputs = [mapping.get(v, v) for v in node.inputs]
        node.controls = _needed_controls(node, replaced_nodes, effects)
        effects[node] = _nearest_effects(node, effects)
        _float_controls(node, inherited, afloat, node in targets)
        if node.declaration is not None:
            infer_node(node)
        twin = None
        if _is_plain(node):
            source = _dropped(node)
            if source is not None:
                mapping[node.outputs[0]] = source
                replaced_nodes[node] = source.node
                continue
            _as_addition(node)
            folded = _folded(node)
            if folded is not None:
                _fold(node, folded, kept)
            twin = seen.setdefault((_key(node), _versions(node, writes)), node)
        if twin is not None and twin is not node and node not in targets and _agree(node, twin):
            for mine, theirs in zip(node.outputs, twin.outputs):
                theirs.shape = shapes.merge(mine.shape, theirs.shape)
                mapping[mine] = theirs
            replaced_nodes[node] = twin
            continue
        kept.append(node)
    ir.nodes = kept
    awaited = [c for v in ir.fetches if v is not None for c in afloat.get(v.node, ())]
    ir.fetches = [None if v is None else mapping.get(v, v) for v in ir.fetches]
    ir.targets = list(dict.fromkeys([*[replaced_nodes.get(t, t) for t in ir.targets], *awaited]))
    ir.sweep()


def _agree(node, twin):
    """Whether what the program says of equal values (set_shape) can be true of both."""
    return all(shapes.compatible(a.shape, b.shape) for a, b in zip(node.outputs, twin.outputs))


def _float_controls(node, inherited, afloat, is_target):
    """Hands what a node that only computes has to wait for on to its users, so that it can be folded and fused.

    `afloat` maps nodes to what they hand on. When such a node runs shows nowhere; what must have run is asked of the
    first user with an effect, or of the fetch.
    """
    waits = dict.fromkeys([*node.controls, *inherited])
    if not waits:
        return
    floats = (_is_plain(node) or node.op_type == "NoOp") and not is_target
    if floats and all(c.rank < node.rank for c in waits):
        afloat[node], node.controls = tuple(waits), []
    else:
        node.controls = list(waits)


def _nearest_effects(node, effects):
    """The nodes with an effect that have run when `node` has: itself, or the last ones before it."""
    if not (_is_plain(node) or node.op_type in ("NoOp", FEED, *VARIABLES)):
        return (node,)
    found = {}
    for other in [*[v.node for v in node.inputs], *node.controls]:
        found.update(dict.fromkeys(effects.get(other, ())))
    return tuple(found)


def _needed_controls(node, replaced, effects):
    """Control inputs as what they are for: the nodes with an effect that must have run.

    When a node that only computes runs shows nowhere, and reads of variables are kept in order by effects.py.
    """
    needed = {}
    for control in node.controls:
        control = replaced.get(control, control)
        if control.rank < node.rank and control in effects:
            needed.update(dict.fromkeys(effects[control]))
        else:
            needed[control] = None
    return list(needed)


def written_ranks(ir):
    """variable -> ranks of the nodes that write it."""
    writes = {}
    for node in ir.nodes:
        for name in reads_and_writes(node)[1]:
            writes.setdefault(name, []).append(node.rank)
    return writes


def _versions(node, writes):
    """Which state of its variables a node sees: equal reads before and after a write are not the same value."""
    return tuple([sum(rank < node.rank for rank in writes.get(v.variable, ())) for v in node.inputs if v.variable])


def _is_plain(node):
    return node.declaration is not None and not node.is_stateful


def _dropped(node):
    """The value that may stand for this node's output, or None."""
    if node.op_type in _PASS_THROUGH and not node.controls and node.inputs[0].variable is None:
        return node.inputs[0]
    if node.op_type == "Reshape" and not node.controls and node.inputs[0].variable is None \
            and node.outputs[0].is_proven and node.outputs[0].shape == node.inputs[0].shape:
        return node.inputs[0]
    if node.op_type in _FOLDS and not node.controls and node.inputs[0].variable is None \
            and np.size(known_value(node.inputs[1])) == 0 and node.outputs[0].shape == node.inputs[0].shape:
        return node.inputs[0]
    return None


def _as_addition(node):
    """Two gradients that meet are an addition, which has a place in elementwise regions."""
    if node.op_type == "AddN" and len(node.inputs) == 2 and all(v.is_proven for v in node.inputs) \
            and node.outputs[0].dtype in REGISTRY["Add"].letters["T"]:
        node.op_type, node.declaration, node.attrs = "Add", REGISTRY["Add"], {"T": node.attrs["T"]}


def _folded(node):
    """The outputs of a node whose inputs are all constant, else None."""
    if node.op_type == "Const" or node.controls or _needs_session(node):
        return None
    if node.op_type in _OF_SHAPE:
        return _shape_value(node)
    if not node.inputs or not all(v.is_static or _is_small(node) for v in node.outputs):
        return None
    if sum((shapes.size_of(v.shape) or 0) * max(v.dtype.size, 1) for v in node.outputs) > _FOLD_LIMIT_BYTES:
        return None
    values = [known_value(v) for v in node.inputs]
    if any(v is None for v in values):
        return None
    try:
        with np.errstate(all="ignore"):
            return node.declaration.reference(values, node.attrs)
    except errors.OpError:
        return None                      # the run reports it, with the step that fails
    except (ValueError, TypeError, ZeroDivisionError, IndexError, ArithmeticError):
        return None


def _is_small(node):
    """Whether the result cannot be large although its shape is not known before: its inputs are few numbers."""
    return sum(shapes.size_of(v.shape) or 0 for v in node.inputs) <= 64 and node.op_type not in _GROWS


def _needs_session(node):
    return node.declaration.is_random or node.declaration.takes_session


def _shape_value(node):
    found = []
    for source, output in zip(node.inputs, node.outputs):
        shape = source.proven
        if node.op_type == "Rank":
            if shape is None:
                return None
            found.append(np.array(len(shape), np.int32))
        elif not shapes.is_known(shape):
            return None
        else:
            value = shapes.size_of(shape) if node.op_type == "Size" else shape
            found.append(np.array(value, output.dtype.np))
    return found


def _fold(node, arrays, kept):
    """Makes `node` constant; one with several outputs gets a constant for each."""
    const = REGISTRY["Const"]
    for value, array in zip(node.outputs[1:], arrays[1:]):
        extra = Node("Const", const, _const_attrs(value, array), [], [], node.source, node.rank, node.device,
                     f"{node.name}:{value.index}")
        value.node, value.index = extra, 0
        extra.outputs = [value]
        kept.append(extra)
    node.op_type, node.declaration, node.inputs = "Const", const, []
    node.attrs = _const_attrs(node.outputs[0], arrays[0])
    node.outputs = node.outputs[:1]


def _const_attrs(value, array):
    array = np.ascontiguousarray(array).reshape(np.shape(array))
    value.shape = value.proven = array.shape
    return {"value": array, "dtype": value.dtype}


def _key(node):
    if node.op_type == "Const":
        return _const_key(node.attrs["value"], node.controls)
    return (node.op_type, tuple(node.inputs), tuple(node.controls), node.device, hashable(node.attrs),
            is_lazy_read(node))


def _const_key(array, controls):
    if array.dtype == object or array.nbytes > 1024:
        return ("Const", id(array), tuple(controls))
    return ("Const", array.dtype.str, array.shape, array.tobytes(), tuple(controls))


def hashable(value):
    """An attribute value in a form that can be a key of a dict; equal values give equal keys."""
    if isinstance(value, dict):
        return tuple([(k, hashable(v)) for k, v in sorted(value.items()) if not k.startswith("_")])
    if isinstance(value, (list, tuple)):
        return tuple([hashable(v) for v in value])
    if isinstance(value, np.ndarray):
        return id(value) if value.dtype == object else (value.dtype.str, value.shape, value.tobytes())
    return value if value.__hash__ else id(value)
