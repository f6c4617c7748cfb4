"""Range, of constant bounds, and LinSpace."""
import numpy as np

from thalweg_cuda.work import Launch, Source, Unsupported, Work, input_, output

from . import kernel
from ._geometry import grid_stride
from ._workspace import Workspace
from .prelude import PRELUDE, ctype

_INTEGERS = """
extern "C" __global__ void range(T* y, uint64 start, uint64 delta, uint64 n) {
  for (uint64 i = (uint64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (uint64)gridDim.x * blockDim.x)
    y[i] = (T)(start + i * delta);
}
"""

# Each number is the one before plus delta, rounded to its type. Of numbers with one exponent all are multiples of one
# unit, and a step adds a multiple of it, always the same one (of a delta that lies halfway between two the first step
# may take the other): their bits grow evenly. One thread goes from exponent to exponent, all others fill in.
_FLOATS = """
struct piece { uint64 begin, bits; int64 step; };
extern "C" __global__ void find_pieces(uint64* count, piece* pieces, T start, T delta, uint64 n) {
  T x = start;
  uint64 i = 0, k = 0;
  for (; i < n; k++) {
    const T next = x + delta;
    const uint64 bits = BITS(x), second = BITS(next), third = BITS(next + delta);
    const uint64 first = bits >> FRACTION << FRACTION, last = first | ((uint64)1 << FRACTION) - 1;
    piece p = {i, bits, 0};
    uint64 more = 0;
    if (first <= second && second <= last && first <= third && third <= last && third - second == second - bits) {
      p.step = (int64)(second - bits);
      /* `first` itself may be rounded to from below, where the unit is half as large */
      more = p.step > 0 ? (last - bits) / (uint64)p.step : p.step < 0 ? (bits - first - 1) / (uint64)-p.step : n;
    }
    if (more > n - 1 - i) more = n - 1 - i;
    pieces[k] = p;
    x = NUMBER(bits + more * (uint64)p.step) + delta;
    i += more + 1;
  }
  *count = k;
}
extern "C" __global__ void range(const uint64* count, const piece* pieces, T* y, uint64 n) {
  for (uint64 i = (uint64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (uint64)gridDim.x * blockDim.x) {
    uint64 k = 0;
    for (uint64 size = *count; size > 1;) {                            /* the last piece that begins at i or ahead */
      const uint64 half = size / 2;
      if (pieces[k + half].begin <= i) k += half, size -= half;
      else size = half;
    }
    y[i] = NUMBER(pieces[k].bits + (i - pieces[k].begin) * (uint64)pieces[k].step);
  }
}
"""
# type -> bits of the fraction, and how bits are seen
_BITS = {
    "float": "#define FRACTION 23\n#define BITS(x) ((uint64)bits_of(x))\n"
             "#define NUMBER(bits) float_of((uint32)(bits))\n",
    "double": "#define FRACTION 52\n#define BITS(x) ((uint64)__double_as_longlong(x))\n"
              "#define NUMBER(bits) __longlong_as_double((int64)(bits))\n",
}
_MOST_PIECES = {"float": 1 << 12, "double": 1 << 15}     # eight for each exponent and sign

_LIN_SPACE = """
extern "C" __global__ void lin_space(const T* from, const T* to, T* y, uint64 n) {
  const T start = *from, stop = *to, step = (stop - start) / (T)(int64)(n > 1 ? n - 1 : 1);
  for (uint64 i = (uint64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (uint64)gridDim.x * blockDim.x)
    y[i] = i == n - 1 && n > 1 ? stop : start + step * (T)(int64)i;
}
"""


def _scalars(r):
    values = [r.values.get(k) for k in (0, 1, 2)]
    if any(v is None for v in values):
        raise Unsupported(f"{r.op_type} on CUDA needs constant inputs")
    return [np.asarray(v).reshape(())[()] for v in values]


@kernel("Range")
def range_(r, target):
    """Numbers from start on, delta apart."""
    start, _, delta = _scalars(r)
    n, = r.out_shapes[0]
    t = ctype(r.op_type, r.out_dtypes[0]).storage
    if not n:
        return Work(())
    if t in ("float", "double"):
        space = Workspace()
        count, found = space.take(8), space.take(24 * min(n, _MOST_PIECES[t]))
        text = Source(_typed(_FLOATS, t, _BITS[t]))
        return Work((Launch(text, "find_pieces", (1,), (1,), (count, found, start, delta, np.uint64(n))),
                     Launch(text, "range", *grid_stride(n, target), (count, found, output(), np.uint64(n)))),
                    space.nbytes)
    text = Source(_typed(_INTEGERS, t))
    args = output(), *[np.uint64(int(v) % 2 ** 64) for v in (start, delta)], np.uint64(n)
    return Work((Launch(text, "range", *grid_stride(n, target), args),))


def _typed(text, t, defines=""):
    return f"{PRELUDE}typedef {t} T;\n{defines}{text}"


@kernel("LinSpace")
def lin_space(r, target):
    """Numbers from start to stop at equal distances; how many tells the shape of the result."""
    n, = r.out_shapes[0]
    t = ctype(r.op_type, r.out_dtypes[0]).storage
    if t not in ("float", "double"):
        raise Unsupported(f"LinSpace on CUDA makes float32 and float64, not {t}")
    if not n:
        return Work(())
    source = Source(_typed(_LIN_SPACE, t), ("--fmad=false",))
    args = input_(0), input_(1), output(), np.uint64(n)
    return Work((Launch(source, "lin_space", *grid_stride(n, target), args),))
