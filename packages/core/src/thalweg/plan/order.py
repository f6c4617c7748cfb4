"""Pass 8: the order of the steps: the program's own, but what frees memory goes as early as it can.

Ready nodes that free at least as many bytes as they take (an optimizer's update frees its gradient) run at once;
otherwise the program's order decides. Where values move between devices, steps of one device stand together as far as
the program leaves it free and no device needs noticeably more memory for it: a device replays as one what stands
together (segments.py). The result depends on the plan alone.
"""
import heapq

from thalweg.framework.shapes import size_of

from .effects import VARIABLES
from .ir import COPY, FEED, FETCH
from .memory import is_alias

_IN, _OUT = "in", "out"                  # groups of copies: to a device that is not the host's, and all others
_FREE_BYTES, _FREE_SHARE = 1 << 16, 1.02     # by which a device's peak may grow


def order(ir, host):
    """Sorts `ir.nodes`. `host`: the name of the device that feeds and fetches use."""
    ir.link()
    plain = _sorted(ir.nodes, lambda node: None)
    if any(_crosses(node) for node in ir.nodes):
        grouped = _sorted(ir.nodes, lambda node: _group(node, host))
        before, after = _peaks(plain), _peaks(grouped)
        if all(after[device] <= before[device] * _FREE_SHARE + _FREE_BYTES for device in after):
            plain = grouped
    ir.nodes = plain
    ir.link()


def _sorted(nodes, group_of):
    """A topological order that stays in one group as long as it can; copies to a device come before what it runs."""
    waiting, followers = {}, {}
    for node in nodes:
        before = {v.node for v in node.inputs} | set(node.controls)
        waiting[node] = len(before)
        for other in before:
            followers.setdefault(other, []).append(node)
    uses_left = {v: len(v.uses) for n in nodes for v in n.outputs}
    frees, later = {}, {}                # group -> heap of (position, node)
    for node in nodes:
        if not waiting[node]:
            heapq.heappush(later.setdefault(group_of(node), []), (node.position, node))
    result, group = [], None
    while len(result) < len(nodes):
        chosen = _next_group(group, frees, later)
        group = chosen or group
        node = heapq.heappop(frees.get(chosen) or later[chosen])[1]
        result.append(node)
        for value in dict.fromkeys(node.inputs):
            uses_left[value] -= 1
        for follower in followers.get(node, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                heaps = frees if _shrinks(follower, uses_left) else later
                heapq.heappush(heaps.setdefault(group_of(follower), []), (follower.position, follower))
    return result


def _next_group(group, frees, later):
    """None, what costs nothing, before all; then the group that has run, then copies to devices, then the first."""
    for candidate in (None, group, _IN):
        if frees.get(candidate) or later.get(candidate):
            return candidate
    return min((heap[0][0], g) for heaps in (frees, later) for g, heap in heaps.items() if heap)[1]


def _group(node, host):
    """What a node should stand together with; None: it does nothing."""
    if node.op_type in (FEED, FETCH, "Const", "NoOp", *VARIABLES) or is_alias(node):
        return None
    if _crosses(node):
        return _OUT if node.device == host else _IN
    return node.device


def _crosses(node):
    return node.op_type == COPY and bool(node.inputs) and node.inputs[0].node.device != node.device


def _shrinks(node, uses_left):
    """Whether running `node` now leaves no more bytes in use than before."""
    freed = sum(_nbytes(v) for v in dict.fromkeys(node.inputs) if uses_left[v] == 1 and not v.variable)
    return freed > 0 and freed >= sum(_nbytes(v) for v in node.outputs if not v.variable)


def _nbytes(value):
    if value.node.op_type in ("Const", "_Feed"):
        return 0                         # not the arena's
    return (size_of(value.shape) or 0) * value.dtype.size


def _peaks(nodes):
    """Device -> the most bytes that its values take at one time, if the nodes run in this order."""
    owner = {}                           # value -> the value whose bytes it is seen in
    last = {}
    for node in nodes:
        for value in node.inputs:
            last[owner[value]] = node
        for value in node.outputs:
            owner[value] = owner[node.inputs[0]] if is_alias(node) else value
            last[owner[value]] = node
    ending = {}
    for value, node in last.items():
        ending.setdefault(node, []).append(value)
    used, peaks = {}, {}
    for node in nodes:
        for value in node.outputs:
            if owner[value] is value and not value.variable:
                used[node.device] = used.get(node.device, 0) + _nbytes(value)
        peaks[node.device] = max(peaks.get(node.device, 0), used.get(node.device, 0))
        for value in ending.get(node, ()):
            if not value.variable:
                used[value.node.device] = used.get(value.node.device, 0) - _nbytes(value)
    return peaks
