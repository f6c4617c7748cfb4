"""Levels: what becomes one list of nodes, the graph itself or one function, and how branches in it become `If`s.

A level has the nodes of one frame that lie in one region or deeper. Merges of its own region are what branches give:
all that a Merge needs from deeper regions moves into the functions of an `If`. Nodes that several Merges need must run
once, so

* Merges that can run at the same time and share nodes become one `If`;
* one that needs nodes with an effect, an assignment say, gets its own, so that who asks for another runs no effects;
* what a later `If` needs from the branch of an earlier one (gradients do) is an output of that, with something of the
  same type, never looked at, in the other branch.

Nodes are gone through as a run would: first what needs no branch, then the Merges that this makes ready, and so on. So
no two `If`s can wait for each other.
"""
from heapq import heappop, heappush

from thalweg.framework import errors
from thalweg.framework.declaration import REGISTRY

from .nodes import ENTER, MERGE, SWITCH, Node
from .regions import Effect, check_runs

_TRIVIAL = ("Const", "Identity")         # cheap and without effect: each `If` has its own
_HARMLESS = frozenset(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "VariableV2", "Variable",
                       "VarHandleOp", "ReadVariableOp", "Const", "NoOp", "If", "While", "ControlTrigger"))


def resolved(tensor):
    """The tensor that a Switch, or the condition of a loop, only carries along."""
    while tensor[0].op in SWITCH or tensor[0].op == "LoopCond":
        tensor = tensor[0].inputs[0]
    return tensor


def is_pivot(node):
    """Whether a node is only waited for in order to be in a frame or a branch."""
    return node.op in SWITCH or node.op in ENTER or node.op in MERGE and node.loop is not None \
        or node.op == "LoopCond" or node.op == "Const" and not node.controls \
        or node.op == "Identity" and not node.controls and bool(node.inputs) and node.inputs[0][0].op in SWITCH


def tensors_of(node):
    """The tensors that a node takes, Switches seen through."""
    if node.op in MERGE and node.choice is not None:
        chosen = [resolved(t) for t in node.choice.inputs]
        return chosen if node.choice.cond is None else [*chosen, node.choice.cond]
    if isinstance(node, Effect):
        return [node.choice.cond]
    return [resolved(t) for t in node.inputs]


def controls_of(node):
    """The control inputs that mean something."""
    return [c for c in node.controls if not is_pivot(c)]


def is_choice(node):
    """Whether a node is an output of a branch."""
    return isinstance(node, Effect) or node.op in MERGE and node.choice is not None and node.choice.cond is not None


def closure(tensors, controls, given):
    """All nodes that `tensors` and `controls` need, not looking behind the tensors `given`."""
    found, stack = {}, [t[0] for t in tensors if t not in given] + list(controls)
    while stack:
        node = stack.pop()
        if node not in found:
            check_runs(node)
            if node.op in MERGE and node.loop is not None:
                raise errors.UnimplementedError(None, None, f"of the loop variable {node!r} more than its value is "
                                                            "taken")
            found[node] = True
            stack += [t[0] for t in tensors_of(node) if t not in given]
            stack += controls_of(node)
    return sorted(found, key=lambda n: n.order)


def has_effect(node):
    """Whether running a node changes something besides its outputs."""
    if node.op in _HARMLESS or node.op in MERGE or isinstance(node, Effect):
        return False
    declaration = REGISTRY.get(node.op)
    return declaration is None or any(declaration.wants_ref) or declaration.is_stateful and not declaration.is_random


class Branching(Node):
    """An `If` to be.

    Attributes
    ----------
    region : Region             the one around it
    cond : (Node, int)
    joins : list of Node        the Merges and Effects that it gives
    nodes : list of Node        what lies in its branches
    captured : list of (Node, int)
    kept : list of (Node, int)  tensors of its branches that later `If`s need
    results : list              (kind, what) for each output, in order; raising.py fills it
    """

    __slots__ = ("cond", "joins", "nodes", "captured", "kept", "results")

    def __init__(self, region, cond, joins):
        first = min(joins, key=lambda n: n.order)
        super().__init__(first.name.rpartition("/")[0], "If", first.order - 0.5)
        self.region, self.frame, self.cond, self.joins = region, first.frame, cond, joins
        self.nodes, self.captured, self.kept, self.results = [], [], [], []

    def keep(self, tensor):
        """Makes a tensor of a branch an output, for another `If` to take."""
        if tensor not in self.kept:
            self.kept.append(tensor)


