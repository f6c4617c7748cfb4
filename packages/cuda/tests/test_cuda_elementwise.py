"""The elementwise generator: ways of broadcasting, packs and what is left of them, dtypes, fused regions, refusals."""
import numpy as np
import pytest
from emulation import emulated
from emulation.check import check, run_both
from emulation.direct import run

import thalweg as tf
from thalweg.devices.core_api import KernelRequest
from thalweg.framework import packed
from thalweg.framework.declaration import REGISTRY
from thalweg.plan.fuse import may_be_in_region
from thalweg_cuda import kernels
from thalweg_cuda.kernels import _formulas
from thalweg_cuda.kernels import _geometry as geometry
from thalweg_cuda.kernels._expression import Expression, Step
from thalweg_cuda.kernels._generator import elementwise_work
from thalweg_cuda.work import Target, Unsupported


def reals(*shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def integers(*shape, dtype="int32", seed=0, low=None):
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(info.min if low is None else low, info.max, shape, dtype)


# --- sizes and ways of broadcasting ----------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 3, 4, 37, 1030])
def test_sizes(size):
    check(tf.subtract, reals(size), reals(size, seed=1))


def test_more_elements_than_a_pass_of_the_grid():
    x = reals(4 * 256 * 4 * 3 + 5)
    got, = run("Neg", [x], [(x.shape, "float32")], target=Target(multiprocessors=1), orders=("shuffled:2",))
    np.testing.assert_array_equal(got, -x)


SHAPES = [((), (37,)), ((37,), ()), ((1,), (37,)), ((5, 8), (8,)), ((5, 8), (5, 1)), ((5, 7), (7,)),
          ((5, 6), (5, 1)), ((5, 1), (1, 8)), ((2, 3, 4), (3, 1)), ((2, 3, 4), (1, 3, 4)), ((64, 40), (40,)),
          ((2, 1, 4, 1, 3, 1, 2), (1, 3, 1, 5, 1, 4, 1)), ((0, 3), (3,)), ((), ())]


@pytest.mark.parametrize("left, right", SHAPES)
def test_broadcasting(left, right):
    x, y = reals(*left), reals(*right, seed=1)
    want = x - y
    got, = run("Sub", [x, y], [(want.shape, "float32")], orders=("forward",))
    np.testing.assert_array_equal(got, want)


def test_rank_beyond_what_a_kernel_walks_is_refused():
    shape = (2,) * 18
    with pytest.raises(Unsupported, match=r"Sub on CUDA broadcasts over 18 dimensions; at most 8"):
        run("Sub", [np.zeros((2, 1) * 9, np.float32), np.zeros((1, 2) * 9, np.float32)], [(shape, "float32")])


def test_wide_indices(monkeypatch):
    monkeypatch.setattr(geometry, "_LARGEST_32", 10)
    x, y = reals(6, 8), reals(6, 1, seed=1)
    got, = run("Sub", [x, y], [(x.shape, "float32")])
    np.testing.assert_array_equal(got, x - y)


@pytest.mark.parametrize("shape", [(41,), (5, 8)])
def test_addresses_that_are_not_aligned_for_packs(shape):
    memory = np.zeros(100, np.float32)
    x = memory[1:1 + np.prod(shape)].reshape(shape)
    assert x.ctypes.data % 16
    x[...] = reals(*shape)
    check(lambda a, b: a - b, x, reals(shape[-1], seed=1))


def test_the_text_depends_on_the_class_of_shapes_only():
    expression = Expression((1, 1), (Step("Add", (0, 1), 1),), (0,))

    def text(x, y, out):
        return elementwise_work(expression, [x, y], out, Target()).commands[0].source
    assert text((8, 16), (16,), (8, 16)) == text((3, 5, 100), (100,), (3, 5, 100))
    assert text((7,), (7,), (7,)) == text((5, 9, 4), (5, 9, 4), (5, 9, 4))
    assert text((8, 16), (16,), (8, 16)) != text((8, 15), (15,), (8, 15))        # packs do not fit into the rows


def test_a_result_may_take_the_place_of_an_operand():
    work = kernels.prepare(_request("Sub", [(6, 8), (6, 1)], (6, 8)), Target())
    assert work.inplace == (0,)
    x = reals(6, 8)
    want = x - x[:, :1]
    y = x[:, :1].copy()
    emulated.Bound(work, "Sub")([x, y], [x])
    np.testing.assert_array_equal(x, want)


def _request(op_type, in_shapes, out_shape, dtype=tf.float32, attrs=None, values=None):
    return KernelRequest(op_type, attrs or {}, in_shapes, [out_shape], [dtype] * len(in_shapes), [dtype], values)


# --- dtypes ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["float16", "float64", "complex64", "complex128"])
def test_other_numbers(dtype):
    x, y = (reals(40, dtype="complex128", seed=s) + 1j * reals(40, seed=s + 9) if "complex" in dtype
            else reals(40, seed=s) for s in (0, 1))
    rtol = {"float16": 2e-3, "complex64": 4e-6}.get(dtype, 1e-12)
    check(lambda a, b: a * b + a, x.astype(dtype), y.astype(dtype), rtol=rtol)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integers_wrap_around(dtype):
    x, y = integers(37, dtype=dtype), integers(37, dtype=dtype, seed=1)
    z = np.concatenate([x[:20], y[20:]])
    for op_type, want in (("Mul", x * y), ("Sub", x - y)):
        got, = run(op_type, [x, y], [(x.shape, dtype)], orders=("forward",))
        np.testing.assert_array_equal(got, want)
    got, = run("Equal", [x, z], [(x.shape, "bool")], orders=("forward",))
    np.testing.assert_array_equal(got, x == z)


def test_bfloat16_is_rounded_once():
    x, y = (packed.to_packed(reals(100, seed=s), tf.bfloat16) for s in (0, 1))
    want = packed.to_packed(packed.to_float32(x) - packed.to_float32(y), tf.bfloat16)
    got, = run("Sub", [x, y], [((100,), tf.bfloat16)], dtypes=[tf.bfloat16] * 2)
    assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("dtype", ["bool", "int16", "float16", "float32", "float64", "complex128"])
def test_select_moves_bits(dtype):
    x, y = (reals(6, 5, seed=s).astype(dtype) for s in (0, 1))
    x.reshape(-1).view(np.uint8)[:x.itemsize] = 1 if dtype == "bool" else 0xff   # a NaN stays the NaN that it is
    c = np.array([True, False, True, True, False, False])
    got, = run("Select", [c, x, y], [(x.shape, dtype)], orders=("forward",))
    assert got.tobytes() == np.where(c[:, None], x, y).tobytes()


# --- single ops that need more than their formula --------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint16"])
def test_divisions_of_integers(dtype):
    info = np.iinfo(dtype)
    x = np.array([7, info.min, info.max, 0, 100, info.min, 5, info.max // 2], dtype)
    y = np.array([2, info.max if info.min == 0 else -1, 3, 5, 7, info.min or 1, 2, 5], dtype)
    for op, names in ((np.floor_divide, ["FloorDiv"]), (np.mod, ["FloorMod"]), (np.fmod, ["Mod", "TruncateMod"])):
        for name in names:
            with np.errstate(all="ignore"):
                want = op(x, y)
            got, = run(name, [x, y], [(x.shape, dtype)], orders=("forward",))
            np.testing.assert_array_equal(got, want, name)
    got, = run("Div", [x, y], [(x.shape, dtype)], orders=("forward",))
    exact = [abs(int(a)) // abs(int(b)) * (-1 if (a < 0) != (b < 0) else 1) for a, b in zip(x, y)]
    bits = 8 * np.dtype(dtype).itemsize
    assert [int(g) % 2 ** bits for g in got] == [e % 2 ** bits for e in exact]


@pytest.mark.parametrize("op, divisor, words", [
    (tf.floordiv, 0, "Integer division by zero"), (tf.truncatemod, 0, "Integer division by zero"),
    (tf.pow, -1, "Integers to negative integer powers are not allowed")])
def test_what_the_processor_refuses_is_told(op, divisor, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        run_on_device(op, np.array([5, 6, 7], np.int32), np.array([2, divisor, 3], np.int32))
    check(lambda x: op(x, 3), np.array([5, 6, 7], np.int32))


def run_on_device(build, *arrays):
    """The values on the device alone: the reference body would raise first."""
    with tf.Graph().as_default() as graph, tf.device("/device:EMULATED:0"):
        feeds = [tf.placeholder(a.dtype, a.shape) for a in arrays]
        y = build(*feeds)
        with tf.Session(graph=graph) as session:
            return session.run(y, dict(zip(feeds, arrays)))


@pytest.mark.parametrize("values, found", [([1, np.nan, 2], "NaN"), ([np.inf, 0, 1], "Inf"),
                                           ([np.nan, 1, -np.inf], "Inf and NaN")])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_numbers_are_examined(values, found, dtype):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"weights : Tensor had {found} values"):
        run("CheckNumerics", [np.array(values, dtype)], [((3,), dtype)], {"message": "weights"}, orders=("forward",))
    x = reals(37, dtype=dtype)
    check(lambda v: tf.check_numerics(v, "weights"), x)


def test_a_constant_divisor_is_looked_at_once():
    def told(values):
        work = kernels.prepare(_request("FloorDiv", [(3,), (3,)], (3,), tf.int32, values=values), Target())
        return "claim(" in work.commands[0].source.text
    assert told({}) and told({1: np.array([1, 0, 2])}) and not told({1: np.array([1, -1, 2])})


@pytest.mark.parametrize("op_type, want", [("Equal", False), ("NotEqual", True)])
def test_shapes_that_do_not_broadcast_are_unequal(op_type, want):
    got, = run(op_type, [reals(3), reals(4)], [((), "bool")], {"incompatible_shape_error": False})
    assert got == want
    got, = run(op_type, [reals(), reals()], [((), "bool")], {"incompatible_shape_error": False})
    assert got != want                                       # scalars do broadcast


def test_leaky_relu_of_a_steep_slope_is_the_larger():
    check(lambda x: tf.nn.leaky_relu(x, 1.5), reals(50))


@pytest.mark.parametrize("count", [1, 2, 5, 130])
def test_sums_of_many(count):
    arrays = [reals(3, 7, seed=s) for s in range(count)]
    got, = run("AddN", arrays, [((3, 7), "float32")], orders=("forward",))
    want = arrays[0].copy()
    for a in arrays[1:]:
        want += a
    np.testing.assert_array_equal(got, want)


def test_no_formula_is_a_reason():
    with pytest.raises(Unsupported, match="Igamma on CUDA has no formula for DataType 3"):
        kernels.prepare(_request("Igamma", [(3,), (3,)], (3,), tf.int32), Target())
    with pytest.raises(Unsupported, match="Select on CUDA: no kernel for DataType 7"):
        kernels.prepare(KernelRequest("Select", {}, [(3,)] * 3, [(3,)], [tf.bool, tf.string, tf.string], [tf.string]),
                        Target())
    with pytest.raises(Unsupported, match=r"Add: shapes .* do not broadcast to \(3,\)"):
        kernels.prepare(_request("Add", [(3,), (4,)], (3,)), Target())


# --- regions ---------------------------------------------------------------------------------------------------------

def region(ops, args, n_in, alphas=None, results=None):
    return {"ops": ",".join(ops), "args": args, "alphas": ",".join(map(str, alphas or [0.0] * len(ops))),
            "results": results or [len(ops) - 1], "N": n_in, "n_results": len(results or [0])}


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float64", 1e-14), ("float16", 1e-3)])
def test_a_region_with_several_results(dtype, tolerance):
    """y0 = x0 * x1 (a row) and y1 = leaky(y0 - x2 (one number)), 0.1 below 0."""
    x0, x1, x2 = reals(6, 8, dtype=dtype), reals(8, dtype=dtype, seed=1), reals(dtype=dtype, seed=2)
    attrs = region(["Mul", "Sub", "LeakyRelu"], [0, 1, -1, 3, 2, -1, 4, -1, -1], 3, [0.0, 0.0, 0.1], [0, 2])
    y0, y1 = run("_Region", [x0, x1, x2], [((6, 8), dtype)] * 2, attrs)
    product = x0.astype(np.float64) * x1.astype(np.float64)
    np.testing.assert_allclose(y0, product, tolerance, tolerance)
    shifted = product - x2.astype(np.float64)
    np.testing.assert_allclose(y1, np.where(shifted > 0, shifted, 0.1 * shifted), tolerance, tolerance)


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("float64", 1e-12), ("float16", 2e-3)])
def test_every_op_that_plans_fuse_in_one_region(dtype, tolerance):
    """One kernel with as many results as ops, against their reference bodies."""
    number = tf.as_dtype(dtype)
    ops = [d for d in REGISTRY.values() if may_be_in_region(d) and _formulas.has_formula(d.name, number)
           and number in d.letters["T"]]
    assert len(ops) > 60
    x = np.random.default_rng(5).uniform(0.1, 0.9, (3, 21)).astype(dtype)
    args = [k if k < len(d.inputs) else -1 for d in ops for k in range(3)]
    alphas = [0.3 if "alpha" in d.attributes else 0.0 for d in ops]
    attrs = region([d.name for d in ops], args, 3, alphas, list(range(len(ops))))
    got = run("_Region", list(x), [((21,), dtype)] * len(ops), attrs, orders=("forward",))
    with np.errstate(all="ignore"):
        for d, alpha, y in zip(ops, alphas, got):
            want = np.asarray(d.body(*x[:len(d.inputs)], **({"alpha": alpha} if alpha else {})), np.float64)
            scale = np.max(np.abs(want[np.isfinite(want)]), initial=0)
            np.testing.assert_allclose(y.astype(float), want, tolerance, tolerance * scale, err_msg=d.name)


def test_plans_make_regions_for_the_device(monkeypatch):
    monkeypatch.setattr(emulated, "SOURCES", {})
    x = reals(10, 12)
    with tf.Graph().as_default() as graph, tf.device("/device:EMULATED:0"):
        feed = tf.placeholder(tf.float32, x.shape)
        y = tf.nn.sigmoid(feed * 2.0 + 1.0) * tf.tanh(feed)
        with tf.Session(graph=graph) as session:
            got = session.run(y, {feed: x})
    assert any("_Region" in op_types for op_types in emulated.SOURCES.values())
    np.testing.assert_allclose(got, np.tanh(x) / (1 + np.exp(-2 * x - 1)), 1e-5, 1e-6)


def test_regions_that_make_no_sense():
    request = _request("_Region", [(3,)], (3,), attrs=region(["Neg"], [1, -1, -1], 1))
    with pytest.raises(ValueError, match=r"region: op 0, Neg, takes slots \(1,\); it may take those below 1"):
        kernels.prepare(request, Target())
    request = _request("_Region", [(3,)], (3,), attrs=region(["Less"], [0, 0, -1], 1))
    with pytest.raises(ValueError, match=r"region: the outputs have DataTypes \(1,\), their ops give \(10,\)"):
        kernels.prepare(request, Target())


def test_the_gradient_of_a_region_runs_on_the_device():
    def build(x):
        y = tf.nn.elu(x) * tf.sigmoid(x)
        return [y, *tf.gradients(y, [x])]
    pairs, fallbacks = run_both(build, [reals(33)])
    assert not fallbacks
    for _, got, want in pairs:
        np.testing.assert_allclose(got, want, 1e-5, 1e-6)
