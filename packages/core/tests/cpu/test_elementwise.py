"""Elementwise kernels against the declarations' NumPy bodies: every loop, broadcasting, in place, threads, errors,
accuracy. A new op needs nothing here: what it means, its operands and its attributes are declared.
"""
import numpy as np
import pytest
from oracle import aligned

from thalweg.cpu._loops import supported
from thalweg.cpu._request import Unsupported
from thalweg.cpu.elementwise import elementwise
from thalweg.framework.declaration import REGISTRY
from thalweg.framework.dtypes import as_dtype
from thalweg.framework.errors import InvalidArgumentError
from thalweg.testing.kernel_call import KernelCall, call_kernel

RNG = np.random.default_rng(7)
NUMBERS = {as_dtype(name).as_datatype_enum: name for name in (
    "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")}
# Loops that a test below covers: their operands differ in type.
APART = {"Select"}
ONE_TYPE = sorted((op, NUMBERS[number]) for op, number in supported() if op not in APART)
# Integer ops that refuse some operands, which have tests below: what the last operand becomes.
DIVIDES = {"Div", "FloorDiv", "FloorMod", "Mod", "TruncateMod", "TruncateDiv"}
REFUSES = {**dict.fromkeys(DIVIDES, lambda y: y + (y == 0).astype(y.dtype)), "Pow": abs}


def is_of_one_type(op):
    declaration = REGISTRY[op]
    return len({a.letter or a.dtype for a in declaration.inputs}) == 1 and len(declaration.outputs) == 1


def attrs_of(op):
    """The declared attributes; those that a loop gets as its constant are 0.25."""
    return {a.name: 0.25 if a.type == "float" else a.default for a in REGISTRY[op].attributes.values()}


def values(dtype, shape):
    """Numbers near 0, in [-1, 1] and further out, whole ones among them: inside and outside of what an op can take."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return RNG.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return RNG.integers(0 if dtype.kind == "u" else -9, 9, shape).astype(dtype)
    x = np.where(RNG.random(shape) < 0.5, RNG.uniform(-1, 1, shape), RNG.normal(0, 2, shape))
    return np.where(RNG.random(shape) < 0.2, np.rint(x), x).astype(dtype)


def operands(op, dtype, shapes):
    found = [values(dtype, shape) for shape in shapes]
    if found[0].dtype.kind in "iu" and op in REFUSES:
        found[-1] = REFUSES[op](found[-1])
    return found


def out_dtype(op, dtype):
    output = REGISTRY[op].outputs[0]
    return np.dtype(dtype) if output.letter else output.dtype.np


def expected(op, arrays, out):
    """What the declaration means: in float64, rounded once; integers wrap, and neighbours are those of their type."""
    if arrays[0].dtype == np.float32 and op != "NextAfter":
        arrays = [a.astype(np.float64) for a in arrays]
    with np.errstate(all="ignore"):
        return np.asarray(REGISTRY[op].reference(arrays, attrs_of(op))[0]).astype(out)


def check(op, arrays, threads=1):
    out = out_dtype(op, arrays[0].dtype)
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    y, = call_kernel(elementwise, op, arrays, [(shape, out)], attrs_of(op), threads=threads)
    want = np.broadcast_to(expected(op, arrays, out), shape)
    if out.kind == "f":
        rtol = 1e-6 if out == np.float32 else 1e-13
        np.testing.assert_allclose(y, want, rtol=rtol, atol=rtol, err_msg=f"{op} {[a.shape for a in arrays]}")
    else:
        np.testing.assert_array_equal(y, want, err_msg=f"{op} {[a.shape for a in arrays]}")
    return y


def test_every_loop_has_a_case():
    """A new loop is an op's, and its operands are of one type; otherwise it needs a test here and a place in APART."""
    assert {op for op, _ in supported()} <= set(REGISTRY)
    assert not [op for op, _ in ONE_TYPE if not is_of_one_type(op)]


