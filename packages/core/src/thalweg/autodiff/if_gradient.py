"""The gradient of If: an If whose branches differentiate the forward branches."""
from thalweg.framework import dtypes
from thalweg.framework.graph import get_default_graph
from thalweg.framework.indexed_slices import IndexedSlices
from thalweg.ops import array, cast, constant, indexing
from thalweg.ops.control_flow import if_op
from thalweg.ops.function_ops import make_if

from .aggregation import array_of, zeros
from .backward import gradients, is_differentiable
from .gradient_graph import GradientGraph


@if_op.gradient
def if_grad(node, *dys):
    """An input's gradient is that of the branch that ran; where only the other branch takes it, zeros."""
    op = node.op
    scope = get_default_graph().get_name_scope()
    branches = [op.attrs["then_branch"], op.attrs["else_branch"]]
    graphs = [GradientGraph(f"{scope}/{side}", forward) for side, forward in zip(("true", "false"), branches)]
    points = [k for k, x in enumerate(op.inputs[1:]) if is_differentiable(x.dtype)]
    found = [_branch_gradients(graph, op, dys, points) for graph in graphs]
    wanted = [k for k in points if any([dxs[k] is not None for dxs in found])]
    if not wanted:
        return [None] * len(op.inputs)
    is_sparse = {k: all([dxs[k] is None or isinstance(dxs[k], IndexedSlices) for dxs in found])
                 for k in wanted}
    for graph, dxs in zip(graphs, found):
        with graph.building():
            graph.outputs = [graph.capture(part) for k in wanted
                             for part in _parts(graph.forward.inputs[k], dxs[k], is_sparse[k])]
    backward = make_if(op.inputs[0], *graphs, name=None)
    outputs = iter(backward.outputs)
    result: list = [None] * len(op.inputs)
    for k in wanted:
        result[k + 1] = next(outputs)
        if is_sparse[k]:
            result[k + 1] = IndexedSlices(result[k + 1], next(outputs), array.shape(op.inputs[k + 1]))
    return result


def _branch_gradients(graph, op, dys, points):
    """Input number -> gradient with respect to it, of one branch."""
    forward = graph.forward
    for tensor, value in zip(forward.outputs, op.outputs):
        graph.known[tensor] = lambda value=value: graph.capture(value)
    inputs = forward.inputs
    for tensor, value in zip(inputs, op.inputs[1:]):
        graph.known[tensor] = lambda value=value: graph.capture(value)
    asked = [(y, dy) for y, dy in zip(forward.outputs, dys) if dy is not None]
    with graph.building():
        dxs = gradients([y for y, _ in asked], [inputs[k] for k in points], [dy for _, dy in asked],
                        stop_gradients=inputs)
    return dict(zip(points, dxs))


def _parts(x, dx, is_sparse):
    """The tensors that a branch gives for one gradient: the whole of it, or values and indices of its rows."""
    if not is_sparse:
        return [zeros(x) if dx is None else array_of(dx)]
    if dx is None:
        rows = indexing.gather(x, constant.zeros([0], dtypes.int64))    # [0, ...]: no rows, the right shape
        return [constant.zeros_like(rows), constant.zeros([0], dtypes.int64)]
    return [dx.values, cast.cast(dx.indices, dtypes.int64)]
