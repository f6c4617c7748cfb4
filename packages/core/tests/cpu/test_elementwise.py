"""Elementwise kernels against NumPy: every op and dtype, broadcasting, in place, threads, errors, accuracy."""
import numpy as np
import pytest

from thalweg.cpu._loops import supported
from thalweg.cpu._request import Unsupported
from thalweg.cpu.elementwise import elementwise
from thalweg.framework.dtypes import as_dtype
from thalweg.framework.errors import InvalidArgumentError
from thalweg.testing.kernel_call import KernelCall, call_kernel

RNG = np.random.default_rng(7)
SELU_SCALE, SELU_SCALE_ALPHA = 1.0507009873554805, 1.7580993408473768


def sigmoid(x):
    return np.where(x < 0, np.exp(-abs(x)), 1) / (1 + np.exp(-abs(x)))


def erf(x):
    import math
    return np.vectorize(math.erf, otypes=[float])(x)


UNARY = {
    "Neg": np.negative, "Abs": np.abs, "Sign": np.sign, "Square": np.square, "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x), "Reciprocal": lambda x: 1 / x, "Inv": lambda x: 1 / x,
    "Floor": np.floor, "Ceil": np.ceil, "Round": np.rint, "Rint": np.rint, "Exp": np.exp, "Expm1": np.expm1,
    "Log": np.log, "Log1p": np.log1p, "Tanh": np.tanh, "Sigmoid": sigmoid, "Sin": np.sin, "Cos": np.cos,
    "Tan": np.tan, "Asin": np.arcsin, "Acos": np.arccos, "Atan": np.arctan, "Sinh": np.sinh, "Cosh": np.cosh,
    "Asinh": np.arcsinh, "Acosh": np.arccosh, "Atanh": np.arctanh, "Erf": erf, "Erfc": lambda x: 1 - erf(x),
    "Relu": lambda x: np.maximum(x, 0), "Relu6": lambda x: np.clip(x, 0, 6),
    "LeakyRelu": lambda x: np.where(x > 0, x, x * 0.25), "Elu": lambda x: np.where(x < 0, np.expm1(x), x),
    "Selu": lambda x: np.where(x < 0, SELU_SCALE_ALPHA * np.expm1(x), SELU_SCALE * x),
    "Softplus": lambda x: np.logaddexp(x, 0), "Softsign": lambda x: x / (1 + abs(x)),
    "Invert": np.invert, "IsNan": np.isnan, "IsInf": np.isinf, "IsFinite": np.isfinite, "LogicalNot": np.logical_not,
}
BINARY = {
    "Add": np.add, "AddV2": np.add, "Sub": np.subtract, "Mul": np.multiply, "RealDiv": np.divide, "Div": np.divide,
    "FloorDiv": np.floor_divide, "FloorMod": np.mod, "Mod": np.fmod, "TruncateMod": np.fmod,
    "Maximum": np.maximum, "Minimum": np.minimum, "SquaredDifference": lambda x, y: (x - y) ** 2, "Pow": np.power,
    "Atan2": np.arctan2, "NextAfter": np.nextafter,
    "MulNoNan": lambda x, y: np.where(y == 0, 0, x * y), "DivNoNan": lambda x, y: np.where(y == 0, 0, x / y),
    "Xdivy": lambda x, y: np.where(x == 0, 0, x / y), "Xlogy": lambda x, y: np.where(x == 0, 0, x * np.log(y)),
    "ReluGrad": lambda dy, x: dy * (x > 0), "Relu6Grad": lambda dy, x: dy * ((x > 0) & (x < 6)),
    "LeakyReluGrad": lambda dy, x: np.where(x > 0, dy, dy * 0.25), "SoftplusGrad": lambda dy, x: dy * sigmoid(x),
    "SoftsignGrad": lambda dy, x: dy / (1 + abs(x)) ** 2, "EluGrad": lambda dy, y: np.where(y < 0, dy * (y + 1), dy),
    "SeluGrad": lambda dy, y: np.where(y < 0, dy * (y + SELU_SCALE_ALPHA), dy * SELU_SCALE),
    "SigmoidGrad": lambda y, dy: dy * y * (1 - y), "TanhGrad": lambda y, dy: dy * (1 - y * y),
    "SqrtGrad": lambda y, dy: dy * 0.5 / y, "RsqrtGrad": lambda y, dy: dy * -0.5 * y ** 3,
    "ReciprocalGrad": lambda y, dy: -dy * y * y, "InvGrad": lambda y, dy: -dy * y * y,
    "BitwiseAnd": np.bitwise_and, "BitwiseOr": np.bitwise_or, "BitwiseXor": np.bitwise_xor,
    "LeftShift": lambda x, y: np.left_shift(x, np.clip(y, 0, 8 * x.itemsize - 1)),
    "RightShift": lambda x, y: np.right_shift(x, np.clip(y, 0, 8 * x.itemsize - 1)),
    "TruncateDiv": lambda x, y: np.trunc(x / y), "ApproximateEqual": lambda x, y: abs(x - y) < 0.25,
    "Equal": np.equal, "NotEqual": np.not_equal, "Less": np.less, "LessEqual": np.less_equal,
    "Greater": np.greater, "GreaterEqual": np.greater_equal, "LogicalAnd": np.logical_and, "LogicalOr": np.logical_or,
}
# Ops that are not defined everywhere: what keeps the operands inside.
POSITIVE = {"Sqrt", "Rsqrt", "Log", "Log1p", "SqrtGrad", "Xlogy", "Pow"}
DOMAIN = {**dict.fromkeys(POSITIVE, lambda x: abs(x) + 0.1), "Acosh": lambda x: abs(x) + 1,
          **dict.fromkeys(("Asin", "Acos", "Atanh"), np.sin)}
