"""Pass 5: several nodes become one step: convolution, matmul or normalisation with what follows it, a depthwise
convolution with the pointwise one after it, and elementwise regions.

A device must know the fused op types, and each op that a region holds; otherwise the nodes stay as they are. So do
those whose fused step a device refuses when it sees the shapes: pipeline.py then fuses anew, without the steps in
`refused`, pairs of op type and name.
"""
import functools

from thalweg.framework import shapes
from thalweg.framework.declaration import REGISTRY

from .effects import ALIASES
from .ir import FETCH, Node, sorted_nodes

_PRODUCERS = {"Conv2D": "_FusedConv2D", "DepthwiseConv2dNative": "_FusedDepthwiseConv2dNative",
              "MatMul": "_FusedMatMul"}
_ADDS = ("BiasAdd", "Add", "AddV2")
_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_ACTIVATIONS = ("Relu", "Relu6")

_MAX_OPS, _MAX_INPUTS = 256, 24


def fuse(ir, fuses, refused=()):
    """All fusions; `fuses(device name, op type, dtype, part)` says what a device can take, a region with each op."""
    ir.link()
    _fuse_epilogues(ir, fuses, refused)
    _fuse_separable(ir, fuses, refused)
    _fuse_regions(ir, fuses, refused)


# --- convolution, matmul or normalisation + what follows it ---------------------------------------------

def is_fused(node):
    """Whether a node is one of several, as this pass and fuse_training.py make them."""
    return node.op_type == "_Region" or node.op_type.startswith("_Fused")


def without_refused(chain, fused_type, refused):
    """As much of a chain of (node, ...) as no device has refused to take over; steps have their last node's name."""
    while chain and (fused_type, chain[-1][0].name) in refused:
        chain = chain[:-1]
    return chain


def _fuse_epilogues(ir, fuses, refused):
    """Products take over normalisations; those that are left take over what follows them."""
    _fuse_chains(ir, _product_type, (_bias, _norm, _residual, _activation), fuses, refused)
    _fuse_chains(ir, _norm_type, (_residual, _activation), fuses, refused)


def _fuse_chains(ir, fused_type_of, takes, fuses, refused):
    replaced, awaited = {}, {c for node in ir.nodes for c in node.controls}
    for node in reversed(ir.nodes):      # where two of them meet in an addition, the later one takes it over
        fused_type = fused_type_of(node)
        if fused_type is None or not fuses(node.device, fused_type, node.outputs[0].dtype):
            continue
        chain = without_refused(_epilogue(node, takes, awaited, replaced), fused_type, refused)
        if chain:
            fused = _fused(node, chain, fused_type)
            replaced.update(dict.fromkeys([node, *[taken for taken, _, _ in chain]], fused))
    _substitute(ir, replaced)


def _product_type(node):
    return _PRODUCERS.get(node.op_type)


def _norm_type(node):
    return "_FusedBatchNormInference" if _is_line(node) and _is_channels_last(node) else None


def _is_line(node):
    """Whether it is a normalisation in inference whose statistics nobody takes."""
    return node.op_type in _NORMS and not node.attrs["is_training"] and not any(v.uses for v in node.outputs[1:])


def _epilogue(node, takes, awaited, replaced):
    """What `node`'s epilogue can take over: (node, its name in fused_ops, further operands), in order.

    Each of `takes` says it of one kind of follower, in the order of the kernels; any of them may be missing.
    """
    chain, last = [], node
    for take in takes:
        user = _only_user(last)
        taken = user is not None and user not in replaced and not user.controls and take(node, last, user)
        if not taken:
            continue
        before = [node, *[taken for taken, _, _ in chain]]
        if any(awaited.intersection(before)) and not all(_is_made_before(v, node) for v in taken[1]):
            break                        # something waits for what is inside, and an operand may wait for that
        chain.append((user, *taken))
        last = user
    return chain


def _only_user(node):
    """The one node that takes `node`'s first output, if it is all that does."""
    uses = node.outputs[0].uses
    user = uses[0] if len(uses) == 1 else None
    return None if user is None or user.op_type == FETCH or user.device != node.device else user


def _is_made_before(value, node):
    return _is_source(value) or value.node.position < node.position


def _is_source(value):
    """Whether a value needs nothing else: a constant, a feed, a variable or the read of one."""
    node = value.node
    return not node.inputs or node.op_type in ALIASES and _is_source(node.inputs[0])


def _is_channels_last(*nodes):
    return all(n.attrs.get("data_format", "NHWC") == "NHWC" for n in nodes)


def _bias(node, last, user):
    """The addition of a vector over the last dimension, by BiasAdd or another op."""
    if user.op_type not in _ADDS or user.op_type == "BiasAdd" and user.inputs[0].node is not last:
        return None
    vectors = [v for v in user.inputs if v.node is not last]
    return ("BiasAdd", vectors) if vectors and _are_vectors(vectors, node, last, user) else None


def _norm(node, last, user):
    """FusedBatchNorm by given statistics."""
    if not _is_line(user) or user.inputs[0].node is not last:
        return None
    vectors = user.inputs[1:]
    return ("FusedBatchNorm", vectors) if _are_vectors(vectors, node, last, user) else None


