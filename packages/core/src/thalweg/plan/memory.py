"""Pass 8: where each value lies: liveness, reuse in place, one arena per device with fixed offsets.

Storage kinds: CONST (the plan's own array), FEED (the caller's array, never written), VARIABLE (the session's),
FETCH (the array that the caller gets), ARENA (an offset in the device's arena), OBJECT (a Python object: strings,
and arrays whose shape is known only when the run is there), GIVEN (an array that becomes a variable's).
"""
from bisect import bisect_left, insort
from heapq import heappop, heappush

from thalweg.framework.shapes import size_of

from . import taking
from .effects import ALIASES
from .ir import COPY, FEED, FETCH

CONST, FEEDS, VARIABLE, FETCHES, ARENA, OBJECT, GIVEN = range(7)


class Storage:
    """Where a value lies: `kind`, and by kind `payload` an array, an index, a variable's name or an Allocation."""

    __slots__ = ("kind", "payload")

    def __init__(self, kind, payload):
        self.kind, self.payload = kind, payload


class Allocation:
    """A piece of an arena, alive from step `start` to step `end` (both inclusive)."""

    __slots__ = ("nbytes", "start", "end", "offset", "device")

    def __init__(self, nbytes, start, end, device):
        self.nbytes, self.start, self.end, self.device = nbytes, start, end, device
        self.offset = -1


def is_alias(node):
    """Whether a node makes no bytes of its own: those of its input are as many, whatever the run brings."""
    if node.op_type not in ALIASES:
        return False
    source, value = node.inputs[0], node.outputs[0]
    return source.is_static and value.is_static and value.is_proven and size_of(source.shape) == size_of(value.shape)


class Layout:
    """What a plan needs besides its values' places.

    Attributes
    ----------
    arena_bytes : dict          device name -> bytes
    n_objects : int             count of values that are Python objects
    workspaces : dict           node -> Allocation
    given : list of Node        assignments whose values are made in arrays that the variables take
    """

    __slots__ = ("arena_bytes", "n_objects", "workspaces", "given")

    def __init__(self):
        self.arena_bytes, self.n_objects, self.workspaces, self.given = {}, 0, {}, []


def lay_out(ir, device_of, with_value):
    """Gives every value its Storage; returns the Layout. `with_value`: names of variables that have one already."""
    ir.link()
    ends = _last_uses(ir)
    layout, allocations, held = Layout(), [], {}
    for node in ir.nodes:
        for value in node.outputs:
            storage = _fixed_storage(value)
            if storage is None and not value.is_static:
                storage, layout.n_objects = Storage(OBJECT, layout.n_objects), layout.n_objects + 1
            if storage is None:
                storage = Storage(ARENA, _allocate(value, node, ends, device_of, allocations))
                held.setdefault(storage.payload, []).append(value)
            value.storage = storage
        if node.op_type == FETCH:
            _fetch_directly(node)
        elif taking.may_take(node, device_of):
            _give(node, held, with_value, layout.given)
        if node.kernel is not None and node.kernel.workspace_bytes:
            device = device_of(node)
            layout.workspaces[node] = Allocation(_round_up(node.kernel.workspace_bytes, device), node.position,
                                                 node.position, device.name)
            allocations.append(layout.workspaces[node])
    used = {v.storage.payload for n in ir.nodes for v in n.outputs if v.storage.kind == ARENA}
    used.update(layout.workspaces.values())
    layout.arena_bytes = _assign_offsets([a for a in allocations if a in used])
    return layout


def root(value):
    """The value whose buffer `value` shares."""
    while value.base is not None:
        value = value.base
    return value


def _last_uses(ir):
    """Root value -> the last step that touches its bytes."""
    ends = {}
    for node in ir.nodes:
        if is_alias(node) and node.inputs[0].dtype is node.outputs[0].dtype:
            node.outputs[0].base = root(node.inputs[0])
        for value in node.outputs:
            ends[root(value)] = max(ends.get(root(value), -1), node.position)
        for value in node.inputs:
            ends[root(value)] = max(ends.get(root(value), -1), node.position)
    return ends


