"""Biases, batch and local response normalisation on the CPU."""
import itertools

import numpy as np
import pytest
from oracle import check, numbers, run

from thalweg.cpu import batch_norm, bias, lrn
from thalweg.cpu._request import Unsupported
from thalweg.framework.declaration import REGISTRY
from thalweg.testing.kernel_call import KernelCall

SHAPES = [(2, 5, 7, 32), (3, 4, 4, 19), (1, 1, 1, 8), (40, 9, 9, 5), (2, 3, 1, 700), (0, 4, 4, 6), (4, 3, 3, 0)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [*SHAPES, (100, 10), (3000, 64), (2, 3, 4, 5, 6)])
def test_bias_and_its_gradient(shape, dtype):
    x, b = numbers(*shape, dtype=dtype), numbers(shape[-1], seed=1, dtype=dtype)
    check(bias.bias_add, "BiasAdd", [x, b], [x.astype(np.float64) + b], {"data_format": "NHWC"})
    check(bias.bias_add_grad, "BiasAddGrad", [x], [x.astype(np.float64).sum(tuple(range(len(shape) - 1)))])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [*SHAPES, (100, 10), (3000, 64)])
@pytest.mark.parametrize("activation", ["Relu", "Relu6"])
def test_bias_gradient_behind_an_activation(shape, activation, dtype):
    inputs = [numbers(*shape, dtype=dtype), 9 * numbers(*shape, seed=1, dtype=dtype)]
    attrs = {"activation": activation}
    truths = REGISTRY["_FusedBiasAddGrad"].reference(inputs, attrs)
    found = check(bias.fused_bias_add_grad, "_FusedBiasAddGrad", inputs, truths, attrs)
    for k in range(2):
        again = [v.copy() for v in inputs]
        call = KernelCall(bias.fused_bias_add_grad, "_FusedBiasAddGrad", again,
                          [again[k], (truths[1].shape, dtype)], attrs)
        assert call.may_be_in_place(k)
        for y, truth in zip(call.run(), found, strict=True):
            assert y.tobytes() == truth.tobytes()


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


FUSED = [["Relu"], ["Relu6"], ["Add"], ["Add", "Relu"], ["Add", "Relu6"]]


