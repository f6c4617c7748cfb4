"""Depthwise convolutions, direct: a channel has too few products for a tile. And separable ones, of two launches."""
import math

from thalweg_cuda.work import Launch, Source, Unsupported, Work, input_, output, workspace

from . import _depthwise_text as text
from . import _elements, _epilogue, kernel
from ._correlation import forward, groups_of
from ._frame import Frame, add_divisor, defines
from ._geometry import NOTHING, QUOTIENT, ceil_div, grid_stride
from ._tile_text import EPILOGUE
from ._tiles import launches, types
from ._windows import Windows, conv_windows, is_channels_first
from .conv import check_channels_last, float_type
from .prelude import PRELUDE

_PER_THREAD = 64                 # products that a thread adds up for the gradient of a filter, if there are many
_SLICE_BYTES = 16 << 20          # of sums of slices


@kernel("DepthwiseConv2dNative")
def depthwise_convolution(request, target):
    """Channel c of [N, H, W, C] with the filters [:, :, c, m]."""
    return _forward(request, target, None)


@kernel("_FusedDepthwiseConv2dNative")
def fused_depthwise_convolution(request, target):
    """DepthwiseConv2dNative, then `fused_ops`."""
    check_channels_last(request)
    return _forward(request, target, _epilogue.of(request, 2))


def _forward(request, target, epilogue):
    w = _windows(request, *request.in_shapes[:2], request.out_shapes[0])
    command = _convolve(request, target, w, output(), epilogue)
    return Work((command,)) if command else NOTHING


@kernel("_FusedSeparableConv2D")
def fused_separable_convolution(request, target):
    """A depthwise convolution into workspace, then the product of its result with 1 x 1 filters."""
    check_channels_last(request)
    x, depthwise, pointwise = request.in_shapes[:3]
    result = request.out_shapes[0]
    between = (*result[:3], depthwise[2] * depthwise[3])
    w, dtype = _windows(request, x, depthwise, between), float_type(request)
    first = _epilogue.of(request, 3, "depthwise_ops", "depthwise_epsilon")
    taken = sum(_epilogue.OPERANDS.get(name, 0) for name in _epilogue.names(request, "depthwise_ops"))
    last = _epilogue.of(request, 3 + taken)
    command = _convolve(request, target, w, workspace(), first)
    if command is None or 0 in result:
        return NOTHING
    points = Windows(2, w.y, w.y._replace(channels=result[3], n=math.prod(result[1:]), z=math.prod(result[1:]),
                                          y=result[2] * result[3], x=result[3]),
                     (1, 1, 1), (1, 1, 1), (1, 1, 1), (0, 0, 0))
    groups = groups_of(request, w.y.channels, pointwise, result[3])
    nbytes = ceil_div(w.y.count * dtype.nbytes, 256) * 256
    product = forward(dtype, points, pointwise, groups, workspace(), input_(2), output(), last)
    commands, more = launches(product, target, nbytes)
    return Work((command, *commands), nbytes + more)


