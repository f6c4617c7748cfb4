"""The frames of a graph: each is one loop, and becomes one `While` node of the frame around it.

A node is in the frame of its inputs; Enter leads into a frame, Exit out of it. A loop variable is a Merge of an Enter
and a NextIteration; a Switch of it on the LoopCond leads its value into the body, or to an Exit. Every other Enter
brings in what stays the same in all iterations.
"""
from thalweg.framework import errors

from .nodes import ENTER, EXIT, MERGE, NEXT, SWITCH, Node, named, topological


class Frame:
    """One loop, or the graph around all loops.

    Attributes
    ----------
    parent : Frame or None
    name : str                          the attribute `frame_name`
    nodes, enters, exits : lists of Node
    cond : Node                         the LoopCond
    variables : list of Variable
    captures : list of Node             the Enters that are no variable's
    op : Node                           the `While` in the parent
    """

    def __init__(self, parent=None, name=""):
        self.parent, self.name = parent, name
        self.depth = 0 if parent is None else parent.depth + 1
        self.nodes, self.enters, self.exits = [], [], []
        self.cond = self.op = None
        self.variables, self.captures = [], []

    def __repr__(self):
        return f"loop {self.name!r}"


class Variable:
    """A loop variable: its nodes."""

    __slots__ = ("enter", "merge", "following")

    def __init__(self, enter, merge, following):
        self.enter, self.merge, self.following = enter, merge, following


def framed(nodes):
    """Gives every node its frame and folds each loop to a `While`; the frames, inner ones after outer ones.

    Raises
    ------
    InvalidArgumentError    where nodes of different frames are mixed, or nodes form a cycle
    UnimplementedError      for a loop that is none of a condition and variables
    """
    loop_edges = _cut_loops(nodes)
    root, found = Frame(), {}
    for node in topological(nodes, lambda n: [s for s, _ in n.inputs] + n.controls,
                            "Nodes wait for each other in a cycle that no NextIteration closes"):
        node.frame = _frame_of(node, root, found)
        node.frame.nodes.append(node)
    frames = sorted(found.values(), key=lambda f: f.depth)
    stray = [n for n in root.nodes if n in loop_edges or n.op in (*NEXT, "LoopCond")]
    if stray:
        raise errors.InvalidArgumentError(None, None, f"Nodes of a loop that no Enter leads into: {named(stray)}")
    for frame in frames:
        _find_parts(frame, loop_edges)
    taken = {s for n in nodes for s, _ in n.inputs}
    for frame in frames:
        frame.captures = [e for e in frame.enters if e in taken]
        nodes.append(_folded(frame))
    return [root, *frames]


def _cut_loops(nodes):
    """Takes the inputs that close loops off the Merges: {merge: NextIteration}."""
    edges = {}
    for node in nodes:
        if node.op in MERGE:
            closing = [s for s, _ in node.inputs if s.op in NEXT]
            if len(closing) > 1:
                raise errors.UnimplementedError(None, None, f"{node!r} takes several NextIterations: {named(closing)}")
            if closing:
                edges[node] = closing[0]
                node.inputs = [(s, k) for s, k in node.inputs if s is not closing[0]]
    return edges


def _frame_of(node, root, found):
    if node.op in ENTER:
        source, name = node.inputs[0][0], node.message.attr["frame_name"].s.decode("utf-8", "replace")
        parent = _left(source, source.frame)
        strange = [c for c in node.controls if _left(c, c.frame) is not parent]
        if strange:
            raise errors.InvalidArgumentError(None, None, f"{node!r} waits for nodes of another loop: "
                                                          f"{named(strange)}")
        frame = found.get((parent, name))
        if frame is None:
            frame = found[parent, name] = Frame(parent, name)
        frame.enters.append(node)
        return frame
    frames = {_left(source, source.frame) for source in [*[s for s, _ in node.inputs], *node.controls]} or {root}
    if len(frames) > 1:
        raise errors.InvalidArgumentError(None, None, f"{node!r} has inputs from different loops "
                                          f"({', '.join(sorted(f.name or 'none' for f in frames))}): "
                                          f"{named([s for s, _ in node.inputs] + node.controls)}")
    frame, = frames
    if node.op in EXIT:
        if frame is root:
            raise errors.InvalidArgumentError(None, None, f"{node!r} leaves a loop that it is not in")
        frame.exits.append(node)
    return frame


def _left(source, frame):
    """The frame of what `source` gives: an Exit is of the loop, its value outside."""
    return frame.parent if source.op in EXIT else frame


def _find_parts(frame, loop_edges):
    conds = [n for n in frame.nodes if n.op == "LoopCond"]
    if len(conds) != 1:
        raise errors.UnimplementedError(None, None, f"{frame!r} has {len(conds)} LoopCond nodes ({named(conds)}), "
                                                    "expected one")
    frame.cond = conds[0]
    merges = [n for n in frame.nodes if n in loop_edges]
    for merge in sorted(merges, key=lambda n: n.order):
        following = loop_edges[merge]
        enters = [s for s, _ in merge.inputs if s.op in ENTER]
        if len(enters) != 1 or len(merge.inputs) != 1 or following.frame is not frame:
            raise errors.UnimplementedError(None, None, f"{merge!r} is no loop variable of {frame!r}: expected an "
                                            f"Enter and a NextIteration, got {named(s for s, _ in merge.inputs)}, "
                                            f"{following!r}")
        frame.variables.append(Variable(enters[0], merge, following))
        merge.loop, merge.inputs = frame, []
    for node in frame.nodes:
        if node.op in SWITCH and node.inputs[1][0] is frame.cond:
            node.loop = frame
    _check_exits(frame)


def _check_exits(frame):
    variables = {v.merge: k for k, v in enumerate(frame.variables)}
    for node in frame.exits:
        (switch, side), = node.inputs
        if switch.op not in SWITCH or switch.loop is not frame or side != 0 or switch.inputs[0][0] not in variables:
            raise errors.UnimplementedError(None, None, f"{node!r} is no loop variable's: it takes output {side} of "
                                                        f"{switch!r}, expected output 0 of a Switch of a Merge on "
                                                        f"{frame.cond!r}")


def _folded(frame):
    """The `While` of a loop: Enters lead to it, Exits become identities of its outputs."""
    order = min([n.order for n in frame.exits] or [frame.cond.order])
    op = frame.op = Node(frame.name, "While", order - 0.5)
    entering = [v.enter for v in frame.variables] + frame.captures
    op.inputs = [e.inputs[0] for e in entering]
    op.controls = list(dict.fromkeys(c for e in entering for c in e.controls))
    op.dtypes = [v.merge.dtypes[0] for v in frame.variables]
    op.loop = frame
    op.frame = frame.parent
    frame.parent.nodes.append(op)
    for enter in frame.enters:
        enter.source, enter.inputs, enter.controls = enter.inputs[0], [], []
    numbers = {v.merge: k for k, v in enumerate(frame.variables)}
    for node in frame.exits:
        node.inputs = [(op, numbers[node.inputs[0][0].inputs[0][0]])]
        node.op, node.frame, node.controls = "Identity", frame.parent, []    # what it waits for is in the loop
        node.dtypes = [op.dtypes[node.inputs[0][1]].base_dtype]
        frame.parent.nodes.append(node)
    inner = set(frame.exits)
    frame.nodes = [n for n in frame.nodes if n not in inner]
    return op
