"""Convolution in any number of dimensions, with dilation: `tf.nn.convolution` and what is built on it."""
import numpy as np

from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.graph import name_scope

from . import array, conv, space_to_batch
from ._windows import is_channels_first


def _rank_of(input, filter):
    for tensor in (input, filter):
        shape = shapes.plain(tensor.shape)
        if shape is not None:
            return len(shape)
    raise ValueError("rank of input or filter must be known")


def convolution(input, filter, padding, strides=None, dilation_rate=None, name=None, data_format=None, filters=None,
                dilations=None):
    """Cross-correlation in one, two or three spatial dimensions.

    Parameters
    ----------
    input : Tensor [N, *space, C]      or [N, C, *space] for a `data_format` that begins with "NC"
    filter : Tensor [*window, C, F]
    padding : "SAME" or "VALID"
    strides, dilation_rate : list with one entry per spatial dimension; only one of them may exceed 1
    """
    filter = array._one_of("filter", filter, "filters", filters)
    dilation_rate = array._one_of("dilation_rate", dilation_rate, "dilations", dilations)
    n = _rank_of(input, filter) - 2
    if not 1 <= n <= 3:
        raise ValueError(f"Input tensor must be of rank 3, 4 or 5 but was {n + 2}.")
    strides = conv.per_dimension(strides, n, data_format, "strides")
    rates = conv.per_dimension(dilation_rate, n, data_format, "dilations")
    with name_scope(name, "convolution", [input, filter]) as scope:
        if all(r == 1 for r in rates):
            return _plain(n, input, filter, strides, padding, data_format, rates, scope)
        inner = slice(2, None) if data_format and is_channels_first(data_format) else slice(1, -1)
        return _dilated(n, input, filter, strides[inner], rates[inner], padding, data_format, scope)


def _plain(n, input, filter, strides, padding, data_format, dilations, name):
    if n == 1:
        return conv.conv1d(input, filter, strides, padding, data_format=data_format, dilations=dilations, name=name)
    options = {"strides": strides, "padding": padding, "dilations": dilations, "name": name}
    if n == 2:
        return conv.conv2d_op(input, filter, data_format=data_format or "NHWC", **options)
    return conv.conv3d_op(input, filter, data_format=data_format or "NDHWC", **options)


def _dilated(n, input, filter, strides, rates, padding, data_format, name):
    """Convolves sub-images that take every `rate`-th element: SpaceToBatchND, a plain convolution, BatchToSpaceND."""
    strides, rates = np.array(strides), np.array(rates)
    if np.any(strides > 1) and np.any(rates > 1):
        raise ValueError("strides > 1 not supported in conjunction with dilation_rate > 1")
    shape, filter_shape = shapes.plain(input.shape), shapes.plain(filter.shape)
    channels = None if shape is None else shape[1 if data_format and is_channels_first(data_format) else -1]
    if filter_shape and None not in (channels, filter_shape[n]) and channels != filter_shape[n]:
        raise ValueError(f"number of input channels does not match corresponding dimension of filter, {channels} != "
                         f"{filter_shape[n]}")

    def apply(inside, _, inner_padding):
        if n == 1:
            return conv.conv1d(inside, filter, int(strides[0]), inner_padding, data_format=data_format, name=name)
        every = conv.per_dimension(list(strides), n, data_format, "strides")
        return _plain(n, inside, filter, every, inner_padding, data_format, [1] * (n + 2), name)

    input = convert_to_tensor(input)
    return space_to_batch.dilated(input, rates, padding, apply, shapes.TensorShape(filter_shape), None, data_format,
                                  filter)


def atrous_conv2d(value, filters, rate, padding, name=None):
    """2-D cross-correlation with a distance of `rate` pixels between neighbouring filter elements."""
    return convolution(value, filters, padding, dilation_rate=np.broadcast_to(rate, (2,)), name=name)


def atrous_conv2d_transpose(value, filters, output_shape, rate, padding, name=None):
    """The transpose of `atrous_conv2d`: from its output's shape to its input's; filters [KH, KW, F, C]."""
    with name_scope(name, "atrous_conv2d_transpose", [value, filters, output_shape]):
        value = convert_to_tensor(value, name="value")
        filters = convert_to_tensor(filters, name="filters")
        if rate < 1:
            raise ValueError(f"rate {rate} cannot be less than one")
        if rate == 1:
            return conv.conv2d_transpose(value, filters, output_shape, [1, 1, 1, 1], padding)
        sizes = convert_to_tensor(output_shape, name="output_shape")
        if not shapes.compatible(sizes._shape, (4,)):
            raise ValueError(f"output_shape must have shape (4,), got {shapes.text(sizes._shape)}")
        return _transposed(value, filters, list(output_shape) if isinstance(output_shape, tuple) else output_shape,
                           rate, padding)


def _transposed(value, filters, output_shape, rate, padding):
    before, after = _same_paddings(filters, rate) if padding == "SAME" else ([0, 0], [0, 0])
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"padding must be either VALID or SAME: {padding}")
    sizes = [output_shape[i + 1] + before[i] + after[i] for i in (0, 1)]
    surplus = [(rate - s % rate) % rate for s in sizes]
    inside = space_to_batch.space_to_batch(value, [[0, surplus[0]], [0, surplus[1]]], rate)
    rows, columns = ((s + extra) // rate for s, extra in zip(sizes, surplus))
    inside = conv.conv2d_backprop_input_op([rate * rate * output_shape[0], rows, columns, output_shape[3]], filters,
                                           inside, strides=[1, 1, 1, 1], padding="VALID")
    return space_to_batch.batch_to_space(inside, [[before[i], after[i] + surplus[i]] for i in (0, 1)], rate)


def _same_paddings(filters, rate):
    sizes = filters._shape if shapes.is_known(filters._shape) else array.shape(filters)
    extents = [sizes[i] + (sizes[i] - 1) * (rate - 1) - 1 for i in (0, 1)]
    before = [e // 2 for e in extents]
    return before, [e - b for e, b in zip(extents, before)]
