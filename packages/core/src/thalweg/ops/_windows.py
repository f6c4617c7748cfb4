"""Windows that slide over arrays: output sizes, padding, and the NumPy forms of correlation.

Arrays are channels-last here, [N, *spatial, C]; filters are [*kernel, C / groups, F]. Source of "VALID" and "SAME":
arXiv:1603.07285, relationships 5 and 15; surplus "SAME" padding goes to the end, as in TensorFlow.
"""
import itertools

import numpy as np

from thalweg.framework import errors, shapes

_LARGEST = 2**31 - 1                         # TensorFlow's limit, and that of the kernels' products of sizes

def out_size(size, window, stride, dilation=1, padding="VALID", around=None):
    """How many places a window takes along a dimension, and the zeros (before, after) that it needs there.

    size, window : int or None      None gives (None, None) where the result depends on it
    padding : "SAME", "VALID" or "EXPLICIT", the last with `around` = (before, after)
    ValueError if the window does not fit.
    """
    if stride < 1 or dilation < 1:
        raise ValueError(f"strides and dilations must be positive, not {stride} and {dilation}")
    if max(stride, dilation, window or 0, (window or 1) * dilation) > _LARGEST:
        raise ValueError(f"window {window}, stride {stride} and dilation {dilation}: windows and steps must be "
                         "smaller than 2**31")
    if padding == "SAME" and size is not None:
        count = -(-size // stride)
        if window is None:
            return count, None
        need = max((count - 1) * stride + (window - 1) * dilation + 1 - size, 0)
        return count, (need // 2, need - need // 2)
    if size is None or window is None:
        return None, None
    before, after = around if padding == "EXPLICIT" else (0, 0)
    extent = (window - 1) * dilation + 1
    if extent > size + before + after:
        raise errors.Misfit(f"Negative dimension size caused by subtracting {extent} from {size + before + after}: "
                            f"the window is larger than the {'padded ' * (before + after > 0)}input",
                            hint='padding "SAME", a smaller window, or a larger input')
    return (size + before + after - extent) // stride + 1, (before, after)


class Window:
    """The places of a window over arrays of spatial `sizes`.

    Attributes
    ----------
    out : tuple of int            places per dimension
    pads : list of (int, int)     zeros before and after
    """

    def __init__(self, sizes, window, strides, dilations, padding, around=None):
        self.window, self.strides, self.dilations = tuple(window), strides, dilations
        found = [out_size(*each, padding, around and around[i])
                 for i, each in enumerate(zip(sizes, window, strides, dilations))]
        self.out = tuple(f[0] for f in found)
        self.pads = [f[1] for f in found]

    def offsets(self):
        """Pairs (position in the window, the slices of a padded array that stand there at all places)."""
        for position in itertools.product(*map(range, self.window)):
            yield position, tuple(np.s_[p * d:p * d + (o - 1) * s + 1:s] if o else np.s_[0:0] for p, d, s, o in
                                  zip(position, self.dilations, self.strides, self.out))

    def padded(self, x, value=0):
        return np.pad(x, [(0, 0), *self.pads, (0, 0)], constant_values=value)

    def cropped(self, x, sizes):
        """What `padded` added, taken away."""
        return x[(np.s_[:],) + tuple(np.s_[before:before + size] for (before, _), size in zip(self.pads, sizes))]


def _grouped(x, groups):
    """[..., C] as [groups, rows, C / groups]."""
    rows = x.reshape(-1, groups, x.shape[-1] // groups) if x.size else np.zeros((0, groups, x.shape[-1] // groups))
    return np.moveaxis(rows, 1, 0)


def _filter_groups(w, groups):
    """[C / groups, F] as [groups, C / groups, F / groups]."""
    return np.moveaxis(w.reshape(w.shape[0], groups, w.shape[1] // groups), 1, 0)


def correlate(x, w, window):
    """y[n, o, f] = sum over p, c of x[n, o * stride + p * dilation, c] w[p, c, f]; formed in float64."""
    padded, groups = window.padded(x.astype(np.float64)), x.shape[-1] // max(w.shape[-2], 1)
    y = np.zeros((x.shape[0],) + window.out + (w.shape[-1],))
    for position, places in window.offsets():
        part = _grouped(padded[(np.s_[:],) + places], groups) @ _filter_groups(w[position].astype(np.float64), groups)
        y += np.moveaxis(part, 0, 1).reshape(y.shape)                        # [groups, rows, F / groups] -> [rows, F]
    return y.astype(x.dtype)


def correlate_input(shape, w, dy, window):
    """The gradient of `correlate` with respect to x, which has `shape`."""
    groups = shape[-1] // max(w.shape[-2], 1)
    dx = window.padded(np.zeros(shape))
    rows = _grouped(dy.astype(np.float64), groups)
    for position, places in window.offsets():
        turned = np.swapaxes(_filter_groups(w[position].astype(np.float64), groups), 1, 2)
        target = dx[(np.s_[:],) + places]
        target += np.moveaxis(rows @ turned, 0, 1).reshape(target.shape)
    return window.cropped(dx, shape[1:-1]).astype(dy.dtype)


def correlate_filter(x, shape, dy, window):
    """The gradient of `correlate` with respect to w, which has `shape`."""
    padded, groups = window.padded(x.astype(np.float64)), x.shape[-1] // max(shape[-2], 1)
    dw = np.zeros(shape)
    rows = _grouped(dy.astype(np.float64), groups)
    for position, places in window.offsets():
        part = np.swapaxes(_grouped(padded[(np.s_[:],) + places], groups), 1, 2) @ rows
        dw[position] = np.moveaxis(part, 0, 1).reshape(shape[-2:])
    return dw.astype(x.dtype)


# --- data formats -----------------------------------------------------------------------------------

def is_channels_first(data_format):
    return data_format.startswith("NC")


def to_last(x, data_format):
    """An array in `data_format` with its channels last."""
    return np.moveaxis(x, 1, -1) if is_channels_first(data_format) else x


def from_last(x, data_format):
    """A channels-last array in `data_format`."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if is_channels_first(data_format) else x


def spatial(values, data_format):
    """The spatial entries of a list with one entry per dimension."""
    values = tuple(values)
    return values[2:] if is_channels_first(data_format) else values[1:-1]


def split_shape(shape, data_format, rank):
    """A plain shape as (batch, spatial sizes, channels), all None where it is unknown; ValueError for another rank."""
    if shape is None:
        return None, (None,) * (rank - 2), None
    if len(shape) != rank:
        raise errors.Misfit(f"the input must have rank {rank} ({data_format}), its shape is {shapes.text(shape)}",
                            hint=f"tf.reshape or tf.expand_dims, to rank {rank}")
    if is_channels_first(data_format):
        return shape[0], shape[2:], shape[1]
    return shape[0], shape[1:-1], shape[-1]


def join_shape(batch, sizes, channels, data_format):
    if is_channels_first(data_format):
        return (batch, channels, *sizes)
    return (batch, *sizes, channels)


def check_spatial_only(values, data_format, what):
    """ValueError unless the entries for batch and channels are 1."""
    values = list(values)
    channel = 1 if is_channels_first(data_format) else len(values) - 1
    if values[0] != 1 or values[channel] != 1:
        raise ValueError(f"{what} in the batch and depth dimensions must be 1: {values} for {data_format}")
