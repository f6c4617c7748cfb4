"""Convolutions and their gradients on the CPU."""
import numpy as np
import pytest
from oracle import adjoint, check, numbers, paddings, run, taps_of

from thalweg.cpu import conv, conv_grad
from thalweg.cpu._request import Unsupported

# x, filter, strides, padding, dilations
CASES_2D = {
    "same": ((2, 9, 8, 20), (3, 3, 20, 33), (1, 1), "SAME", (1, 1)),
    "valid": ((2, 9, 8, 12), (3, 2, 12, 16), (1, 1), "VALID", (1, 1)),
    "strided": ((2, 11, 10, 9), (3, 3, 9, 17), (2, 2), "SAME", (1, 1)),
    "uneven strides": ((1, 11, 10, 9), (2, 5, 9, 8), (3, 2), "VALID", (1, 1)),
    "dilated": ((2, 12, 13, 10), (3, 3, 10, 7), (1, 1), "SAME", (2, 3)),
    "dilated and strided": ((2, 12, 13, 10), (3, 3, 10, 7), (2, 1), "VALID", (2, 1)),
    "explicit": ((2, 6, 7, 11), (3, 3, 11, 5), (2, 1), [(2, 0), (1, 3)], (1, 1)),
    "1x1": ((3, 5, 5, 70), (1, 1, 70, 40), (1, 1), "SAME", (1, 1)),
    "1x1 strided": ((2, 7, 6, 24), (1, 1, 24, 9), (2, 2), "SAME", (1, 1)),
    "stride beyond the window": ((2, 13, 11, 6), (2, 1, 6, 5), (4, 3), "VALID", (1, 1)),
    "grey": ((3, 12, 11, 1), (5, 5, 1, 32), (1, 1), "SAME", (1, 1)),
    "colour strided": ((2, 13, 12, 3), (7, 7, 3, 20), (2, 2), "SAME", (1, 1)),
    "colour valid": ((2, 9, 9, 3), (3, 3, 3, 8), (2, 2), "VALID", (1, 1)),
    "row wise, dilated downwards": ((2, 12, 9, 2), (3, 4, 2, 6), (1, 1), "SAME", (3, 1)),
    "colour with borders": ((2, 6, 7, 3), (3, 3, 3, 5), (2, 1), [(2, 4), (5, 3)], (1, 1)),
    "colour in blocks": ((2, 37, 41, 3), (3, 5, 3, 32), (2, 2), "SAME", (1, 1)),
    "one row of colour": ((2, 5, 9, 3), (1, 4, 3, 7), (1, 2), "SAME", (1, 1)),
    "patches": ((2, 6, 12, 3), (1, 4, 3, 7), (1, 4), "VALID", (1, 1)),
    "1x1 with borders": ((2, 5, 6, 12), (1, 1, 12, 9), (2, 2), [(1, 2), (3, 1)], (1, 1)),
    "one filter": ((2, 6, 6, 40), (3, 3, 40, 1), (1, 1), "SAME", (1, 1)),
    "window beyond the image": ((2, 3, 3, 10), (5, 5, 10, 6), (1, 1), "SAME", (1, 1)),
    "deep": ((2, 4, 4, 600), (3, 3, 600, 35), (1, 1), "SAME", (1, 1)),
    "many blocks": ((4, 20, 21, 16), (3, 3, 16, 96), (1, 1), "SAME", (1, 1)),
    "no images": ((0, 8, 8, 16), (3, 3, 16, 8), (1, 1), "SAME", (1, 1)),
    "no channels": ((2, 6, 6, 0), (3, 3, 0, 8), (1, 1), "SAME", (1, 1)),
    "no filters": ((2, 6, 6, 5), (3, 3, 5, 0), (1, 1), "SAME", (1, 1)),
    "no places": ((2, 2, 6, 5), (3, 3, 5, 4), (1, 1), "VALID", (1, 1)),
}
CASES_3D = {
    "same": ((2, 5, 6, 7, 9), (3, 3, 3, 9, 10), (1, 1, 1), "SAME", (1, 1, 1)),
    "strided": ((2, 7, 6, 5, 4), (2, 3, 3, 4, 17), (2, 1, 2), "VALID", (1, 1, 1)),
    "grey": ((2, 6, 6, 6, 1), (3, 3, 3, 1, 8), (1, 2, 1), "SAME", (1, 1, 1)),
    "many rows of taps": ((1, 9, 10, 5, 1), (9, 8, 3, 1, 4), (1, 1, 1), "SAME", (1, 1, 1)),
    "1x1x1": ((2, 3, 4, 5, 12), (1, 1, 1, 12, 6), (1, 1, 1), "SAME", (1, 1, 1)),
}
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each_2d = pytest.mark.parametrize("case", CASES_2D.values(), ids=CASES_2D)
each_3d = pytest.mark.parametrize("case", CASES_3D.values(), ids=CASES_3D)


