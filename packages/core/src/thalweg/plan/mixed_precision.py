"""Pass 4b: computes products, and what lies between them, in 16 bits; variables, losses and sums keep 32.

Which ops gain and which must not is TensorFlow's division (its `auto_mixed_precision`): ALLOW gains most, DENY loses
digits or overflows, INFER is safe unless it follows one of those, CLEAR moves or compares values. A node is painted,
so that it takes and gives the compute type, when it is

* one of ALLOW;
* one of INFER or CLEAR on a way from one product to another, that nothing of DENY leads to;
* a sum over a bias' gradient, or one of CLEAR, all of whose operands are in the compute type already;
* one of CLEAR, or a conversion of integers, that only painted nodes take, its operands no larger than its results.

Ops that stand nowhere here stay as they are; so do those for which the device has no kernel of that type, and those
with a constant that would be 0 or infinite in it: a small epsilon, a large count.
"""
import numpy as np

from thalweg.framework import dtypes, shapes
from thalweg.framework.declaration import REGISTRY, group_arguments

from .ir import Node, Value
from .memory import is_alias
from .place import find_kernel, kernel_request
from .shapes import infer_node, known_value
from .simplify import hashable, written_ranks

ALLOW = frozenset("""
    BatchMatMul BatchMatMulV2 Conv2D Conv2DBackpropFilter Conv2DBackpropInput Conv3D Conv3DBackpropFilterV2
    Conv3DBackpropInputV2 DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput
    MatMul""".split())
INFER = frozenset("""
    Add AddN AddV2 AvgPool AvgPool3D AvgPool3DGrad AvgPoolGrad BiasAdd BiasAddGrad BiasAddV1 Elu EluGrad Erf Erfc
    FloorDiv FusedBatchNormV2 FusedBatchNormV3 FusedBatchNormGradV2 FusedBatchNormGradV3 Inv LeakyRelu LeakyReluGrad
    Mul Prod RealDiv Reciprocal Selu SeluGrad Sigmoid SigmoidGrad Softplus SoftplusGrad Softsign SoftsignGrad Sqrt Sub
    Tanh TanhGrad""".split())
DENY = frozenset("""
    Exp Expm1 L2Loss Log Log1p LogSoftmax Mean Pow Softmax SoftmaxCrossEntropyWithLogits
    SparseSoftmaxCrossEntropyWithLogits Sum""".split())
CLEAR = frozenset("""
    Abs BatchToSpaceND BroadcastTo Ceil CheckNumerics ConcatV2 DepthToSpace DynamicPartition DynamicStitch EnsureShape
    ExpandDims Fill Floor Gather GatherNd GatherV2 Identity Max MaxPool MaxPool3D MaxPool3DGrad MaxPoolGrad
    MaxPoolGradGrad Maximum Min Minimum MirrorPad MirrorPadGrad Neg OneHot OnesLike Pack Pad PadV2 PreventGradient Relu
    Relu6 Relu6Grad ReluGrad Reshape ResizeNearestNeighbor ResizeNearestNeighborGrad ReverseSequence ReverseV2 Round
    Select SelectV2 Sign Slice SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice
    StridedSliceGrad Tile TopK TopKV2 Transpose Unpack ZerosLike""".split())
_FOLLOW = CLEAR | {"BiasAddGrad"}
_LETTERS = {"Gather": ("Tparams",), "GatherV2": ("Tparams",), "GatherNd": ("Tparams",), "Cast": ("DstT",),
            "MaxPool3DGrad": ("T", "TInput")}


def mix_precision(ir, placement, dtype, only_where_faster):
    """Paints `ir` with `dtype`, float16 or bfloat16, in which nodes then compute.

    `only_where_faster` leaves out devices that do not name the type in `describe()["compute_types"]`.
    """
    ir.link()
    devices = {name for name in {n.device for n in ir.nodes}
               if not only_where_faster or placement.gains(name, dtype)}
    ports = {n: _Ports(n) for n in ir.nodes if n.device in devices and _may_be_painted(n)}
    ports = {n: p for n, p in ports.items() if n.op_type in ALLOW or _holds_constants(n, p, dtype)}
    while True:
        painted = _painted(ir, ports)
        refused = [n for n in ir.nodes if n in painted and not _has_kernel(n, ports[n], placement, dtype)]
        if not refused:
            break
        for node in refused:
            del ports[node]
    if painted:
        _paint(ir, painted, ports, dtype)


