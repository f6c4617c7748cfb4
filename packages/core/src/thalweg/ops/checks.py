"""Checks of values when the graph runs, and of dtypes and ranks when it is built."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.constant_value import constant_value
from thalweg.framework.conversion import convert_n_to_tensor, convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import FLOATS, as_dtype, float32, int32, string
from thalweg.framework.graph import Tensor, colocate_with, name_scope

from . import array, comparison, cond, flow, reduction, unary


def item_text(value):
    """One element as TensorFlow writes it: floats with the digits that tell them apart, bools as 1 and 0."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        few, enough = (6, 9) if isinstance(value, (np.float32, np.float16)) else (15, 17)
        short = f"{value:.{few}g}"
        return short if type(value)(short) == value else f"{value:.{enough}g}"
    return str(value)


def summary(value, count):
    """The first `count` elements as TensorFlow writes them: `[1 2 3...]`; -1 writes all."""
    flat = np.ravel(value)
    shown = flat if count < 0 else flat[:count]
    return f"[{' '.join(map(item_text, shown))}{'...' if shown.size < flat.size else ''}]"


@define_op("Assert", "condition: bool[], data: T... ->", stateful=True)
def assert_op(condition, data, *, summarize=3):
    """InvalidArgumentError with the first `summarize` elements of each of the data, unless the condition holds."""
    if not condition:
        text = " ".join(summary(value, summarize) for value in data)
        raise errors.InvalidArgumentError(None, None, f"assertion failed: {text}")
    return ()


assert_op.no_gradient("it has no outputs")


def Assert(condition, data, summarize=None, name=None):
    """An operation that raises InvalidArgumentError with `data`, tensors and texts, unless a condition holds.

    summarize : how many elements of each are printed; 3 when None
    """
    summarize = 3 if summarize is None else summarize
    with name_scope(name, "Assert", [condition, data]):
        found = convert_n_to_tensor(data)
        if all(t.dtype.base_dtype in (string, int32) for t in found):
            return assert_op(condition, data, summarize=summarize, name="Assert")
        condition = convert_to_tensor(condition, name="Condition")
        guarded = cond.cond(condition, flow.no_op, lambda: assert_op(condition, data, summarize=summarize,
                                                                     name="Assert"), name="AssertGuard")
        return getattr(guarded, "op", guarded)


# --- comparisons ------------------------------------------------------------------------------------

def _compared(sign, default_name, compare, static, x, y, data, summarize, message, name):
    """An Assert that `compare` holds for all elements; InvalidArgumentError at once if both sides are constant."""
    with name_scope(name, default_name, [x, y, data]):
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, name="y")
        if data is None:
            data = [f"Condition x {sign} y did not hold element-wise:", f"x ({x.name}) = ", x, f"y ({y.name}) = ", y]
        if message is not None:
            data = [message, *data]
        condition = reduction.reduce_all(compare(x, y))
        known = constant_value(x), constant_value(y)
        if known[0] is not None and known[1] is not None and not np.all(static(*known)):
            raise errors.InvalidArgumentError(None, None, "\n".join(
                summary(constant_value(d), -1) if isinstance(d, Tensor) else str(d) for d in data))
        return Assert(condition, data, summarize=summarize)


def assert_equal(x, y, data=None, summarize=None, message=None, name=None):
    """An operation that raises InvalidArgumentError unless x == y for all elements."""
    with name_scope(name, "assert_equal", [x, y, data]):
        if x is y:
            return flow.no_op()
    return _compared("==", "assert_equal", comparison.equal, np.equal, x, y, data, summarize, message, name)


def _comparing(sign, name, compare, static):
    def check(x, y, data=None, summarize=None, message=None, name=None):
        return _compared(sign, check.__name__, compare, static, x, y, data, summarize, message, name)
    check.__name__ = check.__qualname__ = name
    check.__doc__ = f"An operation that raises InvalidArgumentError unless x {sign} y for all elements."
    return check


assert_none_equal = _comparing("!=", "assert_none_equal", comparison.not_equal, np.not_equal)
assert_less = _comparing("<", "assert_less", comparison.less, np.less)
assert_less_equal = _comparing("<=", "assert_less_equal", comparison.less_equal, np.less_equal)
assert_greater = _comparing(">", "assert_greater", comparison.greater, np.greater)
assert_greater_equal = _comparing(">=", "assert_greater_equal", comparison.greater_equal, np.greater_equal)


