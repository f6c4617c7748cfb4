"""A stable order of keys: which position comes first, second, ...; what equal keys have in common is then adjacent.

Few keys are ranked by comparing each with all others. More go through a radix sort, from the lowest eight bits on:
each warp counts the digits of its stretch, the counts are summed up, and each warp puts its positions where the
sums say. The result does not depend on how the threads are scheduled.
"""
import numpy as np

from thalweg_cuda.work import Launch, Source, Unsupported

from ._geometry import ceil_div
from .prelude import PRELUDE

FEW = 8192                       # keys that are ranked: up to here one launch is quicker than nine
_STRETCH = 1024                  # positions of a warp
_WARPS = 8                       # of a block
_MOST = 2 ** 31 - 1

_RANK = """
extern "C" __global__ void rank_all(const K* keys, uint32* order, K* sorted, uint32 n, int is_wanted) {
  __shared__ K tile[256];
  const uint32 i = blockIdx.x * 256 + threadIdx.x;
  const K own = i < n ? keys[i] : 0;
  uint32 rank = 0;
  for (uint32 first = 0; first < n; first += 256) {
    const uint32 count = n - first < 256 ? n - first : 256;
    __syncthreads();
    if (threadIdx.x < count) tile[threadIdx.x] = keys[first + threadIdx.x];
    __syncthreads();
    for (uint32 k = 0; k < count; k++) rank += tile[k] < own || (tile[k] == own && first + k < i);
  }
  if (i < n) order[rank] = i;
  if (i < n && is_wanted) sorted[rank] = own;
}
"""

# A warp takes positions [1024 u, 1024 (u + 1)) of the order so far; counters [256, units], one per digit and warp.
_RADIX = """
__device__ inline uint32 digit_of(const K* keys, uint32 position, uint32 shift) {
  return (uint32)(keys[position] >> shift) & 255u;
}
extern "C" __global__ void count(const K* keys, const uint32* order, uint32* counters, uint32 n, uint32 units,
                                 uint32 shift, int is_first) {
  __shared__ uint32 counts[8][256];
  const uint32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, unit = blockIdx.x * 8 + warp;
  for (uint32 d = lane; d < 256; d += 32) counts[warp][d] = 0;
  __syncwarp();
  for (uint32 q = unit * 1024 + lane, k = 0; k < 32; k++, q += 32)
    if (q < n) atomicAdd(&counts[warp][digit_of(keys, is_first ? q : order[q], shift)], 1u);
  __syncwarp();
  if (unit < units)
    for (uint32 d = lane; d < 256; d += 32) counters[d * units + unit] = counts[warp][d];
}
/* Replaces each number by the sum of those ahead of it; one block. */
extern "C" __global__ void sum_up(uint32* counters, uint32 n) {
  __shared__ uint32 sums[1024];
  const uint32 t = threadIdx.x, per = (n + 1023) / 1024, begin = t * per < n ? t * per : n;
  const uint32 end = begin + per < n ? begin + per : n;
  uint32 sum = 0;
  for (uint32 i = begin; i < end; i++) sum += counters[i];
  sums[t] = sum;
  for (uint32 reach = 1; reach < 1024; reach *= 2) {
    __syncthreads();
    const uint32 before = t >= reach ? sums[t - reach] : 0;
    __syncthreads();
    sums[t] += before;
  }
  uint32 ahead = sums[t] - sum;
  for (uint32 i = begin; i < end; i++) {
    const uint32 own = counters[i];
    counters[i] = ahead;
    ahead += own;
  }
}
extern "C" __global__ void place(const K* keys, const uint32* order, const uint32* counters, uint32* result, uint32 n,
                                 uint32 units, uint32 shift, int is_first, K* sorted, int is_wanted) {
  __shared__ uint32 next[8][256];
  const uint32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, unit = blockIdx.x * 8 + warp;
  if (unit < units)
    for (uint32 d = lane; d < 256; d += 32) next[warp][d] = counters[d * units + unit];
  __syncwarp();
  for (uint32 q = unit * 1024 + lane, k = 0; k < 32; k++, q += 32) {
    const bool is_there = q < n;
    const uint32 position = is_there ? (is_first ? q : order[q]) : 0;
    const uint32 digit = is_there ? digit_of(keys, position, shift) : 0;
    uint32 peers = __ballot_sync(0xffffffffu, is_there);         /* lanes that have the same digit */
    for (int bit = 0; bit < 8; bit++) {
      const uint32 set = __ballot_sync(0xffffffffu, digit >> bit & 1);
      peers &= digit >> bit & 1 ? set : ~set;
    }
    const uint32 ahead = peers & ((1u << lane) - 1);
    const uint32 at = next[warp][digit] + __popc(ahead);
    if (is_there) result[at] = position;
    if (is_there && is_wanted) sorted[at] = keys[position];
    __syncwarp();
    if (is_there && !ahead) next[warp][digit] += __popc(peers);
    __syncwarp();
  }
}
"""


def stable_order(keys, key_bytes, n, bits, space, order=None, sorted_keys=None):
    """(commands, operand): uint32 [n], the positions of the keys in increasing order, of equal keys the first first.

    Parameters
    ----------
    keys : Operand              uint32 or uint64 [n]
    bits : int                  the keys are below 2^bits
    space : Workspace
    order : Operand or None     what to begin with; default: the positions as they are
    sorted_keys : Operand or None   where the keys are put in their order, if they are wanted so
    """
    if n > _MOST:
        raise Unsupported(f"CUDA sorts {_MOST} keys at most, not {n}")
    head = f"{PRELUDE}typedef uint{8 * key_bytes} K;\n"
    if n <= FEW and order is None:
        result = space.take(4 * n)
        args = keys, result, sorted_keys or result, np.uint32(n), np.int32(sorted_keys is not None)
        return (Launch(Source(head + _RANK), "rank_all", (ceil_div(n, 256),), (256,), args),), result
    source, units = Source(head + _RADIX), ceil_div(n, _STRETCH)
    counters, results = space.take(4 * 256 * units), [space.take(4 * n), space.take(4 * n)]
    grid, block, commands, shifts = (ceil_div(units, _WARPS),), (32 * _WARPS,), [], range(0, max(bits, 1), 8)
    for number, shift in enumerate(shifts):
        result, is_first = results[number % 2], np.int32(order is None)
        wanted = np.int32(sorted_keys is not None and shift == shifts[-1])
        sizes = np.uint32(n), np.uint32(units), np.uint32(shift), is_first
        given = keys if order is None else order                 # is not read in the first pass
        commands += [Launch(source, "count", grid, block, (keys, given, counters, *sizes)),
                     Launch(source, "sum_up", (1,), (1024,), (counters, np.uint32(256 * units))),
                     Launch(source, "place", grid, block,
                            (keys, given, counters, result, *sizes, sorted_keys or result, wanted))]
        order = result
    return tuple(commands), order
