"""If and While: the two ops whose attributes are graphs. `tf.cond` and `tf.while_loop` build them.

Calling convention of a function graph (framework/func_graph.py): `graph.inputs[k]` stands for input k of the op (for
`If`: input k + 1, after `cond`). Where `graph.inputs[k].op.type` is `Placeholder`, the executor passes the value;
every other input is a variable or a read of one, found inside under the variable's own name, and nothing is passed. An
op runs inside only if an output needs it. Outputs are values, taken when the function ends.

The reference bodies run the function graphs op by op (framework/evaluate.py).
"""
import numpy as np

from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType
from thalweg.framework.evaluate import evaluate
from thalweg.framework.histories import history_sizes, stacked_history


@define_op("If", "cond: bool[], input: Tin... -> output: Tout...", stateful=True)
def if_op(cond, inputs, *, then_branch: object, else_branch: object, Tout: list[DType]):
    """The outputs of `then_branch` where `cond` is true, else those of `else_branch`; the other one does not run."""
    return evaluate(then_branch if cond else else_branch, inputs)


@if_op.shape
def if_shape(node, cond, inputs):
    return [_common_shape(a._shape, b._shape)
            for a, b in zip(node.then_branch.outputs, node.else_branch.outputs)]


def _common_shape(a, b):
    """What two shapes agree on."""
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple([x if x == y else None for x, y in zip(a, b)])


@define_op("While", "input: T... -> output: Tvars..., count: int64[], history: Thistory..., history_shape: N*int64",
           stateful=True)
def while_op(inputs, *, cond: object, body: object, Tvars: list[DType], Thistory: list[DType], N: int):
    """Runs `body` as long as `cond` holds.

    Parameters
    ----------
    inputs : loop variables, as many as `Tvars`, then what the two graphs capture
    cond : FuncGraph (variables, captures) -> one bool scalar
    body : FuncGraph (variables, captures) -> (the next variables, then the values that the iteration leaves)

    Returns
    -------
    output : the loop variables when `cond` first failed
    count : how often `body` ran
    history : for output len(Tvars) + j of `body`, its values in all iterations stacked: [count, ...]. Values of
        different shapes are padded with zeros at the end to the largest size in each dimension (an error for what is
        in `body.uniform_outputs`); of no iteration at all, unknown dimensions are 0.
    history_shape : the shape of each such value: [count, rank]

    A history that nobody takes need not be kept, nor the value computed: most loops are built with histories that only
    their gradient would use.
    """
    n_vars, n_history = len(Tvars), len(Thistory)
    state, captures = list(inputs[:n_vars]), list(inputs[n_vars:])
    kept: list = [[] for _ in range(n_history)]
    count = 0
    while evaluate(cond, state + captures)[0]:
        results = evaluate(body, state + captures)
        state = results[:n_vars]
        for history, value in zip(kept, results[n_vars:]):
            history.append(np.asarray(value))
        count += 1
    of = history_outputs(body, n_vars)
    return state, np.int64(count), list(map(stacked_history, kept, of)), list(map(history_sizes, kept, of))


def history_outputs(body, n_vars):
    """The outputs of a body that are stacked."""
    return body.outputs[n_vars:]


@while_op.shape
def while_shape(node, inputs):
    n_vars = len(node.Tvars)
    variables = [t._shape for t in node.body.inputs[:n_vars]]
    kept = [t._shape for t in node.body.outputs[n_vars:]]
    stacks = [None if s is None else (None, *s) for s in kept]
    return [*variables, (), *stacks, *[(None, None if s is None else len(s)) for s in kept]]


def is_stateful(op):
    """Whether running `op` once more could give something else, or change something.

    Variables are not: whether a read of one may be repeated depends on who writes it (graph_copy.py).
    """
    inner = [v for v in (op.attrs.get(k) for k in ("then_branch", "else_branch", "cond", "body")) if v is not None]
    if inner and op.type in ("If", "While"):
        return any(is_stateful(o) for graph in inner for o in graph.get_operations())
    if op.type in ("Placeholder", "VariableV2", "Variable", "Const"):
        return False
    return op.declaration.is_stateful or any(t.dtype.is_ref_dtype for t in op.outputs)


