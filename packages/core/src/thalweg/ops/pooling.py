"""Pooling: the maximum or the mean of windows, in one, two and three dimensions, and the gradients."""
import collections
import itertools

import numpy as np

from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import FLOATS, REALS, DType, float16, float32, int8, int16, int32, int64, uint8, uint16
from thalweg.framework.graph import name_scope

from . import array, constant, space_to_batch
from ._windows import out_size
from .conv import per_dimension

_POOLED = FLOATS + (int8, int16, int32, int64, uint8, uint16)
_NO_FLOAT64 = (float16, float32)


# --- windows over all dimensions of an array --------------------------------------------------------

def _pooled_shape(node, x, rank=None):
    """Shape rule: each dimension by its own window, so that data_format does not matter."""
    if len(node.ksize) != len(node.strides) or rank and len(node.ksize) != rank:
        raise ValueError(f"ksize and strides must have {rank or len(node.ksize)} entries: {node.ksize}, "
                         f"{node.strides}")
    if node.padding not in ("SAME", "VALID"):
        raise ValueError(f"padding must be \"SAME\" or \"VALID\", not {node.padding!r}")
    if min(node.ksize) < 1:
        raise ValueError(f"ksize must be positive: ksize {node.ksize}. A window of 1 leaves a dimension as it is")
    if node.ksize[0] != 1 or node.strides[0] != 1:
        raise ValueError(f"Pooling is not supported on the batch dimension: ksize {node.ksize}, strides "
                         f"{node.strides}")
    x = (None,) * len(node.ksize) if x is None else x
    if len(x) != len(node.ksize):
        raise ValueError(f"the input must have rank {len(node.ksize)}, its shape is {shapes.text(x)}")
    return tuple([out_size(d, k, s, 1, node.padding)[0] if k != 1 or s != 1 else d
                  for d, k, s in zip(x, node.ksize, node.strides)])


def _places(shape, ksize, strides, padding):
    """The sizes of the result, the padding, and for each window element its slices of the padded array."""
    found = [out_size(d, k, s, 1, padding) for d, k, s in zip(shape, ksize, strides)]
    out = tuple(f[0] for f in found)
    offsets = [tuple(np.s_[p:p + (o - 1) * s + 1:s] if o else np.s_[0:0] for p, o, s in zip(position, out, strides))
               for position in itertools.product(*map(range, ksize))]
    return out, [f[1] for f in found], offsets


def _cropped(padded, pads, shape):
    return padded[tuple(np.s_[before:before + d] for (before, _), d in zip(pads, shape))]


def _lowest(dtype):
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _max_and_place(x, ksize, strides, padding):
    """The maximum of each window and the place of the first one, row by row, in the flattened array; -1 if none."""
    out, pads, offsets = _places(x.shape, ksize, strides, padding)
    padded = np.pad(x, pads, constant_values=_lowest(x.dtype))
    numbered = np.pad(np.arange(x.size).reshape(x.shape), pads, constant_values=-1)
    best, place = np.full(out, _lowest(x.dtype), x.dtype), np.full(out, -1)
    for offset in offsets:
        value, number = padded[offset], numbered[offset]
        better = (number >= 0) & ((place < 0) | (value > best))
        best, place = np.where(better, value, best), np.where(better, number, place)
    return best, place


def _maximum(x, ksize, strides, padding, lowest):
    """The maximum of each window from `lowest` on; as in TensorFlow's kernels a NaN is no maximum."""
    out, pads, offsets = _places(x.shape, ksize, strides, padding)
    padded = np.pad(x, pads, constant_values=_lowest(x.dtype))
    best = np.full(out, lowest, x.dtype)
    for offset in offsets:
        np.fmax(best, padded[offset], out=best)
    return best


def _least_finite(dtype):
    return np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min


def _scattered(values, places, shape):
    """Adds values at places of a flat array; float16 and float32 are added up in float64."""
    wide = np.float64 if values.dtype.kind == "f" else values.dtype
    result = np.zeros(int(np.prod(shape)), wide)
    np.add.at(result, places[places >= 0], values[places >= 0])
    return result.reshape(shape).astype(values.dtype)


