"""Reductions: shapes and axes, types, empty axes, NaN and ties, long lines in parts, error and repeatability."""
import numpy as np
import pytest
from emulation.check import check
from emulation.direct import ORDERS, run

import thalweg as tf
from thalweg_cuda.kernels import _geometry as geometry
from thalweg_cuda.kernels import reduction
from thalweg_cuda.work import Target, Unsupported


def reals(*shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def reduce(op_type, x, axes, orders=("shuffled:3",), out_dtype=None):
    """What the kernel gives, without a graph."""
    axes = np.array(axes, np.int32)
    kept = [size for i, size in enumerate(x.shape) if i not in {int(a) % x.ndim for a in axes.ravel()}]
    got, = run(op_type, [x, axes], [(tuple(kept), out_dtype or x.dtype)], constants=[1], orders=orders)
    return got


# rows of one, 8, 32 and 256 threads, with and without packs; columns narrow and wide; mixed dimensions; parts
SHAPES = [((5, 7), [1]), ((5, 7), [0]), ((3, 4, 5), [1]), ((300,), [0]), ((20, 21), [1]), ((20, 24), [1]),
          ((20, 500), [1]), ((1030, 600), [1]), ((3, 5000), [1]), ((70003,), [0]), ((40, 33), [0]), ((40, 64), [0]),
          ((3000, 6), [0]), ((2100, 64), [0]), ((20, 3, 24, 8), [1, 3]), ((20, 3, 24, 8), [0, 2]),
          ((4, 5, 6, 7), [0, 2, 3]), ((2, 30, 4), [1]), ((1, 1), [0]), ((), []), ((4, 3), []),
          ((2, 200, 2, 200), [1, 3])]


@pytest.mark.parametrize("shape, axes", SHAPES)
def test_sums_and_extrema(shape, axes):
    x = reals(*shape)
    wide = x.astype(np.float64)
    total = wide.sum(tuple(axes)).astype(np.float32)
    np.testing.assert_allclose(reduce("Sum", x, axes, ORDERS), total, 2e-7, 1e-7 * np.abs(wide).max(initial=1))
    np.testing.assert_array_equal(reduce("Max", x, axes), x.max(tuple(axes)) if axes else x)


@pytest.mark.parametrize("shape, axis", [(s, a[0]) for s, a in SHAPES if len(a) == 1])
@pytest.mark.parametrize("op_type, find", [("ArgMax", np.argmax), ("ArgMin", np.argmin)])
def test_places_of_extrema(op_type, find, shape, axis):
    x = np.round(reals(*shape) * 3)                          # many are equal: the first wins
    for dtype in ("int64", "int32") if op_type == "ArgMax" and shape == (5, 7) else ("int64",):
        got = reduce(op_type, x, axis, ORDERS[1:], out_dtype=dtype)
        np.testing.assert_array_equal(got, find(x, axis))


@pytest.mark.parametrize("dtype", ["float16", "float64", "complex64", "complex128"])
def test_other_numbers(dtype):
    x = 1 + reals(4, 19, 6, dtype="complex128") * (0.1 + 0.1j) if "complex" in dtype else 1 + 0.1 * reals(4, 19, 6)
    x = x.astype(dtype)
    rtol = {"float16": 2e-3, "complex64": 4e-6}.get(dtype, 1e-12)
    check(lambda v: [f(v, 1) for f in (tf.reduce_sum, tf.reduce_mean, tf.reduce_prod)], x, rtol=rtol)
    if "complex" not in dtype:
        check(lambda v: [tf.reduce_max(v, [0, 2]), tf.reduce_min(v, 0), tf.argmax(v, 1), tf.nn.l2_loss(v)], x,
              rtol=rtol)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integers_wrap_around(dtype):
    info = np.iinfo(dtype)
    x = np.random.default_rng(0).integers(info.min, info.max, (5, 33), dtype)
    for op_type, function in (("Sum", np.sum), ("Prod", np.prod)):
        np.testing.assert_array_equal(reduce(op_type, x, [1]), function(x, 1, dtype=dtype), op_type)
    for op_type, function in (("Max", np.max), ("Min", np.min)):
        np.testing.assert_array_equal(reduce(op_type, x, [0]), function(x, 0), op_type)
    np.testing.assert_array_equal(reduce("ArgMin", x, 1, out_dtype="int64"), np.argmin(x, 1))
    total = x.sum(1, dtype=dtype).tolist()
    mean = [abs(t) // 33 * (1 if t >= 0 else -1) for t in total]
    np.testing.assert_array_equal(reduce("Mean", x, [1]), np.array(mean, dtype))


@pytest.mark.parametrize("op_type, function", [("All", np.all), ("Any", np.any)])
def test_logic(op_type, function):
    x = np.random.default_rng(0).random((40, 37)) < (0.97 if op_type == "All" else 0.03)
    for axes in ([0], [1], [0, 1]):
        np.testing.assert_array_equal(reduce(op_type, x, axes), function(x, tuple(axes)))


def test_an_empty_axis_gives_what_the_reference_says():
    check(lambda x: [f(x, 0) for f in (tf.reduce_sum, tf.reduce_mean, tf.reduce_prod, tf.reduce_max, tf.reduce_min)],
          np.zeros((0, 3), np.float32))
    check(lambda x: [f(x, 1) for f in (tf.reduce_mean, tf.reduce_max)], np.zeros((2, 0), np.int32))
    check(lambda x: [tf.reduce_all(x, 0), tf.reduce_any(x, 0)], np.zeros((0, 3), bool))
    check(lambda x: tf.reduce_sum(x, 1), np.zeros((0, 3), np.float32))


def test_nan_is_passed_over_by_extrema_and_stays_in_sums():
    x = reals(6, 40)
    x[:, ::3] = np.nan
    x[5] = np.nan
    np.testing.assert_array_equal(reduce("Max", x, [1]), np.fmax.reduce(x, 1, initial=-np.inf))
    np.testing.assert_array_equal(reduce("Min", x, [1]), np.fmin.reduce(x, 1, initial=np.inf))
    np.testing.assert_array_equal(reduce("ArgMax", x, 1, out_dtype="int64"),
                                  np.where(np.isnan(x), -np.inf, x).argmax(1))
    assert np.isnan(reduce("Sum", x, [1])).all()


def test_the_error_of_a_long_sum_is_one_rounding():
    x = (1e4 + reals(300000)).astype(np.float32)
    got = reduce("Sum", x, [0], ("forward",))
    exact = np.sum(x.astype(np.longdouble))
    assert abs(float(got) - float(exact)) <= np.spacing(np.float32(exact)) / 2 * 1.001


def test_bits_do_not_depend_on_the_card():
    x = reals(70003)
    results = {run("Sum", [x, np.array([0], np.int32)], [((), "float32")], constants=[1], orders=("forward",),
                   target=Target(multiprocessors=count))[0].tobytes() for count in (1, 20, 132)}
    assert len(results) == 1


def test_long_lines_are_cut_into_parts_that_a_second_launch_folds():
    for shape, axes in (((70003,), (0,)), ((2100, 64), (0,)), ((3, 40000), (1,))):
        work = reduction.reduce_work("Sum", 1, 1, shape, [i in axes for i in range(len(shape))])
        assert [c.entry for c in work.commands] == ["reduce", "merge"] and work.workspace_bytes
        assert work.commands[0].grid[1] > 1


def test_wide_indices(monkeypatch):
    monkeypatch.setattr(geometry, "_LARGEST_32", 10)
    x = reals(40, 6, 24)
    for axes in ([0, 2], [1], [0]):
        np.testing.assert_allclose(reduce("Sum", x, axes), x.astype(float).sum(tuple(axes)), 1e-6, 1e-6)
    np.testing.assert_array_equal(reduce("ArgMax", x, 2, out_dtype="int64"), x.argmax(2))


def test_addresses_that_are_not_aligned_for_packs():
    memory = np.zeros(1000, np.float32)
    x = memory[1:961].reshape(40, 24)
    x[...] = reals(40, 24)
    check(lambda v: [tf.reduce_sum(v, 0), tf.reduce_sum(v, 1), tf.reduce_sum(v)], x)


def test_refusals():
    with pytest.raises(Unsupported, match="Sum on CUDA needs constant axes"):
        run("Sum", [reals(3), np.array([0], np.int32)], [((), "float32")])
    with pytest.raises(Unsupported, match="ArgMax along an empty axis: the processor raises the error"):
        reduce("ArgMax", np.zeros((2, 0), np.float32), 1, out_dtype="int64")
    with pytest.raises(Unsupported, match="Max on CUDA has no kernel for DataType 18"):
        reduce("Max", np.zeros(3, np.complex128), [0])
    with pytest.raises(ValueError, match="Sum: axis 2 of an input with 1 dimensions"):
        run("Sum", [reals(3), np.array([2], np.int32)], [((), "float32")], constants=[1])
    with pytest.raises(Unsupported, match="All on CUDA takes bool, not DataType 1"):
        reduce("All", reals(3), [0])
    with pytest.raises(Unsupported, match="Sum on CUDA has no kernel for DataType 10"):
        reduce("Sum", np.zeros(3, bool), [0])
    with pytest.raises(Unsupported, match="ArgMax along one axis, not 2"):
        reduce("ArgMax", reals(3, 3), [0, 1], out_dtype="int64")
    with pytest.raises(Unsupported, match=r"BiasAdd: a bias of shape \(3,\) for a value of shape \(2, 4\)"):
        run("BiasAdd", [reals(2, 4), reals(3)], [((2, 4), "float32")], {"data_format": "NHWC"})
    with pytest.raises(Unsupported, match=r"_FusedBiasAddGrad: activation Elu, shapes \(\(2, 4\), \(2, 4\)\)"):
        run("_FusedBiasAddGrad", [reals(2, 4)] * 2, [((2, 4), "float32"), ((4,), "float32")], {"activation": "Elu"})


# --- biases ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("data_format, shape, channels", [("NHWC", (2, 3, 4, 8), 8), ("NCHW", (2, 5, 3, 4), 5),
                                                          ("NHWC", (40, 7), 7), ("NCHW", (40, 7), 7)])
def test_biases(data_format, shape, channels):
    def build(x, b):
        y = tf.nn.bias_add(x, b, data_format)
        return [y, *tf.gradients(y * y, [x, b])]
    check(build, reals(*shape), reals(channels, seed=1))


@pytest.mark.parametrize("activation, high", [("Relu", np.inf), ("Relu6", 6.0)])
@pytest.mark.parametrize("shape", [(50, 12), (3, 7, 5), (3, 4), (2000, 3), (30, 1), (0, 4)])
def test_the_gradient_of_an_activation_and_its_bias(activation, high, shape):
    dy, y = reals(*shape), 5 * reals(*shape, seed=1)
    dx, db = run("_FusedBiasAddGrad", [dy, y], [(shape, "float32"), (shape[-1:], "float32")],
                 {"activation": activation})
    want = np.where((y > 0) & (y < high), dy, 0)
    np.testing.assert_array_equal(dx, want)
    np.testing.assert_allclose(db, want.astype(float).sum(tuple(range(len(shape) - 1))), 1e-6, 1e-6)
