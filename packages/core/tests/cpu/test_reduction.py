"""Reduction kernels against NumPy: axes, dtypes, empty axes, NaN, threads, accuracy."""
import itertools

import numpy as np
import pytest

from thalweg.cpu._request import Unsupported
from thalweg.cpu.reduction import cumulative, reduction
from thalweg.framework.errors import InvalidArgumentError
from thalweg.testing.kernel_call import call_kernel

RNG = np.random.default_rng(3)
FOLDS = {"Sum": np.sum, "Mean": np.mean, "Prod": np.prod, "Max": np.max, "Min": np.min, "All": np.all, "Any": np.any}
NUMBERS = ["float32", "float64", "int32", "int64", "uint8"]


def numbers(shape, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return RNG.random(shape) < 0.5
    return RNG.integers(0 if dtype.kind == "u" else -3, 4, shape).astype(dtype) if dtype.kind in "iu" \
        else RNG.normal(0.1, 1, shape).astype(dtype)


def reduce(op, x, axes, keep_dims=False, threads=1):
    axes = np.array(axes, np.int32)
    kept = [1 if keep_dims else None for _ in x.shape]
    dropped = {int(a) % max(1, x.ndim) for a in axes.ravel()}
    shape = tuple(d for d in (kept[i] if i in dropped else s for i, s in enumerate(x.shape)) if d is not None)
    y, = call_kernel(reduction, op, [x, axes], [(shape, x.dtype)], {"keep_dims": keep_dims}, (1,), threads)
    return y


def expected(op, x, axes):
    axes = tuple(int(a) for a in np.ravel(axes))
    if op == "Mean" and x.dtype.kind in "iu":
        count = np.prod([x.shape[a] for a in axes], dtype=int)
        return np.trunc(np.sum(x, axis=axes, dtype=x.dtype) / count).astype(x.dtype)          # TensorFlow wraps, too
    dtype = {"dtype": np.float64 if x.dtype.kind == "f" else x.dtype} if op in ("Sum", "Mean", "Prod") else {}
    return FOLDS[op](x, axis=axes, **dtype)


def check(op, x, axes, threads=1):
    y = reduce(op, x, axes, threads=threads)
    rtol = 1e-6 if x.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y, expected(op, x, axes), rtol=rtol, atol=rtol, err_msg=f"{op} {x.shape} {axes}")
    return y


@pytest.mark.parametrize("op", ["Sum", "Mean", "Prod", "Max", "Min"])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_set_of_axes(op, dtype):
    for shape in ((), (5,), (3, 70), (70, 3), (2, 3, 4), (130, 2, 5), (2, 3, 1, 4, 2)):
        x = numbers(shape, dtype)
        for count in range(len(shape) + 1):
            for axes in itertools.combinations(range(len(shape)), count):
                check(op, x, axes)
    check(op, numbers((2, 3, 4), dtype), [-1, 0])
    check(op, numbers((2, 3, 4), dtype), -2)


@pytest.mark.parametrize("op", ["All", "Any"])
def test_booleans(op):
    for shape, axes in (((7,), 0), ((3, 100), 1), ((3, 4, 5), [0, 2]), ((2, 3), [])):
        check(op, numbers(shape, "bool"), axes)
    check(op, np.full((3, 100), op == "All"), 1)


def test_keep_dims():
    x = numbers((3, 4, 5), "float32")
    assert reduce("Sum", x, [0, 2], keep_dims=True).shape == (1, 4, 1)


@pytest.mark.parametrize("shape, axes", [((300000,), 0), ((200000, 3), 0), ((3, 200000), 1), ((20, 30, 600), (0, 2)),
                                         ((64, 50, 64), 1), ((2, 100000, 7), 1), ((500, 700), 0), ((500, 700), 1),
                                         ((9, 3, 11, 400, 2, 7), (0, 2, 4)), ((1000, 1, 1000), (0, 2)),
                                         ((100000, 2, 2), (0, 2)), ((70000, 4), 1)])
def test_large_in_parts_with_the_same_bits_at_any_thread_count(shape, axes):
    for op, dtype in (("Sum", "float32"), ("Max", "float32"), ("Mean", "float64"), ("Sum", "int32")):
        x = numbers(shape, dtype)
        assert check(op, x, axes).tobytes() == check(op, x, axes, threads=3).tobytes()


def test_float32_sums_are_accurate():
    x = np.full(1_000_003, 0.1, np.float32)
    exact = np.float32(0.1).astype(np.float64) * x.size
    for shape, axes in ((x.shape, 0), ((x.size, 1), 0), ((1, x.size), 1)):
        assert reduce("Sum", x.reshape(shape), axes).item() == np.float32(exact)


def test_random_shapes():
    for _ in range(300):
        rank = int(RNG.integers(0, 7))
        x = numbers(tuple(RNG.integers(1, 6, rank)), "float32")
        check(str(RNG.choice(["Sum", "Max", "Mean"])), x, np.flatnonzero(RNG.random(rank) < 0.5))