DIVIDES = {"Div", "FloorDiv", "FloorMod", "Mod", "TruncateMod", "TruncateDiv", "RealDiv"}
COMPARES = {"Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual", "ApproximateEqual", "IsNan", "IsInf",
            "IsFinite"}
ATTRS = {"LeakyRelu": {"alpha": 0.25}, "LeakyReluGrad": {"alpha": 0.25}, "ApproximateEqual": {"tolerance": 0.25}}
ONE_TYPE = sorted((op, d) for op, d in supported() if op in UNARY or op in BINARY)


def values(op, dtype, shape):
    dtype = as_dtype(dtype).np
    if dtype.kind == "b":
        return RNG.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        x = RNG.integers(0 if dtype.kind == "u" or op == "Pow" else -9, 9, shape).astype(dtype)
        return x + (x == 0).astype(dtype) if op in DIVIDES else x
    x = RNG.normal(0, 2, shape)
    x = np.asarray(DOMAIN[op](x) if op in DOMAIN else x)
    x.flat[::5] = np.rint(x.flat[::5]) if op not in POSITIVE and op not in DOMAIN else x.flat[::5]
    x = x.astype(dtype)
    return x + (x == 0).astype(dtype) if op in DIVIDES | {"Reciprocal", "Inv"} else x


def expected(op, arrays, out_dtype):
    """In float64, rounded once; in their own type for integers, which wrap, and for neighbours."""
    f = UNARY.get(op) or BINARY[op]
    with np.errstate(all="ignore"):
        if op == "Div" and arrays[0].dtype.kind in "iu":
            f = BINARY["TruncateDiv"]
        if arrays[0].dtype.kind == "f" and op != "NextAfter":
            arrays = [a.astype(np.float64) for a in arrays]
        return np.asarray(f(*arrays)).astype(out_dtype)


def out_dtype(op, dtype):
    return np.dtype(bool) if op in COMPARES else as_dtype(dtype).np


def check(op, arrays, threads=1):
    out = out_dtype(op, arrays[0].dtype)
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    y, = call_kernel(elementwise, op, arrays, [(shape, out)], ATTRS.get(op), threads=threads)
    want = np.broadcast_to(expected(op, arrays, out), shape)
    if out.kind == "f":
        rtol = 1e-6 if out == np.float32 else 1e-13
        np.testing.assert_allclose(y, want, rtol=rtol, atol=rtol, err_msg=f"{op} {[a.shape for a in arrays]}")
    else:
        np.testing.assert_array_equal(y, want, err_msg=f"{op} {[a.shape for a in arrays]}")
    return y


@pytest.mark.parametrize("op, dtype", ONE_TYPE)
def test_values(op, dtype):
    for shape in ((), (1,), (7,), (3, 5), (2, 3, 131), (0,), (4, 0)):
        arity = 1 if op in UNARY else 2
        check(op, [values(op, dtype, shape) for _ in range(arity)])


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
        check(op, [values(op, dtype, s) for s in shapes])
        check(op, [values(op, dtype, s) for s in shapes[::-1]])


def test_random_broadcasts():
    for _ in range(300):
        rank = RNG.integers(0, 6)
        full = RNG.integers(1, 8, rank)
        a, b = [tuple(np.where(RNG.random(rank) < 0.4, 1, full)[RNG.integers(0, rank + 1):].tolist()) for _ in "ab"]
        check("Sub", [values("Sub", "float32", a), values("Sub", "float32", b)])


@pytest.mark.parametrize("op, shapes", [("Sub", ((300, 1000), (300, 1000))), ("Tanh", ((50001,),)),
                                        ("Mul", ((100000, 3), (3,))), ("Mul", ((100000, 3), (100000, 1))),
                                        ("Add", ((7, 40000), (7, 1)))])
def test_threads_do_not_change_bits(op, shapes):
    arrays = [values(op, "float32", s) for s in shapes]
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
        arrays = [values(op, "bool" if op == "Select" and k == 0 else "float32", s) for k, s in enumerate(shapes)]
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
    y, = call_kernel(elementwise, op, arrays, [(arrays[0].shape, dtype)], ATTRS.get(op))
    np.testing.assert_allclose(y, np.array(want, dtype), rtol=1e-5, atol=0)
    known = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(y)[known], np.signbit(want)[known])


@pytest.mark.parametrize("op, f", [(op, UNARY[op]) for op in ("Exp", "Expm1", "Log", "Log1p", "Tanh", "Sigmoid",
                                                              "Softplus")])
def test_float32_is_within_two_ulp(op, f):
    """Over floats of all magnitudes, those below the normal range included, in and out."""
    bits = RNG.integers(0, 2 ** 32, 400_000, dtype=np.uint32)
    x = np.concatenate([bits.view(np.float32), RNG.normal(0, 1, 200_000).astype(np.float32),
                        RNG.uniform(-110, 110, 400_000).astype(np.float32)])
    x = x[np.isfinite(x)]
    y, = call_kernel(elementwise, op, [x], [(x.shape, "float32")])
    with np.errstate(all="ignore"):
        want = f(x.astype(np.float64))
        rounded = want.astype(np.float32)
        error = abs(y.astype(np.float64) - want) / np.spacing(abs(rounded)).astype(np.float64)
    same = (y == rounded) | (np.isnan(y) & np.isnan(rounded))
    assert np.all(same | (error <= 2)), (op, x[np.nanargmax(np.where(same, 0, error))])
