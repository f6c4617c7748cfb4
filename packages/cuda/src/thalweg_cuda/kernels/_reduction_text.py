"""The texts of reduction kernels: by rows, by columns, and the second pass over parts.

An output is number o of the kept elements, an element of its line number r of the reduced ones; two walks lead from
both numbers to the place in memory. Block (i, part) folds part `part` of the lines of some outputs. Where there is one
part the result is finished, otherwise the accumulator goes to partial[part, o] and `merge` folds these.
"""
from . import _geometry as geometry
from ._folds import Fold
from ._generator import PACK
from ._warp import SHUFFLES, group_fold
from .prelude import PRELUDE, TYPES

THREADS = 256


def common(fold, index):
    """The head of all reductions, and the second pass."""
    return f"""{PRELUDE}{geometry.QUOTIENT}{PACK}{SHUFFLES}{fold.text}
/* Folds what the threads of a column of the block have, in shared memory; row 0 gets it. */
template <int lanes> __device__ inline void fold_columns(accumulator* kept) {{
  const int at = threadIdx.y * blockDim.x + threadIdx.x;
  for (int half = blockDim.y / 2; half; half /= 2) {{
    __syncthreads();
    if (threadIdx.y < half)
      for (int j = 0; j < lanes; j++)
        kept[j * {THREADS} + at] = fold(kept[j * {THREADS} + at], kept[j * {THREADS} + at + half * blockDim.x]);
  }}
}}
"""


def merge(out_dtype, fold, index):
    """The second pass: block (width, height) of columns of partial[parts, n_out]."""
    result = TYPES[out_dtype].storage
    return f"""
extern "C" __global__ void __launch_bounds__({THREADS}) merge(const accumulator* partial, {result}* y,
    {index} n_out, {index} parts, {fold.divisor} divisor) {{
  __shared__ accumulator kept[{THREADS}];
  const int at = threadIdx.y * blockDim.x + threadIdx.x;
  const {index} o = blockIdx.x * ({index})blockDim.x + threadIdx.x;
  accumulator a = identity();
  if (o < n_out)
    for ({index} part = threadIdx.y; part < parts; part += blockDim.y) a = fold(a, partial[part * n_out + o]);
  kept[at] = a;
  fold_columns<1>(kept);
  if (threadIdx.y == 0 && o < n_out) {{
    a = kept[at];
    store(y + o, finish(a, divisor));
  }}
}}
"""


def _parameters(dtype, out_dtype, fold, index, kept, reduced, more=""):
    walks = "".join(f", {walk.parameters}" for walk in (kept, reduced) if walk.parameters)
    return (f"const {TYPES[dtype].storage}* x, {TYPES[out_dtype].storage}* y, accumulator* partial, {index} n_out, "
            f"{index} n_reduced, {index} part_size, {fold.divisor} divisor{walks}{more}")


_PART = """const {index} begin = blockIdx.y * part_size;
  const {index} end = begin + part_size < n_reduced ? begin + part_size : n_reduced;"""


def rows(dtype, out_dtype, fold: Fold, index, kept, reduced, lanes, group):
    """A group of threads for each output; neighbours read neighbouring elements of its line, in packs of `lanes`."""
    storage, per_block = TYPES[dtype].storage, THREADS // group
    tail = f"reduced_at + r % {lanes}" if lanes > 1 else "reduced_at"
    packs = f"""
    if (is_aligned<{storage}, {lanes}>(x)) {{
      for ({index} p = begin / {lanes} + lane; p < end / {lanes}; p += {group}) {{
        {reduced.offsets("p", ["reduced_at"])}
        const Pack<{storage}, {lanes}> pack = *(const Pack<{storage}, {lanes}>*)(x + kept_at + reduced_at);
#pragma unroll
        for (int j = 0; j < {lanes}; j++) a[j] = fold(a[j], lift(load(pack.at[j]), p * {lanes} + j));
      }}
      done = end / {lanes} * {lanes};
    }}""" if lanes > 1 else ""
    return f"""{group_fold("accumulator", "fold", group)}
extern "C" __global__ void __launch_bounds__({THREADS}) reduce(
    {_parameters(dtype, out_dtype, fold, index, kept, reduced)}) {{
  __shared__ accumulator warps[{max(1, group // 32)}];
  const {index} o = blockIdx.x * ({index}){per_block} + threadIdx.x / {group};
  const int lane = threadIdx.x % {group};
  {_PART.format(index=index)}
  accumulator a[{lanes}];
  for (int j = 0; j < {lanes}; j++) a[j] = identity();
  if (o < n_out) {{
    {kept.offsets("o", ["kept_at"])}
    {index} done = begin;{packs}
    for ({index} r = done + lane; r < end; r += {group}) {{
      {reduced.offsets(f"r / {lanes}" if lanes > 1 else "r", ["reduced_at"])}
      a[0] = fold(a[0], lift(load(x[kept_at + {tail}]), r));
    }}
  }}
#pragma unroll
  for (int j = 1; j < {lanes}; j++) a[0] = fold(a[0], a[j]);
  const accumulator all = fold_group(a[0], lane, warps);
  if (o < n_out && lane == 0) {{
    if (gridDim.y == 1) store(y + o, finish(all, divisor));
    else partial[blockIdx.y * n_out + o] = all;
  }}
}}
"""


