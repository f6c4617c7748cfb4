"""Python functions as ops: `tf.py_func`. The function is kept with the graph; an op refers to it by its token.

A step of this kind runs with Python's lock, on host memory. A GraphDef holds only the token, not the function.
"""
import itertools

import numpy as np

from thalweg.framework import errors
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import DType, as_dtype, bfloat16
from thalweg.framework.func_graph import outermost
from thalweg.framework.graph import get_default_graph
from thalweg.framework.packed import for_user

from .values import array_of

_functions: dict = {}                    # token -> function, while a graph that uses it is alive
_tokens = itertools.count()


class _Kept:
    """Holds a function for as long as the graph that has this object."""

    def __init__(self, function):
        self.token = f"pyfunc_{next(_tokens)}"
        _functions[self.token] = function

    def __del__(self):
        _functions.pop(self.token, None)


def keep(function):
    """Keeps a Python function with the default graph; gives the token by which ops refer to it."""
    kept = _Kept(function)
    outermost(get_default_graph())._extra.setdefault("python_functions", []).append(kept)
    return kept.token


def kept(token):
    """The function of a token; NotFoundError where its graph is gone, or in another process."""
    function = _functions.get(token)
    if function is None:
        raise errors.NotFoundError(None, None, f"callback {token} is not found: a Python function lives only in the "
                                               "process and with the graph that tf.py_func was called for")
    return function


def _call(inputs, token, dtypes):
    """Calls the function of a token; checks that it gives as many arrays, of such dtypes, as the op promises."""
    found = kept(token)(*[for_user(value[()] if value.ndim == 0 else value) for value in inputs])
    found = list(found) if isinstance(found, (list, tuple)) else [] if found is None else [found]
    if len(found) != len(dtypes):
        raise errors.InvalidArgumentError(None, None, f"{token} returns {len(found)} values, but expects to see "
                                                      f"{len(dtypes)} values.")
    return [_checked(token, i, value, dtype) for i, (value, dtype) in enumerate(zip(found, dtypes))]


def _checked(token, i, value, dtype):
    array = np.asarray(value)
    if array.dtype.kind in "SUO" or dtype is bfloat16 and array.dtype == dtype.as_numpy_dtype:
        array = array_of(array, dtype)
    if array.dtype != dtype.np:
        raise errors.InvalidArgumentError(None, None, f"{i}-th value returned by {token} is {array.dtype.name}, but "
                                                      f"expects {dtype.name}")
    return np.ascontiguousarray(array).reshape(array.shape)


@define_op("PyFunc", "input: Tin... -> output: Tout...", stateful=True)
def py_func_op(input, *, token: str, Tout: list[DType]):
    """Calls a Python function of arrays; it may have state, and is called once in each run that needs it."""
    return _call(input, token, Tout)


@define_op("PyFuncStateless", "input: Tin... -> output: Tout...")
def py_func_stateless(input, *, token: str, Tout: list[DType]):
    """Calls a Python function whose result depends on its inputs only."""
    return _call(input, token, Tout)


def _unknown(node, inputs):
    return [None] * len(node.Tout)


for _op in (py_func_op, py_func_stateless):
    _op.shape(_unknown)
    _op.no_gradient("a Python function is opaque; try tf.custom_gradient around it")


def py_func(func, inp, Tout, stateful=True, name=None):
    """Calls a Python function when the graph runs.

    Parameters
    ----------
    func : callable (arrays...) -> array or list of arrays     bytes objects stand for strings
    inp : list of tensors
    Tout : dtype or list of dtypes      of what it gives; None or []: it gives nothing
    stateful : bool     False lets equal calls be merged

    Returns
    -------
    Tensor for one dtype, list of Tensors for a list, the operation for none. Shapes are unknown: use `set_shape`.
    """
    if not callable(func):
        raise ValueError(f"Expected func to be callable, got func of type {type(func)}: {func!r}. Try "
                         "tf.py_func(function, inputs, dtypes), with the function itself and not what it gives")
    token = keep(func)
    is_list = isinstance(Tout, (list, tuple))
    dtypes = [] if Tout is None else [as_dtype(t) for t in (Tout if is_list else [Tout])]
    op = (py_func_op if stateful else py_func_stateless).build((inp,), {"token": token, "Tout": dtypes}, name)
    if not op.outputs:
        return op
    return list(op.outputs) if is_list else op.outputs[0]


def numpy_function(func, inp, Tout, name=None):
    """As `py_func`, for a function with state."""
    return py_func(func, inp, Tout, True, name)
