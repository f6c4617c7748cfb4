"""RandomShuffle: the rows in the order in which the swaps of Fisher and Yates leave them, found without swapping.

Step i of the n steps swaps position i with target[i] >= i. What comes to position i is what lay at its target before
step i. That is what an earlier step has put there, the last with the same target: the row that then lay at that step's
own position - where in turn an earlier step may have put something. Steps are sorted by target, so that the last one
before is the neighbour; a chain of such steps has ln(n) links on average.
"""
import math

import numpy as np

from thalweg_cuda.work import Copy, Draw, Fill, Launch, Source, Work, input_, output

from . import kernel
from ._geometry import QUOTIENT, grid_stride, index_for, multiplier_of
from ._items import moving, widened
from ._philox import PHILOX
from ._sort import stable_order
from ._views import item_bytes
from ._workspace import Workspace
from .prelude import PRELUDE

_STEPS = PRELUDE + PHILOX + """
extern "C" __global__ void find_targets(const uint32* random, uint32* target, uint32 n) {
  const stream s = drawn(random);
  for (uint32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    target[i] = i + block_of(s, i / 4).w[i % 4] % (n - i);
}
/* before[i]: the last step ahead of i with i's target. into[k]: the last step ahead of k with target k. ~0: none;
 * which into[] holds at first. */
extern "C" __global__ void link(const uint32* sorted, const uint32* order, uint32* before, uint32* into, uint32 n) {
  for (uint32 p = blockIdx.x * blockDim.x + threadIdx.x; p < n; p += gridDim.x * blockDim.x) {
    const uint32 i = order[p], to = sorted[p], last = p > 0 && sorted[p - 1] == to ? order[p - 1] : ~0u;
    before[i] = last;
    if (p + 1 == n || sorted[p + 1] != to) into[to] = i == to ? last : i;
  }
}
extern "C" __global__ void follow(const uint32* target, const uint32* before, const uint32* into, uint32* from,
                                  uint32 n) {
  for (uint32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    uint32 at = before[i];
    if (at == ~0u) at = target[i];
    else for (uint32 next = into[at]; next != ~0u; next = into[at]) at = next;
    from[i] = at;
  }
}
"""

_TAKE = QUOTIENT + """
extern "C" __global__ void take(const T* x, const uint32* from, T* y, INDEX n, INDEX row, uint32 multiplier,
                                uint32 shift) {
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    const INDEX place = quotient(i, row, multiplier, shift);
    y[i] = x[(INDEX)from[place] * row + (i - place * row)];
  }
}
"""


@kernel("RandomShuffle")
def shuffle(r, target):
    """Slices along the first dimension in random order; one word for each swap."""
    shape, item = r.in_shapes[0], item_bytes(r, r.in_dtypes[0])
    size = math.prod(shape)
    if size <= 1 or shape[0] == 1:
        return Work((Copy(output(), input_(0), size * item),), inplace=(0,))
    n, row = shape[0], size // shape[0]
    space, (grid, block) = Workspace(), grid_stride(n, target)
    targets, keys, before, into, source = (space.take(4 * n) for _ in range(5))
    sorting, order = stable_order(targets, 4, n, (n - 1).bit_length(), space, sorted_keys=keys)
    text, count = Source(_STEPS), np.uint32(n)
    commands = (Launch(text, "find_targets", grid, block, (Draw((n + 2) // 4), targets, count)), *sorting,
                Fill(into, 4 * n, 0xff), Launch(text, "link", grid, block, (keys, order, before, into, count)),
                Launch(text, "follow", grid, block, (targets, before, into, source, count)))
    factor = widened(item, row)
    index, row = index_for(size // factor), row // factor
    sizes = index.scalar(size // factor), index.scalar(row), *map(np.uint32, multiplier_of(row))
    return Work((*commands, Launch(moving(item * factor, index, _TAKE), "take", *grid_stride(size // factor, target),
                                   (input_(0), source, output(), *sizes))), space.nbytes)