def _gathered(values, places):
    flat = values.ravel()
    return np.where(places >= 0, flat[np.maximum(places, 0)], 0).astype(values.dtype) if flat.size else \
        np.zeros(places.shape, values.dtype)


# --- maximum ----------------------------------------------------------------------------------------

@define_op("MaxPool", "input: T -> output: T", T=_POOLED, cpu="pooling:max_pool")
def max_pool_op(input, *, ksize: list[int], strides: list[int], padding: str, data_format: str = "NHWC"):
    """The maximum of each window, NaN left out; its gradient goes to the first of equal elements, row by row."""
    return _maximum(input, ksize, strides, padding, _least_finite(input.dtype))


@max_pool_op.shape
def max_pool_shape(node, x):
    return _pooled_shape(node, x, 4)


@max_pool_op.gradient
def max_pool_grad(node, dy):
    return max_pool_grad_op(node.input, node.output, dy, **node.attrs)


_MAX_GRAD = "orig_input: T, orig_output: T, grad: T -> output: T"


@define_op("MaxPoolGrad", _MAX_GRAD, T=REALS, cpu="pooling:max_pool_grad")
def max_pool_grad_op(orig_input, orig_output, grad, *, ksize: list[int], strides: list[int], padding: str,
                     data_format: str = "NHWC"):
    """Puts each window's gradient where its maximum came from: the first of equal elements."""
    places = _max_and_place(orig_input, ksize, strides, padding)[1]
    return _scattered(grad, places, orig_input.shape)


@define_op("MaxPoolGradGrad", _MAX_GRAD, T=REALS, cpu="pooling:max_pool_grad_grad")
def max_pool_grad_grad_op(orig_input, orig_output, grad, *, ksize: list[int], strides: list[int], padding: str,
                          data_format: str = "NHWC"):
    """Takes from `grad`, which has the input's shape, the elements that were the maxima of the windows."""
    return _gathered(grad, _max_and_place(orig_input, ksize, strides, padding)[1])


def _as_input(node, orig_input, orig_output, grad):
    shapes.merge(orig_output, grad)
    return orig_input


def _as_output(node, orig_input, orig_output, grad):
    shapes.merge(orig_input, grad)
    return orig_output


max_pool_grad_op.shape(_as_input)
max_pool_grad_grad_op.shape(_as_output)


def _nothing(node):
    """The place of the maxima does not change under small changes of the inputs: zeros for both."""
    return constant.zeros_like(node.orig_input), constant.zeros_like(node.orig_output)


@max_pool_grad_op.gradient
def max_pool_grad_grad(node, dy):
    return *_nothing(node), max_pool_grad_grad_op(node.orig_input, node.orig_output, dy, **node.attrs)


@max_pool_grad_grad_op.gradient
def max_pool_grad_grad_grad(node, dy):
    return *_nothing(node), max_pool_grad_op(node.orig_input, node.orig_output, dy, **node.attrs)


@define_op("MaxPool3D", "input: T -> output: T", T=_NO_FLOAT64, cpu="pooling:max_pool3d")
def max_pool3d_op(input, *, ksize: list[int], strides: list[int], padding: str, data_format: str = "NDHWC"):
    """The maximum of each window of volumes, NaN left out; its gradient goes to the first of equal elements."""
    return _maximum(input, ksize, strides, padding, _lowest(input.dtype))


@max_pool3d_op.shape
def max_pool3d_shape(node, x):
    return _pooled_shape(node, x, 5)


@max_pool3d_op.gradient
def max_pool3d_grad(node, dy):
    return max_pool3d_grad_op(node.input, node.output, dy, **node.attrs)


def _without_nan(x):
    return np.where(np.isnan(x), -np.inf, x).astype(x.dtype) if x.dtype.kind == "f" else x


@define_op("MaxPool3DGrad", "orig_input: TInput, orig_output: TInput, grad: T -> output: T", T=_NO_FLOAT64,
           TInput=_NO_FLOAT64, cpu="pooling:max_pool3d_grad")
