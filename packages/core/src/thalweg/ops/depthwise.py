"""Depthwise convolutions: each channel with filters of its own; and separable ones, with a mix of channels after."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import FLOATS
from thalweg.framework.graph import name_scope

from . import _windows, array, conv, space_to_batch
from ._windows import from_last, to_last


def _as_groups(filter):
    """[KH, KW, C, M] as the filter of C groups of one channel: [KH, KW, 1, C M]."""
    return filter.reshape(filter.shape[:2] + (1, -1)) if filter.size else np.zeros(
        filter.shape[:2] + (1, filter.shape[2] * filter.shape[3]), filter.dtype)


@define_op("DepthwiseConv2dNative", "input: T, filter: T -> output: T", T=FLOATS, cpu="conv:depthwise_conv2d")
def depthwise_conv2d_native_op(input, filter, *, strides: list[int], padding: str, data_format: str = "NHWC",
                               dilations: list[int] = [1, 1, 1, 1]):
    """Cross-correlation of channel c with the filters [:, :, c, m]; result channel c M + m."""
    x = to_last(input, data_format)
    window = conv.window_of(x.shape[1:3], filter.shape[:2], strides, padding, data_format, dilations)
    return from_last(_windows.correlate(x, _as_groups(filter), window), data_format)


def _depthwise_shape(node, x, w):
    options = conv.checked(node, 4)
    if w is not None and len(w) != 4:
        raise ValueError(f"the filter must have rank 4, its shape is {shapes.text(w)}")
    batch, sizes, channels = _windows.split_shape(x, node.data_format, 4)
    kernel, depth, multiplier = (w[:2], w[2], w[3]) if w else ((None, None), None, None)
    if None not in (channels, depth) and channels != depth:
        raise ValueError(f"the input has {channels} channels, the filter is for {depth}")
    channels = depth if channels is None else channels
    count = None if channels is None or multiplier is None else channels * multiplier
    return _windows.join_shape(batch, conv.window_of(sizes, kernel, *options).out, count, node.data_format)


@depthwise_conv2d_native_op.shape
def depthwise_conv2d_native_shape(node, x, w):
    return _depthwise_shape(node, x, w)


@depthwise_conv2d_native_op.gradient
def depthwise_conv2d_native_grad(node, dy):
    return (depthwise_backprop_input(array.shape(node.input), node.filter, dy, **node.attrs),
            depthwise_backprop_filter(node.input, array.shape(node.filter), dy, **node.attrs))


@define_op("DepthwiseConv2dNativeBackpropInput", "input_sizes: int32, filter: T, out_backprop: T -> output: T",
           T=FLOATS, cpu="conv_grad:depthwise_backprop_input")
def depthwise_backprop_input(input_sizes, filter, out_backprop, *, strides: list[int], padding: str,
                             data_format: str = "NHWC", dilations: list[int] = [1, 1, 1, 1]):
    """The gradient of DepthwiseConv2dNative with respect to its input, which has the shape `input_sizes`."""
    sizes = tuple(to_last(np.zeros(tuple(input_sizes), np.bool_), data_format).shape)
    window = conv.window_of(sizes[1:3], filter.shape[:2], strides, padding, data_format, dilations)
    dy = to_last(out_backprop, data_format)
    return from_last(_windows.correlate_input(sizes, _as_groups(filter), dy, window), data_format)


@depthwise_backprop_input.shape
def depthwise_backprop_input_shape(node, sizes_shape, w, dy):
    return array.shape_from_input(node, 0) or (None,) * 4


@depthwise_backprop_input.gradient
def depthwise_backprop_input_grad(node, dx):
    return (None, depthwise_backprop_filter(dx, array.shape(node.filter), node.out_backprop, **node.attrs),
            depthwise_conv2d_native_op(dx, node.filter, **node.attrs))


@define_op("DepthwiseConv2dNativeBackpropFilter", "input: T, filter_sizes: int32, out_backprop: T -> output: T",
           T=FLOATS, cpu="conv_grad:depthwise_backprop_filter")
def depthwise_backprop_filter(input, filter_sizes, out_backprop, *, strides: list[int], padding: str,
                              data_format: str = "NHWC", dilations: list[int] = [1, 1, 1, 1]):
    """The gradient of DepthwiseConv2dNative with respect to its filters, which have the shape `filter_sizes`."""
    x, sizes = to_last(input, data_format), tuple(filter_sizes)
    window = conv.window_of(x.shape[1:3], sizes[:2], strides, padding, data_format, dilations)
    grouped = sizes[:2] + (1, sizes[2] * sizes[3])
    return _windows.correlate_filter(x, grouped, to_last(out_backprop, data_format), window).reshape(sizes)


@depthwise_backprop_filter.shape
def depthwise_backprop_filter_shape(node, x, sizes_shape, dy):
    return array.shape_from_input(node, 1) or (None,) * 4


@depthwise_backprop_filter.gradient
def depthwise_backprop_filter_grad(node, dw):
    return (depthwise_backprop_input(array.shape(node.input), dw, node.out_backprop, **node.attrs), None,
            depthwise_conv2d_native_op(node.input, dw, **node.attrs))


# --- the public functions ---------------------------------------------------------------------------

def depthwise_conv2d_native(input, filter, strides, padding, data_format="NHWC", dilations=(1, 1, 1, 1), name=None):
    """Depthwise cross-correlation as one op; see `depthwise_conv2d`. strides: one entry per dimension."""
    return depthwise_conv2d_native_op(input, filter, strides=strides, padding=padding,
                                      data_format=data_format or "NHWC", dilations=dilations, name=name)


def depthwise_conv2d_native_backprop_input(input_sizes, filter, out_backprop, strides, padding, data_format="NHWC",
                                           dilations=(1, 1, 1, 1), name=None):
    """The gradient of `depthwise_conv2d_native` with respect to its input."""
    return depthwise_backprop_input(input_sizes, filter, out_backprop, strides=strides, padding=padding,
                                    data_format=data_format or "NHWC", dilations=dilations, name=name)


def depthwise_conv2d_native_backprop_filter(input, filter_sizes, out_backprop, strides, padding, data_format="NHWC",
                                            dilations=(1, 1, 1, 1), name=None):
    """The gradient of `depthwise_conv2d_native` with respect to its filters."""
    return depthwise_backprop_filter(input, filter_sizes, out_backprop, strides=strides, padding=padding,
                                     data_format=data_format or "NHWC", dilations=dilations, name=name)


def depthwise_conv2d(input, filter, strides, padding, rate=None, name=None, data_format=None, dilations=None):
    """Cross-correlation of each channel with filters of its own.

    input : Tensor [N, H, W, C]; filter : [KH, KW, C, M], result channel c M + m is channel c with filter [:, :, c, m]
    strides : 4 ints, one per dimension; rate : (rows, columns), the dilation
    """
    rate = array._one_of("rate", rate, "dilations", dilations)
    with name_scope(name, "depthwise", [input, filter]) as scope:
        input = convert_to_tensor(input, name="tensor_in")
        filter = convert_to_tensor(filter, name="filter_in")
        return _channelwise(input, filter, strides, padding, rate, data_format, scope)


def _channelwise(input, filter, strides, padding, rate, data_format, name):
    def apply(converted, _, converted_padding):
        return depthwise_conv2d_native(converted, filter, strides, converted_padding, data_format, name=name)
    return space_to_batch.with_space_to_batch(input, [1, 1] if rate is None else rate, padding, apply,
                                              filter_shape=array.shape(filter), data_format=data_format)


def separable_conv2d(input, depthwise_filter, pointwise_filter, strides, padding, rate=None, name=None,
                     data_format=None, dilations=None):
    """A depthwise convolution, then a 1 x 1 convolution that mixes the channels.

    depthwise_filter : [KH, KW, C, M]; pointwise_filter : [1, 1, C M, F]; the rest as in `depthwise_conv2d`
    """
    rate = array._one_of("rate", rate, "dilations", dilations)
    with name_scope(name, "separable_conv2d", [input, depthwise_filter, pointwise_filter]) as scope:
        input = convert_to_tensor(input, name="tensor_in")
        depthwise_filter = convert_to_tensor(depthwise_filter, name="depthwise_filter")
        pointwise_filter = convert_to_tensor(pointwise_filter, name="pointwise_filter")
        if not shapes.compatible(pointwise_filter._shape, (1, 1, None, None)):
            raise ValueError(f"the pointwise filter must have shape [1, 1, C, F], not "
                             f"{shapes.text(pointwise_filter._shape)}")
        inner = _channelwise(input, depthwise_filter, strides, padding, rate, data_format, "depthwise")
        return conv.conv2d(inner, pointwise_filter, [1, 1, 1, 1], "VALID", data_format=data_format, name=scope)
