"""The IR that all passes share: nodes and values of one plan, in an order that is always executable.

A `Node` is an operation of the plan (an op of the graph, or one that a pass made), a `Value` one of its outputs.
`Ir.nodes` is kept in topological order; `rank` is the place in the program's own order, which decides between
a read and a write of one variable (effects.py).
"""
from thalweg.framework.errors import ThalwegError
from thalweg.framework.shapes import is_known

FEED = "_Feed"                           # a fed tensor: its value comes with the run
FETCH = "_Fetch"                         # hands a value to the caller
COPY = "_Copy"                           # moves a value between devices, or takes a snapshot of a variable


class PlanError(ThalwegError):
    """An invariant of the IR is broken: a mistake of thalweg's own."""


class Value:
    """One output of a node.

    Attributes
    ----------
    shape : tuple or None       plain shape as far as it is known in this plan
    proven : tuple or None      what the shape rules say of it; what `shape` knows beyond that is somebody's word
                                (set_shape), which the step that makes the value checks
    variable : str or None      set when the bytes are those of this variable's own buffer
    base : Value or None        the value whose buffer this one shares (reshape and its kin), memory.py
    """

    __slots__ = ("node", "index", "dtype", "shape", "proven", "variable", "base", "storage", "uses")

    def __init__(self, node, index, dtype, shape):
        self.node, self.index, self.dtype, self.shape = node, index, dtype, shape
        self.proven = self.variable = self.base = self.storage = None
        self.uses = []                       # nodes that take this value, filled by Ir.link

    @property
    def is_static(self):
        """Whether a buffer can be planned for it: known shape, and elements that are plain bytes."""
        return is_known(self.shape) and self.dtype.kind in "fciubqx"

    @property
    def is_proven(self):
        """Whether the whole shape follows from the inputs' shapes, so that no run can give another one."""
        return is_known(self.proven)

    def __repr__(self):
        return f"{self.node.name}:{self.index}"


class Node:
    """One step to be.

    Attributes
    ----------
    op_type : str
    declaration : OpDeclaration or None      None for the plan's own kinds (FEED, FETCH, COPY)
    source : Operation or None               the graph's operation, for errors and tracing
    rank : float                             place in the program's order
    device : str                             requested, after `place` the assigned device's name
    kernel : Kernel or None                  found by `settle`; None with is_python for reference bodies
    refusal : str or None                    why the last device that was asked has no kernel
    wanted : str or None                     the device that `settle` has moved the node away from
    """

    __slots__ = ("op_type", "declaration", "attrs", "inputs", "outputs", "controls", "source", "rank", "device",
                 "name", "kernel", "position", "refusal", "wanted")

    def __init__(self, op_type, declaration, attrs, inputs, controls, source, rank, device, name):
        self.op_type, self.declaration, self.attrs = op_type, declaration, attrs
        self.inputs, self.controls, self.source = inputs, controls, source
        self.rank, self.device, self.name = rank, device, name
        self.outputs = []
        self.kernel = self.refusal = self.wanted = None
        self.position = -1

    @property
    def is_stateful(self):
        return self.declaration is None or self.declaration.is_stateful or any(self.declaration.wants_ref)

    def __repr__(self):
        return f"<{self.op_type} {self.name}>"


class Ir:
    """The nodes of one plan, what is fed and what is fetched.

    Attributes
    ----------
    nodes : list of Node        topological order
    feeds : list of Value       outputs of FEED nodes, in the order of the run's feeds
    fetches : list of Value or None     None for a fetched operation
    targets : list of Node      operations that must run although nothing takes their outputs
    """

    __slots__ = ("nodes", "feeds", "fetches", "targets")

    def __init__(self, nodes, feeds, fetches, targets):
        self.nodes, self.feeds, self.fetches, self.targets = nodes, feeds, fetches, targets

    def link(self):
        """Refreshes `Value.uses` and `Node.position` from inputs and order."""
        for position, node in enumerate(self.nodes):
            node.position = position
            for value in node.outputs:
                value.uses = []
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                value.uses.append(node)

    def replace(self, mapping):
        """Puts `mapping[value]` in the place of each value, following chains."""
        def final(value):
            while value in mapping:
                value = mapping[value]
            return value
        for node in self.nodes:
            node.inputs = [final(v) for v in node.inputs]
        self.fetches = [None if v is None else final(v) for v in self.fetches]

    def sweep(self):
        """Drops nodes that no fetch, target or kept node needs."""
        needed = set()
        stack = [v.node for v in self.fetches if v is not None] + list(self.targets)
        while stack:
            node = stack.pop()
            if node not in needed:
                needed.add(node)
                stack.extend(v.node for v in node.inputs)
                stack.extend(node.controls)
        needed.update(v.node for v in self.feeds)
        self.nodes = [n for n in self.nodes if n in needed]

    def clone(self):
        """A copy whose nodes and values can be changed; attributes are shared."""
        nodes, values = {}, {}
        for old in self.nodes:
            new = Node(old.op_type, old.declaration, old.attrs, [values[v] for v in old.inputs],
                       [nodes[c] for c in old.controls], old.source, old.rank, old.device, old.name)
            for value in old.outputs:
                values[value] = twin = Value(new, value.index, value.dtype, value.shape)
                twin.variable, twin.proven = value.variable, value.proven
                new.outputs.append(twin)
            nodes[old] = new
        return Ir(list(nodes.values()), [values[v] for v in self.feeds],
                  [None if v is None else values[v] for v in self.fetches], [nodes[t] for t in self.targets])

    def check(self, stage):
        """Raises PlanError unless every input and control stands before its user and names are unique values."""
        seen = set()
        for node in self.nodes:
            for value in node.inputs:
                if value.node not in seen:
                    raise PlanError(f"after {stage}: {node!r} takes {value!r}, which is not made before it")
                if value not in value.node.outputs:
                    raise PlanError(f"after {stage}: {value!r} is no output of {value.node!r}")
            for control in node.controls:
                if control not in seen:
                    raise PlanError(f"after {stage}: {node!r} must follow {control!r}, which stands later")
            for value in node.outputs:
                if value.node is not node:
                    raise PlanError(f"after {stage}: {value!r} belongs to another node than {node!r}")
            seen.add(node)
        for value in [v for v in self.fetches if v is not None] + self.feeds:
            if value.node not in seen:
                raise PlanError(f"after {stage}: {value!r} is fetched or fed, but its node is gone")


def sorted_nodes(nodes):
    """Topological order of `nodes`, the program's order wherever it is free: a heap over ranks."""
    import heapq
    waiting, followers = {}, {}
    inside = set(nodes)
    for node in nodes:
        before = {v.node for v in node.inputs} | set(node.controls)
        before &= inside
        waiting[node] = len(before)
        for other in before:
            followers.setdefault(other, []).append(node)
    ready = [(n.rank, i, n) for i, n in enumerate(nodes) if not waiting[n]]
    heapq.heapify(ready)
    result, tie = [], len(nodes)
    while ready:
        node = heapq.heappop(ready)[2]
        result.append(node)
        for follower in followers.get(node, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                tie += 1
                heapq.heappush(ready, (follower.rank, tie, follower))
    if len(result) != len(nodes):
        stuck = [n.name for n in nodes if waiting[n]][:4]
        raise ValueError(f"the graph has a cycle through {', '.join(stuck)}")
    return result
