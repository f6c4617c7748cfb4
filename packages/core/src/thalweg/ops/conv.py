"""Convolutions in one, two and three dimensions, their gradients, and transposed convolutions.

As everywhere in deep learning these are cross-correlations: the filter is not flipped.
"""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import FLOATS
from thalweg.framework.graph import name_scope

from . import _windows, array
from ._windows import Window, from_last, spatial, to_last

_CPU = {"Conv2D": "conv:conv2d", "Conv2DBackpropInput": "conv_grad:conv2d_backprop_input",
        "Conv2DBackpropFilter": "conv_grad:conv2d_backprop_filter"}


def _around(explicit_paddings, data_format):
    """explicit_paddings, flat and for all dimensions, as (before, after) per spatial dimension."""
    pairs = list(zip(explicit_paddings[::2], explicit_paddings[1::2]))
    return spatial(pairs, data_format) if pairs else None


def window_of(sizes, kernel, strides, padding, data_format, dilations, explicit_paddings=()):
    """The Window of a convolution whose lists have one entry per dimension of the input."""
    return Window(sizes, kernel, spatial(strides, data_format), spatial(dilations, data_format), padding,
                  _around(explicit_paddings, data_format))


def _check_padding(padding, explicit_paddings, rank):
    if padding not in ("SAME", "VALID") + ("EXPLICIT",) * (rank == 4):
        raise ValueError(f"padding must be \"SAME\" or \"VALID\", not {padding!r}")
    if padding == "EXPLICIT" and len(explicit_paddings) != 2 * rank:
        raise ValueError(f"explicit_paddings must have {2 * rank} entries, not {list(explicit_paddings)}")
    if padding != "EXPLICIT" and explicit_paddings:
        raise ValueError(f"explicit_paddings goes with padding \"EXPLICIT\", not {padding!r}")


def checked(node, rank):
    """The attributes of a convolution node, after they were checked against each other, for `window_of`."""
    explicit = node.attrs.get("explicit_paddings", ())
    _check_padding(node.padding, explicit, rank)
    for what in ("strides", "dilations"):
        values = getattr(node, what)
        if len(values) != rank:
            raise ValueError(f"{what} must have {rank} entries, not {values}")
        _windows.check_spatial_only(values, node.data_format, what)
    return node.strides, node.padding, node.data_format, node.dilations, explicit


