"""Filling a tensor with one value, or with a few numbers."""
import numpy as np

from thalweg_cuda.work import Fill, Launch

from ._geometry import INDEX64, grid_stride, index_for
from ._items import moving

_FILL = """
__device__ inline void fill_all(T* y, T value, INDEX n) {
  const INDEX first = (INDEX)blockIdx.x * blockDim.x + threadIdx.x, step = (INDEX)gridDim.x * blockDim.x;
  const INDEX per = 16 / sizeof(T), blocks = (uint64)y % 16 ? 0 : n / per;
  Pack<T, 16 / sizeof(T)> whole;
  for (int k = 0; k < (int)per; k++) whole.at[k] = value;
  for (INDEX i = first; i < blocks; i += step) ((Pack<T, 16 / sizeof(T)>*)y)[i] = whole;
  for (INDEX i = blocks * per + first; i < n; i += step) y[i] = value;
}
extern "C" __global__ void fill(T* y, uint64 low, uint64 high, INDEX n) {
  VALUE
  fill_all(y, value, n);
}
extern "C" __global__ void fill_from(T* y, const T* value, INDEX n) { fill_all(y, *value, n); }
"""

_FEW = 8                         # numbers of a launch

_NUMBERS = """
extern "C" __global__ void numbers(T* y, int64 a, int64 b, int64 c, int64 d, int64 e, int64 f, int64 g, int64 h,
                                   INDEX n) {
  y[0] = (T)a;
  if (n > 1) y[1] = (T)b;
  if (n > 2) y[2] = (T)c;
  if (n > 3) y[3] = (T)d;
  if (n > 4) y[4] = (T)e;
  if (n > 5) y[5] = (T)f;
  if (n > 6) y[6] = (T)g;
  if (n > 7) y[7] = (T)h;
}
"""


def filled(to, n, item, target, constant=None, source=None):
    """Commands that set n elements to the bytes `constant`, or to the element at the operand `source`."""
    if not n:
        return ()
    if constant is not None and len(set(constant)) == 1:
        return (Fill(to, n * item, constant[0]),)
    index = index_for(n)
    value = "const T value = {low, high};" if item == 16 else "const T value = (T)low; (void)high;"
    text = moving(item, index, _FILL.replace("VALUE", value))
    grid, block = grid_stride(n, target, max(1, 16 // item))
    if source is not None:
        return (Launch(text, "fill_from", grid, block, (to, source, index.scalar(n))),)
    low, high = np.frombuffer(constant.ljust(16, b"\0"), np.uint64)
    return (Launch(text, "fill", grid, block, (to, low, high, index.scalar(n))),)


def numbers(to, values, item):
    """Commands that write a few integers of 4 or 8 bytes."""
    commands = []
    for first in range(0, len(values), _FEW):
        few = [int(v) for v in values[first:first + _FEW]]
        args = *map(np.int64, few + [0] * (_FEW - len(few))), np.uint64(len(few))
        commands.append(Launch(moving(item, INDEX64, _NUMBERS), "numbers", (1,), (1,), (to + first * item, *args)))
    return tuple(commands)
