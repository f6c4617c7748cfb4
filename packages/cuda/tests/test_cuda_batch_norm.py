"""Batch normalisation, its gradient and its fused forms against the reference bodies."""
import numpy as np
import pytest
from emulation.reference import compare

from thalweg.devices.core_api import KernelRequest
from thalweg_cuda import kernels
from thalweg_cuda.work import Target, Unsupported

RNG = np.random.default_rng(0)
ATTRS = {"epsilon": 1e-3, "data_format": "NHWC", "is_training": True}
SHAPES = [(2, 5, 6, 3), (4, 9, 7, 8), (1, 1, 1, 1), (2, 3, 1, 132), (8, 40, 41, 4), (0, 3, 3, 4), (2, 3, 3, 0),
          (3, 20, 21, 5)]


def numbers(*shape, dtype="float32"):
    return RNG.standard_normal(shape).astype(dtype)


def spread(*shape, dtype="float32"):
    """Channels of different means and deviations."""
    return (numbers(*shape) * RNG.uniform(0.5, 2, shape[-1]) + RNG.uniform(-3, 3, shape[-1])).astype(dtype)


def vectors(channels):
    return [RNG.uniform(0.5, 2, channels).astype(np.float32) for _ in range(4)]


def turned(x, data_format):
    return np.ascontiguousarray(np.moveaxis(x, 3, 1)) if data_format == "NCHW" else x


def both(x, attrs, version="", orders=("forward",), factor=2.0):
    channels = x.shape[1 if attrs["data_format"] == "NCHW" else 3]
    scale, offset, mean, variance = vectors(channels)
    empty = np.zeros(0, np.float32)
    given = [empty, empty] if attrs["is_training"] else [mean, variance]
    with np.errstate(all="ignore"):
        y, _, _, *saved = compare(f"FusedBatchNorm{version}", [x, scale, offset, *given], attrs, factor=factor,
                                  orders=orders)
        dy = RNG.standard_normal(y.shape).astype(x.dtype)
        compare(f"FusedBatchNormGrad{version}", [dy, x, scale, *saved], attrs, factor=factor, orders=orders)


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_ways(shape, data_format, is_training):
    both(turned(spread(*shape), data_format), {**ATTRS, "data_format": data_format, "is_training": is_training})


@pytest.mark.parametrize("version", ["V2", "V3"])
def test_float16_with_float32_statistics(version):
    both(spread(4, 9, 7, 8, dtype="float16"), ATTRS, version)


def test_orders_of_threads():
    both(spread(4, 9, 7, 12), ATTRS, orders=("forward", "reversed", "shuffled:4"))


def test_a_mean_far_from_zero_costs_no_digits():
    x = (1000 + RNG.standard_normal((16, 20, 20, 4))).astype(np.float32)
    scale, offset, _, _ = vectors(4)
    empty = np.zeros(0, np.float32)
    found = compare("FusedBatchNorm", [x, scale, offset, empty, empty], ATTRS, factor=100, orders=("forward",))
    variance = x.astype(np.float64).var((0, 1, 2))
    np.testing.assert_allclose(found[4], variance, 2e-7)


@pytest.mark.parametrize("fused_ops", [["Relu"], ["Add"], ["Add", "Relu6"]])
def test_training_with_epilogue(fused_ops):
    x, (scale, offset, _, _) = spread(3, 8, 7, 8), vectors(8)
    residual = [numbers(3, 8, 7, 8)] * ("Add" in fused_ops)
    compare("_FusedBatchNormEx", [x, scale, offset, *residual],
            {"fused_ops": fused_ops, "epsilon": 1e-3, "num_args": len(residual)}, factor=2)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("fused_ops", [["Relu"], ["Add"], ["Add", "Relu6"]])
def test_inference_with_epilogue(fused_ops, dtype):
    residual = [numbers(3, 8, 7, 8).astype(dtype)] * ("Add" in fused_ops)
    y, = compare("_FusedBatchNormInference", [spread(3, 8, 7, 8, dtype=dtype), *vectors(8), *residual],
                 {"fused_ops": fused_ops, "epsilon": 1e-3, "num_args": len(residual)}, factor=2)
    assert y.dtype == dtype


