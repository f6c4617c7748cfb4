"""Initial values that depend on other variables need no order: each such variable has its own initial value.

`w = Variable(v * 2)` may be initialized together with `v` in any order: where the initial value of w reads v, the
graph gets `v's value if v is initialized, else v's initial value`, and a copy of what lies between.
"""
from thalweg.framework.collections import GraphKeys
from thalweg.framework.graph import get_default_graph

_VARIABLES = ("Variable", "VariableV2")
_CHECKED = ("IsVariableInitialized", "VarIsInitializedOp", "ReadVariableOp", "If")
_GUARD_NODES = 11                        # of TensorFlow's copy of an initialized value, besides the result's copy


def guarded_initial_value(name, value):
    """`value`, or a copy of it that reads no variable which may not be initialized yet.

    The copies are named after their originals and the variable: `mul_Variable_1`.
    """
    copies: dict = {}
    order = _ops_behind(value)
    for op in order:
        if op.type in _VARIABLES:
            found = _initialized_value(op)
            if found is not None:
                copies[op.outputs[0]] = found
        elif _is_initialized_value(op):
            copies[op.outputs[0]] = op.outputs[0]        # needs no other; TensorFlow copies it and what follows
            get_default_graph()._next_id += _GUARD_NODES
        elif op.type not in _CHECKED and any(t in copies for t in op.inputs):
            _copy_with(op, copies, name)
    return copies.get(value, value)


def _ops_behind(value):
    """The operations that `value` is computed from, each after its inputs."""
    seen, order, stack = set(), [], [value.op]
    while stack:
        op = stack[-1]
        if op in seen:
            stack.pop()
            continue
        sources = [] if op.type in _CHECKED else [t.op for t in op.inputs if t.op not in seen]
        if sources:
            stack.extend(sources)
        else:
            seen.add(op)
            order.append(op)
            stack.pop()
    return order


def _initialized_value(op):
    graph = get_default_graph()
    for key in (GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES):
        for variable in graph.get_collection(key):
            if getattr(variable, "op", None) is op:
                return variable.initialized_value()
    return None


def _is_initialized_value(op):
    """Whether it is the branch of `variable.initialized_value()`."""
    return op.type == "If" and op.inputs[0].op.type == "IsVariableInitialized"


def _copy_with(op, copies, name):
    inputs = [copies.get(t, t) for t in op.inputs]
    graph = get_default_graph()
    with graph.name_scope(None):
        copy = graph._make_op(op.declaration, inputs, dict(op.attrs), [t.dtype for t in op.outputs],
                              f"{op.name}_{name}")
    copies.update(zip(op.outputs, copy.outputs))
