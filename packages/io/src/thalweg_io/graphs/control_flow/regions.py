"""Regions: under which conditions the nodes of a frame run.

A Switch on a condition hands its input to one of two regions; what takes a value from a region is in that region too,
and a Merge of the two sides is in the region around both. A region is known by the one around it, its condition (the
tensor that decides, seen through the Switches and identities that carry it along), and its side.
"""
from thalweg.framework import errors

from .nodes import ENTER, MERGE, SWITCH, Node, named, topological


class Region:
    """One side of a condition, or the whole frame (`parent` None).

    Attributes
    ----------
    parent : Region or None
    cond : (Node, int)      the tensor that decides
    side : int              1: runs where it is true
    outer : Region or None  of a whole loop: where the loop is
    path : tuple of Region  from the whole frame to this one
    sides : dict            the conditions that are decided here
    """

    __slots__ = ("parent", "cond", "side", "depth", "children", "outer", "path", "sides")

    def __init__(self, parent=None, cond=None, side=0, outer=None):
        self.parent, self.cond, self.side, self.outer = parent, cond, side, outer
        self.depth = 0 if parent is None else parent.depth + 1
        self.path = (self,) if parent is None else (*parent.path, self)
        self.sides = {} if parent is None else {**parent.sides, cond: side}
        self.children = {}

    def child(self, cond, side):
        """The region inside this one where `cond` is `side`; DEAD where that contradicts what holds here."""
        known = self.decided(cond)
        if known is not None:
            return self if known == side else DEAD
        found = self.children.get((cond, side))
        if found is None:
            found = self.children[cond, side] = Region(self, cond, side)
        return found

    def decided(self, cond):
        """The side of `cond` that is known here, also from around the loop; None where both are possible."""
        region = self
        while region is not None:
            if cond in region.sides or cond[0].op not in ENTER:
                return region.sides.get(cond)
            cond, region = cond[0].source, region.outer
        return None

    def above(self, depth):
        """The region around this one (or this one) at `depth`."""
        return self.path[depth]

    def is_inside(self, other):
        """Whether this is `other` or lies in it."""
        return self.depth >= other.depth and self.path[other.depth] is other

    def __repr__(self):
        if self.parent is None:
            return "never" if self is DEAD else "always"
        return "where " + " and ".join(f"{r.cond[0].name}:{r.cond[1]} is {bool(r.side)}" for r in self.path[1:][-4:])


DEAD = Region()                          # what never runs


def joined(a, b):
    """The region in which both `a` and `b` hold."""
    if a is DEAD or b is DEAD:
        return DEAD
    if a.depth < b.depth:
        a, b = b, a
    if a.is_inside(b):
        return a
    for region in b.path[1:]:
        a = a.child(region.cond, region.side)
        if a is DEAD:
            break
    return a


class Choice:
    """What a Merge chooses between: `cond`, and its input for each side."""

    __slots__ = ("cond", "inputs")

    def __init__(self, cond, inputs):
        self.cond, self.inputs = cond, inputs


class Effect(Node):
    """Stands at the end of a branch for a node in it that something outside waits for."""

    __slots__ = ()


def regioned(frames):
    """Gives every node its region, and every Merge of a condition its `choice`.

    Where something waits for a node deeper in branches than itself, an Effect is put between them.
    """
    nodes = [n for frame in frames for n in frame.nodes]
    consumed = {s for n in nodes for s in [*[s for s, _ in n.inputs], *n.controls]}
    roots = _Conditions()
    for frame in frames:
        top = Region(outer=None if frame.op is None else frame.op.region)
        for enter in frame.enters:
            enter.source = roots.of(enter.source)
        for node in topological(frame.nodes, lambda n: [s for s, _ in n.inputs] + n.controls,
                                "Loops and branches wait for each other in a cycle"):
            _pass_controls_on(node)
            node.region = _region_of(node, top, roots, consumed)
    effects: dict = {}
    for node in nodes:
        if node.controls and node.region is not DEAD:
            node.controls = [_seen_from(node.region, c, effects) for c in node.controls if c.region is not DEAD]
    for effect in effects.values():
        effect.frame.nodes.append(effect)


def _pass_controls_on(node):
    """What a Switch waits for, those that take its output wait for: it will be gone."""
    through = [c for s, _ in node.inputs if s.op in SWITCH for c in s.controls]
    if through:
        node.controls = list(dict.fromkeys([*node.controls, *through]))


def _region_of(node, top, roots, consumed):
    if node.loop is not None and node.op in MERGE or node.op in ENTER:
        return top
    if node.op in MERGE:
        return _merged(node)
    waits_only = node.op == "ControlTrigger" or node.op == "NoOp" and node not in consumed
    region = top
    for source, index in node.inputs:
        region = joined(region, region_of_tensor((source, index), roots))
    for source in () if waits_only else node.controls:
        region = joined(region, source.region)
    if node.op in SWITCH and node.loop is None:
        node.choice = roots.of(node.inputs[1])
    return region


def region_of_tensor(tensor, roots=None):
    """The region of one output: a Switch's outputs are in two."""
    node, index = tensor
    if node.op in SWITCH and node.choice is not None and node.region is not DEAD:
        return node.region.child(node.choice, index)
    return node.region


def _merged(node):
    """The region of a Merge; sets what it chooses between."""
    alive = [(t, r) for t, r in ((t, region_of_tensor(t)) for t in node.inputs) if r is not DEAD]
    if len(alive) == 1:
        node.choice = Choice(None, [alive[0][0]])
        return alive[0][1]
    if len(alive) == 2:
        (a, of_a), (b, of_b) = alive
        if of_a.parent is not None and of_a.parent is of_b.parent and of_a.cond == of_b.cond:
            node.choice = Choice(of_a.cond, [b, a] if of_a.side else [a, b])
            return of_a.parent
    if not alive:
        return DEAD
    raise errors.UnimplementedError(
        None, None, f"{node!r} does not merge the two sides of one condition, so it cannot become an If: "
        + "; ".join(f"{t[0]!r} runs {r!r}" for t, r in alive))


class _Conditions:
    """The tensors behind conditions: what a Switch, an identity or an Enter carries along is the same condition."""

    def __init__(self):
        self._known, self._entered = {}, {}

    def of(self, tensor):
        """The tensor that decides."""
        passed = []
        while tensor not in self._known:
            passed.append(tensor)
            node = tensor[0]
            if node.op in SWITCH or node.op == "Identity" and node.inputs and not node.controls:
                tensor = node.inputs[0]
            elif node.op in ENTER and node.source is not None:
                self._known[tensor] = self._entered.setdefault((node.frame, node.source), tensor)
            else:
                self._known[tensor] = tensor
        for each in passed:
            self._known[each] = self._known[tensor]
        return self._known[tensor]


def _seen_from(region, control, effects):
    """`control`, or the Effect that stands for it where it is in a branch that `region` is not in."""
    while not region.is_inside(control.region):
        inner = control.region
        effect = effects.get(control)
        if effect is None:
            effect = effects[control] = Effect(f"{control.name}/done", "Effect", control.order + 0.25)
            effect.frame, effect.region = control.frame, inner.parent
            effect.controls, effect.choice = [control], Choice(inner.cond, [])
        control = effect
    return control


def check_runs(node):
    """Raises UnimplementedError for a node that is taken, but never runs."""
    if node.region is DEAD:
        raise errors.UnimplementedError(None, None, f"{node!r} is needed, but its inputs are values of branches that "
                                        f"exclude each other: {named([s for s, _ in node.inputs] + node.controls)}")
