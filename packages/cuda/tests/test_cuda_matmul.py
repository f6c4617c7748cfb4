"""Matrix products against the reference bodies: tiles, slices of k, transposes, batches, dtypes, fused ops."""
import ml_dtypes
import numpy as np
import pytest
from emulation.direct import run
from emulation.reference import close, compare

from thalweg.devices.core_api import KernelRequest
from thalweg.framework.dtypes import bfloat16
from thalweg_cuda import kernels
from thalweg_cuda.kernels import _tiles
from thalweg_cuda.kernels.matmul import factors
from thalweg_cuda.work import Target, Unsupported

RNG = np.random.default_rng(0)
ONE = ("forward",)


def numbers(*shape, dtype="float32"):
    if np.dtype(dtype).kind in "iu":
        return RNG.integers(-2**30, 2**30, shape).astype(dtype)
    x = RNG.standard_normal(shape)
    return (x + 1j * RNG.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def multiply(m, n, k, turn_a=False, turn_b=False, dtype="float32", **options):
    a = numbers(*((k, m) if turn_a else (m, k)), dtype=dtype)
    b = numbers(*((n, k) if turn_b else (k, n)), dtype=dtype)
    compare("MatMul", [a, b], {"transpose_a": turn_a, "transpose_b": turn_b}, **options)


@pytest.mark.parametrize("turn_a", [False, True])
@pytest.mark.parametrize("turn_b", [False, True])
@pytest.mark.parametrize("m, n, k", [(65, 67, 37), (64, 64, 16), (132, 68, 52), (40, 36, 1), (2, 3, 4)])
def test_transposes(m, n, k, turn_a, turn_b):
    multiply(m, n, k, turn_a, turn_b)


@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (0, 5, 3), (5, 0, 3), (5, 3, 0), (300, 1, 70), (1, 300, 70),
                                     (130, 33, 9)])
def test_narrow_and_empty(m, n, k):
    multiply(m, n, k)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "int64", "complex64", "complex128"])
def test_dtypes(dtype):
    multiply(70, 66, 35, dtype=dtype)
    multiply(33, 35, 3000, True, True, dtype=dtype, orders=ONE)


def test_large_tile():
    few = Target(multiprocessors=2)
    multiply(130, 260, 33, target=few)
    multiply(256, 256, 20, True, True, target=few, orders=("shuffled:3",))


def test_bfloat16():
    a, b = (numbers(*s).astype(ml_dtypes.bfloat16) for s in ((65, 40), (40, 33)))
    got, = run("MatMul", [a.view(np.uint16), b.view(np.uint16)], [((65, 33), bfloat16)],
               {"transpose_a": False, "transpose_b": False}, dtypes=[bfloat16, bfloat16])
    want = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(got.view(ml_dtypes.bfloat16).astype(np.float32), want, 2**-8, 1e-5)


def test_long_sums_are_cut_into_slices():
    work = kernels.prepare(request((20, 20000), (20000, 24)), Target())
    product, finish = work.commands
    assert product.grid[1] > 1 and finish.entry == "finish" and work.workspace_bytes == product.grid[1] * 20 * 24 * 4
    multiply(20, 24, 20000, orders=ONE)


def test_float32_error_does_not_grow_with_k():
    """Positive numbers, whose sums are the worst case: slices bound the error of sums in float32."""
    errors = {}
    for k in 4000, 64000:
        a, b = RNG.random((4, k), np.float32), RNG.random((k, 4), np.float32)
        got, = run("MatMul", [a, b], [((4, 4), "float32")], {"transpose_a": False, "transpose_b": False}, orders=ONE)
        want = a.astype(np.float64) @ b.astype(np.float64)
        errors[k] = np.abs(got / want - 1).max()
    assert errors[64000] < 5e-7, errors


def request(a, b, out=None, dtype=1, op_type="MatMul", **attrs):
    attrs = attrs or {"transpose_a": False, "transpose_b": False}
    return KernelRequest(op_type, attrs, [a, b], [out or (a[0], b[-1])], [dtype] * 2, [dtype])


def test_tiles_by_shape():
    def tile(m, n, dtype=1):
        return _tiles.tile_for(factors(request((m, 64), (64, n), dtype=dtype), False, False), Target())
    assert tile(4096, 4096) == _tiles.LARGE and tile(256, 256) == _tiles.MEDIUM
    assert tile(4096, 10) == _tiles.NARROW and tile(16, 4096) == _tiles.FLAT
    assert tile(4096, 4096, 2) == _tiles.MEDIUM._replace(bk=8) and tile(4096, 4096, 18) == _tiles.SMALL


@pytest.mark.parametrize("x, y", [((3, 5, 7), (3, 7, 4)), ((2, 3, 8, 4), (2, 3, 4, 12)), ((0, 3, 4), (0, 4, 5))])
def test_batches(x, y):
    compare("BatchMatMul", [numbers(*x), numbers(*y)], {"adj_x": False, "adj_y": False})
    turned = [numbers(*s[:-2], s[-1], s[-2], dtype="complex64") for s in (x, y)]
    compare("BatchMatMul", turned, {"adj_x": True, "adj_y": True})