def _are_vectors(values, node, last, user):
    """Whether the operands of `user` run along the last dimension of `last`, in its dtype."""
    whole = last.outputs[0]
    return shapes.is_known(whole.shape) and _is_channels_last(node, user) \
        and all(v.shape == whole.shape[-1:] and v.dtype is whole.dtype for v in values)


def _residual(node, last, user):
    """The addition of a tensor of the same shape."""
    other = [v for v in user.inputs if v.node is not last]
    whole = last.outputs[0].shape
    if user.op_type not in ("Add", "AddV2") or len(other) != 1 or not shapes.is_known(whole) or len(whole) < 2:
        return None
    return ("Add", other) if other[0].shape == whole else None


def _activation(node, last, user):
    return (user.op_type, []) if user.op_type in _ACTIVATIONS else None


def _fused(node, chain, fused_type):
    operands = [v for _, _, values in chain for v in values]
    epsilons = [taken.attrs["epsilon"] for taken in (node, *[taken for taken, _, _ in chain])
                if taken.op_type in _NORMS]
    declaration = REGISTRY[fused_type]
    attrs = {**{a.name: a.default for a in declaration.attributes.values() if not a.is_required}, **node.attrs,
             "fused_ops": [name for _, name, _ in chain], "num_args": len(operands),
             "epsilon": epsilons[0] if epsilons else 0.0}
    last = chain[-1][0]
    fused = Node(fused_type, declaration, attrs, [*node.inputs, *operands], list(node.controls),
                 last.source or node.source, node.rank, node.device, last.name)
    fused.outputs = last.outputs[:1]
    return fused


def _substitute(ir, owner):
    """Puts fused nodes in the place of their parts; `owner[part]` is the fused node."""
    if not owner:
        return
    for fused in owner.values():
        for value in fused.outputs:
            value.node = fused
    nodes = dict.fromkeys(owner.get(n, n) for n in ir.nodes)
    for node in nodes:
        if any(c in owner for c in node.controls):
            node.controls = list(dict.fromkeys(owner.get(c, c) for c in node.controls))
    ir.targets = [owner.get(t, t) for t in ir.targets]
    ir.nodes = sorted_nodes(list(nodes))
    ir.link()


# --- depthwise + pointwise convolution ------------------------------------------------------------------

def _fuse_separable(ir, fuses, refused):
    """A depthwise convolution whose result only a 1 x 1 convolution takes, each with its epilogue."""
    replaced, awaited = {}, {c for node in ir.nodes for c in node.controls}
    for node in ir.nodes:
        if node.op_type not in ("DepthwiseConv2dNative", "_FusedDepthwiseConv2dNative") or node in awaited:
            continue
        user = _only_user(node)
        if user is not None and _is_pointwise(user, node) and ("_FusedSeparableConv2D", user.name) not in refused \
                and "Add" not in node.attrs.get("fused_ops", ()) \
                and fuses(node.device, "_FusedSeparableConv2D", node.outputs[0].dtype):
            replaced.update(dict.fromkeys((node, user), _separable(node, user)))
    _substitute(ir, replaced)


def _is_pointwise(user, node):
    """Whether `user` is a 1 x 1 convolution, at every place, of `node`'s result, which it takes for nothing else."""
    return user.op_type in ("Conv2D", "_FusedConv2D") and user.inputs[0].node is node \
        and sum(v.node is node for v in user.inputs) == 1 and _is_channels_last(node, user) \
        and user.inputs[1].shape is not None and user.inputs[1].shape[:2] == (1, 1) \
        and set(user.attrs["strides"]) == {1} and user.attrs["padding"] in ("SAME", "VALID") \
        and shapes.is_known(node.outputs[0].shape)


def _separable(node, user):
    declaration = REGISTRY["_FusedSeparableConv2D"]
    attrs = {name: node.attrs[name] for name in ("strides", "padding", "data_format", "dilations", "T")}
    attrs |= {"depthwise_ops": node.attrs.get("fused_ops", []), "fused_ops": user.attrs.get("fused_ops", []),
              "depthwise_epsilon": node.attrs.get("epsilon", 0.0), "epsilon": user.attrs.get("epsilon", 0.0)}
    operands = [*node.inputs[2:], *user.inputs[2:]]
    fused = Node("_FusedSeparableConv2D", declaration, {**attrs, "num_args": len(operands)},
                 [*node.inputs[:2], user.inputs[1], *operands], [*node.controls, *user.controls],
                 user.source or node.source, node.rank, node.device, user.name)
    fused.outputs = user.outputs[:1]
    return fused


# --- elementwise regions --------------------------------------------------------------------------------

@functools.cache
def may_be_in_region(declaration):
    """Whether an op acts on each element and stays in one type; its device has the last word.

    A region has room for three operands and one constant per op, an attribute named `alpha`.
    """
    arguments = [*declaration.inputs, *declaration.outputs]
    letters = {None if a.is_list or a.is_ref else a.letter for a in arguments}
    is_pure = declaration.kind == "elementwise" and not declaration.is_stateful
    return is_pure and declaration.attributes.keys() <= {"alpha"} and len(declaration.inputs) <= 3 \
        and len(declaration.outputs) == 1 and len(letters) == 1 and None not in letters


