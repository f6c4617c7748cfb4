"""Building `If` and `While` from function graphs that are filled already.

The public builders (cond.py, while_loop.py) and the gradients of both ops use this. Besides what the caller asked for,
the ops give what only their gradient needs: the outputs of ops that cannot be run a second time (random ops, Python
functions, updates), and, of a loop, each iteration's variables. A plan drops what nobody takes.
"""
from thalweg.framework import dtypes
from thalweg.framework.func_graph import align_captures, is_variable_read, storage_name, written_variables
from thalweg.framework.graph import get_default_graph

from . import constant, indexing
from .control_flow import if_op, is_stateful, while_op


def make_if(pred, then_graph, else_graph, name):
    """Adds an `If`; the first outputs of both graphs, equal in number and dtype, are what the caller asked for.

    Returns
    -------
    Operation           its first outputs are the caller's
    """
    branches = (then_graph, else_graph)
    kept = [[t for t in _unrepeatable(graph) if t not in graph.outputs] for graph in branches]
    for graph, mine, other in zip(branches, kept, reversed(kept)):
        fillers = [_filler(graph, t.dtype) for t in other]
        graph.outputs = [_value(graph, t) for t in graph.outputs] \
            + (mine + fillers if graph is then_graph else fillers + mine)
    captured = align_captures(branches)
    dtypes_out = [t.dtype.base_dtype for t in then_graph.outputs]
    with _held_back(branches):
        return if_op.build((pred, captured), {"then_branch": then_graph, "else_branch": else_graph,
                                              "Tout": dtypes_out}, name)


def make_while(cond_graph, body_graph, initial, name):
    """Adds a `While` on the loop variables `initial`.

    Both graphs have one parameter for each; the first outputs of the body are the next values, further ones are
    stacked. Gives the operation; `while_parts` takes its outputs apart.
    """
    n_asked = len(body_graph.outputs)
    kept = body_graph.parameters + _unrepeatable(body_graph)
    asked = set(body_graph.outputs[len(initial):])
    body_graph.outputs = [_value(body_graph, t) for t in body_graph.outputs] + [t for t in kept if t not in asked]
    cond_graph.outputs = [_value(cond_graph, t) for t in cond_graph.outputs]
    captured = align_captures((cond_graph, body_graph))
    dtypes_out = [t.dtype.base_dtype for t in body_graph.outputs]
    n_vars = len(initial)
    with _held_back((cond_graph, body_graph)):
        op = while_op.build(([*initial, *captured],), {
            "cond": cond_graph, "body": body_graph, "Tvars": dtypes_out[:n_vars], "Thistory": dtypes_out[n_vars:],
            "N": len(dtypes_out) - n_vars}, name)
    op.attrs["_n_asked"] = n_asked - n_vars
    return op


class WhileParts:
    """The outputs of a `While` by what they are.

    Attributes
    ----------
    variables : list of Tensor      the loop variables at the end
    count : Tensor                  int64, iterations
    stacks : dict                   output of the body (inner tensor) -> its stacked values
    sizes : dict                    output of the body -> the shapes of its values, [count, rank]
    asked : list of Tensor          the stacks that the builder of the loop asked for
    """

    def __init__(self, op):
        n_vars, n_history = len(op.attrs["Tvars"]), op.attrs["N"]
        kept = op.attrs["body"].outputs[n_vars:]
        outputs = op.outputs
        self.variables, self.count = list(outputs[:n_vars]), outputs[n_vars]
        stacks, sizes = outputs[n_vars + 1:n_vars + 1 + n_history], outputs[n_vars + 1 + n_history:]
        self.stacks, self.sizes = dict(zip(kept, stacks)), dict(zip(kept, sizes))
        self.asked = list(stacks[:op.attrs.get("_n_asked", 0)])


def row_of(tensor, index):
    """tensor[index], for loops over rows; its gradient is IndexedSlices that no user has asked for."""
    row = indexing.gather(tensor, index)
    row.op.attrs["_internal"] = True
    return row


def _held_back(graphs):
    """The context in which an op follows what any of its function graphs must follow."""
    controls = dict.fromkeys(op for graph in graphs for op in graph.control_captures)
    return get_default_graph().control_dependencies(list(controls))


def _value(graph, tensor):
    """An output as a value: a reference to a variable is read when the function ends."""
    return graph.snapshot(tensor) if tensor.dtype.is_ref_dtype else tensor


def _filler(graph, dtype):
    """What stands for an output that only the other branch has."""
    with graph._free_of_scopes():
        value = b"" if dtype.base_dtype is dtypes.string else dtype.base_dtype.np.type(0)
        return constant.constant(value, dtype.base_dtype, name="none")


def _unrepeatable(graph):
    """The tensors of a function graph that its gradient cannot compute again, as values."""
    kept = [t for op in graph.get_operations() if is_stateful(op) for t in op.outputs
            if t.dtype.base_dtype.np is not None and not t.dtype.is_ref_dtype]
    written = written_variables(graph)
    if written:
        kept += [_read_once(graph, op) for op in list(graph.get_operations())
                 if op.type == "Identity" and op.inputs[0].dtype.is_ref_dtype
                 and storage_name(op.inputs[0]) in written]
    return list(dict.fromkeys(kept))


def _read_once(graph, op):
    """The value of a read of a variable that the function also writes.

    `NAME/read` means the variable at the place of whoever takes it: its first user decides.
    """
    read = op.outputs[0]
    if not is_variable_read(op):
        return read
    users = [user._id for user in read.consumers()]
    value = graph.snapshot(read, min(users) - 0.25 if users else None)
    graph.read_snapshots[read] = value
    return value