@pytest.mark.parametrize("shape", SHAPES[:5] + SHAPES[6:])
@pytest.mark.parametrize("fused_ops", FUSED)
def test_batch_norm_with_what_follows(shape, fused_ops):
    x, scale, offset = 3 + numbers(*shape), 5 * numbers(shape[-1], seed=1), numbers(shape[-1], seed=2)
    args = [numbers(*shape, seed=3)] * ("Add" in fused_ops)
    inputs, attrs = [x, scale, offset, *args], {"fused_ops": fused_ops, "num_args": len(args), "epsilon": 1e-3}
    truths = REGISTRY["_FusedBatchNormEx"].reference(inputs, attrs)
    found = check(batch_norm.fused_batch_norm_ex, "_FusedBatchNormEx", inputs, truths,
                  {**attrs, "fused_ops": ",".join(fused_ops)}, rtol=2e-5)
    assert found[5] == 0 and (found[7] == offset).all()
    *_, mean, _, _, gain, shift = found
    line = (x - mean) * gain + shift + (args[0] if args else 0)
    low, high = {"Relu": (0, np.inf), "Relu6": (0, 6)}.get(fused_ops[-1], (-np.inf, np.inf))
    np.testing.assert_allclose(np.clip(line, low, high),
                               found[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fused_ops", FUSED)
def test_batch_norm_in_inference_with_what_follows(shape, fused_ops):
    """Near the truth; the same bits in the place of x, of the residual, and as the ops one by one."""
    x, (scale, offset, mean, variance) = 3 + numbers(*shape), numbers(4, shape[-1], seed=1)
    variance = np.abs(variance) + np.float32(0.1)
    args = [numbers(*shape, seed=3)] * ("Add" in fused_ops)
    inputs, attrs = [x, scale, offset, mean, variance, *args], {"fused_ops": fused_ops, "epsilon": 1e-3}
    truths = REGISTRY["_FusedBatchNormInference"].reference(inputs, attrs | {"num_args": len(args)})
    attrs["fused_ops"] = ",".join(fused_ops)
    y, = check(batch_norm.fused_batch_norm_inference, "_FusedBatchNormInference", inputs, truths, attrs, rtol=2e-5)
    for k in [0, 5][:1 + len(args)]:
        again = [v.copy() for v in inputs]
        call = KernelCall(batch_norm.fused_batch_norm_inference, "_FusedBatchNormInference", again, [again[k]], attrs)
        assert call.may_be_in_place(k) and call.run()[0].tobytes() == y.tobytes()
    plain = run(batch_norm.fused_batch_norm, "FusedBatchNorm", inputs[:5], [(shape, np.float32),
                *[(shape[-1:], np.float32)] * 4], {"is_training": False, "epsilon": 1e-3})
    low, high = {"Relu": (0, np.inf), "Relu6": (0, 6)}.get(fused_ops[-1], (-np.inf, np.inf))
    np.testing.assert_array_equal(y, np.clip(plain[0] + sum(args), low, high))
    assert all((given == kept).all() for given, kept in zip(inputs[3:5] * 2, plain[1:], strict=True))


@pytest.mark.parametrize("fused_ops", [[], *FUSED])
@pytest.mark.parametrize("channels", [64, 65])
def test_a_large_result_past_the_caches_has_the_same_bits(fused_ops, channels):
    shape, vector = (1, 257, 258, channels), ((channels,), np.float32)       # above 16 MB
    x, scale, offset = numbers(*shape), 5 * numbers(channels, seed=1), numbers(channels, seed=2)
    memory = np.empty(x.size + 16, np.float32)
    aligned = memory[-memory.ctypes.data % 64 // 4:][:x.size].reshape(shape)

    def normalised(y, threads):
        """y is memory for the result; x is normalised in its own place without."""
        inputs = [x.copy(), scale, offset, *[numbers(*shape, seed=3)] * ("Add" in fused_ops)]
        outputs = [inputs[0] if y is None else y, *[vector] * 4]
        if fused_ops:
            call = KernelCall(batch_norm.fused_batch_norm_ex, "_FusedBatchNormEx", inputs,
                              [*outputs, ((), np.float32), vector, vector], {"fused_ops": ",".join(fused_ops)},
                              threads=threads)
        else:
            call = KernelCall(batch_norm.fused_batch_norm, "FusedBatchNorm", [*inputs, offset, np.abs(scale)], outputs,
                              {"is_training": False}, threads=threads)
        return call.run()[0]
    x[0, 0, :6] = np.array([7, -7, 0, -0.0, 1e-30, -1e-30], np.float32)[:, None]
    if not fused_ops:
        x[0, 1, :3] = np.array([np.nan, np.inf, -np.inf], np.float32)[:, None]
    assert normalised(aligned, 3).tobytes() == normalised(None, 1).tobytes()


def gradient_inputs(shape, addends, told_by):
    """Inputs of _FusedBatchNormGradEx; the line is that of the forward kernel."""
    channels = shape[-1]
    x, scale = 3 + numbers(*shape), numbers(channels, seed=2)
    mean, variance = (v.astype(np.float32) for v in statistics(x))
    told = [7 * numbers(*shape, seed=4)] if told_by == "features" else [9 * numbers(channels, seed=5), scale]
    return [*[numbers(*shape, seed=6 + i) for i in range(addends)], x, scale, mean, variance, *told]


def gradient_attrs(inputs, sides, activation="Relu"):
    addends = next(i for i, v in enumerate(inputs) if v.ndim == 1) - 1
    return {"num_addends": addends, "num_features": len(inputs) - addends - 4, "num_sides": sides,
            "activation": activation, "epsilon": 1e-3}


@pytest.mark.parametrize("shape", SHAPES[:5] + SHAPES[6:])
@pytest.mark.parametrize("told_by", ["features", "line"])
@pytest.mark.parametrize("addends, sides, activation", [(1, 0, "Relu"), (1, 1, "Relu6"), (2, 0, "Relu6"),
                                                        (2, 1, "Relu"), (5, 0, "Relu"), (5, 1, "Relu6")])
def test_batch_norm_gradient_behind_an_activation(shape, told_by, addends, sides, activation):
    inputs = gradient_inputs(shape, addends, told_by)
    attrs = gradient_attrs(inputs, sides, activation)
    truths = REGISTRY["_FusedBatchNormGradEx"].reference(inputs, attrs)
    check(batch_norm.fused_batch_norm_grad_ex, "_FusedBatchNormGradEx", inputs, truths, attrs, rtol=5e-5)


@pytest.mark.parametrize("told_by", ["features", "line"])
@pytest.mark.parametrize("addends, sides", [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1), (9, 1)])
def test_batch_norm_gradient_in_place(told_by, addends, sides):
    """Wherever the kernel lets its results lie, they are the same bits."""
    shape = (2, 9, 9, 36)

    def call(places=()):
        inputs = gradient_inputs(shape, addends, told_by)
        outputs = [*[(shape, np.float32)] * (1 + sides), *[((36,), np.float32)] * 2]
        for output, k in enumerate(places):
            outputs[output] = inputs[k] if k is not None else outputs[output]
        return KernelCall(batch_norm.fused_batch_norm_grad_ex, "_FusedBatchNormGradEx", inputs, outputs,
                          gradient_attrs(inputs, sides))
    apart = call()
    truths = [y.copy() for y in apart.run()]
    allowed = [[None, *[k for k in range(min(8, len(apart.inputs))) if apart.may_be_in_place(k, output)]]
               for output in range(1 + sides)]
    assert len(allowed[-1]) > 1
    for places in itertools.product(*allowed):
        if len(set(places)) == len(places) or places == (None, None):
            for y, truth in zip(call(places).run(), truths, strict=True):
                assert y.tobytes() == truth.tobytes(), places


def test_relu_lets_infinity_through_and_no_activation_lets_nan_through():
    shape = (1, 1, 6, 1)
    features = np.array([np.inf, np.nan, 6, 5.9999995, 0, -0.0], np.float32).reshape(shape)
    dy, one = np.arange(1, 7, dtype=np.float32).reshape(shape), np.ones(1, np.float32)
    for activation, passed in (("Relu", [1, 0, 3, 4, 0, 0]), ("Relu6", [0, 0, 0, 4, 0, 0])):
        inputs = [dy, dy, one, one, one, features]
        _, g, _, doffset = run(batch_norm.fused_batch_norm_grad_ex, "_FusedBatchNormGradEx", inputs,
                               [(shape, np.float32)] * 2 + [((1,), np.float32)] * 2,
                               gradient_attrs(inputs, 1, activation))
        assert g.ravel().tolist() == passed and doffset == sum(passed)


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
    with pytest.raises(Unsupported, match=r"_FusedBiasAddGrad: features of shape \(4,\) for gradients of \(2, 3"):
        run(bias.fused_bias_add_grad, "_FusedBiasAddGrad", [x, b], [(x.shape, np.float32), ((4,), np.float32)])
    with pytest.raises(Unsupported, match="_FusedBatchNormEx: 'Add' at this place of fused_ops"):
        run(batch_norm.fused_batch_norm_ex, "_FusedBatchNormEx", [x, b, b, x], [(x.shape, np.float32)],
            {"fused_ops": "Relu,Add"})
    with pytest.raises(Unsupported, match=r"_FusedBatchNormEx: residuals of shapes \(\(2, 3, 4, 1\),\) for x of"):
        run(batch_norm.fused_batch_norm_ex, "_FusedBatchNormEx", [x, b, b, x[..., :1]], [(x.shape, np.float32)],
            {"fused_ops": "Add"})
    with pytest.raises(Unsupported, match="_FusedBatchNormInference: 'BiasAdd' at this place of fused_ops"):
        run(batch_norm.fused_batch_norm_inference, "_FusedBatchNormInference", [x, b, b, b, b, b],
            [(x.shape, np.float32)], {"fused_ops": "BiasAdd"})
    with pytest.raises(Unsupported, match=r"_FusedBatchNormInference: residuals of shapes \(\(4,\),\) for x of"):
        run(batch_norm.fused_batch_norm_inference, "_FusedBatchNormInference", [x, b, b, b, b, b],
            [(x.shape, np.float32)], {"fused_ops": "Relu"})
    with pytest.raises(Unsupported, match=r"_FusedBatchNormInference: statistics of shape \(3,\) for 4 channels"):
        run(batch_norm.fused_batch_norm_inference, "_FusedBatchNormInference", [x, b, b, b, b[:3]],
            [(x.shape, np.float32)], {"fused_ops": "Relu"})
    line = gradient_inputs(x.shape, 1, "line")
    with pytest.raises(Unsupported, match="_FusedBatchNormGradEx: an activation 'Elu', not Relu or Relu6"):
        run(batch_norm.fused_batch_norm_grad_ex, "_FusedBatchNormGradEx", line, [(x.shape, np.float32)],
            gradient_attrs(line, 0, "Elu"))
    with pytest.raises(Unsupported, match=r"_FusedBatchNormGradEx: features of shapes \(\(4,\),\) for x of shape"):
        run(batch_norm.fused_batch_norm_grad_ex, "_FusedBatchNormGradEx", line[:-1], [(x.shape, np.float32)],
            gradient_attrs(line[:-1], 0))
    with pytest.raises(Unsupported, match="LRN: depth_radius -1 must not be negative"):
        run(lrn.lrn, "LRN", [x], [(x.shape, np.float32)], {"depth_radius": -1})
    with pytest.raises(Unsupported, match="LRN: the CPU kernel takes float32, not DataType 2"):
        run(lrn.lrn, "LRN", [x.astype(np.float64)], [(x.shape, np.float64)])