def _comparing_to_zero(sign, name, check, zero_first):
    def check_sign(x, data=None, summarize=None, message=None, name=None):
        with name_scope(name, check_sign.__name__, [x, data]):
            x = convert_to_tensor(x, name="x")
            if data is None:
                text = [f"Condition x {sign} 0 did not hold element-wise:", f"x ({x.name}) = ", x]
                data = text if sign == "<=" else [message or "", *text]
            zero = convert_to_tensor(0, x.dtype)
            return check(*((zero, x) if zero_first else (x, zero)), data=data, summarize=summarize)
    check_sign.__name__ = check_sign.__qualname__ = name
    check_sign.__doc__ = f"An operation that raises InvalidArgumentError unless x {sign} 0 for all elements."
    return check_sign


assert_negative = _comparing_to_zero("<", "assert_negative", assert_less, False)
assert_positive = _comparing_to_zero(">", "assert_positive", assert_less, True)
assert_non_negative = _comparing_to_zero(">=", "assert_non_negative", assert_less_equal, True)
assert_non_positive = _comparing_to_zero("<=", "assert_non_positive", assert_less_equal, False)


def assert_near(x, y, rtol=None, atol=None, data=None, summarize=None, message=None, name=None):
    """An operation that raises InvalidArgumentError unless |x - y| < atol + rtol |y| for all elements.

    rtol, atol : ten times the dtype's epsilon when None
    """
    message = message or ""
    with name_scope(name, "assert_near", [x, y, rtol, atol, data]):
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, x.dtype.base_dtype, name="y")
        epsilon = np.finfo(x.dtype.as_numpy_dtype).eps
        rtol = convert_to_tensor(10 * epsilon if rtol is None else rtol, x.dtype.base_dtype, name="rtol")
        atol = convert_to_tensor(10 * epsilon if atol is None else atol, x.dtype.base_dtype, name="atol")
        if data is None:
            data = [message, f"x and y not equal to tolerance rtol = {rtol}, atol = {atol}", f"x ({x.name}) = ", x,
                    f"y ({y.name}) = ", y]
        tolerance = atol + rtol * unary.abs(y)
        difference = unary.abs(x - y)
        return Assert(reduction.reduce_all(comparison.less(difference, tolerance)), data, summarize=summarize)


# --- ranks, dtypes ----------------------------------------------------------------------------------

def _passed(name):
    return flow.no_op(name=name)


def assert_type(tensor, tf_type, message=None, name=None):
    """TypeError unless the tensor has the dtype `tf_type`."""
    with name_scope(name, "assert_type", [tensor]):
        tensor = convert_to_tensor(tensor, name="tensor")
        if tensor.dtype.base_dtype is not as_dtype(tf_type):
            raise errors.DTypeError(f"{message or ''}  {tensor.name} must be of type {as_dtype(tf_type)!r}, it is "
                                    f"{tensor.dtype!r}")
        return _passed("statically_determined_correct_type")


def assert_integer(x, message=None, name=None):
    """TypeError unless x has an integer dtype."""
    with name_scope(name, "assert_integer", [x]):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.is_integer:
            raise errors.DTypeError(f'{message or ""}  Expected "x" to be integer type.  Found: {x.name} of dtype '
                                    f"{x.dtype!r}")
        return _passed("statically_determined_was_integer")


def assert_scalar(tensor, name=None, message=None):
    """The tensor, after its shape was seen to be (); ValueError otherwise."""
    with name_scope(name, "assert_scalar", [tensor]):
        tensor = convert_to_tensor(tensor, name=name)
        if tensor._shape != ():
            raise errors.ShapeError(f"{message or ''}Expected scalar shape for {tensor.name}, saw shape: "
                                    f"{shapes.text(tensor._shape)}.")
        return tensor


def _checked_rank(x, ranks, words, holds, compare, data, summarize, message):
    """The test of a rank against constant or computed `ranks`: now where both are known, else when the graph runs."""
    for rank in ranks:
        assert_type(rank, int32)
    known = [constant_value(rank) for rank in ranks]
    for value in known:
        if value is not None and value.ndim:
            raise errors.ShapeError("Rank must be a scalar.")
    if x._shape is not None and all(value is not None for value in known):
        values = [int(value) for value in known]
        if not any(holds(len(x._shape), value) for value in values):
            text = ", ".join(map(str, values))
            raise errors.ShapeError(f"{message}.  Tensor {x.name} must have {words} {text}.  Received rank "
                                    f"{len(x._shape)}, shape {shapes.text(x._shape)}")
        return _passed("static_checks_determined_all_ok")
    actual = array.rank(x)
    condition = compare(actual, ranks[0])
    tests = [condition] + [compare(actual, rank) for rank in ranks[1:]]
    for test in tests[1:]:
        condition = comparison.logical_or(condition, test)
    return Assert(condition, data, summarize=summarize)


