"""Convolutions, forward and both gradients, against the reference bodies."""
import numpy as np
import pytest
from emulation.reference import compare

from thalweg.devices.core_api import KernelRequest
from thalweg_cuda import kernels
from thalweg_cuda.work import Fill, Target, Unsupported

RNG = np.random.default_rng(0)
ONE = ("shuffled:1",)
TWO = {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": "NHWC", "dilations": [1, 1, 1, 1],
       "explicit_paddings": [], "use_cudnn_on_gpu": True}
THREE = {"strides": [1] * 5, "padding": "SAME", "data_format": "NDHWC", "dilations": [1] * 5}


def numbers(*shape, dtype="float32"):
    return RNG.standard_normal(shape).astype(dtype)


def directions(x, filters, attrs, dtype="float32", dims=2, orders=ONE, factor=4.0):
    """Compares all three directions of a convolution of x and filters of these shapes."""
    kind = "Conv2D" if dims == 2 else "Conv3D"
    x, filters = numbers(*x, dtype=dtype), numbers(*filters, dtype=dtype)
    y, = compare(kind, [x, filters], attrs, factor=factor, orders=orders)
    dy = numbers(*y.shape, dtype=dtype)
    version = "" if dims == 2 else "V2"
    sizes = np.int32(x.shape), np.int32(filters.shape)
    compare(f"{kind}BackpropInput{version}", [sizes[0], filters, dy], attrs, {0}, factor, orders)
    compare(f"{kind}BackpropFilter{version}", [x, sizes[1], dy], attrs, {1}, factor, orders)


@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("x, filters, change", [
    ((2, 9, 11, 3), (3, 3, 3, 5), {}),
    ((2, 9, 12, 4), (3, 3, 4, 8), {}),
    ((2, 9, 11, 4), (3, 2, 4, 8), {"strides": [2, 3]}),
    ((1, 12, 7, 3), (3, 3, 3, 4), {"padding": "VALID", "dilations": [2, 1]}),
    ((1, 12, 13, 4), (3, 3, 4, 4), {"strides": [2, 2], "dilations": [3, 2]}),
    ((1, 7, 8, 3), (1, 1, 3, 6), {"strides": [3, 2]}),
    ((1, 5, 6, 2), (4, 3, 2, 3), {"padding": "EXPLICIT", "explicit_paddings": [0, 0, 2, 1, 0, 3, 0, 0]}),
    ((2, 6, 5, 8), (3, 3, 4, 12), {"strides": [2, 1]}),                                            # 2 groups
    ((1, 1, 1, 1), (1, 1, 1, 1), {}), ((0, 5, 5, 3), (3, 3, 3, 4), {}),
])
def test_two_dimensions(x, filters, change, data_format):
    attrs = {**TWO, **change, "data_format": data_format}
    first = data_format == "NCHW"
    for name in "strides", "dilations":
        inner = attrs[name] if len(attrs[name]) == 2 else [1, 1]
        attrs[name] = [1, 1, *inner] if first else [1, *inner, 1]
    if first:
        x = x[0], x[3], *x[1:3]
        pads = attrs["explicit_paddings"]
        attrs["explicit_paddings"] = pads[:2] + pads[6:] + pads[2:6]
    directions(x, filters, attrs)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_dtypes(dtype):
    directions((2, 9, 10, 4), (3, 3, 4, 8), {**TWO, "strides": [1, 2, 1, 1]}, dtype)


@pytest.mark.parametrize("data_format", ["NDHWC", "NCDHW"])
def test_three_dimensions(data_format):
    x, strides = ((2, 5, 6, 7, 3), [1, 2, 1, 2, 1]) if data_format == "NDHWC" else ((2, 3, 5, 6, 7), [1, 1, 2, 1, 2])
    directions(x, (3, 2, 3, 3, 4), {**THREE, "strides": strides, "data_format": data_format}, dims=3)


def test_orders_of_threads():
    directions((1, 20, 21, 4), (3, 3, 4, 36), TWO, orders=("forward", "reversed", "shuffled:5"))


def test_long_sums_over_places_are_cut_into_slices():
    x, filters = numbers(3, 40, 41, 3), np.int32([3, 3, 3, 8])
    attrs, dy = {**TWO}, numbers(3, 40, 41, 8)
    request = KernelRequest("Conv2DBackpropFilter", attrs, [x.shape, (4,), dy.shape], [(3, 3, 3, 8)], [1, 3, 1], [1])
    assert kernels.prepare(request, Target()).commands[0].grid[1] > 1
    compare("Conv2DBackpropFilter", [x, filters, dy], attrs, {1}, orders=("forward",))


def test_places_that_no_window_covers_get_a_gradient_of_zero():
    sizes, filters, dy = np.int32([1, 7, 7, 2]), numbers(1, 1, 2, 4), numbers(1, 3, 3, 4)
    attrs = {**TWO, "strides": [1, 3, 3, 1], "padding": "VALID"}
    request = KernelRequest("Conv2DBackpropInput", attrs, [(4,), filters.shape, dy.shape], [(1, 7, 7, 2)], [3, 1, 1],
                            [1])
    assert any(isinstance(c, Fill) for c in kernels.prepare(request, Target()).commands)
    dx, = compare("Conv2DBackpropInput", [sizes, filters, numbers(1, 3, 3, 4)], attrs, {0})
    assert not dx[0, 1::3].any()


@pytest.mark.parametrize("fused_ops", [["BiasAdd"], ["BiasAdd", "Relu6"], ["FusedBatchNorm", "Add", "Relu"],
                                       ["BiasAdd", "FusedBatchNorm", "Relu"]])
def test_fused_ops(fused_ops):
    x, filters = numbers(2, 9, 10, 4), numbers(3, 3, 4, 8)
    column = [numbers(8), numbers(8), numbers(8), RNG.random(8, np.float32) + 1]
    args = [numbers(8)] * ("BiasAdd" in fused_ops) + column * ("FusedBatchNorm" in fused_ops)
    args = args + [numbers(2, 9, 10, 8)] * ("Add" in fused_ops)
    attrs = {**TWO, "fused_ops": fused_ops, "epsilon": 1e-3, "num_args": len(args)}
    compare("_FusedConv2D", [x, filters, *args], attrs, factor=4)


def refusal(op_type, ins, outs, attrs):
    with pytest.raises(Unsupported) as told:
        kernels.prepare(KernelRequest(op_type, attrs, ins, outs, [1] * len(ins), [1]), Target())
    return str(told.value)


def test_what_does_not_fit_is_refused():
    x, w, y = (1, 5, 5, 3), (3, 3, 3, 4), (1, 5, 5, 4)
    assert "filters of shape (3, 3, 2, 4) for 3 channels" in refusal("Conv2D", [x, (3, 3, 2, 4)], [y], TWO)
    assert "the shapes say 4" in refusal("Conv2D", [x, w], [(1, 4, 5, 4)], TWO)
    assert "explicit_paddings" in refusal("Conv2D", [x, w], [y], {**TWO, "padding": "EXPLICIT"})
    assert "1 is expected for images and channels" in refusal("Conv2D", [x, w], [y], {**TWO, "strides": [2, 1, 1, 1]})
    assert "ranks of" in refusal("Conv2D", [x, (3, 3, 4)], [y], TWO)
    assert "do not give" in refusal("Conv2D", [x, w], [(2, 5, 5, 4)], TWO)
    attrs = {**TWO, "data_format": "NCHW", "fused_ops": ["Relu"], "epsilon": 0.0}
    assert "data_format 'NCHW' with fused_ops" in refusal("_FusedConv2D", [x, w], [y], attrs)
