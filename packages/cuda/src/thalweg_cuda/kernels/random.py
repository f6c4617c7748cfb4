"""Random numbers: each is a function of the stream and of its own place, so that a seed gives the CPU's bits."""
import math

import numpy as np

from thalweg_cuda.work import Draw, Flag, Launch, Source, Unsupported, Work, input_, output

from . import kernel
from ._flags import FLAG
from ._geometry import grid_stride
from ._normal import FITTED, ROUNDED
from ._philox import PHILOX
from ._random_header import FLOAT64
from .prelude import PRELUDE, ctype

BLOCKS_PER_OUTPUT = 256         # reserved, whatever is drawn: TensorFlow's number

# A thread makes PER outputs. STREAM names the stream; MAKE makes them of it.
_TEXT = """
struct alignas(PER * sizeof(T) % 16 ? 8 : 16) several { T each[PER]; };
extern "C" __global__ void draw(PARAMETERS, T* y, uint64 n) {
  const stream s = STREAM;
  SETUP
  for (uint64 i = (uint64)blockIdx.x * blockDim.x + threadIdx.x; i * PER < n; i += (uint64)gridDim.x * blockDim.x) {
    MAKE
  }
}
"""


def of_block(value):
    """MAKE for outputs of one block: `value` sets made.each[k] from block.w."""
    return """several made;
    const words block = block_of(s, i);
    for (int k = 0; k < PER; k++) { VALUE }
    if ((i + 1) * PER <= n) ((several*)y)[i] = made;
    else for (int k = 0; k < PER; k++) if (i * PER + k < n) y[i * PER + k] = made.each[k];""".replace("VALUE", value)


# dtype -> outputs that a thread makes at once, and MAKE
_UNIFORM = {
    "half": (4, of_block("store(&made.each[k], (float)(block.w[k] & 0x3FFu) * 0.0009765625f);")),
    "float": (4, of_block("made.each[k] = unit_f32(block.w[k]);")),
    "double": (2, of_block("made.each[k] = unit_f64(block.w[2 * k], block.w[2 * k + 1]);")),
}
_INTEGERS = {
    "int32": (4, of_block("made.each[k] = (T)((uint32)low + block.w[k] % (uint32)span);")),
    "int64": (2, of_block("const uint64 word = block.w[2 * k] | (uint64)block.w[2 * k + 1] << 32; "
                          "made.each[k] = (T)((uint64)low + word % span);")),
}
_NORMAL = {
    "half": (4, of_block("""
      if (k % 2) continue;
      float pair[2];
      normal_pair(block.w[k], block.w[k + 1], pair);
      store(&made.each[k], pair[0]), store(&made.each[k + 1], pair[1]);""")),
    "float": (4, of_block("if (k % 2 == 0) normal_pair(block.w[k], block.w[k + 1], &made.each[k]);")),
    "double": (2, of_block("if (k == 0) thw_normals(block.w, made.each);")),
}
_TRUNCATED = {
    "half": (4, """float four[4];
    truncated_normals(s, i, n - i * 4, four);
    for (int k = 0; k < 4 && i * 4 + k < n; k++) store(&y[i * 4 + k], four[k]);"""),
    "float": (4, "truncated_normals(s, i, n - i * 4, y + i * 4);"),
    "double": (2, "thw_truncated_normals(&s, i * 128, n - i * 2 < 2 ? 1 : 2, y + i * 2);"),
}

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


def stream_of(r, blocks):
    """The parameter of a kernel that names its stream, the argument, and the expression of the stream."""
    if r.op_type.startswith("Stateless"):
        seed = 2 if r.op_type == "StatelessMultinomial" else 1
        return f"const {ctype(r.op_type, r.in_dtypes[seed]).storage}* random", input_(seed), "of_seed(random)"
    return "const uint32* random", Draw(blocks), "drawn(random)"


def drawing(r, target, formulas, functions=PHILOX, parameters="", args=(), setup="", blocks=None):
    """The launch that draws all outputs, of which there is one at least.

    Parameters
    ----------
    formulas : dict         as _UNIFORM
    functions : str         what MAKE needs
    parameters, args        of the kernel, besides the stream and the outputs
    blocks : int or None    that a run takes from its generator; default: TensorFlow's number
    """
    storage, n = ctype(r.op_type, r.out_dtypes[0]).storage, math.prod(r.out_shapes[0])
    if storage not in formulas:
        raise Unsupported(f"{r.op_type} on CUDA makes {', '.join(formulas)}, not {storage}")
    per, make = formulas[storage]
    parameter, stream, expression = stream_of(r, n * BLOCKS_PER_OUTPUT if blocks is None else blocks)
    text = _TEXT.replace("PARAMETERS", parameter + parameters).replace("STREAM", expression).replace(
        "SETUP", setup).replace("MAKE", make)
    text = f"{PRELUDE}typedef {storage} T;\n#define PER {per}\n{functions}{FLAG}{text}"
    return Launch(Source(text, ("--fmad=false",)), "draw", *grid_stride(n, target, per),
                  (stream, *args, output(), np.uint64(n)))


@kernel("RandomUniform", "StatelessRandomUniform")
def uniform(r, target):
    """Uniform in [0, 1)."""
    return _of_shape(r, target, _UNIFORM)


@kernel("RandomUniformInt", "StatelessRandomUniformInt")
def uniform_int(r, target):
    """Integers minval + word % (maxval - minval)."""
    inputs = (2, 3) if r.op_type.startswith("Stateless") else (1, 2)
    return _of_shape(r, target, _INTEGERS, parameters=", const T* minval, const T* maxval, int64* flag",
                     args=(*map(input_, inputs), _check_range()), setup=_RANGE)


@kernel("RandomStandardNormal", "StatelessRandomNormal")
def standard_normal(r, target):
    """Normal, mean 0 and deviation 1: pairs by Box-Muller."""
    return _of_shape(r, target, _NORMAL, functions=_functions(r))


@kernel("TruncatedNormal", "StatelessTruncatedNormal")
def truncated_normal(r, target):
    """Normal, drawn again where its magnitude is 2 or more."""
    return _of_shape(r, target, _TRUNCATED, functions=_functions(r))


def _of_shape(r, target, formulas, **how):
    if not math.prod(r.out_shapes[0]):
        return Work(())
    return Work((drawing(r, target, formulas, **how),))


def _functions(r):
    """What makes an op's normals: as the CPU's kernels, or for stateless ones of 32 and 16 bits as the bodies."""
    if ctype(r.op_type, r.out_dtypes[0]).storage == "double":
        return FLOAT64
    return PHILOX + (ROUNDED if r.op_type.startswith("Stateless") else FITTED)