def _fixed_storage(value):
    node = value.node
    if value.variable is not None:
        return Storage(VARIABLE, value.variable)
    if value.base is not None:
        return value.base.storage
    if node.op_type == "Const":
        return Storage(CONST, node.attrs["value"])
    if node.op_type == FEED:
        return Storage(FEEDS, node.attrs["index"])
    return None


def _allocate(value, node, ends, device_of, allocations):
    end, device = ends[value], device_of(node)
    nbytes = _round_up(size_of(value.shape) * value.dtype.size, device)
    shared = _in_place(value, node, ends, nbytes, device)
    if shared is not None:
        shared.end = max(shared.end, end)
        return shared
    allocation = Allocation(nbytes, node.position, end, device.name)
    allocations.append(allocation)
    return allocation


def _in_place(value, node, ends, nbytes, device):
    """The allocation of an input that dies here and whose buffer the kernel may overwrite, or None."""
    if node.kernel is None or node.op_type == COPY:
        return None
    taken = [v.storage.payload for v in node.outputs[:value.index]]
    for k, source in enumerate(node.inputs):
        top = root(source)
        if not node.kernel.may_overwrite(k, value.index) or top.storage is None or top.storage.kind != ARENA:
            continue
        allocation = top.storage.payload
        alone = sum(root(v) is top for v in node.inputs) == 1
        if alone and ends[top] == node.position and allocation.nbytes == nbytes and allocation.device == device.name \
                and allocation.end == node.position and allocation not in taken:
            return allocation
    return None


def _fetch_directly(node):
    """Lets the producer write into the caller's array where the value is plain bytes of its own."""
    storage = root(node.inputs[0]).storage
    if storage.kind == ARENA:
        storage.kind, storage.payload = FETCHES, node.attrs["index"]
        node.attrs = {**node.attrs, "direct": True}


def _give(node, held, with_value, given):
    """Moves what an assignment uses up from the arena to an array, which its variable then takes."""
    storage = root(node.inputs[1]).storage
    if storage.kind == ARENA and taking.can_be_given(node, held[storage.payload], storage.payload.end, with_value):
        given.append(node)
        for value in held[storage.payload]:
            value.storage.kind, value.storage.payload = GIVEN, len(given) - 1


def _round_up(nbytes, device):
    """`nbytes`, such that what lies behind them is aligned."""
    return max(device.alignment, -(-nbytes // device.alignment) * device.alignment)


# --- offsets ----------------------------------------------------------------------------------------------

class _FreeList:
    """Free pieces of one arena: best fit, neighbours merged."""

    def __init__(self):
        self.pieces, self.size = [], 0                # (offset, nbytes), sorted by offset

    def take(self, nbytes):
        best = min((p for p in self.pieces if p[1] >= nbytes), key=lambda p: p[1], default=None)
        if best is None:
            return self._grow(nbytes)
        self.pieces.remove(best)
        if best[1] > nbytes:
            insort(self.pieces, (best[0] + nbytes, best[1] - nbytes))
        return best[0]

    def _grow(self, nbytes):
        offset = self.size
        if self.pieces and sum(self.pieces[-1]) == self.size:       # the last piece is free: grow from it
            offset = self.pieces.pop()[0]
        self.size = offset + nbytes
        return offset

    def give(self, offset, nbytes):
        i = bisect_left(self.pieces, (offset, 0))
        if i < len(self.pieces) and self.pieces[i][0] == offset + nbytes:
            nbytes += self.pieces.pop(i)[1]
        if i and sum(self.pieces[i - 1]) == offset:
            offset, before = self.pieces.pop(i - 1)
            nbytes += before
        insort(self.pieces, (offset, nbytes))


def _assign_offsets(allocations):
    """Offsets in the order of starts; what has ended is given back first. Returns the bytes of each arena."""
    arenas, running = {}, []                          # running: a heap of (end, number, allocation)
    for number, allocation in enumerate(sorted(allocations, key=lambda a: a.start)):
        while running and running[0][0] < allocation.start:
            other = heappop(running)[2]
            arenas[other.device].give(other.offset, other.nbytes)
        arena = arenas.setdefault(allocation.device, _FreeList())
        allocation.offset = arena.take(allocation.nbytes)
        heappush(running, (allocation.end, number, allocation))
    return {device: arena.size for device, arena in arenas.items()}
