"""Core's thalweg_random.h in CUDA C: what the CPU's kernels make in float64, by the same text and so with its bits."""
from pathlib import Path

from thalweg.devices import get_include

from ._philox import PHILOX

_NAMES = """
typedef stream thw_random_stream;
__device__ inline void thw_random_block(const stream* s, uint64 offset, uint32* four) {
  const words block = block_of(*s, offset);
  for (int k = 0; k < 4; k++) four[k] = block.w[k];
}
#define THW_RANDOM_FUNCTION __device__ inline
#define THW_RANDOM_BITS(x) ((uint64)__double_as_longlong(x))
#define THW_RANDOM_DOUBLE(bits) __longlong_as_double((int64)(bits))
"""

FLOAT64 = PHILOX + _NAMES + Path(get_include(), "thalweg_random.h").read_text()
