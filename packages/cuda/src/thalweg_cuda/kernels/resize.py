"""Resizing images: bilinear and nearest neighbour, and their gradients.

Places are computed as in core's ops/resize.py, in float32 with single roundings (no fused products), so that no pixel
differs from the CPU's. Gradients gather: a pixel of the image adds up, in order, the pixels that it made.
Those lie in a range of rows and columns; places do not decrease, so a binary search finds its ends.
"""
import math

import numpy as np

from thalweg_cuda.work import Launch, Source, Unsupported, Work, input_, output

from . import _elements, kernel
from ._frame import Frame, defines
from ._geometry import NOTHING, QUOTIENT, grid_stride
from .prelude import PRELUDE, ctype

_REALS = {"float", "double", "half", "bfloat16", "int8", "uint8", "int16", "uint16", "int32", "int64"}

_HEAD = r"""
/* Where pixel i of the result lies on the image; HALF: of squares. */
__device__ inline float place(float scale, int i) {
#if HALF
  return __fmul_rn((float)i + 0.5f, scale) - (IS_NEAREST ? 0.0f : 0.5f);
#else
  return __fmul_rn((float)i, scale);
#endif
}

__device__ inline int within(int i, int size) { return i < 0 ? 0 : i < size ? i : size - 1; }

__device__ inline int nearest(float scale, int i, int size) {
  float at = place(scale, i), before = floorf(at);
#if ALIGNED
  if (at - before >= 0.5f) before += 1;
#endif
  return within((int)before, size);
}

struct Line { int before, after; float part; };

__device__ inline Line line_of(float scale, int i, int size) {
  float at = place(scale, i), before = floorf(at);
  Line l = {within((int)before, size), (int)ceilf(at), at - before};
  if (l.after > size - 1) l.after = size - 1;
  return l;
}

#define EACH_ELEMENT \
  for (uint32 i = blockIdx.x * 256u + threadIdx.x; i < f.count; i += gridDim.x * 256u)
__device__ inline INDEX pixel(int n, int y, int x, int h, int w, int channels, int c) {
  return (((INDEX)n * h + y) * w + x) * channels + c;
}
"""

_BILINEAR = r"""
extern "C" __global__ void __launch_bounds__(256) resize(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    Line rows = line_of(f.scale_y, e.y, f.h), columns = line_of(f.scale_x, e.x, f.w);
    float upper[V], lower[V], there[V];
    take(f.x + pixel(e.n, rows.before, columns.before, f.h, f.w, f.channels, e.c), upper);
    take(f.x + pixel(e.n, rows.before, columns.after, f.h, f.w, f.channels, e.c), there);
    for (int v = 0; v < V; v++) upper[v] += (there[v] - upper[v]) * columns.part;
    take(f.x + pixel(e.n, rows.after, columns.before, f.h, f.w, f.channels, e.c), lower);
    take(f.x + pixel(e.n, rows.after, columns.after, f.h, f.w, f.channels, e.c), there);
    for (int v = 0; v < V; v++) {
      lower[v] += (there[v] - lower[v]) * columns.part;
      upper[v] += (lower[v] - upper[v]) * rows.part;
    }
    give(f.y + (INDEX)i * V, upper);
  }
}
"""

_NEAREST = r"""
extern "C" __global__ void __launch_bounds__(256) resize(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    int y = nearest(f.scale_y, e.y, f.h), x = nearest(f.scale_x, e.x, f.w);
    Pack<X, V> group = *(const Pack<X, V>*)(f.x + pixel(e.n, y, x, f.h, f.w, f.channels, e.c));
    *(Pack<X, V>*)(f.y + (INDEX)i * V) = group;
  }
}
"""

