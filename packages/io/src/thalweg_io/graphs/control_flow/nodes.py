"""Nodes of a GraphDef linked to each other: what raising and lowering walk over."""
from heapq import heapify, heappop, heappush

from thalweg.framework import errors
from thalweg.framework.dtypes import as_dtype, float32, resource

from ..node_checks import declared, find_declaration
from ..op_adapters import NAMES

SWITCH, MERGE = ("Switch", "RefSwitch"), ("Merge", "RefMerge")
ENTER, EXIT, NEXT = ("Enter", "RefEnter"), ("Exit", "RefExit"), ("NextIteration", "RefNextIteration")
V1_OPS = frozenset((*SWITCH, *MERGE, *ENTER, *EXIT, *NEXT, "LoopCond"))
_LIKE_INPUT = (*SWITCH, *MERGE, *ENTER, *EXIT, *NEXT)


class Node:
    """A node under transformation.

    Attributes
    ----------
    name, op : str
    inputs : list of (Node, int)        a tensor is a node and the number of its output
    controls : list of Node
    order : float                       place in the file
    message : NodeDef or None           where it comes from: attributes and device
    frame, region : objects of frames.py and regions.py
    """

    __slots__ = ("name", "op", "inputs", "controls", "order", "message", "frame", "region", "source", "loop",
                 "choice", "_dtypes")

    def __init__(self, name, op, order, message=None):
        self.name, self.op, self.order, self.message = name, op, order, message
        self.inputs, self.controls = [], []
        self.frame = self.region = self.source = self.loop = self.choice = self._dtypes = None

    @property
    def dtypes(self):
        """The dtypes of the outputs, references told apart."""
        if self._dtypes is None:
            self._dtypes = output_dtypes(self.message, self.op)
        return self._dtypes

    @dtypes.setter
    def dtypes(self, value):
        self._dtypes = value

    def __repr__(self):
        return f"{self.op} {self.name!r}"


def linked(messages):
    """The nodes of `messages`, in their order.

    Raises
    ------
    InvalidArgumentError    for a name that stands twice, or an input that is not there
    """
    nodes: dict = {}
    for order, message in enumerate(messages):
        if message.name in nodes:
            raise errors.InvalidArgumentError(None, None, f"Node '{message.name}' is there twice")
        nodes[message.name] = Node(message.name, message.op, order, message)
    for node in nodes.values():
        for text in node.message.input:
            _link(node, text, nodes)
    for node in nodes.values():
        _check(node)
    return list(nodes.values())


_INPUTS = {"Switch": (2, 2), "Merge": (1, 1 << 31)}        # least and most; one of the other v1 ops
_MOST_OUTPUTS = {"Switch": 2, "Merge": 2}


def _check(node):
    """Raises InvalidArgumentError for a node of v1 control flow that TensorFlow would not take."""
    for source, index in node.inputs:
        if source.op in V1_OPS and index >= _MOST_OUTPUTS.get(source.op.removeprefix("Ref"), 1):
            raise errors.InvalidArgumentError(None, None, f"{node!r} takes output {index} of {source!r}, which has "
                                                          "fewer")
    if node.op not in V1_OPS:
        return
    least, most = _INPUTS.get(node.op.removeprefix("Ref"), (1, 1))
    if not least <= len(node.inputs) <= most:
        raise errors.InvalidArgumentError(None, None, f"{node!r} has {len(node.inputs)} inputs, expected {least}"
                                          + " or more" * (most > 2))
    if node.op != "LoopCond":
        node.dtypes = output_dtypes(node.message, node.op)


def _link(node, text, nodes):
    is_control = text.startswith("^")
    name, _, index = text.removeprefix("^").partition(":")
    source = nodes.get(name)
    if source is None or index and not index.isdigit():
        raise errors.InvalidArgumentError(None, None, f"Node '{node.name}': Unknown input node '{text}'")
    if is_control:
        node.controls.append(source)
    else:
        node.inputs.append((source, int(index or 0)))


def output_dtypes(message, op):
    """The dtypes of a NodeDef's outputs, from its op's declaration and its attributes."""
    if op in _LIKE_INPUT:
        dtype = _dtype(message.attr["T"].type if "T" in message.attr else 0, message).base_dtype
        dtype = dtype._ref if op.startswith("Ref") else dtype
        return {"Switch": [dtype] * 2, "Merge": [dtype, as_dtype("int32")]}.get(op.removeprefix("Ref"), [dtype])
    result = []
    for argument, count in output_arguments(message, op):
        if argument.is_typed_list:
            result += [_dtype(number, message) for number in message.attr[argument.letter].list.type]
            continue
        dtype = argument.dtype if argument.letter is None else _type_attr(message, argument.letter, op)
        result += [dtype._ref if argument.is_ref else dtype] * count
    return result