def max_pool3d_grad_op(orig_input, orig_output, grad, *, ksize: list[int], strides: list[int], padding: str,
                       data_format: str = "NDHWC"):
    """Puts each window's gradient where its maximum came from: the first of equal elements."""
    places = _max_and_place(_without_nan(orig_input), ksize, strides, padding)[1]
    return _scattered(grad, places, orig_input.shape)


@define_op("MaxPool3DGradGrad", _MAX_GRAD, T=REALS, cpu="pooling:max_pool3d_grad_grad")
def max_pool3d_grad_grad_op(orig_input, orig_output, grad, *, ksize: list[int], strides: list[int], padding: str,
                            data_format: str = "NDHWC"):
    """Takes from `grad`, which has the input's shape, the elements that were the maxima of the windows."""
    return _gathered(grad, _max_and_place(_without_nan(orig_input), ksize, strides, padding)[1])


max_pool3d_grad_op.shape(_as_input)
max_pool3d_grad_grad_op.shape(_as_output)


@max_pool3d_grad_op.gradient
def max_pool3d_grad_grad(node, dy):
    return *_nothing(node), max_pool3d_grad_grad_op(node.orig_input, node.orig_output, dy, **node.attrs)


@max_pool3d_grad_grad_op.gradient
def max_pool3d_grad_grad_grad(node, dy):
    return *_nothing(node), max_pool3d_grad_op(node.orig_input, node.orig_output, dy, **node.attrs)


# --- maximum and its place --------------------------------------------------------------------------

def _numbered(places, shape, include_batch):
    """Places in the flattened array, as TensorFlow counts them: within an image, or within the batch."""
    return places if include_batch else places % max(int(np.prod(shape[1:])), 1)


def _in_batch(argmax, shape, include_batch):
    if include_batch:
        return argmax
    image = int(np.prod(shape[1:]))
    return argmax + image * np.arange(shape[0]).reshape((-1,) + (1,) * (argmax.ndim - 1))


@define_op("MaxPoolWithArgmax", "input: T -> output: T, argmax: Targmax", T=REALS, Targmax=INDEX_TYPES,
           cpu="pooling:max_pool_with_argmax")
def max_pool_with_argmax_op(input, *, ksize: list[int], strides: list[int], Targmax: DType = int64, padding: str,
                            include_batch_in_index: bool = False):
    """The maximum of each window of [N, H, W, C] and its place (y W + x) C + c, with b H in front if it is asked."""
    best, places = _max_and_place(input, ksize, strides, padding)
    return best, _numbered(places, input.shape, include_batch_in_index).astype(Targmax.np)


@max_pool_with_argmax_op.shape
def max_pool_with_argmax_shape(node, x):
    return [_pooled_shape(node, x, 4)] * 2


@max_pool_with_argmax_op.gradient
def max_pool_with_argmax_grad(node, dy, dargmax):
    attrs = {k: v for k, v in node.attrs.items() if k != "Targmax"}
    return max_pool_grad_with_argmax(node.input, dy, node.argmax, **attrs)


_ARGMAX_GRAD = "input: T, grad: T, argmax: Targmax -> output: T"


@define_op("MaxPoolGradWithArgmax", _ARGMAX_GRAD, T=REALS, Targmax=INDEX_TYPES,
           cpu="pooling:max_pool_grad_with_argmax")
def max_pool_grad_with_argmax(input, grad, argmax, *, ksize: list[int], strides: list[int], padding: str,
                              include_batch_in_index: bool = False):
    """Puts each window's gradient at the place that argmax names."""
    return _scattered(grad, _in_batch(argmax, input.shape, include_batch_in_index), input.shape)


@define_op("MaxPoolGradGradWithArgmax", _ARGMAX_GRAD, T=REALS, Targmax=INDEX_TYPES,
           cpu="pooling:max_pool_grad_grad_with_argmax")
def max_pool_grad_grad_with_argmax(input, grad, argmax, *, ksize: list[int], strides: list[int], padding: str,
                                   include_batch_in_index: bool = False):
    """Takes from `grad`, which has the input's shape, the elements at the places that argmax names."""
    return _gathered(grad, _in_batch(argmax, input.shape, include_batch_in_index))


