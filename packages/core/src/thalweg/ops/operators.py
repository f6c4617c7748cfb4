"""Python's operators on tensors: `x + 1`, `1 - x`, `x > y`, `-x`, `x @ y`."""
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import string
from thalweg.framework.graph import Tensor, name_scope

from . import comparison, math, matmul, unary


def _add(x, y, name):
    return (math.add if x.dtype.base_dtype is string else math.add_v2)(x, y, name=name)


_BINARY = {"add": _add, "sub": math.subtract, "mul": math.multiply, "truediv": math.truediv, "floordiv": math.floordiv,
           "mod": math.floormod, "pow": math.pow, "matmul": matmul.matmul, "and": comparison.logical_and,
           "or": comparison.logical_or, "xor": comparison.logical_xor, "div": math.div}
_COMPARE = {"lt": comparison.less, "le": comparison.less_equal, "gt": comparison.greater,
            "ge": comparison.greater_equal}
_UNARY = {"neg": unary.negative, "abs": unary.abs, "invert": comparison.logical_not}


def _left(word, build):
    def operator(x, y):
        with name_scope(None, word, [x, y]) as scope:
            if type(y) is not Tensor:
                y = convert_to_tensor(y, name="y", preferred_dtype=x.dtype.base_dtype)
            return build(x, y, name=scope)
    return operator


def _right(word, build):
    def operator(y, x):
        with name_scope(None, word, [x, y]) as scope:
            x = convert_to_tensor(x, y.dtype.base_dtype, name="x")
            return build(x, y, name=scope)
    return operator


def _install():
    """Sets the operators on Tensor; those that Python calls for a left operand of another type included."""
    for word, build in _BINARY.items():
        setattr(Tensor, f"__{word}__", _left(word, build))
        setattr(Tensor, f"__r{word}__", _right(word, build))
    for word, build in _COMPARE.items():
        setattr(Tensor, f"__{word}__", lambda x, y, build=build: build(x, y))
    for word, build in _UNARY.items():
        setattr(Tensor, f"__{word}__", lambda x, build=build: build(x))


NAMES = tuple([f"__{w}__" for w in (*_BINARY, *_COMPARE, *_UNARY, "getitem")] + [f"__r{w}__" for w in _BINARY])
_install()
