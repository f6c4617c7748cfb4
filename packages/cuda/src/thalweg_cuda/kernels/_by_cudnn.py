"""Convolutions by cuDNN, as rivals of the tile kernels.

cuDNN's engines want filters as [F, ..., C], TensorFlow has them as [..., C, F]: a transpose goes before, or behind
where the filters' gradient is the result. What follows a fused convolution is one more sweep over y.
"""
import math

from thalweg_cuda.libraries import LibraryError
from thalweg_cuda.libraries.cudnn import Convolution, Tensor
from thalweg_cuda.work import Launch, LibraryCall, Source, Work, input_, output, workspace

from . import _tile_text
from ._copy import copies
from ._frame import Frame, add_divisor, defines
from ._geometry import QUOTIENT, ceil_div, grid_stride
from ._rivals import no_plan
from ._tiles import types
from ._views import whole
from .prelude import PRELUDE

_DATA = {"float": "FLOAT", "double": "DOUBLE", "half": "HALF", "bfloat16": "BFLOAT16"}

_SWEEP = r"""
extern "C" __global__ void __launch_bounds__(256) end(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u) {
    int n = i - quotient(i, f.channels, f.channels_multiplier, f.channels_shift) * f.channels;
    store(f.y + i, finished(f, (T)load(f.y[i]), column_of(f, n), i));
  }
}
"""


def works(request, direction, w, filter_shape, dtype, target, epilogue=None):
    """[(name, Work)] of a direction of a convolution of Windows w, best first; empty without cuDNN or a plan of it.

    direction : "forward" (x, w; y), "image" (sizes, w, dy; dx) or "filter" (x, sizes, dy; dw)
    """
    library = target.libraries.get("cudnn")
    if library is None or 0 in (w.x.count, w.y.count, math.prod(filter_shape)) or w.y.count >= 1 << 31:
        return []
    asked = described(direction, w, filter_shape, dtype.storage, bool(request.attrs.get("allow_tf32", False)))
    try:
        plans = library.plans(asked)
    except LibraryError as error:
        return no_plan(request, "cudnn", error)
    return [(f"cudnn {i}", _work(direction, w, filter_shape, dtype, target, plan, epilogue))
            for i, plan in enumerate(plans)]


def described(direction, w, filter_shape, storage, allow_tf32):
    """The Convolution that is asked of cuDNN."""
    axes = slice(3 - w.rank, 3)
    taps = math.prod(filter_shape[:-2])
    per_group, count = filter_shape[-2:]
    window = w.window[axes]
    steps = (taps * per_group, 1, *[math.prod(window[i + 1:]) * per_group for i in range(w.rank)])
    after = [max((w.y.size[i] - 1) * w.step[i] + (w.window[i] - 1) * w.dilation[i] + 1 - w.x.size[i] - w.before[i], 0)
             for i in range(3)]
    return Convolution(direction, _DATA[storage], _tensor(w.x, axes), Tensor((count, per_group, *window), steps),
                       _tensor(w.y, axes), w.step[axes], w.dilation[axes], w.before[axes], tuple(after)[axes],
                       allow_tf32)


def _tensor(layout, axes):
    return Tensor((layout.images, layout.channels, *layout.size[axes]),
                  (layout.n, layout.c, *(layout.z, layout.y, layout.x)[axes]))


def _work(direction, w, filter_shape, dtype, target, plan, epilogue):
    rows, count = math.prod(filter_shape[:-1]), filter_shape[-1]
    total = rows * count
    scratch = workspace(ceil_div(total * dtype.nbytes, 256) * 256)
    ours, theirs = whole((rows, count)), whole((count, rows))
    x = output() if direction == "image" else input_(0)
    y = output() if direction == "forward" else input_(2)

    def call(stream, *addresses):
        plan.run(stream, *addresses)
    calls = [LibraryCall("cudnnBackendExecute", call, (x, workspace(), y, scratch))]
    if direction == "filter":
        calls += copies([(workspace(), theirs.T, total, output(), ours, total)], dtype.nbytes, target)
    else:
        calls[:0] = copies([(input_(1), ours.T, total, workspace(), theirs, total)], dtype.nbytes, target)
    if epilogue is not None:
        calls.append(_end(w, dtype, target, epilogue))
    return Work(tuple(calls), scratch.offset + plan.workspace_bytes)


def _end(w, dtype, target, epilogue):
    """The launch that applies an epilogue to y, channels last, in place."""
    frame = Frame()
    frame.add(f"{dtype.storage}*", y=output())
    frame.add("uint32", count=w.y.count)
    add_divisor(frame, "channels", w.y.channels)
    epilogue.add_fields(frame, dtype.storage)
    text = "".join([PRELUDE, types(dtype), QUOTIENT, frame.declaration(), defines(IS_FUSED=True), _tile_text.EPILOGUE,
                    _SWEEP])
    return Launch(Source(text), "end", *grid_stride(w.y.count, target), frame.args())