class Level:
    """The nodes of one level, its branches folded to `If`s.

    Parameters
    ----------
    nodes : list of Node        all of them, those deeper in branches included
    region : Region             the level's own
    given : set of (Node, int)  tensors that come from outside
    outputs : list of (Node, int)   what is taken of it, also of its branches

    Attributes
    ----------
    items : list of Node        what the level consists of: nodes, Merges and Branchings
    holder : dict               node in a branch -> the Branching that computes it
    """

    def __init__(self, nodes, region, given, outputs=()):
        self.nodes, self.region, self.given = nodes, region, given
        self.holder, self.items, self._effects = {}, [], {}
        self._fold()
        for tensor in outputs:
            if tensor not in given and tensor[0] in self.holder:
                self.holder[tensor[0]].keep(tensor)

    def _inner(self, node, cond):
        """Whether a node lies in a branch of `cond` in this level."""
        region = node.region
        return region.depth > self.region.depth and region.above(self.region.depth + 1).cond == cond

    def _fold(self):
        among = set(self.nodes)
        waiting, users = {}, {}
        for node in self.nodes:
            before = {t[0] for t in tensors_of(node) if t not in self.given}.union(controls_of(node)) & among
            waiting[node] = len(before)
            for source in before:
                users.setdefault(source, []).append(node)
        ready, choices = [], {}

        def release(node):
            if node.region is self.region and is_choice(node):
                choices.setdefault(node.choice.cond, []).append(node)
            else:
                heappush(ready, (node.order, node.name, node))

        def done(node):
            for user in users.get(node, ()):
                waiting[user] -= 1
                if not waiting[user]:
                    release(user)

        for node in self.nodes:
            if not waiting[node]:
                release(node)
        while ready or choices:
            if ready:
                node = heappop(ready)[-1]
                if node.region is self.region:
                    self.items.append(node)
                else:
                    self._effects[node] = has_effect(node) or any(
                        self._effects.get(s) for s in [*[t[0] for t in tensors_of(node)], *controls_of(node)])
                done(node)
                continue
            cond = min(choices, key=lambda c: min(n.order for n in choices[c]))
            joins = sorted(choices.pop(cond), key=lambda n: n.order)
            self._branch(cond, joins)
            for node in joins:
                done(node)

    def _branch(self, cond, joins):
        with_effect = [j for j in joins if isinstance(j, Effect) or any(
            self._effects.get(s) for s in [t[0] for t in tensors_of(j)])]
        without = [j for j in joins if j not in set(with_effect)]
        for group in (without, with_effect):
            for branching in self._components(cond, group):
                self.items.append(branching)
            self.items += [j for j in group if not isinstance(j, Effect)]

    def _components(self, cond, joins):
        """One Branching for each set of `joins` that share nodes."""
        parts = _Parts()
        for join in joins:
            parts.add(join)
            stack, seen = [join], set()
            while stack:
                node = stack.pop()
                for source in [*[t[0] for t in tensors_of(node) if t not in self.given], *controls_of(node)]:
                    if source in seen or source in self.holder or not self._inner(source, cond):
                        continue
                    seen.add(source)
                    if not parts.shares(source, join):
                        stack.append(source)
        for members in parts.sets():
            yield self._branching(cond, members)

    def _branching(self, cond, joins):
        """The Branching of `joins`, which takes hold of all that they need in its branches."""
        branching = Branching(self.region, cond, joins)
        captured, controls, found, stack = {}, {}, {}, list(joins)
        while stack:
            node = stack.pop()
            for tensor in tensors_of(node):
                if tensor in self.given or not self._inner(tensor[0], cond):
                    if not (node.region is self.region and tensor == cond):
                        captured[tensor] = True
                elif tensor[0] in self.holder:
                    captured[tensor] = True
                    self.holder[tensor[0]].keep(tensor)
                elif tensor[0] not in found:
                    found[tensor[0]] = True
                    stack.append(tensor[0])
            for control in controls_of(node):
                if not self._inner(control, cond):
                    controls[control] = True
                elif control in self.holder:
                    controls[self.holder[control]] = True
                elif control not in found:
                    found[control] = True
                    stack.append(control)
        branching.captured, branching.controls = list(captured), list(controls)
        branching.nodes = sorted(found, key=lambda n: n.order)
        for node in branching.nodes:
            check_runs(node)
            if node.op not in _TRIVIAL:
                self.holder[node] = branching
        return branching


class _Parts:
    """Which joins belong together: disjoint sets, and who has come by a node first."""

    def __init__(self):
        self._parent, self._first = {}, {}

    def add(self, join):
        self._parent[join] = join

    def _root(self, join):
        while self._parent[join] is not join:
            self._parent[join] = self._parent[self._parent[join]]
            join = self._parent[join]
        return join

    def shares(self, node, join):
        """Notes that `join` needs `node`; whether another one does, so that both belong together."""
        if node.op in _TRIVIAL:
            return False
        first = self._first.setdefault(node, join)
        if first is join:
            return False
        self._parent[self._root(join)] = self._root(first)
        return True

    def sets(self):
        """The joins by what they share, in order."""
        found: dict = {}
        for join in self._parent:
            found.setdefault(self._root(join), []).append(join)
        return list(found.values())
