"""Invariants of memory and steps, checked under THALWEG_CHECK=1: what is alive shares no bytes, and steps find theirs.

Lifetimes are counted anew here, so that a mistake in memory.py is not repeated.
"""
from thalweg.framework.shapes import size_of

from . import memory
from .ir import PlanError
from .steps import KERNEL, MOVE


class _Piece:
    """Bytes of an arena, or of a fetched array, that hold a value (or None: a workspace) from a step to a step."""

    __slots__ = ("value", "node", "space", "begin", "end", "first", "last")

    def __init__(self, value, node, space, begin, nbytes, last):
        self.value, self.node, self.space, self.begin, self.end = value, node, space, begin, begin + nbytes
        self.first, self.last = node.position, last

    def __repr__(self):
        return f"{self.value or self.node!r} (bytes {self.begin} to {self.end}, steps {self.first} to {self.last})"


def check_layout(plan):
    """Raises PlanError unless values that are alive at one step lie apart, or share in place as a kernel allows."""
    lasts, alive = _last_steps(plan.nodes), []
    workspaces = {step.node: step.workspace for step in plan.steps if step.workspace is not None}
    for node in plan.nodes:
        alive = [p for p in alive if p.last >= node.position]
        for piece in _pieces_of(node, lasts, workspaces):
            _check_bounds(piece, plan.arena_bytes)
            for other in alive:
                if piece.space == other.space and piece.begin < other.end and other.begin < piece.end \
                        and not _is_in_place(piece, other):
                    raise PlanError(f"after memory: {piece!r} and {other!r} overlap in {piece.space}")
            alive.append(piece)
    for node in plan.given:
        if lasts[_owner(node.inputs[1])] != node.position:
            raise PlanError(f"after memory: {node!r} leaves {node.inputs[1]!r} to its variable, but it is taken later")


def check_steps(steps):
    """Raises PlanError where a step has a value without a place, C would read an object, or write what is not its."""
    for step in steps:
        for value in [*step.inputs, *step.outputs]:
            if value.storage is None:
                raise PlanError(f"after bind: {value!r} of {step.node!r} has no storage")
            if step.kind in (KERNEL, MOVE) and value.storage.kind == memory.OBJECT:
                raise PlanError(f"after bind: {step.node!r} runs in C, but {value!r} is a Python object")
        for value in step.outputs:
            if value.storage.kind in (memory.CONST, memory.FEEDS):
                raise PlanError(f"after bind: {step.node!r} writes {value!r}, which is a constant or a feed")


def _last_steps(nodes):
    """Value that owns its buffer -> the last step that takes it, under any shape."""
    lasts = {}
    for node in nodes:
        for value in [*node.outputs, *node.inputs]:
            owner = _owner(value)
            lasts[owner] = max(node.position, lasts.get(owner, -1))
    return lasts


def _owner(value):
    while value.base is not None:
        if size_of(value.shape) != size_of(value.base.shape) or not _is_same(value.storage, value.base.storage):
            raise PlanError(f"after memory: {value!r} is seen in the bytes of {value.base!r}, which are not its own")
        value = value.base
    return value


def _is_same(a, b):
    return a is b or a.kind == b.kind == memory.VARIABLE and a.payload == b.payload


def _pieces_of(node, lasts, workspaces):
    """The bytes that come into use at a node."""
    if node in workspaces:
        space = workspaces[node]
        yield _Piece(None, node, space.device, space.offset, space.nbytes, node.position)
    for value in node.outputs:
        if value.base is not None:
            continue
        kind, place = value.storage.kind, value.storage.payload
        nbytes = (size_of(value.shape) or 0) * value.dtype.size
        if kind == memory.ARENA:
            yield _Piece(value, node, place.device, place.offset, nbytes, lasts[value])
        elif kind in (memory.FETCHES, memory.GIVEN):
            space = f"fetch {place}" if kind == memory.FETCHES else f"array {place} for a variable"
            yield _Piece(value, node, space, 0, nbytes, lasts[value])


def _check_bounds(piece, arena_bytes):
    size = arena_bytes.get(piece.space)
    if size is not None and (piece.begin < 0 or piece.end > size):
        raise PlanError(f"after memory: {piece!r} lies outside of the arena of {size} bytes of {piece.space}")


def _is_in_place(piece, other):
    """Whether a kernel's output may lie where one of its inputs does, which nobody takes afterwards."""
    node, value = piece.node, piece.value
    if value is None or other.value is None or other.last != node.position or node.kernel is None:
        return False
    taken = [k for k, v in enumerate(node.inputs) if _owner(v) is other.value]
    return len(taken) == 1 and node.kernel.may_overwrite(taken[0], value.index) \
        and (piece.begin, piece.end) == (other.begin, other.end)
