"""Pass 6: the order of the steps: the program's own, but what frees memory goes as early as it can.

Ready nodes that free at least as many bytes as they take (an optimizer's update frees its gradient) run at once;
otherwise the program's order decides. The result depends on the plan alone.
"""
import heapq

from thalweg.framework.shapes import size_of


def order(ir):
    """Sorts `ir.nodes`."""
    ir.link()
    waiting, followers = {}, {}
    for node in ir.nodes:
        before = {v.node for v in node.inputs} | set(node.controls)
        waiting[node] = len(before)
        for other in before:
            followers.setdefault(other, []).append(node)
    uses_left = {v: len(v.uses) for n in ir.nodes for v in n.outputs}
    ready = [n for n in ir.nodes if not waiting[n]]
    frees, later = [], [(n.position, n) for n in ready]
    heapq.heapify(later)
    result = []
    while later or frees:
        node = heapq.heappop(frees)[1] if frees else heapq.heappop(later)[1]
        result.append(node)
        for value in dict.fromkeys(node.inputs):
            uses_left[value] -= 1
        for follower in followers.get(node, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(frees if _shrinks(follower, uses_left) else later, (follower.position, follower))
    ir.nodes = result
    ir.link()


def _shrinks(node, uses_left):
    """Whether running `node` now leaves no more bytes in use than before."""
    freed = sum(_nbytes(v) for v in dict.fromkeys(node.inputs) if uses_left[v] == 1 and not v.variable)
    return freed > 0 and freed >= sum(_nbytes(v) for v in node.outputs if not v.variable)


def _nbytes(value):
    if value.node.op_type in ("Const", "_Feed"):
        return 0                         # not the arena's
    return (size_of(value.shape) or 0) * value.dtype.size