class _Ports:
    """Where a node can take and give the compute type.

    Attributes
    ----------
    letters : list of str       type attributes
    inputs : list of int        numbers of inputs
    outputs : list of Value
    """

    __slots__ = ("letters", "inputs", "outputs")

    def __init__(self, node):
        declaration, attrs = node.declaration, node.attrs
        self.letters = [x for x in _LETTERS.get(node.op_type, ("T",)) if attrs.get(x) is dtypes.float32]
        self.inputs = self._of(declaration.inputs, range(len(node.inputs)), attrs)
        self.outputs = self._of(declaration.outputs, node.outputs, attrs)

    def _of(self, arguments, items, attrs):
        groups = zip(arguments, group_arguments(arguments, list(items), attrs))
        return [item for argument, group in groups if argument.letter in self.letters
                for item in (group if argument.is_list else [group])]


def _may_be_painted(node):
    """Whether a node computes in float32, in shapes that are known, what may be computed in 16 bits."""
    if node.op_type == "Cast":
        is_listed = node.attrs["DstT"] is dtypes.float32 and node.attrs["SrcT"].kind in "iub"
    else:
        is_listed = node.op_type in ALLOW or node.op_type in INFER or node.op_type in CLEAR
    return is_listed and any(node.attrs.get(x) is dtypes.float32 for x in _LETTERS.get(node.op_type, ("T",))) \
        and all(v.is_static for v in [*node.inputs, *node.outputs]) and not any(v.variable for v in node.outputs)


def _holds_constants(node, ports, dtype):
    """Whether the type has a number for each that the node takes as a constant: none becomes 0 or infinite."""
    values = [known_value(node.inputs[k]) for k in ports.inputs]
    return all(_keeps_size(v, dtype) for v in values if v is not None)


def _keeps_size(array, dtype):
    cast = REGISTRY["Cast"].reference
    there, = cast([array], {"SrcT": dtypes.float32, "DstT": dtype, "Truncate": False})
    back, = cast([there], {"SrcT": dtype, "DstT": dtypes.float32, "Truncate": False})
    return np.array_equal(back == 0, array == 0) and np.array_equal(np.isinf(back), np.isinf(array))


# --- which nodes ------------------------------------------------------------------------------------

def _painted(ir, ports):
    """The nodes that take and give the compute type."""
    passable = {n for n in ports if n.op_type != "Cast"} - _behind_denied(ir, ports)
    products = {n for n in ports if n.op_type in ALLOW}
    after, before = set(products), set(products)
    for node in ir.nodes:
        if node in passable and any(v.node in after for v in _taken(node, ports)):
            after.add(node)
    for node in reversed(ir.nodes):
        if node in before:
            before.update(v.node for v in _taken(node, ports) if v.node in passable)
    painted = products | after & before
    _follow(ir, ports, passable, painted)
    _precede(ir, ports, passable, painted)
    return painted


def _taken(node, ports):
    """The values that a node would take in the compute type from nodes that could give it."""
    mine = [node.inputs[k] for k in ports[node].inputs]
    return [v for v in mine if v.node in ports and v in ports[v.node].outputs]


def _behind_denied(ir, ports):
    """The nodes of INFER and CLEAR to which something of DENY leads, through others of them."""
    tainted = set()
    for node in ir.nodes:
        if node.op_type in DENY or node in ports and node.op_type not in ALLOW \
                and any(node.inputs[k].node in tainted for k in ports[node].inputs):
            tainted.add(node)
    return tainted


def _follow(ir, ports, passable, painted):
    """Adds what only moves or adds up values that are in the compute type in any case."""
    for node in ir.nodes:
        if node in passable and node not in painted and node.op_type in _FOLLOW:
            given = [v for v in _taken(node, ports) if v.node in painted]
            others = {node.inputs[k] for k in ports[node].inputs}.difference(given)
            if given and all(v.node.op_type == "Const" for v in others):
                painted.add(node)


