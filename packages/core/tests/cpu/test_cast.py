"""The Cast kernel: every pair of types against NumPy, and what TensorFlow 1.15.5 gives where C leaves it open."""
import numpy as np
import pytest

from thalweg.cpu._request import Unsupported
from thalweg.cpu.cast import cast
from thalweg.framework.dtypes import bfloat16
from thalweg.testing.kernel_call import KernelCall, call_kernel

RNG = np.random.default_rng(29)
TYPES = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
         "bool"]
NAN, INF = np.nan, np.inf


def convert(x, dtype, threads=1):
    return call_kernel(cast, "Cast", [x], [(x.shape, dtype)], {"Truncate": False}, threads=threads)[0]


def test_truncation_to_bfloat16_drops_the_lower_half():
    x = np.concatenate([RNG.normal(0, 100, 70_001), [1 + 2.0 ** -8, -1 - 2.0 ** -8, INF, -INF, 3.3e38, 1e-40]])
    for dtype in "float32", "float64", "float16", "int32":
        values = np.nan_to_num(x).clip(-6e4, 6e4).astype(dtype) if dtype != "float32" else x.astype(dtype)
        found = call_kernel(cast, "Cast", [values], [(values.shape, bfloat16)], {"Truncate": True}, threads=2)[0]
        want = (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        assert found.tobytes() == want.tobytes()


def as_bfloat16(x):
    """By the nearest of both neighbours, the even one of two as near."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(np.uint16).view(bfloat16.np)


@pytest.mark.parametrize("source", TYPES)
@pytest.mark.parametrize("target", TYPES)
def test_every_pair(source, target):
    for shape in ((), (7,), (33, 5), (0, 3), (200_003,)):
        x = RNG.integers(0, 2 if "bool" in (source, target) else 100, shape).astype(source)
        if x.dtype.kind in "if" and np.dtype(target).kind in "if":
            x = -x
        if x.dtype.kind == "f":
            x = (x + np.asarray(RNG.choice([0, 0.25, 0.75], shape)) * (target != "bool")).astype(source)
        assert convert(x, target, threads=2).tobytes() == x.astype(target).tobytes()


@pytest.mark.parametrize("target, values, want", [     # what TensorFlow 1.15.5 gives
    ("int32", [NAN, INF, -INF, 3e9, -3e9, 300, -1.5, 1.5], [-2 ** 31] * 5 + [300, -1, 1]),
    ("uint8", [NAN, INF, 3e9, 300, -1.5, 1.5, -5, 255.9], [0, 0, 0, 44, 255, 1, 251, 255]),
    ("bool", [NAN, 0, -0., .5], [True, False, False, True]),
    ("int64", [1e30, NAN, -1e30], [-2 ** 63] * 3),
    ("uint64", [-1.5, 1e19, 1e30], [2 ** 64 - 1, 9999999980506447872, 0]),
    ("uint32", [-5, 4e9], [2 ** 32 - 5, 4_000_000_000]),
    ("int8", [300, -129, 127.9], [44, 127, 127]),
])
def test_reals_out_of_range(target, values, want):
    for repeats in (1, 40):                            # the loop's remainder, and its vectors
        y = convert(np.repeat(np.array(values, np.float32), repeats), target)
        np.testing.assert_array_equal(y, np.repeat(np.array(want, target), repeats))


def test_rounding_to_float16():
    x = np.concatenate([RNG.normal(0, 100, 10000), [1.0009, 65519, 65520, 70000, 6e-8, 2.9e-8, 1e-10, INF, -INF]])
    x = x.astype(np.float32)
    with np.errstate(over="ignore"):
        assert convert(x, "float16").tobytes() == x.astype(np.float16).tobytes()
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[~np.isnan(halves)]
    np.testing.assert_array_equal(convert(halves, "float32"), halves.astype(np.float32))
    assert np.isnan(convert(np.array([NAN] * 20, np.float32), "float16")).all()


@pytest.mark.parametrize("other", ["float32", "float64", "int32", "float16", "bool"])
def test_bfloat16(other):
    x = RNG.integers(0, 2, 3001).astype(other) if other == "bool" else RNG.normal(0, 100, 3001).astype(other)
    y = convert(x, bfloat16)
    assert y.tobytes() == as_bfloat16(x.astype(np.float32)).tobytes()
    bits = (y["bfloat16"].astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(convert(y, other), bits.astype(other))


def test_bfloat16_of_tensorflow():
    x = np.array([1.00390625, 1.01171875, 1.005, NAN, 3.4e38, 1e-40], np.float32)
    assert convert(x, bfloat16)["bfloat16"].tolist() == [16256, 16258, 16257, 32704, 32640, 1]


def test_in_place_where_elements_are_as_large():
    x = np.arange(9, dtype=np.float32)
    call = KernelCall(cast, "Cast", [x], [((9,), np.int32)], {"Truncate": False})
    assert call.may_be_in_place(0)
    y, = call_kernel(cast, "Cast", [x], [x.view(np.int32)], {"Truncate": False})
    np.testing.assert_array_equal(y, np.arange(9))
    assert not KernelCall(cast, "Cast", [x], [((9,), np.int64)], {"Truncate": False}).may_be_in_place(0)


def test_what_prepare_refuses():
    x = np.zeros(3, np.complex64)
    with pytest.raises(Unsupported, match="no loop from DataType 8 to 1"):
        call_kernel(cast, "Cast", [x], [((3,), np.float32)], {"Truncate": False})