def columns(dtype, out_dtype, fold: Fold, index, kept, reduced, lanes, gate=""):
    """Block (width, height): each thread folds every height-th row of `lanes` neighbouring columns.

    gate : text of a function element(x, features, &passed), or ""    what is folded and written to `passed`, if not x
    """
    storage = TYPES[dtype].storage
    more = f", const {storage}* features, {storage}* passed" if gate else ""
    each = "element(x[at + j], features[at + j], passed[at + j]);\n          " if gate else ""
    each = f"""for (int j = 0; j < {lanes}; j++) {{
          {each}a[j] = fold(a[j], lift(load({"passed" if gate else "x"}[at + j]), r));
        }}"""
    addresses = ("x", "features", "passed") if gate else ("x",)
    aligned = " && ".join(f"is_aligned<{storage}, {lanes}>({p})" for p in addresses)
    whole = f"if (aligned) {{\n        {_fold_pack(storage, lanes, gate)}\n      }} else {{\n        {each}\n      }}"
    return f"""{gate}
extern "C" __global__ void __launch_bounds__({THREADS}) reduce(
    {_parameters(dtype, out_dtype, fold, index, kept, reduced, more)}) {{
  __shared__ accumulator sums[{lanes * THREADS}];
  const int own = threadIdx.y * blockDim.x + threadIdx.x;
  const {index} pack_number = blockIdx.x * ({index})blockDim.x + threadIdx.x, o = pack_number * {lanes};
  {_PART.format(index=index)}
  {f"const bool aligned = {aligned};" if lanes > 1 else ""}
  accumulator a[{lanes}];
  for (int j = 0; j < {lanes}; j++) a[j] = identity();
  if (o < n_out) {{
    {kept.offsets("pack_number", ["kept_at"])}
#pragma unroll {min(4, 16 // lanes)}
    for ({index} r = begin + threadIdx.y; r < end; r += blockDim.y) {{
      {reduced.offsets("r", ["reduced_at"])}
      const {index} at = kept_at + reduced_at;
      {whole if lanes > 1 else each}
    }}
  }}
  for (int j = 0; j < {lanes}; j++) sums[j * {THREADS} + own] = a[j];
  fold_columns<{lanes}>(sums);
  if (threadIdx.y == 0 && o < n_out)
    for (int j = 0; j < {lanes}; j++) {{
      const accumulator all = sums[j * {THREADS} + own];
      if (gridDim.y == 1) store(y + o + j, finish(all, divisor));
      else partial[blockIdx.y * n_out + o + j] = all;
    }}
}}
"""


def _fold_pack(storage, lanes, gate):
    """Statements that fold the pack at `at`, through the gate if there is one."""
    pack = f"Pack<{storage}, {lanes}>"
    load = f"const {pack} pack = *(const {pack}*)(x + at);"
    if gate:
        load = f"""const {pack} given = *(const {pack}*)(x + at), beside = *(const {pack}*)(features + at);
        {pack} pack;
#pragma unroll
        for (int j = 0; j < {lanes}; j++) element(given.at[j], beside.at[j], pack.at[j]);
        *({pack}*)(passed + at) = pack;"""
    return f"""{load}
#pragma unroll
        for (int j = 0; j < {lanes}; j++) a[j] = fold(a[j], lift(load(pack.at[j]), r));"""