def convolve(x, w, strides, padding, dilations):
    return sum(np.tensordot(part, w[tap], 1) for tap, part in
               taps_of(np.asarray(x, np.float64), w.shape[:-2], strides, padding, dilations))


def filter_gradient(x, filter_shape, strides, padding, dilations, dy):
    axes = list(range(x.ndim - 1))
    dw = np.zeros(filter_shape)
    for tap, part in taps_of(x.astype(np.float64), filter_shape[:-2], strides, padding, dilations):
        dw[tap] = np.tensordot(part, dy, (axes, axes))
    return dw


def image_gradient(x_shape, w, strides, padding, dilations, dy):
    pads = paddings(padding, x_shape[1:-1], w.shape[:-2], strides, dilations)
    padded = np.zeros([x_shape[0], *[n + sum(p) for n, p in zip(x_shape[1:-1], pads, strict=True)], x_shape[-1]])
    for tap in np.ndindex(*w.shape[:-2]):
        at = [slice(t * d, t * d + (p - 1) * s + 1 if p else t * d, s)
              for t, d, p, s in zip(tap, dilations, dy.shape[1:-1], strides, strict=True)]
        padded[(slice(None), *at)] += np.tensordot(dy.astype(np.float64), w[tap], ((-1,), (-1,)))
    return padded[(slice(None), *[slice(p[0], p[0] + n) for n, p in zip(x_shape[1:-1], pads, strict=True)])]


def attributes(strides, padding, dilations, **more):
    attrs = {"strides": [1, *strides, 1], "dilations": [1, *dilations, 1], "padding": padding,
             "data_format": "NHWC" if len(strides) == 2 else "NDHWC", **more}
    if not isinstance(padding, str):
        attrs |= {"padding": "EXPLICIT", "explicit_paddings": [0, 0, *np.ravel(padding).tolist(), 0, 0]}
    return attrs


def check_all_three(case, dtype, kernels, op_types):
    x_shape, w_shape, strides, padding, dilations = case
    x, w = numbers(*x_shape, dtype=dtype), numbers(*w_shape, seed=1, dtype=dtype)
    attrs = attributes(strides, padding, dilations)
    y = convolve(x, w, strides, padding, dilations)
    dy = numbers(*y.shape, seed=2, dtype=dtype)
    check(kernels[0], op_types[0], [x, w], [y], attrs)
    check(kernels[1], op_types[1], [np.array(x_shape, np.int32), w, dy],
          [image_gradient(x_shape, w.astype(np.float64), strides, padding, dilations, dy)], attrs, constants=(0,))
    check(kernels[2], op_types[2], [x, np.array(w_shape, np.int32), dy],
          [filter_gradient(x, w_shape, strides, padding, dilations, dy)], attrs, constants=(1,))


@each_2d
@DTYPES
def test_conv2d_and_its_gradients(case, dtype):
    check_all_three(case, dtype, (conv.conv2d, conv_grad.conv2d_backprop_input, conv_grad.conv2d_backprop_filter),
                    ("Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"))


