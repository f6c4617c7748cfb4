"""Pass 7: moves values between devices, one transfer per value and target.

A transfer stands right before its first user, so that its buffer lives as short as possible. Variables are never
moved: a copy of their value is, and another one for those who read after a write. With
ConfigProto.graph_options.enable_bfloat16_sendrecv float32 values travel as bfloat16: without the lower half of their
mantissa, as TensorFlow sends them. Feeds and fetches are the caller's and travel whole.
"""
from thalweg.framework import dtypes
from thalweg.framework.shapes import size_of

from .effects import ALIASES, VARIABLES, is_found_by_name, reads_and_writes
from .ir import COPY, FEED, FETCH, Node, Value
from .memory import is_alias


def insert_copies(ir, device_of, host, find_cast=None):
    """Adds COPY nodes. `device_of(node)` gives a node's Device, `host` is the Device that feeds and fetches use.

    `find_cast(device, shape, source, target)` gives `(declaration, attrs, kernel)` of a Cast there, kernel None if
    there is none; where it is given, float32 values travel as bfloat16 between devices that both have one.
    """
    moved, result, writers = {}, [], {}          # writers: variable -> the last node so far that writes it
    home = _homes(ir, device_of, host)
    for node in ir.nodes:
        if node.op_type == FEED or node.op_type == COPY and not node.inputs:
            result.append(node)
            continue
        written = reads_and_writes(node)[1]
        for i, value in enumerate(node.inputs):
            source = home(value)
            target = host if node.op_type == FETCH or _is_read_on_host(node, i) else device_of(node)
            if source is None or _same_memory(source, target) or _takes_no_value(node, i):
                continue
            is_whole = find_cast is None or node.op_type == FETCH
            key = (value, target.name, is_whole, writers.get(value.variable))
            if key not in moved:
                casts = () if is_whole else _casts(value, source, target, find_cast)
                moved[key], added = _moved(value, source, target, node, casts)
                added[0].controls = [writers[value.variable]] if value.variable in writers else []
                result += added
            node.inputs[i] = moved[key]
        writers.update(dict.fromkeys(written, node))
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
    return is_found_by_name(node, index) or index == 0 and node.op_type in ("Assign", "IsVariableInitialized")


def _casts(value, source, target, find_cast):
    """The Casts to bfloat16 on one device and back on another, or () where the value travels whole."""
    origin = value
    while origin.node.op_type in ALIASES and origin.node.inputs:
        origin = origin.node.inputs[0]
    if value.dtype is not dtypes.float32 or not value.is_static or origin.node.op_type == FEED:
        return ()
    casts = (find_cast(source, value.shape, dtypes.float32, dtypes.bfloat16),
             find_cast(target, value.shape, dtypes.bfloat16, dtypes.float32))
    return casts if all(kernel is not None for _, _, kernel in casts) else ()


def _moved(value, source, target, user, casts):
    """`(the value on the other device, the nodes that bring it there)`."""
    if not casts:
        copy = _copy_node(value, target, user)
        return copy, [copy.node]
    short = _cast_node(value, dtypes.bfloat16, source, user, casts[0])
    copy = _copy_node(short, target, user)
    whole = _cast_node(copy, dtypes.float32, target, user, casts[1])
    return whole, [short.node, copy.node, whole.node]


def _cast_node(value, dtype, device, user, cast):
    declaration, attrs, kernel = cast
    name = f"{value!r}/{dtype.name}"
    node = Node("Cast", declaration, attrs, [value], [], user.source, user.rank, device.name, name)
    node.kernel = kernel
    node.outputs = [Value(node, 0, dtype, value.shape)]
    return node.outputs[0]


def _copy_node(value, target, user):
    node = Node(COPY, None, {}, [value], [], user.source, user.rank, target.name, f"{value!r}/to{target.name}")
    node.outputs = [Value(node, 0, value.dtype, value.shape)]
    return node.outputs[0]


def bytes_of_fallbacks(ir):
    """{(op type, requested device): bytes} that a run copies only because those ops run elsewhere; each copy once."""
    counted, totals = set(), {}
    for node in ir.nodes:
        if node.wanted is None:
            continue
        users = [user for value in node.outputs for user in value.uses]
        copies = [n for n in [*[v.node for v in node.inputs], *users] if n.op_type == COPY and n.inputs]
        fresh = set(copies) - counted
        counted |= fresh
        key = node.op_type, node.wanted
        totals[key] = totals.get(key, 0) + sum(_nbytes(n.outputs[0]) for n in fresh)
    return totals


def _nbytes(value):
    return size_of(value.shape) * value.dtype.size if value.is_static else 0
