"""The texts of running sums and products."""
from ._warp import SHUFFLES, group_fold
from .prelude import PRELUDE

THREADS = 256
ITEMS = 4                        # neighbours that a thread scans, in a tile of THREADS * ITEMS


def kernels(fold, storage, index):
    """All kernels for one type. Element i of a line counts from its end where `reverse` is set."""
    text = PRELUDE + SHUFFLES + fold.text + group_fold("accumulator", "fold", THREADS) + _KERNELS
    for name, value in (("{S}", storage), ("{I}", index), ("{D}", fold.divisor), ("{THREADS}", THREADS),
                        ("{ITEMS}", ITEMS), ("{WARPS}", THREADS // 32)):
        text = text.replace(name, str(value))
    return text


_KERNELS = """
/* The place of element i of a line. */
__device__ inline {I} place({I} line, {I} i, {I} length, {I} inner, int reverse) {
  return (line / inner * length + (reverse ? length - 1 - i : i)) * inner + line % inner;
}
__device__ inline void put({S}* to, accumulator a) { store(to, finish(a, ({D})1)); }

/* A thread for each line. */
extern "C" __global__ void __launch_bounds__({THREADS}) scan_lines(const {S}* x, {S}* y, {I} lines, {I} length,
    {I} inner, int exclusive, int reverse) {
  const {I} line = blockIdx.x * ({I}){THREADS} + threadIdx.x;
  if (line >= lines) return;
  accumulator a = identity();
  for ({I} i = 0; i < length; i++) {
    const {I} at = place(line, i, length, inner, reverse);
    const accumulator before = a;
    a = fold(a, lift(load(x[at]), i));
    put(y + at, exclusive ? before : a);
  }
}

/* partial[line, part]: the fold of part blockIdx.y of line blockIdx.x. */
extern "C" __global__ void __launch_bounds__({THREADS}) fold_parts(const {S}* x, accumulator* partial, {I} lines,
    {I} length, {I} inner, {I} part_size, int reverse) {
  __shared__ accumulator warps[{WARPS}];
  const {I} begin = blockIdx.y * part_size, end = begin + part_size < length ? begin + part_size : length;
  accumulator a = identity();
  for ({I} i = begin + threadIdx.x; i < end; i += {THREADS})
    a = fold(a, lift(load(x[place(blockIdx.x, i, length, inner, reverse)]), i));
  a = fold_group(a, threadIdx.x, warps);
  if (threadIdx.x == 0) partial[blockIdx.x * ({I})gridDim.y + blockIdx.y] = a;
}

/* Scans part blockIdx.y of line blockIdx.x, tile by tile; a thread has {ITEMS} neighbours of a tile. */
extern "C" __global__ void __launch_bounds__({THREADS}) scan_parts(const {S}* x, {S}* y, const accumulator* partial,
    {I} lines, {I} length, {I} inner, {I} part_size, int exclusive, int reverse) {
  __shared__ accumulator warps[{WARPS}];
  const {I} line = blockIdx.x, begin = blockIdx.y * part_size;
  const {I} end = begin + part_size < length ? begin + part_size : length;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  accumulator carry = identity();
  for ({I} part = 0; part < blockIdx.y; part++) carry = fold(carry, partial[line * ({I})gridDim.y + part]);
  for ({I} tile = begin; tile < end; tile += {THREADS} * {ITEMS}) {
    const {I} first = tile + threadIdx.x * {ITEMS};
    accumulator own[{ITEMS}], a = identity();
    for (int j = 0; j < {ITEMS}; j++) {
      if (first + j < end) a = fold(a, lift(load(x[place(line, first + j, length, inner, reverse)]), first + j));
      own[j] = a;
    }
    accumulator through = a;                                  /* of the warp's threads up to this one */
    for (int distance = 1; distance < 32; distance *= 2) {
      const accumulator before = shuffle_up(through, distance);
      if (lane >= distance) through = fold(before, through);
    }
    __syncthreads();                                          /* warps of the tile before have been read */
    if (lane == 31) warps[warp] = through;
    __syncthreads();
    accumulator before = carry;
    for (int i = 0; i < {WARPS}; i++) {
      if (i < warp) before = fold(before, warps[i]);
      carry = fold(carry, warps[i]);
    }
    const accumulator left = shuffle_up(through, 1);
    if (lane > 0) before = fold(before, left);
    for (int j = 0; j < {ITEMS}; j++)
      if (first + j < end) {
        const accumulator without = j ? fold(before, own[j - 1]) : before;
        put(y + place(line, first + j, length, inner, reverse), exclusive ? without : fold(before, own[j]));
      }
  }
}
"""