@pytest.mark.parametrize("activation", ["Relu", "Relu6"])
@pytest.mark.parametrize("addends, sides, features", [(1, 0, 2), (1, 1, 2), (2, 0, 1), (3, 1, 1)])
def test_gradient_with_activation(addends, sides, features, activation):
    x, (scale, shift, _, _) = 3 * spread(3, 8, 7, 8), vectors(8)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    gain = (scale / np.sqrt(variance.astype(np.float64) + 1e-3)).astype(np.float32)
    y = np.clip((x - mean) * gain + shift, 0, 6 if activation == "Relu6" else 99)
    told = [gain, shift] if features == 2 else [y]
    compare("_FusedBatchNormGradEx", [*numbers(addends, *x.shape), x, scale, mean, variance, *told],
            {"activation": activation, "num_sides": sides, "num_addends": addends, "num_features": features,
             "epsilon": 1e-3}, factor=2)


def refusal(op_type, ins, outs, attrs, dtype=1):
    with pytest.raises(Unsupported) as told:
        kernels.prepare(KernelRequest(op_type, attrs, ins, outs, [dtype] * len(ins), [dtype] * len(outs)), Target())
    return str(told.value)


def test_what_does_not_fit_is_refused():
    x, c = (1, 2, 2, 3), (3,)
    outs = [x, c, c, c, c]
    assert "statistics of shape (4,) for 3 channels" in refusal("FusedBatchNorm", [x, (4,), c, c, c], outs, ATTRS)
    assert "statistics of shape (4,) for 3 channels" in refusal("FusedBatchNorm", [x, c, c, c, (4,)], outs,
                                                                {**ATTRS, "is_training": False})
    assert "takes float32, float16 and bfloat16, not double" in refusal("FusedBatchNorm", [x, c, c, c, c], outs,
                                                                        ATTRS, 2)
    assert "four dimensions" in refusal("FusedBatchNorm", [(2, 3), c, c, c, c], [(2, 3), c, c, c, c], ATTRS)
    attrs = {"fused_ops": ["Relu", "Add"], "epsilon": 0.0}
    assert "'Add' at this place" in refusal("_FusedBatchNormEx", [x, c, c, x], [x, c, c, c, c, (), c, c], attrs)
    attrs["fused_ops"] = ["Relu"]
    assert "residuals of shapes" in refusal("_FusedBatchNormEx", [x, c, c, x], [x, c, c, c, c, (), c, c], attrs)
    assert "residuals of shapes" in refusal("_FusedBatchNormInference", [x, c, c, c, c, c], [x], attrs)
    assert "statistics of shape (4,) for 3 channels" in refusal("_FusedBatchNormInference", [x, c, c, c, (4,)], [x],
                                                                attrs)
    outs = [x, c, c, (0,), (0,)]
    assert "gradients of shapes" in refusal("FusedBatchNormGrad", [(1, 2, 1, 3), x, c, c, c], outs, ATTRS)
    attrs = {"activation": "Elu", "num_addends": 1, "num_features": 1, "num_sides": 0, "epsilon": 0.0}
    told = refusal("_FusedBatchNormGradEx", [x, x, c, c, c, x], [x, c, c], attrs)
    assert "features of shapes ((1, 2, 2, 3),) of 'Elu'" in told


def test_slices_of_rows_end_with_the_rows():
    """68 slices of 65 rows: 67 of them are all there are. Operands end at protected pages."""
    x, (scale, offset, _, _), empty = spread(1, 1, 4353, 128), vectors(128), np.zeros(0, np.float32)
    few = Target(multiprocessors=34)
    y, _, _, *saved = compare("FusedBatchNorm", [x, scale, offset, empty, empty], ATTRS, factor=2,
                              orders=("forward",), target=few)
    dy = numbers(*y.shape)
    compare("FusedBatchNormGrad", [dy, x, scale, *saved], ATTRS, factor=2, orders=("forward",), target=few)
