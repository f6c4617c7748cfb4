"""Convolutions, pooling and normalization of images, in two and three dimensions."""
import numpy as np

from ..exporter import converts
from .dilation import end_of_dilation


class _Windows:
    """Strides, dilations and padding of an op over images.

    Attributes
    ----------
    is_plain : bool             the graph's tensors have their channels first already
    strides, dilations : list   one per spatial dimension
    """

    def __init__(self, c, op, x, size):
        self.c, self.op = c, op
        self.is_plain = op.attrs.get("data_format", "NHWC").startswith("NC")
        self.size = list(size)
        self.strides, self.dilations = self._spatial("strides"), self._spatial("dilations")
        shape = c.shape(x)
        self.input_size = list(shape[2:] if self.is_plain else shape[1:-1])

    def _spatial(self, name):
        values = self.op.attrs.get(name)
        if values is None:
            return [1] * len(self.size)
        if len(values) == len(self.size):
            return list(values)
        return list(values[2:] if self.is_plain else values[1:-1])

    def name(self, tensor):
        """The name of images with channels first."""
        return self.c.plain(tensor) if self.is_plain else self.c.first(tensor)

    def set(self, tensor, name):
        (self.c.set_plain if self.is_plain else self.c.set_first)(tensor, name)

    def padded(self, name, filler=0.0):
        """(name of the images, attributes of padding); pads by a node of its own where sizes are not known."""
        padding = self.op.attrs["padding"]
        if padding == "VALID":
            return name, {}
        if padding == "EXPLICIT":
            pairs = np.reshape(self.op.attrs["explicit_paddings"], (-1, 2))
            return name, {"pads": _pads(pairs[2:] if self.is_plain else pairs[1:-1])}
        pairs = [_same(*item) for item in zip(self.input_size, self.size, self.strides, self.dilations)]
        if None not in pairs:
            return name, {"pads": _pads(pairs)}
        if all(d == 1 for d in self.dilations):
            return name, {"auto_pad": "SAME_UPPER"}
        return self._padded_when_run(name), {}

    def _padded_when_run(self, name):
        """Images with the zeros around them that "SAME" asks for, computed from their size."""
        c = self.c
        sizes = c.add("Slice", [c.add("Shape", [name], f"{name}/shape"), c.ints([2]), c.ints([2 + len(self.size)])],
                      f"{name}/size")
        strides = c.ints(self.strides)
        steps = c.add("Div", [c.add("Sub", [sizes, c.ints([1])], f"{name}/last"), strides], f"{name}/steps")
        reach = c.ints([(k - 1) * d + 1 for k, d in zip(self.size, self.dilations)])
        needed = c.add("Add", [c.add("Mul", [steps, strides], f"{name}/begin_of_last"), reach], f"{name}/needed")
        total = c.add("Max", [c.add("Sub", [needed, sizes], f"{name}/lacking"), c.ints([0])], f"{name}/surplus")
        before = c.add("Div", [total, c.ints([2])], f"{name}/before")
        after = c.add("Sub", [total, before], f"{name}/after")
        none = c.ints([0, 0])
        return c.add("Pad", [name, c.add("Concat", [none, before, none, after], f"{name}/pads", axis=0)],
                     f"{name}/padded")


def _same(size, kernel, stride, dilation):
    """(before, after) of "SAME"; None where it depends on a size that is not known."""
    reach = (kernel - 1) * dilation + 1
    if size is None:
        if stride != 1:
            return None
        total = reach - 1
    else:
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _pads(pairs):
    """ONNX's order: all that stand before, then all that stand after."""
    pairs = [(int(a), int(b)) for a, b in pairs]
    return [a for a, _ in pairs] + [b for _, b in pairs]


# --- convolutions ---------------------------------------------------------------------------------------

def _filter(c, tensor, axes, shape=None):
    """The name of a filter with its axes in ONNX's order, reshaped to `shape`."""
    array = c.array(tensor)
    if array is not None:
        array = np.transpose(array, axes)
        return c.constant(array if shape is None else array.reshape(shape), tensor.op.name)
    name = c.transposed(c.plain(tensor), axes)
    return name if shape is None else c.add("Reshape", [name, c.ints(shape)], f"{name}/reshaped")


@converts("Conv2D", "Conv3D")
def conv(c, op):
    x, w = op.inputs
    if end_of_dilation(c, x) is not None:
        return
    spatial = c.rank(w) - 2
    size = [_known_size(c, d, w) for d in c.shape(w)[:spatial]]
    windows = _Windows(c, op, x, size)
    name, padding = windows.padded(windows.name(x))
    channels = c.shape(x)[1] if windows.is_plain else c.shape(x)[-1]
    groups = 1 if channels is None or c.shape(w)[-2] is None else channels // c.shape(w)[-2]
    w_name = _filter(c, w, [spatial + 1, spatial, *range(spatial)])       # [KH, KW, C, F] -> [F, C, KH, KW]
    windows.set(op.outputs[0], c.add("Conv", [name, w_name], kernel_shape=size, strides=windows.strides,
                                     dilations=windows.dilations, group=groups, **padding))


