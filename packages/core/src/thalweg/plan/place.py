"""Pass 4: on which device each node runs: its request, its colocation group, what kernels exist, soft placement.

`place` decides by requests alone, once per fetch set. `settle` asks the devices for kernels when shapes are known and
moves a node that its device refuses along the device's fallback chain (down to the reference body on the host), or
raises where soft placement is off.
"""
from thalweg.framework import errors
from thalweg.framework.errors import explain
from thalweg.framework.shapes import is_known, size_of, text

from .effects import ALIASES, VARIABLES, reads_and_writes
from .ir import COPY, FEED, FETCH
from .memory import is_alias
from .shapes import known_value

_MOST_BYTES = 2**63 - 1
_AT_HOME_IN_PYTHON = frozenset(("If", "While", "IsVariableInitialized"))    # steps of core's own, on any device
_IN_PYTHON = _AT_HOME_IN_PYTHON | {"PyFunc", "PyFuncStateless", "CountUpTo"}


def place(ir, placement):
    """Sets `node.device` to the full name of the device that the node's request and group ask for."""
    groups = _group_requests(ir)
    for node in ir.nodes:
        request = groups.get(_group(node), node.device)
        node.device = placement.resolve(request, node).name if node.op_type not in (FEED, FETCH) \
            else placement.host.name
    _follow_variables(ir, placement.variable_homes)


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


def _follow_variables(ir, homes):
    """What touches a variable's own buffer runs where the variable lies: where the first plan has put it."""
    home = {}
    for node in ir.nodes:
        if node.op_type in VARIABLES:
            name = node.outputs[0].variable
            home[name] = homes.setdefault(name, node.device)
    for node in ir.nodes:
        touched = [v.variable for v in node.outputs if v.variable in home]
        if touched:
            node.device = home[touched[0]]


def settle(ir, placement):
    """Finds each node's kernel; returns {(op type, requested device): count} of the nodes that moved elsewhere."""
    fallbacks = {}
    written = set().union(*[reads_and_writes(node)[1] for node in ir.nodes])
    for node in ir.nodes:
        if node.op_type in (FEED, FETCH, COPY, "Const", "NoOp", *VARIABLES) or is_alias(node):
            continue
        _check_sizes(node)
        wanted = placement.device_of(node)
        device = wanted
        request = kernel_request(node, placement, written)
        while request is not None and device is not None:
            node.kernel = find_kernel(node, device, request, placement)
            if node.kernel is not None:
                break
            node.refusal = request.refusal
            device = placement.fallback(device)
        if node.kernel is None or _writes_elsewhere(node, wanted, device):
            node.kernel, device = None, placement.host
        if device is not wanted and not (device.is_host and wanted.is_host) \
                and node.op_type not in _AT_HOME_IN_PYTHON:
            _moved(node, wanted, device, placement, fallbacks)
        node.device = device.name
    _follow_aliases(ir, placement)
    return fallbacks


def find_kernel(node, device, request, placement):
    """As `placement.find_kernel`; what a prepare function raises becomes the error of this op, with the line."""
    try:
        return placement.find_kernel(device, request)
    except errors.OpError as error:
        errors.of_python(node, error)                      # adds the op and the line
        raise
    except errors.ThalwegError:
        raise                                              # about a plugin, not about the op
    except Exception as error:
        raise errors.of_python(node, error) from error


def _check_sizes(node):
    """InvalidArgumentError for a value that no machine can address: kernels count bytes in 63 bits."""
    for value in node.outputs:
        if value.is_static and size_of(value.shape) * max(value.dtype.size, 1) > _MOST_BYTES:
            raise errors.InvalidArgumentError(None, node.source, explain(
                f"{value!r} would have {size_of(value.shape)} elements, more than memory can have bytes",
                got=f"{node.op_type} {node.name!r}, {value.dtype.name} {text(value.shape)}", hint="a smaller shape",
                built_at=node.source and node.source.frame))


def _writes_elsewhere(node, wanted, device):
    """Whether a variable would be written from another memory than its own: a Python step does that, by assignment."""
    return any(v.variable for v in node.outputs) and device is not wanted and not (device.is_host and wanted.is_host)


def _moved(node, wanted, device, placement, fallbacks):
    if not placement.is_soft and node.source is not None and node.source.device:
        dtypes = ", ".join(dict.fromkeys(v.dtype.name for v in node.inputs or node.outputs))
        raise errors.InvalidArgumentError(None, node.source, explain(
            f"cannot place {node.name!r} (op {node.op_type}) on {wanted.name}: no kernel for {dtypes}",
            reason=node.refusal or _why_not_asked(node), kernel_on=device.name,
            hint="ConfigProto(allow_soft_placement=True), or with tf.device('/cpu:0') around this line",
            built_at=node.source.frame))
    node.wanted = wanted.name
    key = node.op_type, wanted.name
    fallbacks[key] = fallbacks.get(key, 0) + 1


def _follow_aliases(ir, placement):
    """An op that makes no bytes of its own stays with its input."""
    for node in ir.nodes:
        if node.op_type in ALIASES and node.inputs and is_alias(node):
            source = node.inputs[0].node
            node.device = placement.host.name if source.op_type == FEED else source.device


def kernel_request(node, placement, written):
    """What a device is asked; None where no kernel in C can serve (unknown or unproven shapes, strings).

    `written`: the variables that the plan writes. What it only reads, and constants, may last from run to run.
    """
    if _why_not_asked(node):
        return None
    constants = {k: known_value(v) for k, v in enumerate(node.inputs) if v.node.op_type == "Const"}
    lasting = [k for k, v in enumerate(node.inputs)
               if k in constants or v.variable is not None and v.variable not in written]
    attrs = {**node.attrs, "inputs:lasting": lasting} if lasting else node.attrs
    return placement.request(node.op_type, attrs, node.inputs, node.outputs, constants, node.declaration,
                             node.name)


def _why_not_asked(node):
    """Why no kernel in C can serve a node, whatever the device; "" where one may."""
    if node.op_type in _IN_PYTHON:
        return "such steps run in Python"
    for value in (*node.inputs, *node.outputs):
        if not value.is_static:
            return (f"{value!r} has elements of type {value.dtype.name}" if is_known(value.shape) else
                    f"only the values of a run tell the shape of {value!r}; kernels are for shapes that are known")
    if not all(v.is_proven for v in node.outputs):
        return "the shape that the graph says is compared with what comes, which a Python step does"
    return "it gives the variable another shape" if _reshapes_variable(node) else ""


def _reshapes_variable(node):
    """Whether an assignment gives a variable another shape: the storage has to be made anew, in a Python step."""
    return node.op_type == "Assign" and node.outputs[0].shape != node.inputs[0].shape
