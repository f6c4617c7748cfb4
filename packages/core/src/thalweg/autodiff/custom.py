"""`tf.custom_gradient`: a function that brings its own gradient."""
import functools
import inspect
import itertools

from thalweg.framework import nest
from thalweg.framework.collections import GraphKeys
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.graph import get_default_graph
from thalweg.ops import array

from .registry import RegisterGradient

_numbers = itertools.count()


def custom_gradient(f):
    """Decorator: `f(*args)` gives (result, grad_fn), and grad_fn(*dys) the gradients of the args.

    Where f uses variables, grad_fn takes the keyword `variables`, a list of them, and gives
    (gradients of args, gradients of variables).

    Raises
    ------
    ValueError      for keyword arguments, or for a count of gradients that does not fit
    TypeError       if f uses variables and grad_fn does not take them
    """
    @functools.wraps(f)
    def decorated(*args, **kwargs):
        if kwargs:
            raise ValueError("The custom_gradient decorator supports positional arguments only, not "
                             f"{', '.join(sorted(kwargs))}.")
        args = [convert_to_tensor(a) for a in args]
        result, grad_fn = f(*args)
        flat = [array.identity(r) for r in nest.flatten(result)]
        variables = _used_variables(flat, args)
        if variables and not _takes_variables(grad_fn):
            raise TypeError("If using @custom_gradient with a function that uses variables, then grad_fn must accept "
                            f"a keyword argument 'variables'. ({', '.join(v.name for v in variables)})")
        name = f"CustomGradient-{next(_numbers)}"
        RegisterGradient(name)(_rule(grad_fn, len(flat), len(args), variables))
        with get_default_graph().gradient_override_map({"IdentityN": name}):
            outputs = array.identity_n([*flat, *args, *[v._ref() for v in variables]])
        return nest.pack_sequence_as(result, outputs[:len(flat)])
    return decorated


def _rule(grad_fn, n_results, n_args, variables):
    def rule(op, *dys):
        dys = dys[:n_results]
        if variables:
            of_args, of_variables = grad_fn(*dys, variables=variables)
        else:
            of_args, of_variables = grad_fn(*dys), []
        of_args = list(of_args) if isinstance(of_args, (list, tuple)) else [of_args]
        if len(of_args) != n_args or len(of_variables) != len(variables):
            raise ValueError(f"custom_gradient: grad_fn gave {len(of_args)} gradients for {n_args} arguments and "
                             f"{len(of_variables)} for {len(variables)} variables")
        return [None] * n_results + of_args + list(of_variables)
    return rule


def _takes_variables(grad_fn):
    parameters = inspect.signature(grad_fn).parameters
    return "variables" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _used_variables(results, args):
    """The variables that the results are computed from, not counting what comes through `args`."""
    by_op = {v.op: v for v in get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES) if hasattr(v, "_ref")}
    found, seen, stack = {}, {a.op for a in args}, [r.op for r in results]
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        if op in by_op:
            found[op] = by_op[op]
        stack.extend(t.op for t in op.inputs)
    return [found[op] for op in sorted(found, key=lambda op: op._id)]