@max_pool_grad_with_argmax.shape
def max_pool_grad_with_argmax_shape(node, x, grad, argmax):
    shapes.merge(grad, argmax)
    return x


@max_pool_grad_grad_with_argmax.shape
def max_pool_grad_grad_with_argmax_shape(node, x, grad, argmax):
    shapes.merge(x, grad)
    return argmax


@max_pool_grad_with_argmax.gradient
def max_pool_grad_with_argmax_grad(node, dy):
    return (constant.zeros_like(node.input),
            max_pool_grad_grad_with_argmax(node.input, dy, node.argmax, **node.attrs), None)


@max_pool_grad_grad_with_argmax.gradient
def max_pool_grad_grad_with_argmax_grad(node, dy):
    return constant.zeros_like(node.input), max_pool_grad_with_argmax(node.input, dy, node.argmax, **node.attrs), None


# --- mean -------------------------------------------------------------------------------------------

def _counts(shape, ksize, strides, padding):
    """How many elements of the array, padding left out, each window holds."""
    out, pads, offsets = _places(shape, ksize, strides, padding)
    inside = np.pad(np.ones(shape, np.bool_), pads)
    return sum((inside[offset].astype(np.int64) for offset in offsets), np.zeros(out, np.int64))


def _mean(x, ksize, strides, padding):
    out, pads, offsets = _places(x.shape, ksize, strides, padding)
    padded = np.pad(x.astype(np.float64), pads)
    total = sum((padded[offset] for offset in offsets), np.zeros(out))
    return (total / _counts(x.shape, ksize, strides, padding)).astype(x.dtype)


def _mean_gradient(shape, dy, ksize, strides, padding):
    shape = tuple(shape)
    _, pads, offsets = _places(shape, ksize, strides, padding)
    dx = np.pad(np.zeros(shape), pads)
    share = dy / _counts(shape, ksize, strides, padding)
    for offset in offsets:
        dx[offset] += share
    return _cropped(dx, pads, shape).astype(dy.dtype)


def _shape_of_input(node, sizes_shape, dy):
    return array.shape_from_input(node, 0) or (None,) * len(node.ksize)


@define_op("AvgPool", "value: T -> output: T", T=FLOATS, cpu="pooling:avg_pool")
def avg_pool_op(value, *, ksize: list[int], strides: list[int], padding: str, data_format: str = "NHWC"):
    """The mean of each window; padding does not count."""
    return _mean(value, ksize, strides, padding)


@avg_pool_op.shape
def avg_pool_shape(node, x):
    return _pooled_shape(node, x, 4)


@avg_pool_op.gradient
def avg_pool_grad(node, dy):
    return avg_pool_grad_op(array.shape(node.value), dy, **node.attrs)


@define_op("AvgPoolGrad", "orig_input_shape: int32, grad: T -> output: T", T=FLOATS, cpu="pooling:avg_pool_grad")
def avg_pool_grad_op(orig_input_shape, grad, *, ksize: list[int], strides: list[int], padding: str,
                     data_format: str = "NHWC"):
    """Gives each element of a window an equal share of the window's gradient."""
    return _mean_gradient(orig_input_shape, grad, ksize, strides, padding)


avg_pool_grad_op.shape(_shape_of_input)


@avg_pool_grad_op.gradient
def avg_pool_grad_grad(node, dy):
    return None, avg_pool_op(dy, **node.attrs)


@define_op("AvgPool3D", "input: T -> output: T", T=FLOATS, cpu="pooling:avg_pool3d")
def avg_pool3d_op(input, *, ksize: list[int], strides: list[int], padding: str, data_format: str = "NDHWC"):
    """The mean of each window of volumes; padding does not count."""
    return _mean(input, ksize, strides, padding)


@avg_pool3d_op.shape
def avg_pool3d_shape(node, x):
    return _pooled_shape(node, x, 5)


@avg_pool3d_op.gradient
def avg_pool3d_grad(node, dy):
    return avg_pool3d_grad_op(array.shape(node.input), dy, **node.attrs)