@kernel("DepthwiseConv2dNativeBackpropInput")
def image_gradient(request, target):
    """(input_sizes, filter, out_backprop)."""
    filters, dy = request.in_shapes[1:]
    w, dtype = _windows(request, request.out_shapes[0], filters, dy), float_type(request)
    if not w.x.count:
        return NOTHING
    vector = _vector(w, filters)
    frame = _frame(w, filters)
    frame.add(f"const {dtype.storage}*", w=input_(1), dy=input_(2))
    frame.add(f"{dtype.storage}*", dx=output())
    add_divisor(frame, "step_y", w.step[1])
    add_divisor(frame, "step_x", w.step[2])
    _elements.add(frame, w.x, vector)
    return Work((_launch(request, dtype, frame, _elements.ELEMENTS + text.IMAGE_GRADIENT, "image_gradient",
                         grid_stride(w.x.count // vector, target), vector),))


@kernel("DepthwiseConv2dNativeBackpropFilter")
def filter_gradient(request, target):
    """(input, filter_sizes, out_backprop)."""
    filters = request.out_shapes[0]
    w, dtype = _windows(request, request.in_shapes[0], filters, request.in_shapes[2]), float_type(request)
    places, lanes = w.y.images * w.places, 1 if w.y.c != 1 else 32
    if not math.prod(filters):
        return NOTHING
    frame = _frame(w, filters)
    room = _SLICE_BYTES // (max(dtype.nbytes, 4) * math.prod(filters))
    length = max(ceil_div(places, max(1, min(ceil_div(places, 256 // lanes * _PER_THREAD), room, 65535))), 1)
    slices = max(ceil_div(places, length), 1)                            # none of them begins beyond the places
    frame.add(f"const {dtype.storage}*", x=input_(0), dy=input_(2))
    frame.add(f"{dtype.storage}*", dw=output())
    frame.add("T*", partial=workspace())
    frame.add("uint32", slice=length, places=places, count=math.prod(filters))
    frame.add("int", slices=slices, step_y=w.step[1], step_x=w.step[2])
    add_divisor(frame, "oy", w.y.size[1])
    add_divisor(frame, "ox", w.y.size[2])
    grid = ceil_div(w.y.channels, lanes), w.taps, slices
    launch = _launch(request, dtype, frame, defines(LANES=lanes) + text.FILTER_GRADIENT, "filter_gradient",
                     (grid, (256,)), 1)
    grid, block = grid_stride(math.prod(filters), target)
    return Work((launch, launch._replace(entry="add_slices", grid=grid, block=block)),
                slices * math.prod(filters) * max(dtype.nbytes, 4))


def _windows(request, x, filters, y):
    w = conv_windows(request, x, filters, y)
    if filters[2] != w.x.channels or w.x.channels * filters[3] != w.y.channels or w.rank != 2:
        raise Unsupported(f"{request.op_type}: filters of shape {filters} for {w.x.channels} channels and "
                          f"{w.y.channels} results")
    if max(w.x.count, w.y.count) >= 1 << 31:
        raise Unsupported(f"{request.op_type} on CUDA: images of 2**31 numbers or more")
    return w


def _convolve(request, target, w, y, epilogue):
    """The launch of the forward direction into operand y; None where there is nothing to do."""
    if not w.y.count:
        return None
    dtype, filters = float_type(request), request.in_shapes[1]
    vector = _vector(w, filters)
    frame = _frame(w, filters)
    frame.add(f"const {dtype.storage}*", x=input_(0), w=input_(1))
    frame.add(f"{dtype.storage}*", y=y)
    frame.add("int", step_y=w.step[1], step_x=w.step[2])
    _elements.add(frame, w.y, vector)
    if epilogue is not None:
        epilogue.add_fields(frame, dtype.storage)
    head = defines(IS_FUSED=epilogue is not None) + EPILOGUE
    return _launch(request, dtype, frame, head + _elements.ELEMENTS + text.FORWARD, "depthwise",
                   grid_stride(w.y.count // vector, target), vector)


def _vector(w, filters):
    """Channels that one thread makes: those of a 16-byte load, where they lie together."""
    return _elements.vector_of(w.x) if filters[3] == 1 else 1


def _frame(w, filters):
    frame = Frame()
    add_divisor(frame, "M", filters[3])
    for axis, letter in (1, "y"), (2, "x"):
        frame.add("int", **{f"before_{letter}": w.before[axis], f"window_{letter}": w.window[axis],
                            f"dilation_{letter}": w.dilation[axis], f"in_{letter}": w.x.size[axis],
                            f"out_{letter}": w.y.size[axis]})
    frame.add("int", channels=w.y.channels)
    frame.add("INDEX", x_n=w.x.n, x_y=w.x.y, x_x=w.x.x, x_c=w.x.c, y_n=w.y.n, y_y=w.y.y, y_x=w.y.x, y_c=w.y.c)
    return frame


def _launch(request, dtype, frame, body, entry, sizes, vector):
    first = is_channels_first(request.attrs.get("data_format", "NHWC"))
    source = Source("".join([PRELUDE, types(dtype), QUOTIENT, frame.declaration(),
                             defines(V=vector, RANK=2, CHANNELS_FIRST=first), body]))
    grid, block = sizes
    return Launch(source, entry, grid, block, frame.args())
