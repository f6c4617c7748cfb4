"""Range and LinSpace, of constant bounds."""
import numpy as np

from thalweg_cuda.work import Launch, Source, Unsupported, Work, output

from . import kernel
from ._geometry import grid_stride
from .prelude import PRELUDE, ctype

_MOST_ADDITIONS = 1 << 16        # by one thread: a fifth of a millisecond

_INTEGERS = PRELUDE + """
extern "C" __global__ void range(T* y, uint64 start, uint64 delta, uint64 n) {
  for (uint64 i = (uint64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (uint64)gridDim.x * blockDim.x)
    y[i] = (T)(start + i * delta);
}
"""

# Each number is the one before plus delta, rounded to its type: nothing that threads could share.
_FLOATS = PRELUDE + """
extern "C" __global__ void range(T* y, T start, T delta, uint64 n) {
  for (uint64 i = 0; i < n; i++, start += delta) y[i] = start;
}
"""

_LIN_SPACE = PRELUDE + """
extern "C" __global__ void lin_space(T* y, T start, T step, T stop, uint64 n) {
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
        if n > _MOST_ADDITIONS:
            raise Unsupported(f"Range on CUDA makes {_MOST_ADDITIONS} floats at most, not {n}: each is the last one "
                              "plus delta")
        args = output(), start, delta, np.uint64(n)
        return Work((Launch(Source(_typed(_FLOATS, t)), "range", (1,), (1,), args),))
    if t in ("half", "bfloat16"):
        raise Unsupported(f"Range on CUDA makes float32, float64 and integers, not {t}")
    text = Source(_typed(_INTEGERS, t))
    args = output(), *[np.uint64(int(v) % 2 ** 64) for v in (start, delta)], np.uint64(n)
    return Work((Launch(text, "range", *grid_stride(n, target), args),))


def _typed(text, t):
    return text.replace(PRELUDE, f"{PRELUDE}typedef {t} T;\n")


@kernel("LinSpace")
def lin_space(r, target):
    """Numbers from start to stop at equal distances."""
    start, stop, _ = _scalars(r)
    n, = r.out_shapes[0]
    t = ctype(r.op_type, r.out_dtypes[0]).storage
    if t not in ("float", "double"):
        raise Unsupported(f"LinSpace on CUDA makes float32 and float64, not {t}")
    if not n:
        return Work(())
    step = (stop - start) / start.dtype.type(max(1, n - 1))
    args = output(), start, start.dtype.type(step), stop, np.uint64(n)
    source = Source(_typed(_LIN_SPACE, t), ("--fmad=false",))
    return Work((Launch(source, "lin_space", *grid_stride(n, target), args),))
