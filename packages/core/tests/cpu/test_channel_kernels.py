"""Biases, batch and local response normalisation on the CPU."""
import numpy as np
import pytest
from oracle import check, numbers, run

from thalweg.cpu import batch_norm, bias, lrn
from thalweg.cpu._request import Unsupported

SHAPES = [(2, 5, 7, 32), (3, 4, 4, 19), (1, 1, 1, 8), (40, 9, 9, 5), (2, 3, 1, 700), (0, 4, 4, 6), (4, 3, 3, 0)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [*SHAPES, (100, 10), (3000, 64), (2, 3, 4, 5, 6)])
def test_bias_and_its_gradient(shape, dtype):
    x, b = numbers(*shape, dtype=dtype), numbers(shape[-1], seed=1, dtype=dtype)
    check(bias.bias_add, "BiasAdd", [x, b], [x.astype(np.float64) + b], {"data_format": "NHWC"})
    check(bias.bias_add_grad, "BiasAddGrad", [x], [x.astype(np.float64).sum(tuple(range(len(shape) - 1)))])


def test_a_long_bias_gradient_is_accurate():
    x = 1 + numbers(200000, 7)
    y, = check(bias.bias_add_grad, "BiasAddGrad", [x], [x.astype(np.float64).sum(0)], rtol=1e-6)
    assert y.dtype == np.float32


def statistics(x):
    wide, axes = x.astype(np.float64), tuple(range(x.ndim - 1))
    return wide.mean(axes), wide.var(axes)


@pytest.mark.parametrize("shape", SHAPES[:5])
@pytest.mark.parametrize("shift", [0, 100])
def test_batch_norm_in_training(shape, shift):
    x, scale, offset = numbers(*shape) + np.float32(shift), numbers(shape[-1], seed=1), numbers(shape[-1], seed=2)
    empty, n = np.zeros(0, np.float32), x.size // shape[-1]
    mean, variance = statistics(x)
    y = (x - mean) / np.sqrt(variance + 1e-3) * scale + offset
    truths = [y, mean, variance * n / max(n - 1, 1), mean, variance]
    attrs = {"epsilon": 1e-3, "is_training": True, "data_format": "NHWC"}
    # A float32 mean near 100 is off by up to 4e-6.
    check(batch_norm.fused_batch_norm, "FusedBatchNorm", [x, scale, offset, empty, empty], truths, attrs,
          rtol=1e-4 if shift else 1e-5)
    check(batch_norm.fused_batch_norm, "FusedBatchNormV3", [x, scale, offset, empty, empty], [*truths, np.zeros(())],
          attrs, rtol=1e-4 if shift else 1e-5)


def test_a_first_row_that_is_far_off_costs_no_accuracy():
    x = np.random.default_rng(0).standard_normal((1, 16, 16, 64)).astype(np.float32)
    x[0, 0, 0] = 4                                       # deviations
    mean, variance = statistics(x)
    one, zero, empty = np.ones(64, np.float32), np.zeros(64, np.float32), np.zeros(0, np.float32)
    found = run(batch_norm.fused_batch_norm, "FusedBatchNorm", [x, one, zero, empty, empty],
                [(x.shape, np.float32), *[((64,), np.float32)] * 4], {"epsilon": 0.0, "is_training": True})
    np.testing.assert_allclose(found[4], variance, rtol=1e-6)
    np.testing.assert_allclose(found[0], (x - mean) / np.sqrt(variance), atol=2e-6)


def test_batch_norm_of_equal_and_of_no_rows():
    attrs = {"epsilon": 1e-3, "is_training": True}
    one, empty, three = np.ones(3, np.float32), np.zeros(0, np.float32), ((3,), np.float32)
    x = np.full((2, 40, 9, 3), 1 / 3, np.float32)
    y, mean, unbiased, _, variance = run(batch_norm.fused_batch_norm, "FusedBatchNorm", [x, one, one, empty, empty],
                                         [(x.shape, np.float32), *[three] * 4], attrs)
    assert (y == 1).all() and (mean == x[0, 0, 0]).all() and not variance.any() and not unbiased.any()
    found = run(batch_norm.fused_batch_norm, "FusedBatchNorm", [x[:0], one, one, empty, empty],
                [((0, 40, 9, 3), np.float32), *[three] * 4], attrs)
    assert all(np.isnan(v).all() for v in found[1:])              # as TensorFlow 1.15.5


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_in_inference(shape):
    x, scale, offset, mean = numbers(*shape), *(numbers(shape[-1], seed=s) for s in (1, 2, 3))
    variance = np.abs(numbers(shape[-1], seed=4))
    y = (x - mean.astype(np.float64)) / np.sqrt(variance + 1e-3) * scale + offset
    check(batch_norm.fused_batch_norm, "FusedBatchNorm", [x, scale, offset, mean, variance],
          [y, *[v.astype(np.float64) for v in (mean, variance, mean, variance)]],
          {"epsilon": 1e-3, "is_training": False, "data_format": "NHWC"})


