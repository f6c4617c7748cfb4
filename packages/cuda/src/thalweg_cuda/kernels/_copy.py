"""Copies between strided views: transposing, slicing, repeating and interleaving are made of them.

One launch (or one copy of bytes) per pair of views. Where the target is dense along another dimension than the source,
tiles go through shared memory, so that both are accessed by whole cache lines.
"""
import math

import numpy as np

from thalweg_cuda.work import Copy, Launch, Work, input_, output

from ._geometry import QUOTIENT, Walk, ceil_div, collapse, grid_stride, index_for
from ._items import moving, widened
from ._views import begin, item_bytes

TILE, TILE_ROWS = 32, 8
_LEAST_SIDE = 8                  # of what is worth a tile

_STRIDED = QUOTIENT + """
extern "C" __global__ void copy(const T* x, T* y, INDEX x_begin, INDEX y_begin, INDEX n, PARAMETERS) {
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    OFFSETS
    y[(INDEX)(y_begin + at_y)] = x[(INDEX)(x_begin + at_x)];
  }
}
"""

# x is dense along rows, y along columns; a row of the tile is what a row of 32 threads reads.
_TILED = QUOTIENT + """
extern "C" __global__ void transpose(const T* x, T* y, INDEX x_begin, INDEX y_begin, INDEX tiles, INDEX rows,
                                     INDEX columns, INDEX x_column, INDEX y_row, PARAMETERS) {
  __shared__ T tile[32][33];
  for (INDEX t = blockIdx.x; t < tiles; t += gridDim.x) {
    OFFSETS
    for (int k = threadIdx.y; k < 32; k += 8)
      if (row + threadIdx.x < rows && column + k < columns)
        tile[k][threadIdx.x] = x[(INDEX)(x_begin + at_x + k * x_column + threadIdx.x)];
    __syncthreads();
    for (int k = threadIdx.y; k < 32; k += 8)
      if (row + k < rows && column + threadIdx.x < columns)
        y[(INDEX)(y_begin + at_y + k * y_row + threadIdx.x)] = tile[threadIdx.x][k];
    __syncthreads();
  }
}
"""


def copied(r, target, pairs, before=()):
    """The Work of a request that only copies: (number of the input, its view, number of the output, its view) each."""
    item = item_bytes(r, r.out_dtypes[0])
    full = [(input_(k), x, math.prod(r.in_shapes[k]), output(j), y, math.prod(r.out_shapes[j]))
            for k, x, j, y in pairs]
    return Work((*before, *copies(full, item, target)))


def copies(pairs, item, target):
    """The commands that make `pairs`: (operand, its view, total elements, operand, its view, total elements)."""
    return tuple(_copy(*pair, item, target) for pair in pairs if pair[1].size)


def _copy(source, x, x_total, to, y, y_total, item, target):
    if x.shape != y.shape:
        raise ValueError(f"a copy of {x.shape} to {y.shape}")
    sizes, x_steps, y_steps = ordered(x, y)
    x_begin, y_begin = begin(x), begin(y)
    if all(steps in ((), (1,)) for steps in (x_steps, y_steps)):
        return Copy(to + y_begin * item, source + x_begin * item, x.size * item)
    if x_steps[-1] == y_steps[-1] == 1:
        factor = widened(item, sizes[-1], x_begin, y_begin, *x_steps[:-1], *y_steps[:-1])
        narrow = [tuple(s // factor for s in steps[:-1]) + (1,) for steps in (x_steps, y_steps)]
        sizes, x_steps, y_steps = collapse((*sizes[:-1], sizes[-1] // factor), *narrow)
        item, x_begin, y_begin = item * factor, x_begin // factor, y_begin // factor
        x_total, y_total = ceil_div(x_total, factor), ceil_div(y_total, factor)
    index = index_for(x_total, y_total)
    ends = source, to, index.scalar(x_begin), index.scalar(y_begin)
    dense = _dense_row(sizes, x_steps, y_steps)
    if dense is not None:
        return _tiles(ends, sizes, x_steps, y_steps, dense, item, index, target)
    n = int(np.prod(sizes, dtype=object))
    walk = Walk(sizes, [x_steps, y_steps], index)
    source = _source(_STRIDED, item, index, walk, walk.offsets("i", ["at_x", "at_y"]))
    return Launch(source, "copy", *grid_stride(n, target), (*ends, index.scalar(n), *walk.args))


def ordered(x, y):
    """Sizes and steps of two views over as few dimensions as can be, so that y is written in order."""
    order = sorted(range(y.ndim), key=lambda d: -abs(y.strides[d]))
    return collapse([y.shape[d] for d in order], [x.strides[d] for d in order], [y.strides[d] for d in order])


def _dense_row(sizes, x_steps, y_steps):
    """The dimension along which only the source is dense; None where it or the last, the target's, is short."""
    last = len(sizes) - 1
    if last < 1 or y_steps[last] != 1 or x_steps[last] in (0, 1, -1) or sizes[last] < _LEAST_SIDE:
        return None
    return next((d for d in range(last) if x_steps[d] == 1 and sizes[d] >= _LEAST_SIDE), None)


def _tiles(ends, sizes, x_steps, y_steps, row, item, index, target):
    column = len(sizes) - 1
    others = [d for d in range(column) if d != row]
    counts = [*[sizes[d] for d in others], ceil_div(sizes[row], TILE), ceil_div(sizes[column], TILE)]
    x_tile = [*[x_steps[d] for d in others], TILE, TILE * x_steps[column]]
    y_tile = [*[y_steps[d] for d in others], TILE * y_steps[row], TILE]
    rows, columns = [0] * len(others) + [TILE, 0], [0] * len(others) + [0, TILE]
    walk = Walk(counts, [x_tile, y_tile, rows, columns], index)
    source = _source(_TILED, item, index, walk, walk.offsets("t", ["at_x", "at_y", "row", "column"]))
    tiles = int(np.prod(counts, dtype=object))
    numbers = tiles, sizes[row], sizes[column], x_steps[column], y_steps[row]
    args = *ends, *[index.scalar(n % 2 ** (8 * index.scalar().itemsize)) for n in numbers], *walk.args
    return Launch(source, "transpose", (min(tiles, 8 * target.multiprocessors),), (TILE, TILE_ROWS), args)


def _source(template, item, index, walk, offsets):
    return moving(item, index, template.replace("PARAMETERS", walk.parameters).replace("OFFSETS", offsets))
