"""Random numbers: each is a function of the stream and of its own place, so that a seed gives the CPU's bits."""
import math

import numpy as np

from thalweg_cuda.work import Draw, Flag, Launch, Source, Unsupported, Work, input_, output

from . import kernel
from ._flags import FLAG
from ._geometry import grid_stride
from ._normal import FITTED, ROUNDED
from ._philox import PHILOX
from .prelude import PRELUDE, ctype

_BLOCKS_PER_OUTPUT = 256         # reserved, whatever is drawn: TensorFlow's number

# A thread makes PER outputs. STREAM names the stream; MAKE makes them of it.
_TEXT = PRELUDE + PHILOX + FLAG + """
struct alignas(PER * sizeof(T) % 16 ? 8 : 16) several { T each[PER]; };
extern "C" __global__ void draw(PARAMETERS, T* y, uint64 n) {
  const stream s = STREAM;
  SETUP
  for (uint64 i = (uint64)blockIdx.x * blockDim.x + threadIdx.x; i * PER < n; i += (uint64)gridDim.x * blockDim.x) {
    MAKE
  }
}
"""

_OF_A_BLOCK = """several made;
    const words block = block_of(s, i);
    for (int k = 0; k < PER; k++) { VALUE }
    if ((i + 1) * PER <= n) ((several*)y)[i] = made;
    else for (int k = 0; k < PER; k++) if (i * PER + k < n) y[i * PER + k] = made.each[k];"""

# dtype -> outputs of a block, and how output k is made of it
_UNIFORM = {
    "half": (4, "store(&made.each[k], (float)(block.w[k] & 0x3FFu) * 0.0009765625f);"),
    "float": (4, "made.each[k] = unit_f32(block.w[k]);"),
    "double": (2, "made.each[k] = unit_f64(block.w[2 * k], block.w[2 * k + 1]);"),
}
_INTEGERS = {
    "int32": (4, "made.each[k] = (T)((uint32)low + block.w[k] % (uint32)span);"),
    "int64": (2, "made.each[k] = (T)((uint64)low + (block.w[2 * k] | (uint64)block.w[2 * k + 1] << 32) % span);"),
}
_NORMAL = {"float": (4, "if (k % 2 == 0) normal_pair(block.w[k], block.w[k + 1], &made.each[k]);")}
_TRUNCATED = {"float": (4, None)}
_MAKE_TRUNCATED = "truncated_normals(s, i, n - i * PER, y + i * PER);"

_RANGE = """
  const int64 low = *minval, high = *maxval;
  if (low >= high) {
    if (claim(flag, 1)) flag[1] = low, flag[2] = high;
    return;
  }
  const uint64 span = (uint64)high - (uint64)low;
"""


def _check_range():
    return Flag(lambda words: f"Need minval < maxval, got {words[1]} >= {words[2]}")


def _drawing(r, target, formulas, inputs=(), setup="", functions="", make=_OF_A_BLOCK):
    """The Work that draws all outputs; `inputs`: numbers of further scalar inputs, minval and maxval."""
    stateless = r.op_type.startswith("Stateless")
    t, n = ctype(r.op_type, r.out_dtypes[0]), math.prod(r.out_shapes[0])
    if t.storage not in formulas:
        raise Unsupported(f"{r.op_type} on CUDA makes {', '.join(formulas)}, not {t.storage}")
    if not n:
        return Work(())
    per, value = formulas[t.storage]
    seed = ctype(r.op_type, r.in_dtypes[1]).storage if stateless else "uint32"
    parameters, args = f"const {seed}* random", (input_(1) if stateless else Draw(n * _BLOCKS_PER_OUTPUT),)
    if inputs:
        parameters += ", const T* minval, const T* maxval, int64* flag"
        args += (*map(input_, inputs), _check_range())
    text = _TEXT.replace("PARAMETERS", parameters).replace("SETUP", setup).replace(
        "MAKE", make.replace("VALUE", value or ""))
    text = text.replace("STREAM", "of_seed(random)" if stateless else "drawn(random)")
    text = text.replace(PRELUDE, f"{PRELUDE}typedef {t.storage} T;\n#define PER {per}\n")
    text = text.replace(PHILOX, PHILOX + functions)
    args += output(), np.uint64(n)
    return Work((Launch(Source(text, ("--fmad=false",)), "draw", *grid_stride(n, target, per), args),))


@kernel("RandomUniform", "StatelessRandomUniform")
def uniform(r, target):
    """Uniform in [0, 1)."""
    return _drawing(r, target, _UNIFORM)


@kernel("RandomUniformInt", "StatelessRandomUniformInt")
def uniform_int(r, target):
    """Integers minval + word % (maxval - minval)."""
    return _drawing(r, target, _INTEGERS, (2, 3) if r.op_type.startswith("Stateless") else (1, 2), _RANGE)


def _functions(r):
    """The logarithm, sine and cosine of an op: those of the C library, or rounded once."""
    return ROUNDED if r.op_type.startswith("Stateless") else FITTED


@kernel("RandomStandardNormal", "StatelessRandomNormal")
def standard_normal(r, target):
    """Normal, mean 0 and deviation 1: pairs by Box-Muller."""
    return _drawing(r, target, _NORMAL, functions=_functions(r))


@kernel("TruncatedNormal", "StatelessTruncatedNormal")
def truncated_normal(r, target):
    """Normal, drawn again where its magnitude is 2 or more."""
    return _drawing(r, target, _TRUNCATED, functions=_functions(r), make=_MAKE_TRUNCATED)


@kernel("RandomShuffle")
def shuffle(r, target):
    """Refused: each swap needs the one before it."""
    raise Unsupported("RandomShuffle on CUDA: the swaps of a shuffle follow one another, which one thread alone would "
                      "do slower than the CPU")


@kernel("RandomGamma", "RandomPoissonV2", "Multinomial", "StatelessMultinomial")
def by_libm(r, target):
    """Refused: exp, log and pow in float64 differ in their last bits from the CPU's library."""
    raise Unsupported(f"{r.op_type} on CUDA: exp, log and pow of float64 are not the C library's to the last bit, and "
                      "so the numbers would not be the CPU's")