def assert_rank(x, rank, data=None, summarize=None, message=None, name=None):
    """Raises unless x has this rank: ValueError where it is known, else the operation fails when it runs."""
    return _assert_rank("assert_rank", "rank", "rank", x, rank, lambda a, b: a == b, comparison.equal, data, summarize,
                        message, name)


def assert_rank_at_least(x, rank, data=None, summarize=None, message=None, name=None):
    """Raises unless x has at least this rank: ValueError where it is known, else the operation fails when it runs."""
    return _assert_rank("assert_rank_at_least", "rank at least", "rank at least", x, rank, lambda a, b: a >= b,
                        comparison.greater_equal, data, summarize, message, name)


def _assert_rank(default_name, words, text, x, rank, holds, compare, data, summarize, message, name):
    with name_scope(name, default_name, [x, rank]):
        x = convert_to_tensor(x, name="x")
        rank = convert_to_tensor(rank, name="rank")
        if data is None:
            data = [message or "", f"Tensor {x.name} must have {text}", rank, "Received shape: ", array.shape(x)]
        return _checked_rank(x, [rank], words, holds, compare, data, summarize, message or "")


def assert_rank_in(x, ranks, data=None, summarize=None, message=None, name=None):
    """Raises unless x has one of these ranks: ValueError where it is known, else the operation fails when it runs."""
    with name_scope(name, "assert_rank_in", [x, *ranks]):
        x = convert_to_tensor(x, name="x")
        ranks = [convert_to_tensor(rank, name="rank") for rank in ranks]
        if data is None:
            data = [message or "", f"Tensor {x.name} must have rank in", *ranks, "Received shape: ", array.shape(x)]
        return _checked_rank(x, ranks, "rank in", lambda a, b: a == b, comparison.equal, data, summarize,
                             message or "")


def assert_proper_iterable(values):
    """TypeError unless `values` can be iterated and is neither a tensor, an array nor a text."""
    if isinstance(values, (Tensor, np.ndarray, bytes, str)) or not hasattr(values, "__iter__"):
        raise errors.DTypeError(f"Expected argument \"values\" to be a proper iterable, a list or tuple. Found: "
                                f"{type(values)}")


def is_numeric_tensor(tensor):
    """Whether `tensor` is a Tensor of numbers."""
    return isinstance(tensor, Tensor) and (tensor.dtype.is_integer or tensor.dtype.is_floating
                                           or tensor.dtype.is_complex)


def assert_same_float_dtype(tensors=None, dtype=None):
    """The one floating dtype of all tensors and `dtype`; float32 when there are none. ValueError if they differ."""
    for tensor in tensors or ():
        found = tensor.dtype.base_dtype
        if dtype is not None and found is not as_dtype(dtype):
            raise ValueError(f"Tensor {tensor.name} has type {found.name}, expected {as_dtype(dtype).name}")
        dtype = found
    dtype = float32 if dtype is None else as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"Expected floating point type, got {dtype!r}.")
    return dtype


# --- numbers ----------------------------------------------------------------------------------------

@define_op("CheckNumerics", "tensor: T -> output: T", T=FLOATS, kind="elementwise", stateful=True)
def check_numerics_op(tensor, *, message: str):
    """The tensor, unless it holds a NaN or an infinity: that raises InvalidArgumentError with the message."""
    has_nan, has_inf = np.any(np.isnan(tensor)), np.any(np.isinf(tensor))
    if has_nan or has_inf:
        found = "Inf and NaN" if has_nan and has_inf else "NaN" if has_nan else "Inf"
        raise errors.InvalidArgumentError(None, None, f"{message} : Tensor had {found} values")
    return tensor


@check_numerics_op.gradient
def check_numerics_grad(node, dy):
    return check_numerics_op(dy, message=f"Not a number (NaN) or infinity (Inf) values detected in gradient. "
                                         f"{node.message}")


def check_numerics(tensor, message, name=None):
    """The tensor; a run in which it holds a NaN or an infinity raises InvalidArgumentError with `message`."""
    return check_numerics_op(tensor, message=message, name=name)


def verify_tensor_all_finite(t=None, msg=None, name=None, x=None, message=None):
    """The tensor, after it was seen to be finite; see `check_numerics`."""
    x = array._one_of("x", x, "t", t)
    message = array._one_of("message", message, "msg", msg)
    with name_scope(name, "VerifyFinite", [x]):
        x = convert_to_tensor(x, name="t")
        with colocate_with(x):
            return flow.with_dependencies([check_numerics(x, message)], x)