def _forward_shape(node, x, w, rank):
    options = checked(node, rank)
    if w is not None and len(w) != rank:
        raise errors.Misfit(f"the filter must have rank {rank}, its shape is {shapes.text(w)}",
                            hint=f"tf.reshape or tf.expand_dims, to rank {rank}")
    batch, sizes, channels = _windows.split_shape(x, node.data_format, rank)
    kernel = (None,) * (rank - 2) if w is None else w[:-2]
    per_group, count = (None, None) if w is None else w[-2:]
    if channels and per_group and channels % per_group or channels and per_group == 0:
        raise errors.Misfit(f"Depth of input ({channels}) is not a multiple of input depth of filter ({per_group})",
                            hint=_channel_hint(x, w, channels, node.data_format))
    if channels and per_group and count and count % (channels // per_group):
        raise errors.Misfit(
            f"Depth of input ({channels}) is not input depth of filter ({per_group}), nor do the {count} filters "
            f"divide into {channels // per_group} groups of {per_group} channels",
            hint=_channel_hint(x, w, channels, node.data_format))
    return _windows.join_shape(batch, window_of(sizes, kernel, *options).out, count, node.data_format)


def _channel_hint(x, w, channels, data_format):
    """Another data format where the channels stand on its side, else filters for these channels."""
    first = _windows.is_channels_first(data_format)
    if x[-1 if first else 1] == w[-2]:
        return f'data_format="{"NHWC" if first else "NCHW"}"' if len(x) == 4 else "channels on the other side"
    return f"filters of shape {shapes.text(w[:-2] + (channels,) + w[-1:])}"


def _explained(node, x, w, rank):
    """`_forward_shape` for the convolution itself, whose error tells what its inputs should be."""
    try:
        return _forward_shape(node, x, w, rank)
    except ValueError as error:
        letters = "DHW"[5 - rank:]
        sizes, kernel = list(letters), [f"K{letter}" for letter in letters]
        ordered = ["N", "C", *sizes] if _windows.is_channels_first(node.data_format) else ["N", *sizes, "C"]
        expected = f"input [{', '.join(ordered)}], filter [{', '.join(kernel)}, C, F]"
        raise errors.Misfit(str(error), expected, getattr(error, "hint", None)) from error


# --- two dimensions ---------------------------------------------------------------------------------

@define_op("Conv2D", "input: T, filter: T -> output: T", T=FLOATS, cpu=_CPU["Conv2D"])
def conv2d_op(input, filter, *, strides: list[int], use_cudnn_on_gpu: bool = True, padding: str,
              explicit_paddings: list[int] = [], data_format: str = "NHWC",
              dilations: list[int] = [1, 1, 1, 1]):
    """Cross-correlation of images with filters; the full description is at `conv2d`."""
    x = to_last(input, data_format)
    window = window_of(x.shape[1:3], filter.shape[:2], strides, padding, data_format, dilations, explicit_paddings)
    return from_last(_windows.correlate(x, filter, window), data_format)


@conv2d_op.shape
def conv2d_shape(node, x, w):
    return _explained(node, x, w, 4)


@conv2d_op.gradient
def conv2d_grad(node, dy):                       # input or filter serves as a shape witness where it is not used
    return (conv2d_backprop_input_op(array.shape(node.input), node.filter, dy, **node.attrs),
            conv2d_backprop_filter_op(node.input, array.shape(node.filter), dy, **node.attrs))


@define_op("Conv2DBackpropInput", "input_sizes: int32, filter: T, out_backprop: T -> output: T", T=FLOATS,
           cpu=_CPU["Conv2DBackpropInput"])
def conv2d_backprop_input_op(input_sizes, filter, out_backprop, *, strides: list[int], use_cudnn_on_gpu: bool = True,
                             padding: str, explicit_paddings: list[int] = [], data_format: str = "NHWC",
                             dilations: list[int] = [1, 1, 1, 1]):
    """The gradient of Conv2D with respect to its input, which has the shape `input_sizes`."""
    sizes = tuple(to_last(np.zeros(tuple(input_sizes), np.bool_), data_format).shape)
    window = window_of(sizes[1:3], filter.shape[:2], strides, padding, data_format, dilations, explicit_paddings)
    dy = to_last(out_backprop, data_format)
    return from_last(_windows.correlate_input(sizes, filter, dy, window), data_format)


def _sizes_shape(node, index, rank):
    sizes = array.shape_from_input(node, index)
    if sizes is not None and len(sizes) != rank:
        raise ValueError(f"the sizes must be {rank} numbers, not {len(sizes)}")
    return sizes or (None,) * rank


def _backprop_input_shape(node, sizes_shape, w, dy, rank):
    """input_sizes; dy must have the shape that the convolution of such an input has."""
    sizes = _sizes_shape(node, 0, rank)
    _check_output(node, sizes, w, dy, rank)
    batch, places, channels = _windows.split_shape(sizes, node.data_format, rank)
    return _windows.join_shape(dy[0] if dy and batch is None else batch, places, channels, node.data_format)


def _check_output(node, x, w, dy, rank):
    expected = _forward_shape(node, x, w, rank)
    if not shapes.compatible(expected, dy):
        raise ValueError(f"out_backprop has shape {shapes.text(dy)}, but the convolution of {shapes.text(x)} with "
                         f"filters {shapes.text(w)} has shape {shapes.text(expected)}")


@conv2d_backprop_input_op.shape
def conv2d_backprop_input_shape(node, sizes_shape, w, dy):
    return _backprop_input_shape(node, sizes_shape, w, dy, 4)


@conv2d_backprop_input_op.gradient
def conv2d_backprop_input_grad(node, dx):
    return (None, conv2d_backprop_filter_op(dx, array.shape(node.filter), node.out_backprop, **node.attrs),
            conv2d_op(dx, node.filter, **node.attrs))


@define_op("Conv2DBackpropFilter", "input: T, filter_sizes: int32, out_backprop: T -> output: T", T=FLOATS,
           cpu=_CPU["Conv2DBackpropFilter"])
def conv2d_backprop_filter_op(input, filter_sizes, out_backprop, *, strides: list[int], use_cudnn_on_gpu: bool = True,
                              padding: str, explicit_paddings: list[int] = [], data_format: str = "NHWC",
                              dilations: list[int] = [1, 1, 1, 1]):
    """The gradient of Conv2D with respect to its filters, which have the shape `filter_sizes`."""
    x, sizes = to_last(input, data_format), tuple(filter_sizes)
    window = window_of(x.shape[1:3], sizes[:2], strides, padding, data_format, dilations, explicit_paddings)
    return _windows.correlate_filter(x, sizes, to_last(out_backprop, data_format), window)


@conv2d_backprop_filter_op.shape
def conv2d_backprop_filter_shape(node, x, sizes_shape, dy):
    sizes = _sizes_shape(node, 1, 4)
    _check_output(node, x, sizes, dy, 4)
    return sizes


@conv2d_backprop_filter_op.gradient
def conv2d_backprop_filter_grad(node, dw):
    return (conv2d_backprop_input_op(array.shape(node.input), dw, node.out_backprop, **node.attrs), None,
            conv2d_op(node.input, dw, **node.attrs))


# --- three dimensions -------------------------------------------------------------------------------

@define_op("Conv3D", "input: T, filter: T -> output: T", T=FLOATS, cpu="conv:conv3d")
def conv3d_op(input, filter, *, strides: list[int], padding: str, data_format: str = "NDHWC",
              dilations: list[int] = [1, 1, 1, 1, 1]):
    """Cross-correlation of volumes [N, D, H, W, C] with filters [KD, KH, KW, C, F]."""
    x = to_last(input, data_format)
    window = window_of(x.shape[1:4], filter.shape[:3], strides, padding, data_format, dilations)
    return from_last(_windows.correlate(x, filter, window), data_format)


@conv3d_op.shape
def conv3d_shape(node, x, w):
    return _explained(node, x, w, 5)


@conv3d_op.gradient
def conv3d_grad(node, dy):
    return (conv3d_backprop_input_v2(array.shape(node.input), node.filter, dy, **node.attrs),
            conv3d_backprop_filter_v2(node.input, array.shape(node.filter), dy, **node.attrs))


@define_op("Conv3DBackpropInputV2", "input_sizes: Tshape, filter: T, out_backprop: T -> output: T", T=FLOATS,
           Tshape=INDEX_TYPES, cpu="conv_grad:conv3d_backprop_input")
def conv3d_backprop_input_v2(input_sizes, filter, out_backprop, *, strides: list[int], padding: str,
                             data_format: str = "NDHWC", dilations: list[int] = [1, 1, 1, 1, 1]):
    """The gradient of Conv3D with respect to its input, which has the shape `input_sizes`."""
    sizes = tuple(to_last(np.zeros(tuple(input_sizes), np.bool_), data_format).shape)
    window = window_of(sizes[1:4], filter.shape[:3], strides, padding, data_format, dilations)
    dy = to_last(out_backprop, data_format)
    return from_last(_windows.correlate_input(sizes, filter, dy, window), data_format)


@conv3d_backprop_input_v2.shape
def conv3d_backprop_input_shape(node, sizes_shape, w, dy):
    return _backprop_input_shape(node, sizes_shape, w, dy, 5)


@conv3d_backprop_input_v2.gradient
def conv3d_backprop_input_grad(node, dx):
    return (None, conv3d_backprop_filter_v2(dx, array.shape(node.filter), node.out_backprop, **node.attrs),
            conv3d_op(dx, node.filter, **node.attrs))


@define_op("Conv3DBackpropFilterV2", "input: T, filter_sizes: int32, out_backprop: T -> output: T", T=FLOATS,
           cpu="conv_grad:conv3d_backprop_filter")
def conv3d_backprop_filter_v2(input, filter_sizes, out_backprop, *, strides: list[int], padding: str,
                              data_format: str = "NDHWC", dilations: list[int] = [1, 1, 1, 1, 1]):
    """The gradient of Conv3D with respect to its filters, which have the shape `filter_sizes`."""
    x, sizes = to_last(input, data_format), tuple(filter_sizes)
    window = window_of(x.shape[1:4], sizes[:3], strides, padding, data_format, dilations)
    return _windows.correlate_filter(x, sizes, to_last(out_backprop, data_format), window)


@conv3d_backprop_filter_v2.shape
def conv3d_backprop_filter_shape(node, x, sizes_shape, dy):
    sizes = _sizes_shape(node, 1, 5)
    _check_output(node, x, sizes, dy, 5)
    return sizes


@conv3d_backprop_filter_v2.gradient
def conv3d_backprop_filter_grad(node, dw):
    return (conv3d_backprop_input_v2(array.shape(node.input), dw, node.out_backprop, **node.attrs), None,
            conv3d_op(node.input, dw, **node.attrs))


# --- the public functions ---------------------------------------------------------------------------

def per_dimension(value, n, data_format, name):
    """Strides, dilations or window sizes as one entry per dimension of the input.

    value : None (ones), an int, a list of 1 or `n` spatial entries, or of n + 2 entries
    """
    values = [1] if value is None else list(value) if hasattr(value, "__len__") else [value]
    if len(values) == n + 2:
        return values
    if len(values) not in (1, n):
        raise ValueError(f"{name} should be of length 1, {n} or {n + 2} but was {len(values)}")
    values = values * n if len(values) == 1 else values
    return [1, 1, *values] if data_format and data_format.startswith("NC") else [1, *values, 1]


def _padding_attrs(padding):
    """`padding` as given by a user ("SAME", "VALID" or pairs per dimension) as attributes."""
    if isinstance(padding, str):
        return {"padding": padding.upper()}
    pairs = [list(pair) for pair in padding]
    if len(pairs) != 4 or any(len(pair) != 2 for pair in pairs):
        raise ValueError("When padding is a list, each element must be a list of size 2, one per dimension of the "
                         f"input: [[0, 0], [top, bottom], [left, right], [0, 0]]; not {padding!r}")
    return {"padding": "EXPLICIT", "explicit_paddings": [p for pair in pairs for p in pair]}


def conv2d(input, filter=None, strides=None, padding=None, use_cudnn_on_gpu=True, data_format="NHWC",
           dilations=(1, 1, 1, 1), name=None, filters=None):
    """2-D cross-correlation of images with filters.

    Parameters
    ----------
    input : Tensor [N, H, W, C]       images ([N, C, H, W] for data_format "NCHW")
    filter : Tensor [KH, KW, C, F]    filters; C may be that of the input over a number of groups
    strides : int or list             step in pixels: one for both, (rows, columns), or one per dimension
    padding : "SAME", "VALID" or [[0, 0], [top, bottom], [left, right], [0, 0]]
        "SAME" gives ceil(H / stride) rows, surplus zeros at bottom and right; "VALID" pads nothing
    dilations : int or list           distance of neighbouring filter elements in the image

    Returns
    -------
    Tensor [N, OH, OW, F], dtype of the input

    Raises
    ------
    ShapeError      if the channel counts do not fit or "VALID" leaves no output
    Source: arXiv:1603.07285, relationship 5, for "VALID"; "SAME" as in TensorFlow 1.x.
    """
    filter = array._one_of("filter", filter, "filters", filters)
    data_format = data_format or "NHWC"
    return conv2d_op(input, filter, strides=per_dimension(strides, 2, data_format, "strides"),
                     dilations=per_dimension(dilations, 2, data_format, "dilations"), data_format=data_format,
                     use_cudnn_on_gpu=use_cudnn_on_gpu, name=name, **_padding_attrs(padding))


def conv2d_backprop_input(input_sizes, filter=None, out_backprop=None, strides=None, padding=None,
                          use_cudnn_on_gpu=True, data_format="NHWC", dilations=(1, 1, 1, 1), name=None, filters=None):
    """The gradient of `conv2d` with respect to its input of shape `input_sizes`."""
    return conv2d_backprop_input_op(input_sizes, array._one_of("filter", filter, "filters", filters), out_backprop,
                                    strides=strides, dilations=dilations, data_format=data_format,
                                    use_cudnn_on_gpu=use_cudnn_on_gpu, name=name, **_padding_attrs(padding))


def conv2d_backprop_filter(input, filter_sizes, out_backprop, strides, padding, use_cudnn_on_gpu=True,
                           data_format="NHWC", dilations=(1, 1, 1, 1), name=None):
    """The gradient of `conv2d` with respect to its filters of shape `filter_sizes`."""
    return conv2d_backprop_filter_op(input, filter_sizes, out_backprop, strides=strides, dilations=dilations,
                                     data_format=data_format, use_cudnn_on_gpu=use_cudnn_on_gpu, name=name,
                                     **_padding_attrs(padding))


def conv2d_transpose(value=None, filter=None, output_shape=None, strides=None, padding="SAME", data_format="NHWC",
                     name=None, input=None, filters=None, dilations=None):
    """The transpose of `conv2d`: from its output's shape to its input's.

    value : Tensor [N, H, W, C]; filter : [KH, KW, F, C]; output_shape : of the result, e.g. [N, H * stride, ..., F]
    """
    value = array._one_of("value", value, "input", input)
    filter = array._one_of("filter", filter, "filters", filters)
    data_format = data_format or "NHWC"
    with name_scope(name, "conv2d_transpose", [value, filter, output_shape]) as scope:
        return conv2d_backprop_input_op(
            output_shape, filter, value, strides=per_dimension(strides, 2, data_format, "strides"), name=scope,
            dilations=per_dimension(dilations, 2, data_format, "dilations"), data_format=data_format,
            **_padding_attrs(padding))


def conv3d(input, filter=None, strides=None, padding=None, data_format="NDHWC", dilations=(1, 1, 1, 1, 1), name=None,
           filters=None):
    """3-D cross-correlation of volumes [N, D, H, W, C] with filters [KD, KH, KW, C, F]; see `conv2d`."""
    return conv3d_op(input, array._one_of("filter", filter, "filters", filters), strides=strides, padding=padding,
                     data_format=data_format, dilations=dilations, name=name)


def conv3d_transpose(value, filter=None, output_shape=None, strides=None, padding="SAME", data_format="NDHWC",
                     name=None, input=None, filters=None, dilations=None):
    """The transpose of `conv3d`: from its output's shape to its input's; filter [KD, KH, KW, F, C]."""
    value = array._one_of("value", value, "input", input)
    filter = array._one_of("filter", filter, "filters", filters)
    with name_scope(name, "conv3d_transpose", [value, filter, output_shape]) as scope:
        return conv3d_backprop_input_v2(
            output_shape, filter, value, strides=per_dimension(strides, 3, data_format, "strides"), padding=padding,
            data_format=data_format, dilations=per_dimension(dilations, 3, data_format, "dilations"), name=scope)


_AS_2D = {None: "NHWC", "NHWC": "NHWC", "NWC": "NHWC", "NCHW": "NCHW", "NCW": "NCHW"}


def conv1d(value=None, filters=None, stride=None, padding=None, use_cudnn_on_gpu=None, data_format=None, name=None,
           input=None, dilations=None):
    """1-D cross-correlation of sequences [N, W, C] ([N, C, W] for "NCW") with filters [K, C, F]; see `conv2d`."""
    value = array._one_of("value", value, "input", input)
    with name_scope(name, "conv1d", [value, filters]) as scope:
        if data_format not in _AS_2D:
            raise ValueError(f'data_format must be "NWC" or "NCW", not {data_format!r}.')
        data_format = _AS_2D[data_format]
        place = 2 if data_format == "NCHW" else 1
        value = array.expand_dims(value, place)
        filters = array.expand_dims(filters, 0)
        result = conv2d_op(value, filters, strides=_with_height(stride, data_format), padding=padding,
                           dilations=_with_height(dilations, data_format), data_format=data_format, name=scope,
                           use_cudnn_on_gpu=use_cudnn_on_gpu is not False)
        return array.squeeze(result, [place])


def _with_height(values, data_format):
    """Strides or dilations of a sequence as those of an image of one row."""
    values = per_dimension(values, 1, data_format, "stride")
    return [1, 1, 1, values[2]] if data_format == "NCHW" else [1, 1, values[1], 1]


def conv1d_transpose(input, filters, output_shape, strides, padding="SAME", data_format="NWC", dilations=None,
                     name=None):
    """The transpose of `conv1d`: from its output's shape to its input's; filters [K, F, C]."""
    with name_scope(name, "conv1d_transpose", [input, filters, output_shape]) as scope:
        if data_format not in ("NWC", "NCW"):
            raise ValueError(f'data_format must be "NWC" or "NCW", not {data_format!r}.')
        data_format = _AS_2D[data_format]
        place = 2 if data_format == "NCHW" else 1
        input = array.expand_dims(input, place)
        filters = array.expand_dims(filters, 0)
        output_shape = list(output_shape) if isinstance(output_shape, (list, tuple)) else output_shape
        output_shape = array.concat([output_shape[:place], [1], output_shape[place:]], 0)
        result = conv2d_backprop_input_op(output_shape, filters, input, strides=_with_height(strides, data_format),
                                          padding=padding, dilations=_with_height(dilations, data_format),
                                          data_format=data_format, name=scope)
        return array.squeeze(result, [place])