@pytest.mark.parametrize("channels", [3, 16], ids=["direct", "by tiles"])
def test_a_result_of_16_mb(channels):
    """Such a one is written past the caches."""
    x, w = numbers(1, 364, 361, channels), numbers(3, 3, channels, 32, seed=1)
    y = convolve(x, w, (1, 1), "SAME", (1, 1))
    check(conv.conv2d, "Conv2D", [x, w], [y], attributes((1, 1), "SAME", (1, 1)))


def small_cases(count):
    """Random cases of one to six places a side: windows that hang over every edge, single taps, single places."""
    random = np.random.default_rng(0)
    while count:
        size, window, strides = random.integers(1, 7, 2), random.integers(1, 6, 2), random.integers(1, 5, 2)
        padding = ["SAME", "VALID"][random.integers(2)]
        if padding == "VALID" and (window > size).any():
            continue
        images, channels, filters = random.integers(1, 4), *random.integers(1, 20, 2)
        yield ((int(images), *map(int, size), int(channels)), (*map(int, window), int(channels), int(filters)),
               tuple(map(int, strides)), padding, (1, 1))
        count -= 1


@pytest.mark.parametrize("case", list(small_cases(200)), ids=str)
def test_small_conv2d_and_its_gradients(case):
    test_conv2d_and_its_gradients(case, np.float32)


@pytest.mark.parametrize("case", [
    ((1, 1, 2, 8), (1, 2, 8, 4), (1, 1), "SAME", (1, 1)),
    ((1, 1, 4, 3), (2, 3, 3, 8), (1, 2), "SAME", (1, 1)),
    ((1, 1, 2, 64), (1, 1, 64, 4), (1, 1), [(0, 0), (0, 2)], (1, 1)),
    ((1, 1, 2, 64), (1, 1, 64, 4), (1, 1), [(0, 0), (1, 0)], (1, 1)),
    ((1, 2, 2, 8), (3, 3, 8, 5), (1, 1), "VALID", (1, 1)),
], ids=str)
def test_a_few_places_in_one_row_with_padding(case):
    """Few rows are a product of matrices only where none of them is padding."""
    test_conv2d_and_its_gradients(case, np.float32)


def test_a_gradient_of_one_place_takes_the_middle_tap():
    test_conv2d_and_its_gradients(((1, 1, 1, 3), (3, 3, 3, 4), (2, 2), "SAME", (1, 1)), np.float32)


@each_3d
@DTYPES
def test_conv3d_and_its_gradients(case, dtype):
    check_all_three(case, dtype, (conv.conv3d, conv_grad.conv3d_backprop_input, conv_grad.conv3d_backprop_filter),
                    ("Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2"))


def test_the_oracle_gradients_are_adjoints():
    x_shape, w_shape, strides, padding, dilations = (1, 5, 4, 2), (3, 2, 2, 3), (2, 1), "SAME", (1, 2)
    x, w = numbers(*x_shape), numbers(*w_shape, seed=1)
    dy = numbers(*convolve(x, w, strides, padding, dilations).shape, seed=2)
    np.testing.assert_allclose(image_gradient(x_shape, w, strides, padding, dilations, dy),
                               adjoint(lambda v: convolve(v, w, strides, padding, dilations), x_shape, dy), atol=1e-6)
    np.testing.assert_allclose(filter_gradient(x, w_shape, strides, padding, dilations, dy),
                               adjoint(lambda v: convolve(x, v, strides, padding, dilations), w_shape, dy), atol=1e-6)


def test_filter_gradient_over_many_places_is_accurate():
    x, dy = 1 + numbers(40, 28, 28, 1), 1 + numbers(40, 28, 28, 8, seed=1)
    truth = filter_gradient(x, (5, 5, 1, 8), (1, 1), "SAME", (1, 1), dy.astype(np.float64))
    check(conv_grad.conv2d_backprop_filter, "Conv2DBackpropFilter", [x, np.array([5, 5, 1, 8], np.int32), dy], [truth],
          attributes((1, 1), "SAME", (1, 1)), rtol=3e-6)


@pytest.mark.parametrize("ops", ["BiasAdd", "BiasAdd,Relu", "BiasAdd,Relu6", "BiasAdd,Add,Relu",
                                 "FusedBatchNorm,Relu", "BiasAdd,FusedBatchNorm", "BiasAdd,FusedBatchNorm,Add,Relu"])
