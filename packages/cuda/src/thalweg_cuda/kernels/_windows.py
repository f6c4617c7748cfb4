"""Where windows lie on images and volumes, and how tensors of either data format step along their axes."""
import math
from typing import NamedTuple

from thalweg_cuda.work import Unsupported


class Layout(NamedTuple):
    """A tensor of images or volumes: its sizes, and the elements between neighbours; spatial axes are z, y, x."""

    images: int
    channels: int
    size: tuple
    n: int
    z: int
    y: int
    x: int
    c: int

    @property
    def count(self):
        return self.images * self.channels * math.prod(self.size)


def is_channels_first(data_format):
    """Whether "NCHW", "NCDHW"."""
    return data_format.startswith("NC")


def layout(shape, data_format):
    """The Layout of a shape of rank 4 or 5."""
    shape = tuple(shape)
    if is_channels_first(data_format):
        images, channels, size = shape[0], shape[1], volume(shape[2:])
        x, c = 1, math.prod(size)
        y, n = size[2], c * channels
    else:
        images, channels, size = shape[0], shape[-1], volume(shape[1:-1])
        x, c = channels, 1
        y, n = size[2] * channels, math.prod(size) * channels
    return Layout(images, channels, size, n, y * size[1], y, x, c)


def volume(sizes, absent=1):
    """z, y, x of the spatial axes that there are."""
    return (absent,) * (3 - len(sizes)) + tuple(sizes)


def spatial(request, name, data_format, rank):
    """z, y, x of an attribute with one entry per dimension; 1 for an empty one."""
    values = tuple(int(v) for v in request.attrs.get(name, ()))
    if not values:
        return (1, 1, 1)
    first = is_channels_first(data_format)
    ends, inner = (values[:2], values[2:]) if first else ((values[0], values[-1]), values[1:-1])
    if len(values) != rank + 2 or ends != (1, 1):
        raise Unsupported(f"{request.op_type}: {name} {list(values)} over {rank} spatial axes; 1 is expected for "
                          "images and channels")
    return volume(inner)


class Windows(NamedTuple):
    """Window i of an axis covers positions i * step - before + k * dilation of x, 0 <= k < window; axes z, y, x."""

    rank: int
    x: Layout
    y: Layout
    window: tuple
    step: tuple
    dilation: tuple
    before: tuple

    @property
    def taps(self):
        return math.prod(self.window)

    @property
    def places(self):
        return math.prod(self.y.size)


def windows(request, x_shape, y_shape, window, step, dilation):
    """The Windows of x that give y; Unsupported where the sizes do not fit each other."""
    rank, data_format = len(x_shape) - 2, request.attrs.get("data_format", "NHWC")
    if rank not in (2, 3) or len(y_shape) != rank + 2:
        raise Unsupported(f"{request.op_type}: shapes {x_shape} and {y_shape} are not two of images or of volumes")
    x, y = layout(x_shape, data_format), layout(y_shape, data_format)
    if x.images != y.images or min(window + step + dilation) < 1:
        raise Unsupported(f"{request.op_type}: windows {window}, steps {step} and dilations {dilation} of {x_shape} "
                          f"do not give {y_shape}")
    around = _around(request, data_format, rank)
    before = []
    for axis in range(3):
        reach = (window[axis] - 1) * dilation[axis] + 1
        if request.attrs["padding"] == "SAME":
            count = -(-x.size[axis] // step[axis])
            low = max((count - 1) * step[axis] + reach - x.size[axis], 0) // 2
        else:
            low, high = around[axis]
            count = max((x.size[axis] + low + high - reach) // step[axis] + 1, 0)
        if count != y.size[axis]:
            raise Unsupported(f"{request.op_type}: {count} windows on spatial axis {axis + rank - 3}, the shapes say "
                              f"{y.size[axis]}")
        before.append(low)
    return Windows(rank, x, y, tuple(window), tuple(step), tuple(dilation), tuple(before))


def _around(request, data_format, rank):
    """(before, after) of explicit paddings for z, y, x; zeros for "VALID"."""
    flat = tuple(int(v) for v in request.attrs.get("explicit_paddings", ()))
    if request.attrs["padding"] != "EXPLICIT":
        return ((0, 0),) * 3
    if len(flat) != 2 * (rank + 2):
        raise Unsupported(f"{request.op_type}: padding 'EXPLICIT' with explicit_paddings {list(flat)}")
    pairs = tuple(zip(flat[::2], flat[1::2]))
    return volume(pairs[2:] if is_channels_first(data_format) else pairs[1:-1], (0, 0))


def conv_windows(request, x_shape, filter_shape, y_shape):
    """The Windows of a convolution; its caller checks the channels."""
    rank, data_format = len(x_shape) - 2, request.attrs.get("data_format", "NHWC")
    if len(filter_shape) != rank + 2:
        raise Unsupported(f"{request.op_type}: ranks of {x_shape} and {filter_shape} differ")
    step, dilation = (spatial(request, name, data_format, rank) for name in ("strides", "dilations"))
    return windows(request, x_shape, y_shape, volume(filter_shape[:-2]), step, dilation)