@define_op("AvgPool3DGrad", "orig_input_shape: int32, grad: T -> output: T", T=FLOATS, cpu="pooling:avg_pool3d_grad")
def avg_pool3d_grad_op(orig_input_shape, grad, *, ksize: list[int], strides: list[int], padding: str,
                       data_format: str = "NDHWC"):
    """Gives each element of a window an equal share of the window's gradient."""
    return _mean_gradient(orig_input_shape, grad, ksize, strides, padding)


avg_pool3d_grad_op.shape(_shape_of_input)


@avg_pool3d_grad_op.gradient
def avg_pool3d_grad_grad(node, dy):
    return None, avg_pool3d_op(dy, **node.attrs)


# --- the public functions ---------------------------------------------------------------------------

def _pool2d(op, value, ksize, strides, padding, data_format, name):
    data_format = "NHWC" if data_format is None else data_format
    return op(value, ksize=per_dimension(ksize, 2, data_format, "ksize"), padding=padding, data_format=data_format,
              strides=per_dimension(strides, 2, data_format, "strides"), name=name)


def max_pool(value, ksize, strides, padding, data_format="NHWC", name=None, input=None):
    """The maximum of each window of images [N, H, W, C].

    ksize, strides : window and step: an int, (rows, columns), or one entry per dimension
    padding : "SAME": ceil(H / stride) rows; "VALID": only whole windows
    """
    value = array._one_of("value", value, "input", input)
    with name_scope(name, "MaxPool", [value]) as scope:
        value = convert_to_tensor(value, name="input")
        return _pool2d(max_pool_op, value, ksize, strides, padding, data_format, scope)


def max_pool2d(input, ksize, strides, padding, data_format="NHWC", name=None):
    """The maximum of each window of images; see `max_pool`."""
    with name_scope(name, "MaxPool2d", [input]) as scope:
        return _pool2d(max_pool_op, input, ksize, strides, padding, data_format, scope)


def avg_pool(value, ksize, strides, padding, data_format="NHWC", name=None, input=None):
    """The mean of each window of images [N, H, W, C], padding left out; arguments as in `max_pool`."""
    value = array._one_of("value", value, "input", input)
    with name_scope(name, "AvgPool", [value]) as scope:
        return _pool2d(avg_pool_op, value, ksize, strides, padding, data_format, scope)


def avg_pool2d(input, ksize, strides, padding, data_format="NHWC", name=None):
    """The mean of each window of images; see `avg_pool`."""
    with name_scope(name, "AvgPool", [input]) as scope:
        return _pool2d(avg_pool_op, input, ksize, strides, padding, data_format, scope)


def _pool1d(op, input, ksize, strides, padding, data_format, scope):
    """Pools a sequence as an image of one row, put in where `data_format` says."""
    data_format = "NWC" if data_format is None else data_format
    place = 2 if data_format.startswith("NC") else 1
    windows = [per_dimension(v, 1, data_format, what) for v, what in ((ksize, "ksize"), (strides, "strides"))]
    windows = [v[:place] + [1] + v[place:] for v in windows]
    wide = array.expand_dims(convert_to_tensor(input), place)
    result = op(wide, ksize=windows[0], strides=windows[1], padding=padding, name=scope,
                data_format="NCHW" if place == 2 else "NHWC")
    return array.squeeze(result, [place])


def max_pool1d(input, ksize, strides, padding, data_format="NWC", name=None):
    """The maximum of each window of sequences [N, W, C]; see `max_pool`."""
    with name_scope(name, "MaxPool1d", [input]) as scope:
        return _pool1d(max_pool_op, input, ksize, strides, padding, data_format, scope)


def avg_pool1d(input, ksize, strides, padding, data_format="NWC", name=None):
    """The mean of each window of sequences [N, W, C]; see `avg_pool`."""
    with name_scope(name, "AvgPool1D", [input]) as scope:
        return _pool1d(avg_pool_op, input, ksize, strides, padding, data_format, scope)


def _pool3d(op, input, ksize, strides, padding, data_format, name):
    data_format = "NDHWC" if data_format is None else data_format
    return op(input, ksize=per_dimension(ksize, 3, data_format, "ksize"), padding=padding, data_format=data_format,
              strides=per_dimension(strides, 3, data_format, "strides"), name=name)