@converts("DepthwiseConv2dNative")
def depthwise_conv(c, op):
    x, w = op.inputs
    if end_of_dilation(c, x) is not None:
        return
    rows, columns, channels, multiplier = (_known_size(c, d, w) for d in c.shape(w))
    windows = _Windows(c, op, x, [rows, columns])
    name, padding = windows.padded(windows.name(x))
    w_name = _filter(c, w, [2, 3, 0, 1], [channels * multiplier, 1, rows, columns])
    windows.set(op.outputs[0], c.add("Conv", [name, w_name], kernel_shape=[rows, columns], group=channels,
                                     strides=windows.strides, dilations=windows.dilations, **padding))


@converts("Conv2DBackpropInput")
def conv_transpose(c, op):
    sizes, w, y = op.inputs
    result = op.outputs[0]
    size = [_known_size(c, d, w) for d in c.shape(w)[:2]]
    windows = _Windows(c, op, y, size)
    shape = c.array(sizes) if c.array(sizes) is not None else c.shape(result)
    wanted = list(shape[2:] if windows.is_plain else shape[1:-1])
    pads, extra = [], []
    for out, given, k, stride, d in zip(wanted, windows.input_size, size, windows.strides, windows.dilations):
        if out is None or given is None:
            c.fail("the sizes of a transposed convolution must be known; give the placeholder its height and width")
        reach = (k - 1) * d + 1
        total = 0 if op.attrs["padding"] == "VALID" else max((given - 1) * stride + reach - int(out), 0)
        pads.append((total // 2, total - total // 2))
        extra.append(int(out) + total - (given - 1) * stride - reach)
    if op.attrs["padding"] == "EXPLICIT":
        c.fail("explicit padding of a transposed convolution")
    w_name = _filter(c, w, [3, 2, 0, 1])                                  # [KH, KW, C, F] -> [F, C, KH, KW]
    windows.set(result, c.add("ConvTranspose", [windows.name(y), w_name], kernel_shape=size, strides=windows.strides,
                              dilations=windows.dilations, pads=_pads(pads), output_padding=extra))


def _known_size(c, size, tensor):
    if size is None:
        c.fail(f"the shape of the filter {tensor.name} must be known")
    return int(size)


# --- pooling --------------------------------------------------------------------------------------------

@converts("MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D")
def pool(c, op):
    ksize = op.attrs["ksize"]
    is_plain = op.attrs["data_format"].startswith("NC")
    outside = ksize[:2] if is_plain else (ksize[0], ksize[-1])
    strides = op.attrs["strides"]
    if tuple(outside) != (1, 1) or (strides[0], strides[1 if is_plain else -1]) != (1, 1):
        c.fail(f"pooling over batch or channels, ksize={list(ksize)}, strides={list(strides)}")
    size = ksize[2:] if is_plain else ksize[1:-1]
    windows = _Windows(c, op, op.inputs[0], size)
    name, padding = windows.padded(windows.name(op.inputs[0]))
    windows.set(op.outputs[0], c.add("MaxPool" if op.type.startswith("Max") else "AveragePool", [name],
                                     kernel_shape=windows.size, strides=windows.strides, **padding))


# --- normalization --------------------------------------------------------------------------------------

@converts("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
def batch_norm(c, op):
    if op.attrs["is_training"]:
        c.fail("batch norm in training mode computes statistics of the batch; build the graph with is_training=False")
    x, *parameters = op.inputs
    is_plain = op.attrs["data_format"].startswith("NC")
    names = [c.plain(x) if is_plain else c.first(x), *(c.plain(t) for t in parameters)]
    name = c.add("BatchNormalization", names, epsilon=op.attrs["epsilon"])
    (c.set_plain if is_plain else c.set_first)(op.outputs[0], name)


@converts("LRN")
def lrn(c, op):
    size = 2 * op.attrs["depth_radius"] + 1                                # ONNX's alpha is of the mean, not the sum
    c.set_first(op.outputs[0], c.add("LRN", [c.first(op.inputs[0])], size=size, alpha=op.attrs["alpha"] * size,
                                     beta=op.attrs["beta"], bias=op.attrs["bias"]))


@converts("DepthToSpace", "SpaceToDepth")
def depth_to_space(c, op):
    is_plain = op.attrs["data_format"].startswith("NC")
    x = op.inputs[0]
    name, block = c.plain(x) if is_plain else c.first(x), op.attrs["block_size"]
    mode = {"mode": "DCR"} if op.type == "DepthToSpace" else {}
    (c.set_plain if is_plain else c.set_first)(op.outputs[0], c.add(op.type, [name], blocksize=block, **mode))
