"""ReverseSequence: the beginnings of sequences turned round."""
import math

import numpy as np

from thalweg_cuda.work import Flag, Launch, Work, input_, output

from . import kernel
from ._flags import FLAG
from ._geometry import QUOTIENT, grid_stride, index_for, multiplier_of
from ._items import moving, widened
from ._views import item_bytes
from .prelude import ctype

# Steps and sizes of the batch's and the sequence's dimension; an element's place in each is i / step % size.
_TEXT = FLAG + QUOTIENT + """
struct divisor { INDEX by; uint32 multiplier, shift; };
__device__ inline INDEX place_in(INDEX i, divisor step, divisor size) {
  const INDEX all = quotient(i, step.by, step.multiplier, step.shift);
  return all - quotient(all, size.by, size.multiplier, size.shift) * size.by;
}
extern "C" __global__ void reverse(const T* x, const I* lengths, T* y, int64* flag, INDEX n, PARAMETERS) {
  DIVISORS
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    const INDEX at = place_in(i, d2, d3);
    const int64 length = lengths[place_in(i, d0, d1)];
    INDEX from = at;
    if (length < 0 || length > (int64)d3.by) {
      if (claim(flag, 1)) flag[1] = length;
    } else if ((int64)at < length) {
      from = (INDEX)length - 1 - at;
    }
    y[i] = x[(INDEX)(i + (from - at) * d2.by)];
  }
}
"""


@kernel("ReverseSequence")
def reverse_sequence(r, target):
    """For each slice along batch_dim the first seq_lengths elements along seq_dim in reverse order."""
    shape, rank = r.in_shapes[0], len(r.in_shapes[0])
    n, item = math.prod(shape), item_bytes(r, r.in_dtypes[0])
    if not n:
        return Work(())
    axes = r.attrs.get("batch_dim", 0) % rank, r.attrs["seq_dim"] % rank
    steps = [math.prod(shape[axis + 1:]) for axis in axes]
    factor = widened(item, *steps)
    index = index_for(n)
    numbers = [v for axis, step in zip(axes, steps) for v in (step // factor, shape[axis])]
    args = [v for number in numbers for v in (index.scalar(number), *map(np.uint32, multiplier_of(number)))]
    parameters = ", ".join(f"INDEX by{k}, uint32 multiplier{k}, uint32 shift{k}" for k in range(4))
    divisors = " ".join(f"const divisor d{k} = {{by{k}, multiplier{k}, shift{k}}};" for k in range(4))
    text = f"typedef {ctype(r.op_type, r.in_dtypes[1]).storage} I;\n" + _TEXT.replace(
        "PARAMETERS", parameters).replace("DIVISORS", divisors)
    most = shape[axes[1]]
    flag = Flag(lambda words: f"seq_lengths: {words[1]} is not in [0, {most}]")
    n //= factor
    return Work((Launch(moving(item * factor, index, text), "reverse", *grid_stride(n, target),
                        (input_(0), input_(1), output(), flag, index.scalar(n), *args)),))