@pytest.mark.parametrize("shape", SHAPES[:5] + SHAPES[6:])
@pytest.mark.parametrize("is_training", [True, False])
def test_batch_norm_gradient(shape, is_training):
    x, dy, scale = 3 + numbers(*shape), numbers(*shape, seed=1), numbers(shape[-1], seed=2)
    mean, variance = (v.astype(np.float32) for v in statistics(x))
    axes = (0, 1, 2)
    unit = (x - mean.astype(np.float64)) / np.sqrt(variance + 1e-3)
    rest = dy.astype(np.float64)
    if is_training:
        rest = rest - rest.mean(axes) - unit * (rest * unit).mean(axes)
    truths = [rest * scale / np.sqrt(variance + 1e-3), (dy * unit).sum(axes), dy.astype(np.float64).sum(axes)]
    check(batch_norm.fused_batch_norm_grad, "FusedBatchNormGrad", [dy, x, scale, mean, variance],
          [*truths, np.zeros(0), np.zeros(0)], {"epsilon": 1e-3, "is_training": is_training, "data_format": "NHWC"},
          rtol=2e-5)


def neighbours(x, radius):
    return np.stack([x[..., max(0, c - radius):c + radius + 1].sum(-1) for c in range(x.shape[-1])], -1)


@pytest.mark.parametrize("shape", [(2, 3, 5, 24), (1, 2, 2, 3), (2, 9, 9, 65), (0, 2, 2, 4)])
@pytest.mark.parametrize("radius, beta", [(5, 0.5), (2, 0.75), (1, 1.0), (3, 0.6), (0, 0.5)])
def test_lrn_and_its_gradient(shape, radius, beta):
    x, dy = 3 * numbers(*shape), numbers(*shape, seed=1)
    wide, alpha = x.astype(np.float64), 0.3
    scale = 1.5 + alpha * neighbours(wide ** 2, radius)
    y = wide * scale ** -beta
    attrs = {"depth_radius": radius, "bias": 1.5, "alpha": alpha, "beta": beta}
    check(lrn.lrn, "LRN", [x], [y], attrs)
    dx = dy * scale ** -beta - 2 * alpha * beta * wide * neighbours(dy * y / scale, radius)
    check(lrn.lrn_grad, "LRNGrad", [dy, x, y.astype(np.float32)], [dx], attrs, rtol=2e-5)


def test_what_is_left_to_the_reference_says_why():
    x, b = numbers(2, 3, 4, 4), numbers(4)
    with pytest.raises(Unsupported, match="BiasAdd: data_format 'NCHW'; channels-last only"):
        run(bias.bias_add, "BiasAdd", [x, b[:3]], [(x.shape, np.float32)], {"data_format": "NCHW"})
    with pytest.raises(Unsupported, match=r"BiasAdd: a bias of shape \(3,\) for 4 channels"):
        run(bias.bias_add, "BiasAdd", [x, b[:3]], [(x.shape, np.float32)])
    with pytest.raises(Unsupported, match="BiasAdd: the CPU kernel takes float32 and float64, not DataType 3"):
        run(bias.bias_add, "BiasAdd", [x.astype(np.int32), b.astype(np.int32)], [(x.shape, np.int32)])
    with pytest.raises(Unsupported, match=r"FusedBatchNorm: statistics of shape \(3,\) for 4 channels"):
        run(batch_norm.fused_batch_norm, "FusedBatchNorm", [x, b[:3], b, b, b],
            [(x.shape, np.float32)] + [((4,), np.float32)] * 4, {"is_training": False})
    with pytest.raises(Unsupported, match="FusedBatchNormGrad: gradients of shape"):
        run(batch_norm.fused_batch_norm_grad, "FusedBatchNormGrad", [x[:1], x, b, b, b],
            [(x.shape, np.float32)] + [((4,), np.float32)] * 2 + [((0,), np.float32)] * 2)
    with pytest.raises(Unsupported, match="LRN: depth_radius -1 must not be negative"):
        run(lrn.lrn, "LRN", [x], [(x.shape, np.float32)], {"depth_radius": -1})
    with pytest.raises(Unsupported, match="LRN: the CPU kernel takes float32, not DataType 2"):
        run(lrn.lrn, "LRN", [x.astype(np.float64)], [(x.shape, np.float64)])
