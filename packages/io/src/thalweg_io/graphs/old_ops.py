"""Op types of graphs that were written long ago, as the ops that came after them."""
from .node_attributes import annotation_of, invalid
from .op_adapters import adapts

_STRING, _RESOURCE = 7, 20
_ARRAY_OPS = ("", "Grad", "Write", "Read", "Gather", "Scatter", "Concat", "Split", "Size", "Close")
_RENEWED = {"Stack": "StackV2", "StackPush": "StackPushV2", "StackPop": "StackPopV2", "StackClose": "StackCloseV2",
            **{f"TensorArray{word}V2": f"TensorArray{word}V3" for word in _ARRAY_OPS}}
_MAKING = ("Stack", "TensorArrayV2", "TensorArrayGradV2")
_PASSING = ("Enter", "Switch", "Merge", "NextIteration", "Exit", "Identity")


def has_old_handles(nodes):
    """Whether there are stacks or TensorArrays whose handles are strings."""
    return any(node.op in _RENEWED for node in nodes)


def renewed(message):
    """A GraphDef with those stacks and TensorArrays as the ones that replaced them, whose handles are resources."""
    result = type(message)()
    result.CopyFrom(message)
    for nodes in (result.node, *[function.node_def for function in result.library.function]):
        _renew(nodes)
    return result


def _renew(nodes):
    handles = {node.name for node in nodes if node.op in _MAKING}
    if any(node.op == "Stack" for node in nodes):
        _add_limits(nodes)
    for node in nodes:
        node.op = _RENEWED.get(node.op, node.op)
    users = {}
    for node in nodes:
        if node.op.removeprefix("Ref") in _PASSING and "T" in node.attr and node.attr["T"].type == _STRING:
            for text in node.input:
                users.setdefault(text.partition(":")[0], []).append(node)
    queue = list(handles)
    while queue:
        for node in users.pop(queue.pop(), ()):
            node.op, node.attr["T"].type = node.op.removeprefix("Ref"), _RESOURCE
            queue.append(node.name)


def _add_limits(nodes):
    """A stack of old has no limit, which is an input now."""
    names = {node.name for node in nodes}
    for node in [node for node in nodes if node.op == "Stack"]:
        name = f"{node.name}/max_size"
        while name in names:
            name += "_1"
        names.add(name)
        node.input.insert(0, name)
        limit = nodes.add(name=name, op="Const")
        limit.attr["dtype"].type = limit.attr["value"].tensor.dtype = 3
        limit.attr["value"].tensor.tensor_shape.SetInParent()
        limit.attr["value"].tensor.int_val.append(-1)


@adapts("OptimizeDataset", "ModelDataset")
def add_dataset_option(importer, node, tensors, controls):
    """What TensorFlow asks for before it runs a dataset, to rewrite or to watch it: the dataset itself."""
    if not tensors:
        raise invalid(node.name, f"{node.op} takes a dataset, and has no input")
    op = importer.add_operation(node, "Identity", tensors[:1], controls, {})
    return op, op.outputs


@adapts("Concat")
def add_concat(importer, node, tensors, controls):
    """Concat, whose axis is the first input and not the last."""
    if len(tensors) < 2:
        raise invalid(node.name, f"Concat takes an axis and values, and has {len(tensors)} inputs")
    attrs = {name: annotation_of(message, node.name, name) for name, message in node.attr.items() if name[:1] == "_"}
    op = importer.add_operation(node, "ConcatV2", [*tensors[1:], tensors[0]], controls,
                                {**attrs, "N": len(tensors) - 1})
    return op, op.outputs