def _dtype(number, message):
    """The DType with TensorFlow's number `number`."""
    try:
        return as_dtype(number)
    except TypeError:
        raise errors.InvalidArgumentError(None, None, f"Node '{message.name}' of type {message.op}: {number} is the "
                                                      "number of no type, in an attribute that says one") from None


def dtype_of(tensor):
    """The dtype of a tensor, a node and the number of its output."""
    node, index = tensor
    if index >= len(node.dtypes):
        raise errors.InvalidArgumentError(None, None, f"output {index} of {node!r} is taken, which has "
                                                      f"{len(node.dtypes)}")
    return node.dtypes[index]


def _type_attr(message, letter, op):
    if letter in message.attr:
        return _dtype(message.attr[letter].type, message).base_dtype
    attribute = declared(op).attributes.get(letter)
    if attribute is None or attribute.is_required:
        raise errors.InvalidArgumentError(None, None, f"Node '{message.name}' of type {op} has no attribute "
                                                      f"'{letter}', which says its outputs' type")
    return attribute.default


class _Output:
    """An output of an op that import_graph_def turns into others (op_adapters.py): what its attributes tell."""

    name, count, is_ref = "output", None, False

    def __init__(self, dtype=None, letter=None):
        self.dtype, self.letter, self.is_typed_list = dtype, letter, letter is not None


def _adapted_outputs(message, op):
    if "Tout" in message.attr:
        yield _Output(letter="Tout"), len(message.attr["Tout"].list.type)
    elif op == "VarHandleOp":
        yield _Output(resource), 1
    elif not op.startswith("Assign"):
        attr = message.attr["dtype" if "dtype" in message.attr else "T"]
        yield _Output(float32 if attr.type == 0 else _dtype(attr.type, message)), 1


def output_arguments(message, op):
    """(declared output, number of tensors) for each output of a NodeDef."""
    if find_declaration(op) is None and op in NAMES:
        yield from _adapted_outputs(message, op)
        return
    for argument in declared(op).outputs:
        if argument.count:
            count = message.attr[argument.count].i
        else:
            count = len(message.attr[argument.letter].list.type) if argument.is_typed_list else 1
        yield argument, count


def output_name(node, number):
    """`node:argument:index` of output `number`, as functions name it."""
    first = 0
    for argument, count in output_arguments(node.message, node.message.op):
        if number < first + count:
            return f"{node.name}:{argument.name}:{number - first}"
        first += count
    raise errors.InvalidArgumentError(None, None, f"{node!r} has {first} outputs, output {number} is taken")


def topological(nodes, sources, trouble):
    """`nodes` with each after its `sources(node)`; in the order of the file where that leaves a choice.

    Raises
    ------
    InvalidArgumentError    `trouble` and the names of nodes in a cycle
    """
    among = set(nodes)
    waiting, users = {}, {}
    for node in nodes:
        before = [s for s in set(sources(node)) if s in among]
        waiting[node] = len(before)
        for source in before:
            users.setdefault(source, []).append(node)
    ready = [(node.order, node.name, node) for node in nodes if not waiting[node]]
    heapify(ready)
    result = []
    while ready:
        node = heappop(ready)[-1]
        result.append(node)
        for user in users.get(node, ()):
            waiting[user] -= 1
            if not waiting[user]:
                heappush(ready, (user.order, user.name, user))
    if len(result) < len(among):
        raise errors.InvalidArgumentError(None, None, f"{trouble}: {named(_cycle(waiting, sources))}")
    return result


def _cycle(waiting, sources):
    """Nodes of one cycle among those that still wait."""
    node, seen = next(n for n, count in waiting.items() if count), []
    found = set()
    while node not in found:
        found.add(node)
        seen.append(node)
        node = next(s for s in sources(node) if waiting.get(s))
    return seen[seen.index(node):]


def named(nodes, limit=5):
    """The first few nodes, for an error message."""
    nodes = list(nodes)
    more = f" and {len(nodes) - limit} more" if len(nodes) > limit else ""
    return ", ".join(map(repr, nodes[:limit])) + more
