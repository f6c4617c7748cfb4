"""Matrix products on the CPU."""
import numpy as np
import pytest
from oracle import check, numbers, run

from thalweg.cpu import matmul
from thalweg.cpu._request import Unsupported

SIZES = [(1, 1, 1), (3, 5, 7), (1, 300, 70), (4, 33, 257), (13, 600, 31), (100, 784, 10), (97, 1030, 130),
         (200, 64, 100), (0, 4, 5), (4, 0, 5), (4, 5, 0)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("turn_a", [False, True])
@pytest.mark.parametrize("turn_b", [False, True])
def test_products_of_all_layouts_and_sizes(turn_a, turn_b, dtype):
    for m, k, n in SIZES:
        a, b = numbers(m, k, dtype=dtype), numbers(k, n, seed=1, dtype=dtype)
        truth = a.astype(np.float64) @ b.astype(np.float64)
        check(matmul.matmul, "MatMul", [a.T.copy() if turn_a else a, b.T.copy() if turn_b else b], [truth],
              {"transpose_a": turn_a, "transpose_b": turn_b})


def test_a_long_sum_keeps_its_accuracy():
    a, b = 1 + numbers(8, 20000), 1 + numbers(20000, 40, seed=1)
    truth = a.astype(np.float64) @ b.astype(np.float64)
    check(matmul.matmul, "MatMul", [a, b], [truth], rtol=3e-6)
    check(matmul.matmul, "MatMul", [a.T.copy(), b], [truth], {"transpose_a": True}, rtol=3e-6)


def test_nan_and_infinity_reach_the_sums_they_belong_to():
    a, b = numbers(9, 20), numbers(20, 35, seed=1)
    a[4, 3], b[7, 30] = np.nan, np.inf
    y, = run(matmul.matmul, "MatMul", [a, b], [((9, 35), np.float32)])
    assert np.isnan(y[4]).all() and np.isinf(np.delete(y, 4, 0)[:, 30]).all()
    assert np.isfinite(np.delete(np.delete(y, 4, 0), 30, 1)).all()


@pytest.mark.parametrize("ops", ["BiasAdd", "BiasAdd,Relu", "BiasAdd,Relu6", "BiasAdd,Add,Relu", "BiasAdd,Add",
                                 "FusedBatchNorm", "FusedBatchNorm,Relu", "BiasAdd,FusedBatchNorm,Relu", "Relu"])
@pytest.mark.parametrize("m, k, n", [(5, 9, 16), (100, 70, 45), (1, 700, 33), (100, 900, 40), (6, 0, 7)])
@pytest.mark.parametrize("turn_a", [False, True])
def test_epilogues(ops, m, k, n, turn_a):
    a, b, residual = numbers(m, k), numbers(k, n, seed=1), numbers(m, n, seed=2)
    gamma, beta, mean, variance, bias = (numbers(n, seed=s) for s in (3, 4, 5, 6, 7))
    variance = np.abs(variance) + np.float32(0.1)
    y, args = 3 * (a.astype(np.float64) @ b), []
    for op in ops.split(","):
        if op == "BiasAdd":
            y, args = y + bias, [*args, bias]
        elif op == "Add":
            y, args = y + residual, [*args, residual]
        elif op == "FusedBatchNorm":
            y, args = (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta, [*args, gamma, beta, mean, variance]
        else:
            y = np.clip(y, 0, 6 if op == "Relu6" else None)
    check(matmul.fused_matmul, "_FusedMatMul", [a.T.copy() if turn_a else a, 3 * b, *args], [y],
          {"fused_ops": ops, "epsilon": 1e-3, "transpose_a": turn_a}, rtol=2e-5)


@pytest.mark.parametrize("x, y", [((4, 7, 9), (4, 9, 5)), ((2, 3, 40, 65), (2, 3, 65, 33)), ((1, 7, 9), (4, 9, 5)),
                                  ((3, 1, 7, 9), (2, 9, 5)), ((6, 7, 9), (9, 5)), ((0, 7, 9), (0, 9, 5)),
                                  ((7, 9), (9, 5)), ((20, 100, 64), (20, 64, 100))])
@pytest.mark.parametrize("adj_x", [False, True])
@pytest.mark.parametrize("adj_y", [False, True])
def test_batches_and_their_broadcasting(x, y, adj_x, adj_y):
    for dtype in (np.float32, np.float64):
        a, b = numbers(*x, dtype=dtype), numbers(*y, seed=1, dtype=dtype)
        truth = a.astype(np.float64) @ b.astype(np.float64)
        check(matmul.batch_matmul, "BatchMatMulV2", [a.swapaxes(-1, -2).copy() if adj_x else a,
                                                     b.swapaxes(-1, -2).copy() if adj_y else b],
              [truth], {"adj_x": adj_x, "adj_y": adj_y})


def test_what_is_left_to_the_reference_says_why():
    a, b = np.ones((2, 3), np.int32), np.ones((3, 4), np.int32)
    with pytest.raises(Unsupported, match="MatMul: the CPU kernel takes float32 and float64, not DataType 3"):
        run(matmul.matmul, "MatMul", [a, b], [((2, 4), np.int32)])
    a, b, c = numbers(2, 3), numbers(3, 4), numbers(4)
    with pytest.raises(Unsupported, match="_FusedMatMul: 'Tanh' at this place of fused_ops"):
        run(matmul.fused_matmul, "_FusedMatMul", [a, b, c], [((2, 4), np.float32)], {"fused_ops": "BiasAdd,Tanh"})
    with pytest.raises(Unsupported, match="_FusedMatMul: BiasAdd after the activation"):
        run(matmul.fused_matmul, "_FusedMatMul", [a, b, c], [((2, 4), np.float32)], {"fused_ops": "Relu,BiasAdd"})
    for ops in "FusedBatchNorm,BiasAdd", "FusedBatchNorm,FusedBatchNorm", "Add,FusedBatchNorm":
        with pytest.raises(Unsupported, match=f"_FusedMatMul: '{ops.split(',')[1]}' at this place of fused_ops"):
            run(matmul.fused_matmul, "_FusedMatMul", [a, b, *([numbers(2, 4)] if ops[0] == "A" else [c] * 4), c],
                [((2, 4), np.float32)], {"fused_ops": ops, "epsilon": 0.0})
    with pytest.raises(Unsupported, match=r"_FusedMatMul: BiasAdd with operands \(\(3,\),\), not \[\(4,\)\]"):
        run(matmul.fused_matmul, "_FusedMatMul", [a, b, c[:3]], [((2, 4), np.float32)], {"fused_ops": "BiasAdd"})
    with pytest.raises(Unsupported, match="_FusedMatMul: 4 inputs, but fused_ops use 3"):
        run(matmul.fused_matmul, "_FusedMatMul", [a, b, c, c], [((2, 4), np.float32)], {"fused_ops": "BiasAdd"})
    with pytest.raises(Unsupported, match=r"MatMul: \(2, 3\) times \(2, 3\) does not give \(2, 3\)"):
        run(matmul.matmul, "MatMul", [a, a], [((2, 3), np.float32)])
