"""Kernels that find a wrong index tell it in a Flag: the CUDA C for that, and the words of the CPU's messages."""
from math import prod

from thalweg_cuda.work import FLAG_WORDS, Flag

MAX_DEPTH = FLAG_WORDS - 2       # numbers of one position that a record holds

FLAG = r"""
/* Claims a flag's record: the first caller of all gets 1, and tells the rest in words 1 and on. */
__device__ inline int claim(int64* flag, int64 kind) {
  return atomicCAS((uint64*)flag, 0ull, (uint64)kind) == 0ull;
}
"""


def outside(noun, shape, suffix, depth=None):
    """The Flag of positions in an index tensor of `shape`: "indices[1,0] = 7 is not in [0, 5)".

    Words: 1, the flat position, then its number; with `depth` the last dimension is a position of so many numbers.
    """
    outer = shape if depth is None else shape[:-1]

    def tell(words):
        numbers = words[2:2 + (1 if depth is None else depth)]
        value = str(numbers[0]) if depth is None else f"[{', '.join(map(str, numbers))}]"
        return f"{noun}[{','.join(map(str, _unravelled(words[1], outer)))}] = {value} {suffix}"
    return Flag(tell)


def _unravelled(position, shape):
    index = []
    for axis in range(len(shape)):
        rest = prod(shape[axis + 1:])
        index.append(position // rest)
        position %= rest
    return index