def test_empty():
    nothing = np.zeros((0, 3), np.float32)
    for op, want in (("Sum", 0), ("Prod", 1), ("Max", -np.inf), ("Min", np.inf), ("Mean", np.nan)):
        np.testing.assert_array_equal(reduce(op, nothing, 0), np.full(3, want))
        assert reduce(op, nothing, 1).shape == (0,)
    np.testing.assert_array_equal(reduce("Max", np.zeros((2, 0), np.int32), 1), np.iinfo(np.int32).min)
    np.testing.assert_array_equal(reduce("All", np.zeros((0, 2), bool), 0), [True, True])
    np.testing.assert_array_equal(reduce("Any", np.zeros((0, 2), bool), 0), [False, False])
    np.testing.assert_array_equal(reduce("Mean", np.zeros((0, 2), np.int32), 0), [0, 0])


def test_nan_is_passed_over_by_max_and_min_as_in_tensorflow():
    x = np.array([[np.nan, 1, 2], [np.nan] * 3, [3, np.nan, -1]], np.float32)
    for axis, width in ((1, 1), (1, 100), (0, 1)):
        wide = np.repeat(x, width, axis=1)
        wide = wide if axis else np.ascontiguousarray(wide.T)
        np.testing.assert_array_equal(reduce("Max", wide, axis), [2, -np.inf, 3])
        np.testing.assert_array_equal(reduce("Min", wide, axis), [1, np.inf, -1])
    assert np.isnan(reduce("Sum", x, [0, 1]))


def test_l2_loss():
    for shape in ((), (5,), (300, 1000), (0,)):
        for dtype in (np.float32, np.float64):
            x = numbers(shape, dtype)
            y, = call_kernel(reduction, "L2Loss", [x], [((), dtype)], threads=2)
            np.testing.assert_allclose(y, np.sum(x.astype(np.float64) ** 2) / 2, rtol=1e-6)


def arg(op, x, axis, dtype=np.int64, threads=1):
    shape = np.delete(x.shape, axis).astype(int)
    return call_kernel(reduction, op, [x, np.int32(axis)], [(tuple(shape), dtype)], None, (1,), threads)[0]


@pytest.mark.parametrize("op, f", [("ArgMax", np.argmax), ("ArgMin", np.argmin)])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_arg(op, f, dtype):
    for shape in ((1,), (9,), (1000,), (3, 4), (3, 1000), (1000, 3), (2, 3, 4), (2, 5, 300), (300, 300)):
        x = numbers(shape, dtype)
        for axis in range(-len(shape), len(shape)):
            for out in (np.int32, np.int64):
                np.testing.assert_array_equal(arg(op, x, axis, out, threads=2), f(x, axis=axis))


def test_arg_of_nan_and_infinity():
    inf, nan = np.inf, np.nan
    for row, largest, smallest in (([nan, 1, 2], 2, 1), ([1, nan, 2], 2, 0), ([nan, nan], 0, 0), ([-inf, -inf], 0, 0),
                                   ([nan, inf, -inf], 1, 2), ([nan] * 100 + [1, 2, nan], 101, 100)):
        x = np.array(row, np.float32)
        assert arg("ArgMax", x, 0) == largest and arg("ArgMin", x, 0) == smallest


def test_arg_of_an_empty_axis():
    with pytest.raises(InvalidArgumentError, match=r"^Reduction axis 0 is empty in shape \[0,3\]$"):
        arg("ArgMax", np.zeros((0, 3), np.float32), 0)
    assert arg("ArgMax", np.zeros((0, 3), np.float32), 1).shape == (0,)


@pytest.mark.parametrize("op, f", [("Cumsum", np.cumsum), ("Cumprod", np.cumprod)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_cumulative(op, f, dtype):
    for shape, axis in (((6,), 0), ((3, 5), 1), ((3, 5), -2), ((2, 4, 600), 1), ((0, 3), 0), ((70000, 3), 1)):
        x = numbers(shape, dtype)
        for exclusive, reverse in itertools.product((False, True), repeat=2):
            attrs = {"exclusive": exclusive, "reverse": reverse}
            y, = call_kernel(cumulative, op, [x, np.int32(axis)], [(shape, dtype)], attrs, (1,), threads=2)
            wide = x.astype(np.float64) if x.dtype.kind == "f" else x
            want = np.flip(wide, axis) if reverse else wide
            want = f(want, axis=axis, dtype=want.dtype)
            if exclusive:
                first = np.full_like(want.take([0] if shape[axis] else [], axis), op == "Cumprod")
                want = np.concatenate([first, want.take(range(shape[axis] - 1), axis)], axis) if want.size else want
            np.testing.assert_allclose(y, np.flip(want, axis) if reverse else want, rtol=1e-5, atol=1e-6)


def test_unsupported():
    with pytest.raises(Unsupported, match="needs constant axes"):
        call_kernel(reduction, "Sum", [np.zeros(3, np.float32), np.int32(0)], [((), "float32")])
    with pytest.raises(Unsupported, match="has no loop for DataType 8"):
        call_kernel(reduction, "Sum", [np.zeros(3, np.complex64), np.int32(0)], [((), "complex64")], None, (1,))
    with pytest.raises(ValueError, match="Sum: axis 1 of an input with 1 dimensions"):
        call_kernel(reduction, "Sum", [np.zeros(3, np.float32), np.int32(1)], [((), "float32")], None, (1,))
