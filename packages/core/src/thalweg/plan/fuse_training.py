"""Part of pass 5: what training does around batch normalisation and biases becomes one step, forward and backward.

Forward a normalisation takes over a residual and an activation. Backward the gradients that meet at the activation,
its own gradient, and the normalisation's become one step; so do an activation's gradient and that of a bias.
"""
from thalweg.framework import dtypes, shapes
from thalweg.framework.declaration import REGISTRY

from .fuse import (
    _ACTIVATIONS,
    _NORMS,
    _activation,
    _only_user,
    _residual,
    _substitute,
    may_be_in_region,
    without_refused,
)
from .ir import Node, Value, sorted_nodes

_GRADIENTS = ("FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3")
_SUMS = ("AddN", "Add", "AddV2")
_MAX_ADDENDS = 8


def fuse_training(ir, fuses, refused=()):
    """Both directions; `fuses` and `refused` as in fuse.fuse."""
    ir.link()
    _fuse_forward(ir, fuses, refused)
    _fuse_backward(ir, fuses, refused)
    _gate_before_pools(ir)
    _fuse_bias_gradients(ir, fuses, refused)


def _is_normal(node, op_types, fused_type, fuses):
    """Whether a node is such an op in training, of a tensor that the fused kernel takes."""
    if node.op_type not in op_types or not node.attrs["is_training"] or node.attrs["data_format"] != "NHWC":
        return False
    x = node.inputs[0]
    return shapes.is_known(x.shape) and fuses(node.device, fused_type, x.dtype)


# --- forward --------------------------------------------------------------------------------------------

def _fuse_forward(ir, fuses, refused):
    owner = {}
    for node in reversed(ir.nodes):      # where two normalisations meet in an addition, the later one takes it over
        if _is_normal(node, _NORMS, "_FusedBatchNormEx", fuses):
            chain = without_refused(_followers(node, owner), "_FusedBatchNormEx", refused)
            if chain:
                owner.update(dict.fromkeys([node, *[taken for taken, _, _ in chain]], _forward(node, chain)))
    _substitute(ir, owner)


def _followers(node, owner):
    """What a normalisation can take over, as `fuse._epilogue` tells it.

    A residual must be there before: it may come from the statistics that the normalisation gives out.
    """
    chain, last = [], node
    for take in (_residual, _activation):
        user = _only_user(last)
        taken = user is not None and user not in owner and not user.controls and take(node, last, user)
        if taken and _all_before(node, [v.node for v in taken[1]]):
            chain.append((user, *taken))
            last = user
    return chain


def _forward(node, chain):
    last = chain[-1][0]
    operands = [v for _, _, values in chain for v in values]
    attrs = {"fused_ops": [name for _, name, _ in chain], "num_args": len(operands), "epsilon": node.attrs["epsilon"],
             "T": node.inputs[0].dtype, "U": dtypes.float32}
    fused = _node("_FusedBatchNormEx", attrs, [*node.inputs[:3], *operands], node.controls, node, last)
    statistics = node.outputs[1:]
    if len(statistics) == 4:
        statistics.append(_value((), ()))
    line = [_value(v.shape, v.proven) for v in statistics[:2]]
    _give(fused, [last.outputs[0], *statistics, *line])
    return fused


# --- backward -------------------------------------------------------------------------------------------

def _fuse_backward(ir, fuses, refused):
    owner, awaited = {}, {c for node in ir.nodes for c in node.controls}
    for node in ir.nodes:
        if ("_FusedBatchNormGradEx", node.name) not in refused \
                and _is_normal(node, _GRADIENTS, "_FusedBatchNormGradEx", fuses):
            gate = node.inputs[0].node
            if gate not in owner and _may_pass(node, gate):
                addition = _addition(gate, awaited)
                fused = _backward(node, gate, addition)
                owner.update(dict.fromkeys([n for n in (node, gate, addition) if n is not None], fused))
    _substitute(ir, owner)


def _may_pass(node, gate):
    """Whether the normalisation's gradient `node` can run at the place of the activation's, `gate`."""
    return _is_gate(gate, node) and gate.inputs[1].shape == node.inputs[1].shape \
        and not any(v.uses for v in node.outputs[3:]) \
        and _all_before(gate, [*[v.node for v in node.inputs[1:5]], *node.controls])


def _is_gate(gate, node):
    """Whether it is the gradient of an activation, where `node` runs."""
    return gate.op_type in [f"{name}Grad" for name in _ACTIVATIONS] and gate.device == node.device


def _addition(gate, awaited):
    """The sum of gradients that only `gate` takes, or None."""
    node, features = gate.inputs[0].node, gate.inputs[1]
    if node.op_type in _SUMS and len(node.inputs) <= _MAX_ADDENDS and _only_user(node) is gate \
            and node not in awaited and features.node is not node \
            and all(v.shape == gate.outputs[0].shape for v in node.inputs):
        return node
    return None


