"""`tf.case`: the first of several conditions that holds chooses the function; a chain of `cond`."""
import collections
import functools

from thalweg.framework import dtypes, nest
from thalweg.framework.graph import Operation, Tensor, get_default_graph, name_scope

from . import array, cast, checks, comparison, constant, reduction
from .cond import cond


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
        guards = [_at_most_one(preds)] if exclusive else []
        if default is None:
            pairs, default = pairs[:-1], _guarded(pairs)
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
        held = array.stack(preds)
        check = checks.Assert(reduction.reduce_any(held), _report("None of the conditions evaluated as True.", preds,
                                                                  held), summarize=len(preds))
        with get_default_graph().control_dependencies([check]):
            return _behind(check, last)
    return default


def _behind(check, function):
    result = function()
    with get_default_graph().control_dependencies([check]):
        return nest.map_structure(lambda leaf: leaf if isinstance(leaf, Operation) else array.identity(leaf), result)


def _report(problem, preds, held):
    return [f"Input error: {problem} Conditions: ({', '.join(p.name for p in preds)}), Values:", held]


def _at_most_one(preds):
    """An Assert that no two conditions hold."""
    held = array.stack(preds, name="preds_c")
    count = reduction.reduce_sum(cast.cast(held, dtypes.int32), name="num_true_conds")
    return checks.Assert(comparison.less_equal(count, constant.constant(1, name="n_true_conds")), _report(
        "More than one condition evaluated as True but exclusive=True.", preds, held), summarize=len(preds))


def _nested_conds(pairs, default, strict):
    """if, else if, ..., else: the conditions from the last to the first."""
    function = default
    for pred, fn in reversed(pairs):
        function = functools.partial(cond, pred, true_fn=fn, false_fn=function, strict=strict)
    return function()
