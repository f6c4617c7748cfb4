"""Pass 4: on which device each node runs: its request, its colocation group, what kernels exist, soft placement.

`place` decides by requests alone, once per fetch set. `settle` asks the devices for kernels when shapes are known and
moves a node that its device refuses along the device's fallback chain (down to the reference body on the host), or
raises where soft placement is off.
"""
from thalweg import devices
from thalweg.framework import errors
from thalweg.framework.device_spec import DeviceSpec
from thalweg.framework.errors import explain

from .effects import ALIASES, VARIABLES
from .ir import COPY, FEED, FETCH
from .memory import is_alias
from .shapes import known_value


class Placement:
    """The devices of one session, and the rules by which nodes come to them.

    Attributes
    ----------
    host : Device           where feeds, fetches, and steps in Python have their memory
    is_soft : bool          allow_soft_placement
    """

    def __init__(self, config):
        self.is_soft = config.allow_soft_placement
        self.threads = config.intra_op_parallelism_threads
        self._limits = dict(config.device_count)
        self.host = devices.host_device()
        self._by_name = {self.host.name: self.host}
        self._fuses = {}

    def by_name(self, name):
        """An open Device by its full name."""
        return self._by_name[name]

    def device_of(self, node):
        """The Device that a placed node runs on."""
        return self._by_name[node.device]

    def list_devices(self):
        """The devices that are ready, as rows of name, type and memory limit."""
        return devices.list_devices()

    def resolve(self, request, node):
        """The Device for a device string; the host where nothing is asked for, or nothing better is there."""
        spec = DeviceSpec.from_string(request)
        if spec.device_type is None and spec.device_index is None:
            return self._default(spec)
        device, reason = self._find(spec)
        if device is None:
            if not self.is_soft:
                raise errors.InvalidArgumentError(None, node.source, explain(
                    f"Cannot assign a device for operation {node.name!r} (op {node.op_type}): it was explicitly "
                    f"assigned to {request}, but {reason}",
                    available=", ".join(d.name for d in self._ready()),
                    hint="ConfigProto(allow_soft_placement=True), or another tf.device(...)",
                    built_at=node.source and node.source.frame))
            return self.host
        self._by_name[device.name] = device
        return device

    def _default(self, spec):
        device = devices.default_device()
        self._by_name[device.name] = device
        return device

    def _find(self, spec):
        limit = self._limits.get(spec.device_type)
        index = spec.device_index or 0
        if limit is not None and index >= limit:
            return None, f"ConfigProto(device_count) allows {limit} of {spec.device_type}"
        return devices.find_device(spec.device_type, index)

    def _ready(self):
        return list(self._by_name.values())

    def fuses(self, name, op_type, dtype):
        """Whether a device takes the plan's fused op type; asked once, with a small example."""
        key = name, op_type, dtype
        if key not in self._fuses:
            self._fuses[key] = devices.find_kernel(self._by_name[name], _example(op_type, dtype)) is not None
        return self._fuses[key]

    def fallback(self, device):
        """The Device that takes over what `device` has no kernel for; None after the host."""
        if device is self.host:
            return None
        other, _ = devices.find_device(device.fallback, 0) if device.fallback else (None, "")
        other = self.host if other is None else other
        self._by_name[other.name] = other
        return other


def _example(op_type, dtype):
    """A small request of a fused op type: what the fuse pass makes, in little."""
    number = dtype.as_datatype_enum
    shapes_in, out, attrs = {
        "_Region": (((8,), (8,)), (8,), {"ops": ["Add", "Relu"], "args": [0, 1, -1, 2, -1, -1], "alphas": [0.0, 0.0],
                                         "results": [1]}),
        "_FusedMatMul": (((2, 3), (3, 4), (4,)), (2, 4), {"transpose_a": False, "transpose_b": False,
                                                          "fused_ops": ["BiasAdd", "Relu"]}),
        "_FusedConv2D": (((1, 4, 4, 3), (3, 3, 3, 8), (8,)), (1, 4, 4, 8),
                         {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC", "dilations": [1, 1, 1, 1],
                          "explicit_paddings": [], "fused_ops": ["BiasAdd", "Relu"]})}[op_type]
    return devices.KernelRequest(op_type, kernel_attrs({**attrs, "T": dtype}), list(shapes_in), [out], [number] * len(shapes_in),
                                 [number], declaration=_declaration(op_type), name=op_type)


def _declaration(op_type):
    from thalweg.framework.declaration import REGISTRY
    return REGISTRY[op_type]


