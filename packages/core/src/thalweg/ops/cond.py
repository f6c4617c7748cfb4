"""`tf.cond` and `tf.case`: one `If` over branches that are function graphs.

Names and ids are TensorFlow 1.x's: results are called `cond/Merge`, `cond/Merge_1`, and the graph counts the nodes that
its Switch and Merge construction would have made, because the default seed of a random op is that count.
"""
import collections
import functools

from thalweg.framework import dtypes, errors, nest
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.func_graph import FuncGraph, here, uncounted
from thalweg.framework.graph import Operation, Tensor, get_default_graph, name_scope
from thalweg.framework.indexed_slices import IndexedSlices

from . import array, cast, comparison, constant, reduction
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
        raise errors.DTypeError(f"Input 'pred' of 'Switch' Op has type {pred.dtype.base_dtype.name} that does not match "
                                "expected type of bool.")
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
            raise ValueError("Outputs of true_fn and false_fn must have the same type: "
                             f"{a.dtype.base_dtype.name}, {b.dtype.base_dtype.name}")


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


# --- case ---------------------------------------------------------------------------------------------

def case(pred_fn_pairs, default=None, exclusive=False, strict=False, name="case"):
    """The result of the function whose condition is the first to hold.

    Parameters
    ----------
    pred_fn_pairs : list or dict of (bool scalar Tensor, callable) pairs
    default : callable or None      called when no condition holds; without it that is an error of the run
    exclusive : bool                also an error of the run: more than one condition holds
    """
    pairs = _checked_pairs(pred_fn_pairs)
    if default is not None and not callable(default):
        raise TypeError("default must be callable.")
    with name_scope(name, "case", [p for p, _ in pairs]):
        preds = [p for p, _ in pairs]
        if default is None:
            preds, default = preds[:-1], _guarded(pairs)
            pairs = pairs[:-1]
        guards = [checks.Assert(_at_most_one([p for p, _ in pairs]), _report(
            "More than one condition evaluated as True but exclusive=True.", preds))] if exclusive and pairs else []
        with get_default_graph().control_dependencies(guards):
            return _nested_conds(pairs, default, strict)


def _checked_pairs(pairs):
    if isinstance(pairs, dict):
        pairs = list(pairs.items()) if isinstance(pairs, collections.OrderedDict) \
            else sorted(pairs.items(), key=lambda item: item[0].name)
    elif not isinstance(pairs, (list, tuple)):
        raise TypeError("fns must be a list, tuple, or dict")
    if not pairs:
        raise ValueError("case needs at least one pair of a condition and a function")
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError("Each entry in pred_fn_pairs must be a 2-tuple")
        pred, fn = pair
        if not isinstance(pred, Tensor) or pred.dtype.base_dtype.kind != "b":
            raise TypeError(f"pred must be Tensor of type bool: {getattr(pred, 'name', pred)}")
        if not callable(fn):
            raise TypeError(f"fn for pred {pred.name} must be callable.")
    return list(pairs)


def _guarded(pairs):
    """Without a default the last function is it, behind a check that some condition holds."""
    preds, last = [p for p, _ in pairs], pairs[-1][1]

    def default():
        held = reduction.reduce_any(array.stack(preds))
        check = checks.Assert(held, _report("None of the conditions evaluated as True.", preds))
        with get_default_graph().control_dependencies([check]):
            return _behind(check, last)
    return default


def _behind(check, function):
    result = function()
    with get_default_graph().control_dependencies([check]):
        return nest.map_structure(lambda leaf: leaf if isinstance(leaf, Operation) else array.identity(leaf), result)


def _report(problem, preds):
    return [f"Input error: {problem} Conditions: ({', '.join(p.name for p in preds)}), Values:", array.stack(preds)]


def _at_most_one(preds):
    return comparison.less_equal(reduction.reduce_sum(cast.cast(array.stack(preds), dtypes.int32)), 1)


def _nested_conds(pairs, default, strict):
    """if, else if, ..., else: the conditions from the last to the first."""
    function = default
    for pred, fn in reversed(pairs):
        function = functools.partial(cond, pred, true_fn=fn, false_fn=function, strict=strict)
    return function()