@pytest.mark.parametrize("x_shape, filters", [((2, 9, 10, 20), 32), ((2, 9, 10, 3), 19), ((1, 3, 3, 700), 40)])
def test_fused_conv2d(ops, x_shape, filters):
    x, w = numbers(*x_shape), numbers(3, 3, x_shape[-1], filters, seed=1)
    y, args = convolve(x, w, (1, 1), "SAME", (1, 1)), []
    gamma, beta, mean, variance, bias = (numbers(filters, seed=s) for s in (3, 4, 5, 6, 7))
    variance = np.abs(variance) + np.float32(0.1)
    for op in ops.split(","):
        if op == "BiasAdd":
            y, args = y + bias, [*args, bias]
        elif op == "Add":
            residual = numbers(*y.shape, seed=2)
            y, args = y + residual, [*args, residual]
        elif op == "FusedBatchNorm":
            y, args = (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta, [*args, gamma, beta, mean, variance]
        else:
            y = np.clip(y, 0, 6 if op == "Relu6" else None)
    check(conv.fused_conv2d, "_FusedConv2D", [x, w, *args], [y],
          attributes((1, 1), "SAME", (1, 1), fused_ops=ops, epsilon=1e-3), rtol=2e-5)


BAD = {
    "NCHW": ({"data_format": "NCHW"}, (2, 8, 8, 3), "data_format 'NCHW' with 2 spatial axes; channels-last only"),
    "batch stride": ({"strides": [2, 1, 1, 1]}, (2, 8, 8, 3), r"strides \[2, 1, 1, 1\] over 2 spatial axes"),
    "zero stride": ({"strides": [1, 0, 1, 1]}, (2, 8, 8, 3), "must be positive"),
    "padding": ({"padding": "FULL"}, (2, 8, 8, 3), "padding 'FULL' with explicit_paddings"),
    "places": ({"padding": "VALID"}, (2, 8, 8, 3), "6 windows on spatial axis 0, the shapes say 8"),
    "filters": ({}, (2, 8, 8, 3), "5 filters for 4 channels"),
    "groups": ({}, (2, 8, 8, 6), "6 channels, but the filter takes 3"),
}


@pytest.mark.parametrize("changes, x_shape, message", BAD.values(), ids=BAD)
def test_what_is_left_to_the_reference_says_why(changes, x_shape, message):
    attrs = attributes((1, 1), "SAME", (1, 1)) | changes
    with pytest.raises(Unsupported, match=f"Conv2D: .*{message}"):
        run(conv.conv2d, "Conv2D", [numbers(*x_shape), numbers(3, 3, 3, 5 if "filters for" in message else 4)],
            [((2, 8, 8, 4), np.float32)], attrs)


def test_other_dtypes_are_left_to_the_reference():
    x, w = numbers(1, 4, 4, 3, dtype=np.float16), numbers(3, 3, 3, 4, dtype=np.float16)
    with pytest.raises(Unsupported, match="takes float32 and float64, not DataType 19"):
        run(conv.conv2d, "Conv2D", [x, w], [((1, 4, 4, 4), np.float16)], attributes((1, 1), "SAME", (1, 1)))


# --- depthwise ------------------------------------------------------------------------------------------------------

CASES_DEPTHWISE = {
    "3x3": ((2, 9, 11, 32), (3, 3, 32, 1), (1, 1), "SAME", (1, 1)),
    "3x3 strided": ((2, 13, 14, 32), (3, 3, 32, 1), (2, 2), "SAME", (1, 1)),
    "5x5": ((1, 12, 15, 16), (5, 5, 16, 1), (1, 1), "SAME", (1, 1)),
    "5x5 strided": ((1, 13, 15, 48), (5, 5, 48, 1), (2, 2), "VALID", (1, 1)),
    "uneven channels": ((2, 9, 11, 37), (3, 3, 37, 1), (1, 1), "SAME", (1, 1)),
    "narrower than a strip": ((2, 6, 3, 19), (3, 3, 19, 1), (2, 2), "SAME", (1, 1)),
    "fewer channels than a vector": ((1, 9, 11, 3), (3, 3, 3, 1), (1, 1), "SAME", (1, 1)),
    "multiplier": ((2, 8, 7, 5), (3, 2, 5, 3), (1, 1), "SAME", (1, 1)),
    "multiplier, strided": ((2, 8, 9, 8), (3, 3, 8, 2), (2, 2), "SAME", (1, 1)),
    "dilated": ((2, 14, 13, 16), (3, 3, 16, 1), (1, 1), "SAME", (2, 3)),
    "uneven window": ((2, 9, 12, 20), (2, 4, 20, 1), (1, 1), "VALID", (1, 1)),
    "stride beyond the window": ((1, 9, 11, 16), (1, 2, 16, 1), (3, 3), "VALID", (1, 1)),
    "window beyond the image": ((1, 2, 2, 16), (5, 5, 16, 1), (1, 1), "SAME", (1, 1)),
    "no images": ((0, 9, 11, 16), (3, 3, 16, 1), (1, 1), "SAME", (1, 1)),
    "no channels": ((1, 9, 11, 0), (3, 3, 0, 1), (1, 1), "SAME", (1, 1)),
    "many rows": ((6, 30, 9, 64), (3, 3, 64, 1), (1, 1), "SAME", (1, 1)),
}


def depthwise(x, w, strides, padding, dilations):
    parts = [(part[..., None] * w[tap]) for tap, part in
             taps_of(np.asarray(x, np.float64), w.shape[:2], strides, padding, dilations)]
    return sum(parts).reshape(parts[0].shape[:3] + (w.shape[2] * w.shape[3],))


@pytest.mark.parametrize("x_shape, multiplier, strides", [((2, 9, 11, 32), 1, (1, 1)), ((2, 9, 10, 37), 1, (2, 2)),
                                                          ((2, 8, 7, 5), 3, (1, 1))])
@pytest.mark.parametrize("has_bias", [False, True])
def test_fused_depthwise(x_shape, multiplier, strides, has_bias):
    x, w = numbers(*x_shape), numbers(3, 3, x_shape[-1], multiplier, seed=1)
    channels = x_shape[-1] * multiplier
    gamma, beta, mean, variance = (numbers(channels, seed=s) for s in (3, 4, 5, 6))
    variance = np.abs(variance) + np.float32(0.1)
    bias, ops = [numbers(channels, seed=7)] * has_bias, "BiasAdd," * has_bias + "FusedBatchNorm,Add,Relu6"
    y = sum(bias, depthwise(x, w, strides, "SAME", (1, 1)))
    residual = numbers(*y.shape, seed=2)
    y = np.clip((y - mean) / np.sqrt(variance + 1e-3) * gamma + beta + residual, 0, 6)
    check(conv.fused_depthwise_conv2d, "_FusedDepthwiseConv2dNative",
          [x, w, *bias, gamma, beta, mean, variance, residual], [y],
          attributes(strides, "SAME", (1, 1), fused_ops=ops, epsilon=1e-3), rtol=2e-5)


@pytest.mark.parametrize("case", CASES_DEPTHWISE.values(), ids=CASES_DEPTHWISE)
@DTYPES
def test_depthwise_and_its_gradients(case, dtype):
    x_shape, w_shape, strides, padding, dilations = case
    x, w = numbers(*x_shape, dtype=dtype), numbers(*w_shape, seed=1, dtype=dtype)
    attrs = attributes(strides, padding, dilations)
    y = depthwise(x, w, strides, padding, dilations)
    dy = numbers(*y.shape, seed=2, dtype=dtype)
    check(conv.depthwise_conv2d, "DepthwiseConv2dNative", [x, w], [y], attrs)

    # As a full convolution whose filter is zero between different channels.
    channels, multiplier = w_shape[2:]
    full = np.zeros((*w_shape[:2], channels, channels, multiplier))
    full[:, :, np.arange(channels), np.arange(channels)] = w
    full = full.reshape(*w_shape[:3], channels * multiplier)
    check(conv_grad.depthwise_backprop_input, "DepthwiseConv2dNativeBackpropInput",
          [np.array(x_shape, np.int32), w, dy],
          [image_gradient(x_shape, full, strides, padding, dilations, dy)], attrs,
          constants=(0,))
    dw = filter_gradient(x, full.shape, strides, padding, dilations, dy.astype(np.float64)).reshape(
        *w_shape[:3], channels, multiplier)[:, :, np.arange(channels), np.arange(channels)]
    check(conv_grad.depthwise_backprop_filter, "DepthwiseConv2dNativeBackpropFilter",
          [x, np.array(w_shape, np.int32), dy], [dw], attrs, constants=(1,))


# --- depthwise + pointwise ------------------------------------------------------------------------------------------

CASES_SEPARABLE = {
    "in blocks": ((1, 28, 28, 24), (3, 3, 24, 1), 37, (1, 1), "SAME", (1, 1)),
    "in blocks, strided": ((2, 41, 43, 19), (3, 3, 19, 1), 32, (2, 2), "SAME", (1, 1)),
    "in blocks, strides differ": ((2, 29, 43, 16), (3, 3, 16, 1), 8, (1, 2), "SAME", (1, 1)),
    "in blocks, multiplier": ((1, 29, 30, 6), (3, 3, 6, 3), 20, (1, 1), "SAME", (1, 1)),
    "in blocks, dilated": ((1, 30, 31, 16), (3, 3, 16, 1), 5, (1, 1), "SAME", (2, 3)),
    "in blocks, 5x5": ((1, 33, 34, 20), (5, 5, 20, 1), 33, (1, 1), "VALID", (1, 1)),
    "in blocks of small images": ((40, 5, 5, 16), (3, 3, 16, 1), 16, (1, 1), "SAME", (1, 1)),
    "few places": ((1, 9, 10, 32), (3, 3, 32, 1), 48, (1, 1), "SAME", (1, 1)),
    "few places, multiplier": ((2, 7, 5, 5), (2, 3, 5, 2), 7, (1, 1), "SAME", (1, 1)),
    "one place": ((1, 1, 1, 16), (3, 3, 16, 1), 40, (1, 1), "SAME", (1, 1)),
    "more channels than a block holds": ((1, 28, 29, 2800), (3, 3, 2800, 1), 3, (1, 1), "SAME", (1, 1)),
    "no images": ((0, 9, 11, 16), (3, 3, 16, 1), 8, (1, 1), "SAME", (1, 1)),
    "no channels": ((1, 28, 28, 0), (3, 3, 0, 1), 8, (1, 1), "SAME", (1, 1)),
    "no filters": ((1, 28, 28, 8), (3, 3, 8, 1), 0, (1, 1), "SAME", (1, 1)),
}


@pytest.mark.parametrize("case", CASES_SEPARABLE.values(), ids=CASES_SEPARABLE)
@DTYPES
def test_separable_convolution(case, dtype):
    """Near the truth, and the very bits of its two parts."""
    x_shape, w_shape, filters, strides, padding, dilations = case
    channels = w_shape[2] * w_shape[3]
    x, w, p = numbers(*x_shape, dtype=dtype), numbers(*w_shape, seed=1, dtype=dtype), \
        numbers(1, 1, channels, filters, seed=2, dtype=dtype)
    gamma, beta, mean, variance = (numbers(channels, seed=s, dtype=dtype) for s in (3, 4, 5, 6))
    variance = np.abs(variance) + dtype(0.1)
    bias = numbers(filters, seed=7, dtype=dtype)
    attrs = attributes(strides, padding, dilations)
    between = depthwise(x, w, strides, padding, dilations)
    between = np.clip((between - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0, 6)
    product = between @ p[0, 0].astype(np.float64) + bias
    residual = numbers(*product.shape, seed=8, dtype=dtype)
    y = np.maximum(product + residual, 0)
    first = {"epsilon": 1e-3, "fused_ops": "FusedBatchNorm,Relu6"}
    second = {"epsilon": 0.0, "fused_ops": "BiasAdd,Add,Relu"}
    whole, = check(conv.fused_separable_conv2d, "_FusedSeparableConv2D",
                   [x, w, p, gamma, beta, mean, variance, bias, residual], [y],
                   attrs | second | {"depthwise_ops": first["fused_ops"], "depthwise_epsilon": 1e-3}, rtol=2e-5)
    part, = run(conv.fused_depthwise_conv2d, "_FusedDepthwiseConv2dNative", [x, w, gamma, beta, mean, variance],
                [(between.shape, dtype)], attrs | first)
    parts, = run(conv.fused_conv2d, "_FusedConv2D", [part, p, bias, residual], [(y.shape, dtype)],
                 attributes((1, 1), "VALID", (1, 1)) | second)
    assert whole.tobytes() == parts.tobytes()


def test_both_parts_of_a_separable_convolution_take_biases_and_norms():
    x, w, p = numbers(1, 28, 28, 16), numbers(3, 3, 16, 1, seed=1), numbers(1, 1, 16, 8, seed=2)
    y, args = np.asarray(x), []
    for channels, epsilon in (16, 1e-3), (8, 1e-2):
        y = depthwise(y, w, (1, 1), "SAME", (1, 1)) if channels == 16 else y @ p[0, 0].astype(np.float64)
        bias, gamma, beta, mean, variance = (numbers(channels, seed=s) for s in range(3, 8))
        variance = np.abs(variance) + np.float32(0.1)
        y = np.maximum((y + bias - mean) / np.sqrt(variance + epsilon) * gamma + beta, 0)
        args += [bias, gamma, beta, mean, variance]
    ops = "BiasAdd,FusedBatchNorm,Relu"
    check(conv.fused_separable_conv2d, "_FusedSeparableConv2D", [x, w, p, *args], [y],
          attributes((1, 1), "SAME", (1, 1)) | {"depthwise_epsilon": 1e-3, "depthwise_ops": ops, "epsilon": 1e-2,
                                                "fused_ops": ops}, rtol=2e-5)


def test_separable_convolution_without_epilogues():
    x, w, p = numbers(1, 28, 28, 16), numbers(3, 3, 16, 1, seed=1), numbers(1, 1, 16, 8, seed=2)
    y = depthwise(x, w, (1, 1), "SAME", (1, 1)) @ p[0, 0].astype(np.float64)
    check(conv.fused_separable_conv2d, "_FusedSeparableConv2D", [x, w, p], [y],
          attributes((1, 1), "SAME", (1, 1)) | {"depthwise_epsilon": 0.0, "epsilon": 0.0}, rtol=2e-5)


BAD_SEPARABLE = {
    "axes": ({}, (2, 8, 3), (1, 1, 3, 4), r"must have 4 axes"),
    "pointwise": ({}, (2, 8, 8, 3), (1, 1, 4, 4), r"pointwise filter \(1, 1, 4, 4\) does not take \(2, 8, 8, 3\)"),
    "residual": ({"depthwise_ops": "Add"}, (2, 8, 8, 3), (1, 1, 3, 4), "a residual between the convolutions"),
    "operands": ({"depthwise_ops": "Relu"}, (2, 8, 8, 3), (1, 1, 3, 4), "4 inputs, but the epilogues use 3"),
}


@pytest.mark.parametrize("changes, x_shape, pointwise, message", BAD_SEPARABLE.values(), ids=BAD_SEPARABLE)
def test_separable_convolutions_that_do_not_fit_say_why(changes, x_shape, pointwise, message):
    attrs = attributes((1, 1), "SAME", (1, 1)) | {"depthwise_epsilon": 0.0, "epsilon": 0.0} | changes
    with pytest.raises(Unsupported, match=f"_FusedSeparableConv2D: .*{message}"):
        run(conv.fused_separable_conv2d, "_FusedSeparableConv2D",
            [numbers(*x_shape), numbers(3, 3, 3, 1), numbers(*pointwise), numbers(2, 8, 8, 3)],
            [((2, 8, 8, 4), np.float32)], attrs)