# The results of a line that a pixel takes part in: from the first whose last pixel is not before it, up to the first
# whose first pixel is behind it. Sums are formed in the order of the reference body, with its roundings.
_GRADIENT = r"""
#if IS_NEAREST
__device__ inline int first_of(float scale, int i, int size) { return nearest(scale, i, size); }
__device__ inline int last_of(float scale, int i, int size) { return nearest(scale, i, size); }
#else
__device__ inline int first_of(float scale, int i, int size) { return line_of(scale, i, size).before; }
__device__ inline int last_of(float scale, int i, int size) {
  Line l = line_of(scale, i, size);
  return l.after > l.before ? l.after : l.before;
}
#endif

__device__ inline void taking_part(float scale, int own, int size, int count, int& from, int& to) {
  int low = 0, high = count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (last_of(scale, middle, size) < own) low = middle + 1; else high = middle;
  }
  from = low;
  high = count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (first_of(scale, middle, size) <= own) low = middle + 1; else high = middle;
  }
  to = low;
}

#if IS_NEAREST
__device__ inline void add_up(const Frame& f, const Element& e, int y0, int y1, int x0, int x1, T* sum) {
  T dy[V];
  for (int y = y0; y < y1; y++)
    for (int x = x0; x < x1; x++) {
      take(f.dy + pixel(e.n, y, x, f.oh, f.ow, f.channels, e.c), dy);
      for (int v = 0; v < V; v++) sum[v] += dy[v];
    }
}
#else
/* Whether `own` is the pixel before or behind result i of a line, and the share that it has as such. */
__device__ inline bool shares(float scale, int i, int size, int own, int is_after, float& share) {
  Line l = line_of(scale, i, size);
  share = is_after ? l.part : 1.0f - l.part;
  return (is_after ? l.after : l.before) == own;
}

__device__ inline void add_up(const Frame& f, const Element& e, int y0, int y1, int x0, int x1, T* sum) {
  float dy[V], down, across;
  for (int pass = 0; pass < 4; pass++)
    for (int y = y0; y < y1; y++) {
      if (!shares(f.scale_y, y, f.h, e.y, pass / 2, down)) continue;
      for (int x = x0; x < x1; x++) {
        if (!shares(f.scale_x, x, f.w, e.x, pass % 2, across)) continue;
        take(f.dy + pixel(e.n, y, x, f.oh, f.ow, f.channels, e.c), dy);
        for (int v = 0; v < V; v++) sum[v] = __fadd_rn(sum[v], __fmul_rn(__fmul_rn(dy[v], down), across));
      }
    }
}
#endif

extern "C" __global__ void __launch_bounds__(256) resize(PARAMETERS) {
  const Frame f = {ARGUMENTS};
  EACH_ELEMENT {
    Element e = element_of(f, i);
    int y0, y1, x0, x1;
    taking_part(f.scale_y, e.y, f.h, f.oh, y0, y1);
    taking_part(f.scale_x, e.x, f.w, f.ow, x0, x1);
    T sum[V];
    for (int v = 0; v < V; v++) sum[v] = T();
    add_up(f, e, y0, y1, x0, x1, sum);
    Y dx[V];
    for (int v = 0; v < V; v++) dx[v] = (Y)sum[v];
    give(f.dx + (INDEX)i * V, dx);
  }
}
"""


@kernel("ResizeBilinear")
def bilinear(request, target):
    """float32 from any number."""
    return _work(request, target, request.in_shapes[0], request.out_shapes[0], False, _BILINEAR, x=0)


@kernel("ResizeNearestNeighbor")
def nearest(request, target):
    """The pixel at each place."""
    return _work(request, target, request.in_shapes[0], request.out_shapes[0], True, _NEAREST, x=0)


@kernel("ResizeBilinearGrad")
def bilinear_grad(request, target):
    """(dy, image): dy is float32."""
    return _work(request, target, request.in_shapes[1], request.in_shapes[0], False, _GRADIENT, dy=0)


@kernel("ResizeNearestNeighborGrad")
def nearest_grad(request, target):
    """(dy, size)."""
    return _work(request, target, request.out_shapes[0], request.in_shapes[0], True, _GRADIENT, dy=0)


def _work(request, target, image, result, is_nearest, body, **read):
    """A loop over the result, or over the image where dy is read."""
    attrs, is_gradient = request.attrs, "dy" in read
    aligned, half = bool(attrs["align_corners"]), bool(attrs["half_pixel_centers"])
    source = ctype(request.op_type, request.in_dtypes[0])
    to = ctype(request.op_type, request.out_dtypes[0])
    _check(request, image, result, aligned and half, {source.storage, to.storage})
    over = request.out_shapes[0]
    count = math.prod(over)
    if not count:
        return NOTHING
    vector = 4 if image[3] % 4 == 0 else 1
    frame = Frame()
    (name, index), = read.items()
    frame.add(f"const {source.storage}*", **{name: input_(index)})
    frame.add(f"{to.storage}*", **{"dx" if is_gradient else "y": output()})
    frame.add("int", h=image[1], w=image[2], oh=result[1], ow=result[2], channels=image[3])
    frame.add("float", scale_y=_scale(image[1], result[1], aligned), scale_x=_scale(image[2], result[2], aligned))
    _elements.add_sizes(frame, (1, *over[1:3]), over[3] // vector, count // vector)
    types = f"typedef {source.storage} X; typedef {to.compute if is_nearest else 'float'} T; typedef {to.compute} Y;\n"
    macros = defines(V=vector, RANK=2, CHANNELS_FIRST=False, HALF=half, ALIGNED=aligned, IS_NEAREST=is_nearest)
    text = "".join([PRELUDE, types, QUOTIENT, frame.declaration(), macros, _elements.ELEMENTS, _HEAD, body])
    grid, block = grid_stride(count // vector, target)
    return Work((Launch(Source(text), "resize", grid, block, frame.args()),))


def _check(request, image, result, is_contradiction, storages):
    if len(image) != 4 or len(result) != 4 or image[0] != result[0] or image[3] != result[3] or not storages <= _REALS:
        raise Unsupported(f"{request.op_type} on CUDA: {', '.join(sorted(storages))} images of shape {image} are not "
                          f"resized to {result}")
    if 0 in image[1:3] or 0 in result[1:3] or is_contradiction:
        raise Unsupported(f"{request.op_type}: what is wrong here is told by the reference body")
    if max(*image[1:3], *result[1:3]) > 2**24 or max(math.prod(image), math.prod(result)) >= 1 << 31:
        raise Unsupported(f"{request.op_type} on CUDA: float32 does not count the pixels of {image} and {result}")


def _scale(size, out_size, aligned):
    if aligned and out_size > 1:
        return np.float32(size - 1) / np.float32(out_size - 1)
    return np.float32(size) / np.float32(out_size)