def place(ir, placement):
    """Sets `node.device` to the full name of the device that the node's request and group ask for."""
    groups = _group_requests(ir)
    for node in ir.nodes:
        request = groups.get(_group(node), node.device)
        node.device = placement.resolve(request, node).name if node.op_type not in (FEED, FETCH) \
            else placement.host.name
    _follow_variables(ir)


def _group(node):
    classes = node.attrs.get("_class")
    return classes[0][5:] if classes else node.name


def _group_requests(ir):
    """Group name -> the request of the op that gives the group its name."""
    members = {node.name: node.device for node in ir.nodes if node.device}
    for node in ir.nodes:
        if node.device and node.attrs.get("_class"):
            members.setdefault(_group(node), node.device)
    return members


def _follow_variables(ir):
    """What touches a variable's own buffer runs where the variable lies."""
    home = {v.variable: node.device for node in ir.nodes if node.op_type in VARIABLES for v in node.outputs}
    for node in ir.nodes:
        touched = [v.variable for v in node.outputs if v.variable in home]
        if touched:
            node.device = home[touched[0]]


def settle(ir, placement):
    """Finds each node's kernel; returns {(op type, requested device): count} of the nodes that moved elsewhere."""
    fallbacks = {}
    for node in ir.nodes:
        if node.op_type in (FEED, FETCH, COPY, "Const", "NoOp", *VARIABLES) or is_alias(node):
            continue
        wanted = placement.device_of(node)
        device = wanted
        request = _request(node)
        while request is not None and device is not None:
            node.kernel = devices.find_kernel(device, request)
            if node.kernel is not None:
                break
            node.refusal = request.refusal
            device = placement.fallback(device)
        if node.kernel is None or _writes_elsewhere(node, wanted, device):
            node.kernel, device = None, placement.host
        if device is not wanted and not (device.is_host and wanted.is_host):
            _moved(node, wanted, device, placement, fallbacks)
        node.device = device.name
    _follow_aliases(ir, placement)
    return fallbacks


def _writes_elsewhere(node, wanted, device):
    """Whether a variable would be written from another memory than its own: a Python step does that, by assignment."""
    return any(v.variable for v in node.outputs) and device is not wanted and not (device.is_host and wanted.is_host)


def _moved(node, wanted, device, placement, fallbacks):
    if not placement.is_soft and node.source is not None and node.source.device:
        dtypes = ", ".join(dict.fromkeys(v.dtype.name for v in node.inputs or node.outputs))
        raise errors.InvalidArgumentError(None, node.source, explain(
            f"cannot place {node.name!r} (op {node.op_type}) on {wanted.name}: no kernel for {dtypes}",
            reason=node.refusal, kernel_on=device.name,
            hint="ConfigProto(allow_soft_placement=True), or with tf.device('/cpu:0') around this line",
            built_at=node.source.frame))
    key = node.op_type, wanted.name
    fallbacks[key] = fallbacks.get(key, 0) + 1


def _follow_aliases(ir, placement):
    """An op that makes no bytes of its own stays with its input."""
    for node in ir.nodes:
        if node.op_type in ALIASES and node.inputs and is_alias(node):
            source = node.inputs[0].node
            node.device = placement.host.name if source.op_type == FEED else source.device


def _request(node):
    """What a device is asked; None where no kernel in C can serve (unknown shapes, strings)."""
    values = [*node.inputs, *node.outputs]
    if not all(v.is_static for v in values) or not _has_plain_attrs(node) or _reshapes_variable(node):
        return None
    constants = {k: known_value(v) for k, v in enumerate(node.inputs) if v.node.op_type == "Const"}
    return devices.KernelRequest(node.op_type, kernel_attrs(node.attrs), [v.shape for v in node.inputs],
                                 [v.shape for v in node.outputs], [v.dtype.as_datatype_enum for v in node.inputs],
                                 [v.dtype.as_datatype_enum for v in node.outputs], values=constants,
                                 declaration=node.declaration, name=node.name)


def _reshapes_variable(node):
    """Whether an assignment gives a variable another shape: the storage has to be made anew, in a Python step."""
    return node.op_type == "Assign" and node.outputs[0].shape != node.inputs[0].shape


def kernel_attrs(attrs):
    """Attributes as kernels read them: lists of names and of floats become texts with commas."""
    return {name: ",".join(map(str, value)) if type(value) is list and value and type(value[0]) in (str, float)
            else value for name, value in attrs.items()}


def _has_plain_attrs(node):
    return node.op_type not in ("If", "While", "PyFunc", "PyFuncStateless")


