"""`tf.cond`: one `If` over branches that are function graphs.

Names and ids are TensorFlow 1.x's: results are called `cond/Merge`, `cond/Merge_1`, and the graph counts the nodes
that its Switch and Merge construction would have made, because the default seed of a random op is that count.
"""
from thalweg.framework import errors, nest
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.func_graph import FuncGraph, here, uncounted
from thalweg.framework.graph import Operation, Tensor, get_default_graph, name_scope
from thalweg.framework.indexed_slices import IndexedSlices
from thalweg.framework.naming import user_frame

from . import array, constant
from .function_ops import make_if

_SWITCHES = 4                            # nodes of TensorFlow's cond besides those of branches and results


def cond(pred, true_fn=None, false_fn=None, strict=False, name=None, fn1=None, fn2=None):
    """The result of `true_fn()` if `pred` holds when the graph runs, else that of `false_fn()`.

    Only ops made inside the chosen function run only when it is chosen; what a function takes from outside is computed
    in any case.

    Parameters
    ----------
    pred : Tensor, bool scalar
    true_fn, false_fn : callable () -> a tensor, or a structure of tensors, the same for both; an Operation in it
        stands for a bool that is there once the operation has run
    strict : bool       keep a list of one as a list
    fn1, fn2 :          the names that true_fn and false_fn had once

    Raises
    ------
    TypeError, ValueError   if the functions are no functions, give nothing, or give different structures or dtypes
    """
    true_fn, false_fn = _branch_function("true_fn", true_fn, "fn1", fn1), \
        _branch_function("false_fn", false_fn, "fn2", fn2)
    if isinstance(pred, bool):
        raise TypeError("pred must not be a Python bool")
    with name_scope(name, "cond", [pred]) as scope:
        graph = get_default_graph()
        pred = here(_condition(pred))
        graph._next_id += _SWITCHES
        branches, results = zip(*[_branch(f"{scope}{side}", function, what, strict) for side, function, what in (
            ("true", true_fn, "true_fn"), ("false", false_fn, "false_fn"))])
        _check_results(branches, results)
        with uncounted(graph):
            op = make_if(pred, *branches, name="If")
        n_results = len(nest.flatten(results[0], expand_composites=True))
        merged = [array.identity(t, name="Merge") for t in op.outputs[:n_results]]
    result = nest.pack_sequence_as(results[0], merged, expand_composites=True)
    return result if strict else _single(result)


def _branch_function(what, function, old_what, old):
    if old is not None:
        if function is not None:
            raise TypeError(f"cond(): {what} and {old_what} may not be set simultaneously.")
        function = old
    if function is None:
        raise TypeError(f"cond(): {what} argument required")
    if not callable(function):
        raise TypeError(f"{what} must be callable.")
    return function


def _condition(pred):
    pred = convert_to_tensor(pred, name="pred")
    if pred.dtype.base_dtype.kind != "b":
        raise errors.DTypeError(f"Input 'pred' of 'Switch' Op has type {pred.dtype.base_dtype.name} that does not "
                                "match expected type of bool.")
    if pred._shape not in (None, ()):
        raise errors.ShapeError(f"Shape must be rank 0 but is rank {len(pred._shape)}: the condition {pred.name} of "
                                "cond must be one bool. Try tf.reduce_any or tf.reduce_all.")
    return pred


def _single(result):
    """A list of one without the list, unless the caller asked for strictness."""
    is_plain = isinstance(result, (list, tuple)) and not nest.is_namedtuple(result)
    return result[0] if is_plain and len(result) == 1 else result


def _branch(name, function, what, strict):
    """A branch's function graph and its result, a structure of inner tensors."""
    graph = FuncGraph(name)
    with graph.building():
        result = function()
        if result is None:
            raise ValueError(f"{what} must have a return value.")
        if not strict:
            result = _single(result)
        result = nest.map_structure(lambda leaf: _branch_value(graph, leaf), result)
        graph.outputs = [graph.capture(t) for t in nest.flatten(result, expand_composites=True)]
    return graph, result


def _branch_value(graph, leaf):
    if isinstance(leaf, Operation):
        with uncounted(graph):
            done = constant.constant(True)
        with graph.control_dependencies([leaf]):
            return array.identity(done, name="control_dependency")
    if isinstance(leaf, IndexedSlices) or nest.is_composite(leaf):
        return leaf
    return convert_to_tensor(leaf)


def _check_results(branches, results):
    if not nest.flatten(results[0]) or not nest.flatten(results[1]):
        raise ValueError("true_fn and false_fn must return at least one result.")
    nest.assert_same_structure(*results, expand_composites=True)
    for a, b in zip(branches[0].outputs, branches[1].outputs):
        if a.dtype.base_dtype is not b.dtype.base_dtype:
            kinds = a.dtype.base_dtype.name, b.dtype.base_dtype.name
            raise ValueError(errors.explain(
                f"Outputs of true_fn and false_fn must have the same type: {', '.join(kinds)}",
                got=f"true_fn {kinds[0]} {a.name}, built at {_line(a)}; false_fn {kinds[1]} {b.name}, built at "
                f"{_line(b)}", expected=f"{kinds[0]} or {kinds[1]} from both",
                hint=f"tf.cast(..., tf.{kinds[0]}) in false_fn", built_at=user_frame()))


def _line(tensor):
    return tensor.op.frame or "?"


def smart_cond(pred, true_fn=None, false_fn=None, name=None):
    """As `cond`, but only one function is called where `pred` is known while the graph is built."""
    known = static_condition(pred)
    if known is None:
        return cond(pred, true_fn, false_fn, name=name)
    for what, function in (("true_fn", true_fn), ("false_fn", false_fn)):
        if not callable(function):
            raise TypeError(f"`{what}` must be callable.")
    return true_fn() if known else false_fn()


def static_condition(pred):
    """The truth of `pred`, a Python value or a tensor, where it is known while the graph is built, else None."""
    if isinstance(pred, Tensor):
        value = constant_value(pred)
        return None if value is None else bool(value)
    if pred in (0, 1):
        return bool(pred)
    raise TypeError("`pred` must be a Tensor, or a Python bool, or 1 or 0. "
                    f"Found instead: {type(pred).__name__} {pred!r}")