@pytest.mark.parametrize("op, dtype", ONE_TYPE)
def test_values(op, dtype):
    for shape in ((), (1,), (7,), (3, 5), (2, 3, 131), (0,), (4, 0)):
        check(op, operands(op, dtype, [shape] * len(REGISTRY[op].inputs)))


SHAPES = [
    ((5,), ()), ((), (5,)), ((3, 4), (4,)), ((4,), (3, 4)), ((3, 4), (3, 1)), ((3, 1), (1, 4)), ((1,), (3, 1, 2)),
    ((2, 3, 4), (3, 1)), ((2, 1, 4), (1, 3, 1)), ((7, 300), (300,)), ((7, 300), (7, 1)), ((0, 3), (3,)),
    ((2, 3, 300), (2, 1, 300)), ((2, 3, 300), (3, 1)), ((5, 4, 3, 2), (4, 1, 2)), ((5, 1, 3, 1), (1, 4, 1, 2)),
    ((3000, 3), (3,)), ((3000, 3), (3000, 1)), ((999, 10), (10,)), ((2, 500, 3), (2, 1, 3)), ((3, 1), (3, 0)),
    ((1, 1), (1, 1, 1)), ((2, 2000, 2), (2000, 1)), ((1, 70000), (3, 1)), ((2, 1, 1, 3, 1), (1, 5, 1, 1, 6)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_broadcasting(shapes):
    for op, dtype in (("Sub", "float32"), ("Sub", "float64"), ("Less", "float32"), ("Mul", "uint8"), ("Sub", "int64"),
                      ("LogicalAnd", "bool")):
        check(op, [values(dtype, s) for s in shapes])
        check(op, [values(dtype, s) for s in shapes[::-1]])


def test_random_broadcasts():
    for _ in range(300):
        rank = RNG.integers(0, 6)
        full = RNG.integers(1, 8, rank)
        a, b = [tuple(np.where(RNG.random(rank) < 0.4, 1, full)[RNG.integers(0, rank + 1):].tolist()) for _ in "ab"]
        check("Sub", [values("float32", a), values("float32", b)])


@pytest.mark.parametrize("op, shapes", [("Sub", ((300, 1000), (300, 1000))), ("Tanh", ((50001,),)),
                                        ("Mul", ((100000, 3), (3,))), ("Mul", ((100000, 3), (100000, 1))),
                                        ("Add", ((7, 40000), (7, 1)))])
def test_threads_do_not_change_bits(op, shapes):
    arrays = [values("float32", s) for s in shapes]
    assert check(op, arrays, threads=1).tobytes() == check(op, arrays, threads=3).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool", "uint8", "float16", "complex64"])
def test_select(dtype):
    for condition, shape in (((), ()), ((), (3, 4)), ((3,), (3, 4, 5)), ((3, 4), (3, 4)), ((2000,), (2000, 3)),
                             ((0,), (0, 3)), ((70000,), (70000,))):
        c = RNG.integers(0, 2, condition).astype(bool)
        t, e = [RNG.integers(0, 2, shape).astype(as_dtype(dtype).np) for _ in "te"]
        y, = call_kernel(elementwise, "Select", [c, t, e], [(shape, dtype)])
        np.testing.assert_array_equal(y, np.where(c.reshape(condition + (1,) * (len(shape) - len(condition))), t, e))


def test_select_v2_broadcasts():
    c, t, e = np.array([[True], [False]]), np.arange(3, dtype=np.float32), np.float32(9)
    y, = call_kernel(elementwise, "SelectV2", [c, t, e], [((2, 3), "float32")])
    np.testing.assert_array_equal(y, np.where(c, t, e))


@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_add_n(count, dtype):
    for shape in ((), (5,), (3, 70000), (0, 2)):
        arrays = [RNG.integers(-9, 9, shape).astype(dtype) for _ in range(count)]
        y, = call_kernel(elementwise, "AddN", arrays, [(shape, dtype)], {"N": count}, threads=2)
        np.testing.assert_array_equal(y, np.sum(arrays, axis=0, dtype=dtype))


def test_in_place():
    for op, shapes in (("Sub", ((3, 5), (3, 5))), ("Sub", ((3, 5), (5,))), ("Tanh", ((3, 500),)),
                       ("Less", ((3, 5), (3, 5))), ("AddN", ((4, 3000),) * 3), ("Select", ((9,), (9,), (9,)))):
        arrays = [values("bool" if op == "Select" and k == 0 else "float32", s) for k, s in enumerate(shapes)]
        out = [(shapes[0], out_dtype(op, "float32"))]
        want, = call_kernel(elementwise, op, arrays, out)
        call = KernelCall(elementwise, op, arrays, out)
        for k, array in enumerate(arrays):
            same_size = array.shape == want.shape and array.dtype == want.dtype
            assert call.may_be_in_place(k) == (same_size and (op != "AddN" or k < 2)), (op, k)
            if call.may_be_in_place(k):
                copies = [a.copy() for a in arrays]
                y, = call_kernel(elementwise, op, copies, [copies[k]])
                assert y is copies[k] and y.tobytes() == want.tobytes(), (op, k)


@pytest.mark.parametrize("op, scalars", [("Add", ()), ("AddV2", (1,)), ("Sub", (0,)), ("Mul", ()), ("Relu", ()),
                                         ("AddN", ()), ("Maximum", ())])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_past_the_caches_have_the_bits_of_small_ones(op, scalars, dtype):
    n = (16 << 20) // np.dtype(dtype).itemsize + 37
    count = {"Relu": 1, "AddN": 3}.get(op, 2)
    arrays = [values(dtype, () if k in scalars else n) for k in range(count)]
    parts = [call_kernel(elementwise, op, [a if a.ndim == 0 else a[part] for a in arrays], [((size,), dtype)])[0]
             for part, size in ((slice(0, n // 2), n // 2), (slice(n // 2, n), n - n // 2))]
    want = np.concatenate(parts).tobytes()
    for first in (0, 1):                                              # at a vector, and at none
        y = aligned(2 * n + 2).view(dtype)[first:first + n]
        got, = call_kernel(elementwise, op, arrays, [y], threads=2)
        assert got.tobytes() == want
    mine = [a.copy() for a in arrays]
    k = next(k for k in range(count) if k not in scalars)
    got, = call_kernel(elementwise, op, mine, [mine[k]], threads=2)   # in place
    assert got.tobytes() == want


@pytest.mark.parametrize("op", ["Div", "FloorDiv", "FloorMod", "Mod", "TruncateDiv", "TruncateMod"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integer_division(op, dtype):
    x, y = np.array([5, 6, 7], dtype), np.array([1, 0, 2], dtype)
    for threads, repeats in ((1, 1), (2, 30000)):
        with pytest.raises(InvalidArgumentError, match="^Integer division by zero$"):
            call_kernel(elementwise, op, [np.tile(x, repeats), np.tile(y, repeats)], [((3 * repeats,), dtype)],
                        threads=threads)
    smallest = np.full(2, np.iinfo(dtype).min, dtype)
    y, = call_kernel(elementwise, op, [smallest, np.array([-1, 1], dtype)], [((2,), dtype)])
    np.testing.assert_array_equal(y, 0 if "Mod" in op else smallest)


def test_negative_power_of_an_integer():
    for dtype in (np.int32, np.int64):
        with pytest.raises(InvalidArgumentError, match="^Integers to negative integer powers are not allowed$"):
            call_kernel(elementwise, "Pow", [np.array([2], dtype), np.array([-1], dtype)], [((1,), dtype)])


def test_unsupported_dtype_says_so():
    with pytest.raises(Unsupported, match="Tanh on the CPU has no loop for DataType 3"):
        call_kernel(elementwise, "Tanh", [np.zeros(3, np.int32)], [((3,), "int32")])


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match=r"shape \(2,\) does not broadcast to \(3,\)"):
        call_kernel(elementwise, "Add", [np.zeros(3, np.float32), np.zeros(2, np.float32)], [((3,), "float32")])


NAN, INF = np.nan, np.inf


@pytest.mark.parametrize("op, operands, want", [      # what TensorFlow 1.15.5 gives
    ("Maximum", ([NAN, 1, 0., -0.], [1, NAN, -0., 0.]), [NAN, 1, 0., -0.]),
    ("Minimum", ([NAN, 1, 0., -0.], [1, NAN, -0., 0.]), [NAN, 1, 0., -0.]),
    ("Relu", ([NAN, -1, 2, -0.],), [NAN, 0, 2, -0.]), ("Relu6", ([NAN, -1, 7, -0.],), [NAN, 0, 6, -0.]),
    ("LeakyRelu", ([NAN, -1, 7, -0.],), [NAN, -0.25, 7, -0.]), ("Sign", ([NAN, -0., -3, INF],), [0, 0, -1, 1]),
    ("Softplus", ([NAN, -1000, 100, INF, -INF],), [NAN, 0, 100, INF, 0]),
    ("Round", ([.5, 1.5, 2.5, -1.5, NAN, INF, 1e10],), [0, 2, 2, -2, NAN, INF, 1e10]),
    ("FloorMod", ([7, -7, 7, -7, 5.5, 1, INF], [3, 3, -3, -3, 2.5, 0, 2]), [1, 2, -2, -1, .5, NAN, NAN]),
    ("Mod", ([7, -7, 7, -7], [3, 3, -3, -3]), [1, -1, 1, -1]),
    ("FloorDiv", ([7, -7, 7, -7, 1, 0], [3, 3, -3, -3, 0, 0]), [2, -3, -3, 2, INF, NAN]),
    ("Exp", ([NAN, INF, -INF, 0, 1000, -1000],), [NAN, INF, 0, 1, INF, 0]),
    ("Log", ([NAN, INF, 0, -0., -1, 1],), [NAN, INF, -INF, -INF, NAN, 0]),
    ("Log1p", ([NAN, INF, 0, -0., -1, -2],), [NAN, INF, 0, -0., -INF, NAN]),
    ("Expm1", ([NAN, INF, -INF, 0, -0., 1000],), [NAN, INF, -1, 0, -0., INF]),
    ("Tanh", ([NAN, INF, -INF, 0, -0., 100],), [NAN, 1, -1, 0, -0., 1]),
    ("Sigmoid", ([NAN, INF, -INF, 0, -1000],), [NAN, 1, 0, .5, 0]),
])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_edges(op, operands, want, dtype):
    arrays = [np.array(o, dtype) for o in operands]
    y, = call_kernel(elementwise, op, arrays, [(arrays[0].shape, dtype)], attrs_of(op))
    np.testing.assert_allclose(y, np.array(want, dtype), rtol=1e-5, atol=0)
    known = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(y)[known], np.signbit(want)[known])


@pytest.mark.parametrize("op", ["Exp", "Expm1", "Log", "Log1p", "Tanh", "Sigmoid", "Softplus"])
def test_float32_is_within_two_ulp(op):
    """Over floats of all magnitudes, those below the normal range included, in and out."""
    bits = RNG.integers(0, 2 ** 32, 400_000, dtype=np.uint32)
    x = np.concatenate([bits.view(np.float32), RNG.normal(0, 1, 200_000).astype(np.float32),
                        RNG.uniform(-110, 110, 400_000).astype(np.float32)])
    x = x[np.isfinite(x)]
    y, = call_kernel(elementwise, op, [x], [(x.shape, "float32")])
    want = expected(op, [x], np.float64)
    with np.errstate(all="ignore"):
        rounded = want.astype(np.float32)
        error = abs(y.astype(np.float64) - want) / np.spacing(abs(rounded)).astype(np.float64)
    same = (y == rounded) | (np.isnan(y) & np.isnan(rounded))
    assert np.all(same | (error <= 2)), (op, x[np.nanargmax(np.where(same, 0, error))])
