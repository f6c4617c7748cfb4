"""Pass 7: moves values between devices, one transfer per value and target.

A transfer stands right before its first user, so that its buffer lives as short as possible. Variables are never
moved: a copy of their value is.
"""
from .effects import ALIASES, VARIABLES, is_found_by_name
from .ir import COPY, FEED, FETCH, Node, Value
from .memory import is_alias


def insert_copies(ir, device_of, host):
    """Adds COPY nodes. `device_of(node)` gives a node's Device, `host` is the Device that feeds and fetches use."""
    moved, result = {}, []
    home = _homes(ir, device_of, host)
    for node in ir.nodes:
        if node.op_type == FEED or node.op_type == COPY and not node.inputs:
            result.append(node)
            continue
        for i, value in enumerate(node.inputs):
            source = home(value)
            target = host if node.op_type == FETCH or _is_read_on_host(node, i) else device_of(node)
            if source is None or _same_memory(source, target) or _takes_no_value(node, i):
                continue
            key = (value, target.name)
            if key not in moved:
                moved[key] = _copy_node(value, target, node)
                result.append(moved[key].node)
            node.inputs[i] = moved[key]
        result.append(node)
    ir.nodes = result
    ir.link()


def _homes(ir, device_of, host):
    """A function from a value to the Device on which it lies; None for constants, which go wherever they are taken."""
    variables = {node.outputs[0].variable: device_of(node) for node in ir.nodes if node.op_type in VARIABLES}

    def home(value):
        if value.variable in variables:
            return variables[value.variable]
        node = value.node
        if node.op_type == "Const":
            return None
        if node.op_type in ALIASES and is_alias(node):
            return home(node.inputs[0])
        return host if node.op_type == FEED else device_of(node)
    return home


def _same_memory(a, b):
    return a is b or a.is_host and b.is_host


def _is_read_on_host(node, index):
    return node.kernel is not None and node.kernel.reads_on_host(index)


def _takes_no_value(node, index):
    """Whether an input stays where it is: the step does not read it."""
    return is_found_by_name(node, index) or node.op_type == "Assign" and index == 0


def _copy_node(value, target, user):
    node = Node(COPY, None, {}, [value], [], user.source, user.rank, target.name, f"{value!r}/to{target.name}")
    node.outputs = [Value(node, 0, value.dtype, value.shape)]
    return node.outputs[0]
