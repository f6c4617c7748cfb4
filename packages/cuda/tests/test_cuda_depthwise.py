"""Depthwise and separable convolutions against the reference bodies."""
import numpy as np
import pytest
from emulation.reference import compare

from thalweg.devices.core_api import KernelRequest
from thalweg_cuda import kernels
from thalweg_cuda.work import Target, Unsupported

RNG = np.random.default_rng(0)
ATTRS = {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC", "dilations": [1, 1, 1, 1]}


def numbers(*shape, dtype="float32"):
    return RNG.standard_normal(shape).astype(dtype)


def directions(x, filters, attrs, dtype="float32", orders=("forward", "reversed")):
    x, filters = numbers(*x, dtype=dtype), numbers(*filters, dtype=dtype)
    y, = compare("DepthwiseConv2dNative", [x, filters], attrs, orders=("forward",))
    dy = numbers(*y.shape, dtype=dtype)
    compare("DepthwiseConv2dNativeBackpropInput", [np.int32(x.shape), filters, dy], attrs, {0}, orders=("forward",))
    compare("DepthwiseConv2dNativeBackpropFilter", [x, np.int32(filters.shape), dy], attrs, {1}, 4, orders)


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("x, filters, change", [
    ((2, 9, 11, 3), (3, 3, 3, 1), {}),
    ((2, 9, 12, 8), (3, 3, 8, 1), {"strides": [2, 2]}),
    ((1, 12, 7, 3), (3, 2, 3, 2), {"padding": "VALID", "dilations": [2, 1]}),
    ((1, 7, 8, 36), (3, 3, 36, 1), {"strides": [3, 2]}),
    ((1, 1, 1, 1), (1, 1, 1, 1), {}), ((0, 5, 5, 4), (3, 3, 4, 1), {}), ((3, 30, 31, 5), (3, 3, 5, 3), {}),
])
def test_directions(x, filters, change, data_format):
    first = data_format == "NCHW"
    attrs = {**ATTRS, **change, "data_format": data_format}
    for name in "strides", "dilations":
        inner = attrs[name] if len(attrs[name]) == 2 else [1, 1]
        attrs[name] = [1, 1, *inner] if first else [1, *inner, 1]
    directions((x[0], x[3], *x[1:3]) if first else x, filters, attrs)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_dtypes(dtype):
    directions((2, 9, 10, 4), (3, 3, 4, 1), {**ATTRS, "strides": [1, 2, 1, 1]}, dtype)


def fused_args(fused_ops, channels, y_shape):
    column = [numbers(channels), numbers(channels), numbers(channels), RNG.random(channels, np.float32) + 1]
    vectors = [numbers(channels)] * ("BiasAdd" in fused_ops) + column * ("FusedBatchNorm" in fused_ops)
    return vectors + [numbers(*y_shape)] * ("Add" in fused_ops)


@pytest.mark.parametrize("fused_ops", [["BiasAdd", "Relu6"], ["FusedBatchNorm", "Add", "Relu"],
                                       ["BiasAdd", "FusedBatchNorm"]])
def test_fused_ops(fused_ops):
    args = fused_args(fused_ops, 8, (2, 9, 10, 8))
    attrs = {**ATTRS, "fused_ops": fused_ops, "epsilon": 1e-3, "num_args": len(args)}
    compare("_FusedDepthwiseConv2dNative", [numbers(2, 9, 10, 8), numbers(3, 3, 8, 1), *args], attrs, factor=4)


@pytest.mark.parametrize("first, second", [
    ([], ["BiasAdd"]), (["FusedBatchNorm", "Relu6"], ["FusedBatchNorm", "Relu6"]), (["BiasAdd", "Relu"], []),
    (["BiasAdd", "FusedBatchNorm", "Relu"], ["BiasAdd", "FusedBatchNorm", "Relu6"])])
def test_separable(first, second):
    args = [*fused_args(first, 8, ()), *fused_args(second, 12, ())]
    attrs = {**ATTRS, "strides": [1, 2, 2, 1], "depthwise_ops": first, "fused_ops": second, "depthwise_epsilon": 1e-3,
             "epsilon": 1e-2, "num_args": len(args)}
    compare("_FusedSeparableConv2D", [numbers(2, 9, 10, 4), numbers(3, 3, 4, 2), numbers(1, 1, 8, 12), *args], attrs,
            factor=4)


def test_what_does_not_fit_is_refused():
    request = KernelRequest("DepthwiseConv2dNative", ATTRS, [(1, 5, 5, 3), (3, 3, 2, 1)], [(1, 5, 5, 3)], [1, 1], [1])
    with pytest.raises(Unsupported, match=r"filters of shape \(3, 3, 2, 1\) for 3 channels and 3 results"):
        kernels.prepare(request, Target())
    request = KernelRequest("DepthwiseConv2dNative", ATTRS, [(2, 1 << 15, 1 << 15, 1), (1, 1, 1, 1)],
                            [(2, 1 << 15, 1 << 15, 1)], [1, 1], [1])
    with pytest.raises(Unsupported, match=r"images of 2\*\*31 numbers or more"):
        kernels.prepare(request, Target())
