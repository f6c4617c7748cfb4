"""The gradient of While: a While over the iterations in reverse.

Iteration k of the loop is differentiated with its variables as they were, which the forward loop stacks; what the
rules need besides is computed again from them. The variables of the gradient's loop are the iteration's number, the
gradients of the loop variables, and one sum for each captured tensor. Where a capture's gradient is IndexedSlices, the
rows are stacked instead, and stay sparse.
"""
from thalweg.framework import dtypes
from thalweg.framework.func_graph import FuncGraph
from thalweg.framework.graph import get_default_graph
from thalweg.framework.indexed_slices import IndexedSlices
from thalweg.ops import array, cast, comparison, constant, math, slicing
from thalweg.ops.control_flow import while_op
from thalweg.ops.function_ops import WhileParts, make_while, row_of

from .aggregation import array_of, total, zeros
from .backward import gradients, is_differentiable
from .gradient_graph import GradientGraph


@while_op.gradient
def while_grad(node, *dys):
    """Gradients of the first loop variables and of the captures."""
    op = node.op
    if not op.attrs.get("_back_prop", True):
        return [None] * len(op.inputs)
    return _ReverseLoop(op, dys).build()


class _ReverseLoop:
    """The gradient's loop under construction.

    Attributes
    ----------
    body : FuncGraph            the forward body
    carried : list of int       the loop variables whose gradient the loop carries
    graph : GradientGraph       the body of the gradient's loop
    index : Tensor              parameter: the iteration that is differentiated, int64
    """

    def __init__(self, op, dys):
        self.op, self.parts, self.body = op, WhileParts(op), op.attrs["body"]
        self.n_vars = len(op.attrs["Tvars"])
        self.dys = list(dys[:self.n_vars])
        self.d_history = {j: dy for j, dy in enumerate(dys[self.n_vars + 1:]) if dy is not None}
        self.carried = self._carried_variables()
        self.graph = GradientGraph(f"{get_default_graph().get_name_scope()}/body", self.body)
        self.points = [k for k, x in enumerate(self.body.inputs) if is_differentiable(x.dtype)]

    def _carried_variables(self):
        """Variables that the result depends on: those with a gradient, and those that these are computed from."""
        outputs = self.body.outputs
        carried = {s for s, dy in enumerate(self.dys) if dy is not None}
        while True:
            wanted = [outputs[s] for s in carried] + [outputs[self.n_vars + j] for j in self.d_history]
            reached = _reached_inputs(self.body, wanted)
            found = carried | {s for s, x in enumerate(self.body.parameters) if x in reached}
            if found == carried:
                return sorted(carried)
            carried = found

    def build(self):
        """One gradient per input of the forward loop, None where there is none."""
        graph, op = self.graph, self.op
        with graph.building():
            dxs = self._differentiated_body()
            captures = [k for k in self.points if k >= self.n_vars and dxs[k] is not None]
            sparse = [k for k in captures if isinstance(dxs[k], IndexedSlices)]
            dense = [k for k in captures if k not in sparse]
            self.internal = {k for k in sparse if dxs[k].is_internal}
            self._set_outputs(dxs, dense, sparse)
            graph.dense_captures = {graph.stand_in(t) for t in self.body.dense_captures}
        initial = [math.subtract(self.parts.count, constant.constant(1, dtypes.int64))]
        initial += [zeros(op.outputs[s]) if self.dys[s] is None else array_of(self.dys[s])
                    for s in self.carried]
        initial += [zeros(op.inputs[k]) for k in dense]
        backward = make_while(self._condition(), graph, initial, name=None)
        return self._gradients(WhileParts(backward), dense, sparse)

    def _differentiated_body(self):
        """Input number of the body -> gradient in one iteration."""
        graph, outputs, inputs = self.graph, self.body.outputs, self.body.inputs
        self.index = graph.add_parameter(dtypes.int64, (), "iteration")
        asked = [(outputs[s], graph.add_parameter(outputs[s].dtype, inputs[s]._shape, "dy")) for s in self.carried]
        self._know_iteration()
        asked += [(outputs[self.n_vars + j], self._row(dy, self.parts.sizes[outputs[self.n_vars + j]], outputs[
            self.n_vars + j])) for j, dy in self.d_history.items()]
        dxs = gradients([y for y, _ in asked], [inputs[k] for k in self.points], [dy for _, dy in asked],
                        stop_gradients=inputs)
        return dict(zip(self.points, dxs))

    def _know_iteration(self):
        """Tells the graph where it finds the values of one iteration of the forward loop."""
        graph = self.graph
        for tensor, stack in self.parts.stacks.items():
            graph.known[tensor] = lambda t=tensor, s=stack: self._row(s, self.parts.sizes[t], t)
        for tensor, value in zip(self.body.inputs[self.n_vars:], self.op.inputs[self.n_vars:]):
            graph.known[tensor] = lambda value=value: graph.capture(value)

    def _row(self, stack, sizes, like):
        """The current iteration's value in a stack; padding of values that were smaller than others is cut off."""
        row = row_of(array_of(stack), self.index)
        if like._shape is None or None in like._shape:
            size = row_of(sizes, self.index)
            row = slicing.slice(row, constant.zeros_like(size), size)
        row.set_shape(like._shape)
        return row

    def _set_outputs(self, dxs, dense, sparse):
        """Next values of the gradient loop's variables, then the rows that are stacked."""
        graph, body = self.graph, self.body
        outputs = [math.subtract(self.index, constant.constant(1, dtypes.int64))]
        for s in self.carried:
            dx = dxs.get(s)
            outputs.append(zeros(body.inputs[s]) if dx is None else array_of(dx))
        for k in dense:
            so_far = graph.add_parameter(body.inputs[k].dtype, body.inputs[k]._shape, "total")
            outputs.append(total([so_far, dxs[k]]))
        for k in sparse:
            outputs += [dxs[k].values, cast.cast(dxs[k].indices, dtypes.int64)]
        graph.outputs = [graph.capture(t) for t in outputs]

    def _condition(self):
        cond = FuncGraph(f"{get_default_graph().get_name_scope()}/cond")
        with cond.building():
            for parameter in self.graph.parameters:
                cond.add_parameter(parameter.dtype, parameter._shape)
            cond.outputs = [comparison.greater_equal(cond.parameters[0], constant.constant(0, dtypes.int64))]
        return cond

    def _gradients(self, backward, dense, sparse):
        result: list = [None] * len(self.op.inputs)
        finals = backward.variables[1:]
        for k, dx in zip([*self.carried, *dense], finals):
            if k >= self.n_vars or is_differentiable(self.op.inputs[k].dtype):
                result[k] = dx
        rows = iter(backward.asked)
        for k in sparse:
            result[k] = self._joined(next(rows), next(rows), self.op.inputs[k])
            result[k].is_internal = k in self.internal
            if self.body.inputs[k] in self.body.dense_captures:
                result[k] = array_of(result[k])
        return result

    @staticmethod
    def _joined(values, indices, like):
        """The stacked rows of all iterations as one IndexedSlices."""
        shape = array.shape(like)
        count = array.reshape(array.size(indices), [1])
        values = array.reshape(values, array.concat([count, shape[1:]], 0))  # [iterations, k, ...] -> [., ...]
        return IndexedSlices(values, array.reshape(indices, [-1]), shape)


def _reached_inputs(body, outputs):
    """The inputs of a body that differentiable tensors lead to from `outputs`."""
    inputs, reached, seen = set(body.inputs), set(), set()
    stack = [t for t in outputs if is_differentiable(t.dtype)]
    while stack:
        tensor = stack.pop()
        if tensor in inputs:
            reached.add(tensor)
        elif tensor.op not in seen:
            seen.add(tensor.op)
            stack.extend(t for t in tensor.op.inputs if is_differentiable(t.dtype))
    return reached
