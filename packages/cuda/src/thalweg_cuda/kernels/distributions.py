"""Gamma and Poisson variates and categories: a thread per output, with the bits of the CPU's kernels."""
import math
import struct

import numpy as np

from thalweg_cuda.work import Flag, Launch, Source, Unsupported, Work, input_, output

from . import kernel
from ._flags import FLAG
from ._geometry import THREADS, grid_stride
from ._random_header import FLOAT64
from ._workspace import Workspace
from .prelude import PRELUDE, ctype
from .random import BLOCKS_PER_OUTPUT, drawing, of_block, stream_of

# y [samples, parameters]; in the order of the stream all samples of a parameter come before the next.
_BY_PARAMETER = """
template <class R> __device__ inline void put(R* y, double value) { store(y, (R)value); }
__device__ inline void put(half* y, double value) { store(y, (float)value); }
extern "C" __global__ void draw(const uint32* random, const P* given, T* y, uint64 n, uint64 samples,
                                uint64 parameters, double limit, int64* flag) {
  const stream s = drawn(random);
  for (uint64 i = (uint64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (uint64)gridDim.x * blockDim.x) {
    const uint64 sample = i / parameters, which = i - sample * parameters;
    const double parameter = (double)load(given[which]);
    CHECK
    thw_cursor cursor = thw_cursor_at(&s, (which * samples + sample) * 256);
    put(&y[i], VARIATE);
  }
}
"""

# What cannot be drawn is told of, and left out: its draws would never end.
_CHECK = """if (!(fabs(parameter) <= limit)) {
      if (sample == 0 && claim(flag, 1)) flag[1] = (int64)which, flag[2] = __double_as_longlong(parameter);
      continue;
    }"""
_TYPES = ("half", "float", "double", "int32", "int64")
# the largest values of results, as float64; half ones are made as float32, as the CPU does
_LIMITS = {"half": np.finfo(np.float32).max, "float": np.finfo(np.float32).max, "double": np.finfo(np.float64).max,
           "int32": 2.0 ** 31 - 1, "int64": 2.0 ** 63 - 1024}


@kernel("RandomGamma")
def gamma(r, target):
    """Gamma variates of shape parameter alpha and rate 1."""
    return _by_parameter(r, target, "", "thw_gamma_variate(&cursor, parameter)")


@kernel("RandomPoissonV2")
def poisson(r, target):
    """Poisson variates; a negative rate gives 0."""
    return _by_parameter(r, target, _CHECK, "thw_poisson_variate(&cursor, parameter, limit)")


def _by_parameter(r, target, check, variate):
    given, made = (ctype(r.op_type, d).storage for d in (r.in_dtypes[1], r.out_dtypes[0]))
    if given not in _TYPES or made not in _TYPES:
        raise Unsupported(f"{r.op_type} on CUDA takes and makes {', '.join(_TYPES)}, not {given} and {made}")
    n, parameters = math.prod(r.out_shapes[0]), math.prod(r.in_shapes[1])
    if not n:
        return Work(())
    text = _BY_PARAMETER.replace("CHECK", check).replace("VARIATE", variate)
    text = f"{PRELUDE}typedef {given} P;\ntypedef {made} T;\n{FLOAT64}{FLAG}{text}"
    args = (stream_of(r, n * BLOCKS_PER_OUTPUT)[1], input_(1), output(), np.uint64(n), np.uint64(n // parameters),
            np.uint64(parameters), np.float64(_LIMITS[made]), Flag(_wrong_rate))
    return Work((Launch(Source(text, ("--fmad=false",)), "draw", *grid_stride(n, target), args),))


def _wrong_rate(words):
    rate, = struct.unpack("d", struct.pack("q", words[2]))
    return f"rate {words[1]} is {rate:g}: a finite rate in the range of the result is needed"


# --- categories ------------------------------------------------------------------------------------------------------

# A block for a row. The sums are one thread's: rounded one after the other, as they are on the CPU.
_CUMULATE = """
extern "C" __global__ void cumulate(const L* logits, double* sums, uint64 rows, uint64 classes) {
  __shared__ double tile[1024];
  const uint32 t = threadIdx.x;
  for (uint64 row = blockIdx.x; row < rows; row += gridDim.x) {
    const L* x = logits + row * classes;
    double* y = sums + row * classes;
    double highest = -1.0 / 0.0, sum = 0;
    for (uint64 i = t; i < classes; i += 256) {
      const double logit = (double)load(x[i]);
      if (fabs(logit) < 1.0 / 0.0 && logit > highest) highest = logit;
    }
    tile[t] = highest;
    for (uint32 reach = 128; reach > 0; reach /= 2) {
      __syncthreads();
      if (t < reach && tile[t + reach] > tile[t]) tile[t] = tile[t + reach];
    }
    __syncthreads();
    highest = tile[0];
    for (uint64 begin = 0; begin < classes; begin += 1024) {
      const uint32 count = classes - begin < 1024 ? (uint32)(classes - begin) : 1024;
      __syncthreads();
      for (uint32 i = t; i < count; i += 256) tile[i] = thw_weight((double)load(x[begin + i]), highest);
      __syncthreads();
      if (t == 0) for (uint32 i = 0; i < count; i++) tile[i] = sum += tile[i];
      __syncthreads();
      for (uint32 i = t; i < count; i += 256) y[begin + i] = tile[i];
    }
    __syncthreads();
  }
}
"""

_CATEGORY = of_block("""
      const uint64 at = i * 2 + k;
      if (at >= n) continue;
      const double* row = sums + at / samples * classes;
      made.each[k] = (T)thw_category(row, (int64)classes, thw_unit(block.w + 2 * k) * row[classes - 1]);""")
_CATEGORIES = {"int32": (2, _CATEGORY), "int64": (2, _CATEGORY)}


@kernel("Multinomial", "StatelessMultinomial")
def multinomial(r, target):
    """Categories with probability softmax(logits); logits that are not finite have none."""
    (rows, classes), samples = r.in_shapes[0], r.out_shapes[0][1]
    logits = ctype(r.op_type, r.in_dtypes[0])
    if not classes or logits.compute.startswith("complex") or logits.storage == "bool":
        raise Unsupported(f"{r.op_type} on CUDA takes real logits of at least one class, not {logits.storage} "
                          f"[{rows}, {classes}]")
    if not rows * samples:
        return Work(())
    space = Workspace()
    sums = space.take(8 * rows * classes)
    source = Source(f"{PRELUDE}typedef {logits.storage} L;\n{FLOAT64}{_CUMULATE}", ("--fmad=false",))
    cumulated = Launch(source, "cumulate", (min(rows, 65535),), (THREADS,),
                       (input_(0), sums, np.uint64(rows), np.uint64(classes)))
    drawn = drawing(r, target, _CATEGORIES, FLOAT64, ", const double* sums, uint64 samples, uint64 classes",
                    (sums, np.uint64(samples), np.uint64(classes)),
                    blocks=2 * rows * ((samples + 3) // 4 * 4) * BLOCKS_PER_OUTPUT)
    return Work((cumulated, drawn), space.nbytes)