def _precede(ir, ports, passable, painted):
    """Adds what only painted nodes take, unless its operands have more elements to convert than its results."""
    fetched = {v for v in ir.fetches if v is not None}
    for node in reversed(ir.nodes):
        if node not in ports or node in painted or node.op_type != "Cast" and not (
                node in passable and node.op_type in CLEAR):
            continue
        given = ports[node].outputs
        users = [(v, user) for v in given for user in v.uses]
        if users and fetched.isdisjoint(given) and all(_takes(user, v, ports, painted) for v, user in users) \
                and _count(node.inputs[k] for k in ports[node].inputs) <= _count(given):
            painted.add(node)


def _takes(user, value, ports, painted):
    """Whether a painted node takes a value in the compute type, wherever it takes it."""
    return user in painted and all(k in ports[user].inputs for k, v in enumerate(user.inputs) if v is value)


def _count(values):
    return sum(shapes.size_of(v.shape) for v in values)


def _has_kernel(node, ports, placement, dtype):
    """Whether the node's device has a kernel of the compute type; asked once per op type and attributes."""
    if is_alias(node):
        return True
    key = node.device, node.op_type, dtype, hashable(node.attrs)
    return placement.remembered(key, lambda: _ask(_twin(node, ports, dtype), placement))


def _ask(twin, placement):
    device = placement.device_of(twin)
    request = kernel_request(twin, placement, ())
    return request is not None and find_kernel(twin, device, request, placement) is not None


def _twin(node, ports, dtype):
    """The node as it would be when painted, for the question alone."""
    twin = Node(node.op_type, node.declaration, _attrs(node, ports, dtype), [], [], node.source, node.rank,
                node.device, node.name)
    twin.inputs = [_as(v, dtype, twin) if k in ports.inputs else v for k, v in enumerate(node.inputs)]
    twin.outputs = [_as(v, dtype, twin) if v in ports.outputs else v for v in node.outputs]
    return twin


def _as(value, dtype, twin):
    """A value of the type that stands for `value`; it is no constant, since a conversion would make it."""
    other = Value(twin, value.index, dtype, value.shape)
    other.proven = value.proven
    return other


# --- painting ---------------------------------------------------------------------------------------

def _attrs(node, ports, dtype):
    return {**node.attrs, **dict.fromkeys(ports.letters, dtype)}


def _paint(ir, painted, ports, dtype):
    """Changes the painted nodes' types and adds the conversions between them and the others."""
    conversions = _Conversions(ir, {v for n in painted for v in ports[n].outputs})
    for node in painted:
        node.attrs = _attrs(node, ports[node], dtype)
        for value in ports[node].outputs:
            value.dtype = dtype
    for node in list(ir.nodes):
        wanted = ports[node].inputs if node in painted else ()
        for k, value in enumerate(node.inputs):
            node.inputs[k] = conversions.of(value, dtype if k in wanted else None, node)
        conversions.nodes.append(node)
    ir.fetches = [v and conversions.of(v, None, v.node, is_fetched=True) for v in ir.fetches]
    ir.nodes = conversions.nodes
    ir.link()


class _Conversions:
    """The Cast nodes: one per value and type, and per state of a variable.

    A conversion stands before its first user, so that of a painted value the small form lives longest.
    """

    def __init__(self, ir, painted):
        self.painted, self.written = painted, written_ranks(ir)
        self.made, self.nodes = {}, []

    def of(self, value, wanted, user, is_fetched=False):
        """`value` as `user` takes it: in the compute type where that is `wanted`, as the graph says where None is."""
        wanted = wanted or (dtypes.float32 if value in self.painted else value.dtype)
        if value.dtype is wanted:
            return value
        if value.node.op_type == "Cast" and value.node.inputs[0].dtype is wanted:
            return value.node.inputs[0]
        version = sum(rank < user.rank for rank in self.written.get(value.variable, ()))
        key = value, wanted, version
        if key not in self.made:
            rank = user.rank + 0.25 if is_fetched else user.rank - 0.25
            self.made[key] = self._cast(value, wanted, user, rank)
        return self.made[key]

    def _cast(self, value, dtype, user, rank):
        cast = Node("Cast", REGISTRY["Cast"], {"SrcT": value.dtype, "DstT": dtype, "Truncate": False}, [value], [],
                    user.source, rank, user.device, f"{value.node.name}/{dtype.name}")
        cast.outputs = [Value(cast, 0, dtype, value.shape)]
        infer_node(cast)
        self.nodes.append(cast)
        return cast.outputs[0]