@pytest.mark.parametrize("x, y", [((5, 7), (3, 7, 4)), ((2, 1, 5, 7), (3, 7, 4)), ((3, 1, 5, 7), (1, 7, 4)),
                                  ((2, 3, 1, 2, 5, 7), (2, 1, 4, 1, 7, 4))])
def test_broadcast_batches(x, y):
    compare("BatchMatMulV2", [numbers(*x), numbers(*y)], {"adj_x": False, "adj_y": False}, orders=ONE)


def test_too_many_broadcasts_are_refused():
    x, y = (2, 1, 2, 1, 2, 3, 4), (1, 2, 1, 2, 1, 4, 3)
    asked = request(x, y, (2, 2, 2, 2, 2, 3, 3), op_type="BatchMatMulV2", adj_x=False, adj_y=False)
    with pytest.raises(Unsupported, match="in more than four steps"):
        kernels.prepare(asked, Target())


def fused(a, b, args, fused_ops, epsilon=0.0, **options):
    attrs = {"transpose_a": False, "transpose_b": False, "fused_ops": fused_ops, "epsilon": epsilon,
             "num_args": len(args)}
    want = fused_reference(a, b, args, fused_ops, epsilon)
    got, = run("_FusedMatMul", [a, b, *args], [(want.shape, a.dtype)], attrs, **options)
    close(got, want.astype(a.dtype), 4)


def fused_reference(a, b, args, fused_ops, epsilon):
    y, args = a.astype(np.float64) @ b, list(args)
    for name in fused_ops:
        if name == "FusedBatchNorm":
            scale, offset, mean, variance = args[:4]
            y, args = (y - mean) * scale / np.sqrt(variance + epsilon) + offset, args[4:]
        elif name in ("BiasAdd", "Add"):
            y, args = y + args[0], args[1:]
        else:
            y = np.clip(y, 0, 6 if name == "Relu6" else np.inf)
    return y


@pytest.mark.parametrize("n", [33, 36])
def test_fused_ops(n):
    a, b, column, residual = numbers(70, 20), numbers(20, n), numbers(n), numbers(70, n)
    fused(a, b, [column], ["BiasAdd"])
    fused(a, b, [column], ["BiasAdd", "Relu"])
    fused(a, b, [column, residual], ["BiasAdd", "Add", "Relu6"])
    fused(a, b, [residual], ["Add"])
    fused(a, b, [], ["Relu"])
    norm = [numbers(n), column, numbers(n) + 100, RNG.random(n, np.float32) + 1]
    fused(a, b, [*norm, residual], ["FusedBatchNorm", "Add", "Relu"], 1e-3)
    fused(a, b, [column - 30, *norm, residual], ["BiasAdd", "FusedBatchNorm", "Add", "Relu"], 1e-3)


def test_fused_ops_after_slices_of_k():
    a, b, column = numbers(20, 4000), numbers(4000, 24), numbers(24)
    fused(a, b, [column], ["BiasAdd", "Relu"], orders=ONE)


def test_fused_ops_keep_nan_and_infinity():
    a, b = np.float32([[np.nan, 1], [np.inf, 1], [-np.inf, 1]]), np.float32([[1, 0], [1, 2]])
    got, = run("_FusedMatMul", [a, b], [((3, 2), "float32")],
               {"transpose_a": False, "transpose_b": False, "fused_ops": ["Relu"], "epsilon": 0.0, "num_args": 0})
    np.testing.assert_array_equal(got, [[np.nan, np.nan], [np.inf, np.nan], [0, np.nan]])


def test_unknown_order_of_fused_ops_is_refused():
    asked = request((2, 3), (3, 4), op_type="_FusedMatMul", transpose_a=False, transpose_b=False, epsilon=0.0,
                    fused_ops=["Relu", "BiasAdd"])
    with pytest.raises(Unsupported, match="'BiasAdd' at this place of fused_ops"):
        kernels.prepare(asked, Target())
    for before in "FusedBatchNorm", "Add", "Relu":
        asked.attrs["fused_ops"] = [before, "FusedBatchNorm"]
        with pytest.raises(Unsupported, match="'FusedBatchNorm' at this place of fused_ops"):
            kernels.prepare(asked, Target())


def test_fused_ops_of_integers_are_refused():
    asked = request((2, 3), (3, 4), dtype=3, op_type="_FusedMatMul", transpose_a=False, transpose_b=False,
                    fused_ops=["Add"])
    with pytest.raises(Unsupported, match="takes floats, not int32"):
        kernels.prepare(asked, Target())


def test_other_dtypes_are_refused():
    with pytest.raises(Unsupported, match="takes .*float.*, not uint8"):
        kernels.prepare(request((2, 3), (3, 4), dtype=4), Target())