def max_pool3d(input, ksize, strides, padding, data_format="NDHWC", name=None):
    """The maximum of each window of volumes [N, D, H, W, C]; see `max_pool`."""
    with name_scope(name, "MaxPool3D", [input]) as scope:
        return _pool3d(max_pool3d_op, input, ksize, strides, padding, data_format, scope)


def avg_pool3d(input, ksize, strides, padding, data_format="NDHWC", name=None):
    """The mean of each window of volumes [N, D, H, W, C]; see `avg_pool`."""
    with name_scope(name, "AvgPool3D", [input]) as scope:
        return _pool3d(avg_pool3d_op, input, ksize, strides, padding, data_format, scope)


MaxPoolWithArgmax = collections.namedtuple("MaxPoolWithArgmax", ["output", "argmax"])


def max_pool_with_argmax(input, ksize, strides, padding, data_format="NHWC", Targmax=None, name=None,
                         output_dtype=None, include_batch_in_index=False):
    """The maximum of each window and its place in the flattened image, as (output, argmax)."""
    if data_format != "NHWC":
        raise ValueError("Data formats other than 'NHWC' are not yet supported")
    Targmax = array._one_of("Targmax", Targmax, "output_dtype", output_dtype) or int64
    return MaxPoolWithArgmax(*max_pool_with_argmax_op(
        input, ksize=per_dimension(ksize, 2, "NHWC", "ksize"), strides=per_dimension(strides, 2, "NHWC", "strides"),
        padding=padding, Targmax=Targmax, include_batch_in_index=include_batch_in_index, name=name))


_POOLS = {("MAX", 1): max_pool, ("MAX", 2): max_pool, ("MAX", 3): max_pool3d,
          ("AVG", 1): avg_pool, ("AVG", 2): avg_pool, ("AVG", 3): avg_pool3d}


def pool(input, window_shape, pooling_type, padding, dilation_rate=None, strides=None, name=None, data_format=None,
         dilations=None):
    """Pooling in one, two or three spatial dimensions.

    window_shape, strides, dilation_rate : one entry per spatial dimension; pooling_type : "MAX" or "AVG"
    """
    dilation_rate = array._one_of("dilation_rate", dilation_rate, "dilations", dilations)
    n = len(window_shape)
    if (pooling_type, n) not in _POOLS:
        raise ValueError(f"{n}-D {pooling_type} pooling is not supported.")
    strides, rates = np.array(strides or [1] * n), np.array(dilation_rate or [1] * n)
    if padding == "SAME" and np.any(rates > 1):
        raise ValueError("pooling with SAME padding is not implemented for dilation_rate > 1")
    if np.any(strides > 1) and np.any(rates > 1):
        raise ValueError("strides > 1 not supported in conjunction with dilation_rate > 1")
    if np.any(strides > window_shape):
        raise ValueError(f"strides {strides.tolist()} > window_shape {list(window_shape)} are not supported")
    with name_scope(name, f"{pooling_type.lower()}_pool", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        first = 2 if data_format and data_format.startswith("NC") else 1
        build = _pool_builder(_POOLS[pooling_type, n], list(window_shape), strides.tolist(), data_format, first, scope)
        return space_to_batch.with_space_to_batch(input, rates, padding, build, filter_shape=list(window_shape),
                                                  spatial_dims=range(first, first + n))


def _pool_builder(pooled, window, strides, data_format, first, scope):
    n = len(window)
    channels_first = first == 2
    window, strides = ([1, 1, *v] if channels_first else [1, *v, 1] for v in (window, strides))
    if n == 1:
        window, strides = [1, *window], [1, *strides]
        data_format = "NCHW" if channels_first else "NHWC"

    def build(inside, _, inner_padding):
        inside = array.expand_dims(inside, first) if n == 1 else inside
        result = pooled(inside, window, strides, inner_padding, name=scope, data_format=data_format)
        return array.squeeze(result, [first]) if n == 1 else result
    return build
