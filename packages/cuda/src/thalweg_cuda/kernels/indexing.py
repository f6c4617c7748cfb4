"""Rows by index: gather, one-hot, permutations."""
import math

import numpy as np

from thalweg_cuda.work import Fill, Flag, Launch, Source, Unsupported, Work, input_, output

from . import kernel
from ._flags import FLAG
from ._geometry import QUOTIENT, grid_stride, index_for, multiplier_of
from ._items import moving, widened
from ._places import Places
from ._views import item_bytes
from .prelude import PRELUDE, ctype

# params [batch, outer, size, row], indices [batch, per_batch]: element i of the result is a column of a row
_GATHER = QUOTIENT + """
extern "C" __global__ void gather(const T* x, const I* indices, T* y, int64* flag, INDEX n, INDEX row,
                                  uint32 row_multiplier, uint32 row_shift, INDEX per_batch, uint32 batch_multiplier,
                                  uint32 batch_shift, INDEX outer, uint32 outer_multiplier, uint32 outer_shift,
                                  INDEX size PARAMETERS) {
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    const INDEX place = quotient(i, row, row_multiplier, row_shift), column = i - place * row;
    INDEX position = place, slab = 0;
    if (per_batch) {
      slab = quotient(place, per_batch, batch_multiplier, batch_shift);
      position = place - slab * per_batch + quotient(slab, outer, outer_multiplier, outer_shift) * per_batch;
    }
    const int64 found = ROW;
    if (found < 0) {
      if (column == 0) tell(flag, indices, position);
      y[i] = T();
    } else {
      y[i] = x[(slab * size + (INDEX)found) * row + column];
    }
  }
}
"""


@kernel("Gather", "GatherV2")
def gather(r, target):
    """Slices along a constant axis, with or without batch dimensions."""
    params, indices = r.in_shapes[0], r.in_shapes[1]
    axis, batch_dims = 0, r.attrs.get("batch_dims", 0)
    if r.op_type == "GatherV2":
        if r.values.get(2) is None:
            raise Unsupported("GatherV2 on CUDA needs a constant axis")
        axis = int(r.values[2]) % max(1, len(params))
    if not batch_dims <= axis < len(params) or params[:batch_dims] != indices[:batch_dims]:
        raise ValueError(f"{r.op_type}: axis {axis} and {batch_dims} batch dimensions for params of shape {params} "
                         f"and indices of shape {indices}")
    places = Places(r, 1, (params[axis],), False, "indices", f"is not in [0, {params[axis]})")
    batch, outer = math.prod(params[:batch_dims]), math.prod(params[batch_dims:axis])
    return _gathered(r, target, places, batch, outer, math.prod(indices[batch_dims:]), params[axis],
                     math.prod(params[axis + 1:]))


@kernel("GatherNd")
def gather_nd(r, target):
    """Elements or slices at positions."""
    params = r.in_shapes[0]
    places = Places(r, 1, params, True, "indices", f"does not index into param shape [{','.join(map(str, params))}]")
    return _gathered(r, target, places, 1, 1, places.count, places.rows, math.prod(params[places.depth:]))


def _gathered(r, target, places, batch, outer, per_batch, size, row):
    item = item_bytes(r, r.in_dtypes[0])
    n = batch * outer * per_batch * row
    if not n:
        return Work(())
    factor = widened(item, row)
    n, row = n // factor, row // factor
    index = index_for(n, batch * outer * size * row)
    text = places.text + _GATHER.replace("PARAMETERS", f", {places.parameters}" if places.args else "").replace(
        "ROW", places.row("indices", "(int64)position"))
    sizes = [row, *multiplier_of(row)]
    for count in (per_batch if batch * outer > 1 else 0, outer):
        sizes += [count, *multiplier_of(max(1, count))]
    numbers = [kind(v) for v, kind in zip([n, *sizes, size], [index.scalar] + [index.scalar, np.uint32, np.uint32] * 3
                                          + [index.scalar])]
    args = input_(0), input_(1), output(), places.flag, *numbers, *places.args
    return Work((Launch(moving(item * factor, index, text), "gather", *grid_stride(n, target), args),))


# --- one hot ---------------------------------------------------------------------------------------------------------

# indices [outer, inner], result [outer, depth, inner]
_ONE_HOT = QUOTIENT + """
extern "C" __global__ void one_hot(const I* indices, const T* on_value, const T* off_value, T* y, INDEX n, INDEX depth,
                                   uint32 depth_multiplier, uint32 depth_shift, INDEX inner, uint32 inner_multiplier,
                                   uint32 inner_shift) {
  const T on = *on_value, off = *off_value;
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    const INDEX row = quotient(i, inner, inner_multiplier, inner_shift), column = i - row * inner;
    const INDEX place = quotient(row, depth, depth_multiplier, depth_shift);
    y[i] = (int64)indices[place * inner + column] == (int64)(row - place * depth) ? on : off;
  }
}
"""


@kernel("OneHot")
def one_hot(r, target):
    """An index outside of [0, depth) gives off_value everywhere."""
    indices, shape = r.in_shapes[0], r.out_shapes[0]
    axis = r.attrs.get("axis", -1)
    axis = len(indices) if axis == -1 else axis
    n, inner = math.prod(shape), math.prod(indices[axis:])
    if not n:
        return Work(())
    index = index_for(n)
    text = f"typedef {ctype(r.op_type, r.in_dtypes[0]).storage} I;\n{_ONE_HOT}"
    args = (input_(0), input_(2), input_(3), output(), index.scalar(n), index.scalar(shape[axis]),
            *map(np.uint32, multiplier_of(shape[axis])), index.scalar(inner), *map(np.uint32, multiplier_of(inner)))
    source = moving(item_bytes(r, r.in_dtypes[2]), index, text)
    return Work((Launch(source, "one_hot", *grid_stride(n, target), args),))


# --- permutations ----------------------------------------------------------------------------------------------------

# The result is all -1 before.
_INVERT = PRELUDE + FLAG + """
extern "C" __global__ void invert(const I* x, I* y, int64* flag, uint64 n) {
  for (uint64 i = (uint64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (uint64)gridDim.x * blockDim.x) {
    const int64 place = x[i];
    if (place < 0 || place >= (int64)n) {
      if (claim(flag, 1)) flag[1] = place, flag[2] = (int64)n;
    } else if (atomicCAS((U*)&y[place], ~(U)0, (U)i) != ~(U)0) {
      if (claim(flag, 2)) flag[1] = place;
    }
  }
}
"""


@kernel("InvertPermutation")
def invert_permutation(r, target):
    """y[x[i]] = i."""
    n, t = math.prod(r.in_shapes[0]), ctype(r.op_type, r.in_dtypes[0])
    if not n:
        return Work(())

    def tell(words):
        return f"{words[1]} is duplicated in the input." if words[0] == 2 else \
            f"{words[1]} is not between 0 and {words[2]}"
    source = Source(_INVERT.replace(PRELUDE, f"{PRELUDE}typedef {t.storage} I;\ntypedef u{t.storage} U;\n"))
    launch = Launch(source, "invert", *grid_stride(n, target), (input_(0), output(), Flag(tell), np.uint64(n)))
    return Work((Fill(output(), n * t.nbytes, 0xff), launch))