class _Region:
    """Nodes that will be one: `mask` has their bits, `needs` those of everything that they need."""

    __slots__ = ("nodes", "key", "mask", "needs")

    def __init__(self, nodes, key, mask, needs):
        self.nodes, self.key, self.mask, self.needs = nodes, key, mask, needs


def _fuse_regions(ir, fuses, refused):
    """Grows regions along the order: a node joins those of its inputs that it may join without closing a cycle."""
    control_sources = {c for node in ir.nodes for c in node.controls}
    needs = _needs(ir)
    region_of, regions = {}, {}
    for node in ir.nodes:
        if not _may_join(node, control_sources, fuses):
            continue
        key = (node.device, node.outputs[0].dtype, node.outputs[0].shape)
        merged = _Region([node], key, 1 << node.position, needs[node])
        for other in dict.fromkeys(region_of[v.node] for v in node.inputs if v.node in region_of):
            union = _union(merged, other)
            if union is not None and not _needs_itself(union, regions, (merged, other), needs):
                regions.pop(other)
                merged = union
        regions[merged] = None
        region_of.update(dict.fromkeys(merged.nodes, merged))
    regions = [r for r in regions if len(r.nodes) > 1 and ("_Region", _region_name(r)) not in refused]
    if regions:
        _build_regions(ir, regions)


def _needs(ir):
    """Node -> the set of nodes that it needs, as the bits of their positions."""
    needs = {}
    for node in ir.nodes:
        bits = 0
        for other in [*[v.node for v in node.inputs], *node.controls]:
            bits |= needs[other] | 1 << other.position
        needs[node] = bits
    return needs


def _may_join(node, control_sources, fuses):
    declaration = REGISTRY.get(node.op_type)
    if declaration is None or not may_be_in_region(declaration) or node.controls or node in control_sources:
        return False
    value = node.outputs[0]
    return value.is_static and value.dtype.is_floating and fuses(node.device, "_Region", value.dtype, node.op_type)


def _union(a, b):
    """Both regions as one; None where they differ in shape, dtype or device, or would be too large."""
    if a.key != b.key or len(a.nodes) + len(b.nodes) > _MAX_OPS:
        return None
    nodes = sorted([*a.nodes, *b.nodes], key=lambda n: n.position)
    inside = {v for n in nodes for v in n.outputs}
    if len({v for n in nodes for v in n.inputs} - inside) > _MAX_INPUTS:
        return None
    return _Region(nodes, a.key, a.mask | b.mask, a.needs | b.needs)


def _needs_itself(union, regions, parts, needs):
    """Whether something outside that the union needs would need the union: the other regions count as wholes."""
    inside = set(union.nodes)
    needed = 0
    for node in {v.node for n in union.nodes for v in n.inputs} - inside:
        needed |= needs[node] | 1 << node.position
    others = [r for r in regions if r not in parts]
    while not needed & union.mask:
        grown = needed
        for region in others:
            if region.mask & grown:
                grown |= region.mask | region.needs
        if grown == needed:
            return False
        needed = grown
    return True


def _build_regions(ir, regions):
    replaced_by = {n: r for r in regions for n in r.nodes}
    targets = set(ir.targets)
    made = {r: _region_node(r, targets) for r in regions}
    ir.nodes = [n for n in ir.nodes if n not in replaced_by] + list(made.values())
    ir.targets = [made[replaced_by[t]] if t in replaced_by else t for t in ir.targets]
    ir.nodes = sorted_nodes(ir.nodes)
    ir.link()


def _region_name(region):
    return f"{region.nodes[-1].name}/region"


def _region_node(region, targets):
    """The `_Region` node: external inputs, then a little program of ops over them and earlier results.

    A target's value is a result even if nobody uses it: a region has one at least.
    """
    inside = {n.outputs[0]: i for i, n in enumerate(region.nodes)}
    externals = list(dict.fromkeys(v for n in region.nodes for v in n.inputs if v not in inside))
    number = {v: i for i, v in enumerate(externals)}
    args, alphas, results = [], [], []
    members = set(region.nodes)
    for i, node in enumerate(region.nodes):
        slots = [len(externals) + inside[v] if v in inside else number[v] for v in node.inputs]
        args += slots + [-1] * (3 - len(slots))
        alphas.append(float(node.attrs.get("alpha", 0.0)))
        if node in targets or any(user not in members for user in node.outputs[0].uses):
            results.append(i)
    last = region.nodes[-1]
    dtype = last.outputs[0].dtype
    attrs = {"ops": [n.op_type for n in region.nodes], "args": args, "alphas": alphas, "results": results,
             "N": len(externals), "T": dtype, "n_results": len(results)}
    node = Node("_Region", REGISTRY["_Region"], attrs, externals, [], last.source, last.rank, last.device,
                _region_name(region))
    node.outputs = [region.nodes[i].outputs[0] for i in results]
    for index, value in enumerate(node.outputs):
        value.node, value.index = node, index
    return node