def _backward(node, gate, addition):
    addends = addition.inputs if addition is not None else gate.inputs[:1]
    features, x, side = _features(node, gate), node.inputs[1], gate.outputs[0]
    sides = [side] if any(user is not node for user in side.uses) else []
    attrs = {"num_addends": len(addends), "num_features": len(features), "num_sides": len(sides),
             "activation": gate.op_type.removesuffix("Grad"), "epsilon": node.attrs["epsilon"], "T": x.dtype,
             "U": dtypes.float32, "F": features[0].dtype}
    controls = [c for n in (addition, gate, node) if n is not None for c in n.controls]
    fused = _node("_FusedBatchNormGradEx", attrs, [*addends, x, *node.inputs[2:5], *features],
                  list(dict.fromkeys(controls)), gate, node)
    _give(fused, [node.outputs[0], *sides, *node.outputs[1:3]])
    return fused


def _features(node, gate):
    """What tells which elements the activation let through: its output, or the line on which it had its input.

    The line spares reading a tensor: x is read in any case.
    """
    forward = gate.inputs[1].node
    if forward.op_type == "_FusedBatchNormEx" and forward.attrs["num_args"] == 0 \
            and forward.inputs[0] is node.inputs[1] and forward.outputs[3:5] == node.inputs[3:5]:
        return forward.outputs[6:8]
    return gate.inputs[1:2]


# --- the gradient of an activation before a pool ------------------------------------------------------------

def _gate_before_pools(ir):
    """Swaps the gradients of a maximum over windows and of the activation before it: so this acts on fewer elements.

    A window's gradient goes to an element as large as the maximum: the activation lets both through or neither.
    What a bias sums over the elements it then sums over the windows: the same terms, in another order.
    """
    swapped = False
    for pool in ir.nodes:
        gate = _only_user(pool) if pool.op_type == "MaxPoolGrad" else None
        if gate is not None and _is_gate(gate, pool) and not gate.controls and _is_behind(pool, gate):
            _swap(pool, gate)
            swapped = True
    if swapped:
        ir.nodes = sorted_nodes(ir.nodes)
        ir.link()


def _is_behind(pool, gate):
    """Whether what the gradient `pool` scatters are gradients of maxima of what the activation gave."""
    x, y, _ = pool.inputs
    return gate.inputs[1] is x and gate.inputs[0].node is pool and y.node.op_type == "MaxPool" \
        and y.node.inputs[0] is x and y.node.attrs == pool.attrs


def _swap(pool, gate):
    y, dy = pool.inputs[1:]
    scattered, passed = gate.outputs[0], _value(y.shape, y.proven, y.dtype)
    gate.inputs = [dy, y]
    _give(gate, [passed])
    pool.inputs = [*pool.inputs[:2], passed]
    _give(pool, [scattered])
    for user in scattered.uses:
        if user.op_type == "BiasAddGrad":
            user.inputs = [passed]


# --- the gradient of a bias -----------------------------------------------------------------------------

def _fuse_bias_gradients(ir, fuses, refused):
    owner = {}
    for node in ir.nodes:
        gate = node.inputs[0].node if node.op_type == "BiasAddGrad" else None
        if gate is not None and gate not in owner and ("_FusedBiasAddGrad", node.name) not in refused \
                and _may_sum(node, gate, fuses):
            attrs = {"activation": gate.op_type.removesuffix("Grad"), "T": gate.outputs[0].dtype}
            controls = dict.fromkeys([*gate.controls, *node.controls])
            fused = _node("_FusedBiasAddGrad", attrs, gate.inputs, controls, gate, node)
            _give(fused, [gate.outputs[0], node.outputs[0]])
            owner.update(dict.fromkeys([node, gate], fused))
    _substitute(ir, owner)


def _may_sum(node, gate, fuses):
    """Whether a bias' gradient can run with the activation's, which has no better place in an elementwise region."""
    if not _is_gate(gate, node) or node.attrs["data_format"] != "NHWC" or not _all_before(gate, node.controls):
        return False
    dy, features = gate.inputs
    before = REGISTRY.get(dy.node.op_type)
    return shapes.is_known(dy.shape) and dy.shape == features.shape \
        and not (before is not None and may_be_in_region(before)) and fuses(node.device, "_FusedBiasAddGrad", dy.dtype)


# --- nodes ----------------------------------------------------------------------------------------------

def _all_before(node, others):
    """Whether `others` stand before `node`, so that none of them can need it."""
    return all(other.position < node.position for other in others)


def _node(op_type, attrs, inputs, controls, first, last):
    """A node in the place of `first`, which the user knows as `last`."""
    node = Node(op_type, REGISTRY[op_type], attrs, inputs, list(controls), last.source or first.source, first.rank,
                first.device, last.name)
    node.position = first.position
    return node


def _give(node, values):
    node.outputs = list(values)
    for index, value in enumerate(node.outputs):
        value.node, value.index = node, index


def _value(shape, proven, dtype=dtypes.float32):
    """A new value, without a node yet."""
    value = Value(None, 0, dtype, shape)
    value.proven = proven
    return value
