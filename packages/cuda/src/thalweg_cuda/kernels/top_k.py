"""The largest elements of rows, and whether a class is among them."""
import math

import numpy as np

from thalweg_cuda.work import Launch, Source, Unsupported, Work, input_, output

from . import kernel
from ._geometry import ceil_div, grid_stride
from ._sort import stable_order
from ._workspace import Workspace
from .prelude import PRELUDE, ctype

_FEW_COLUMNS = 2048              # rows whose elements are ranked by comparing each with all others
_FEW = 1024                      # k up to which a block finds the largest of a row by their digits
_LONG = 1 << 20                  # columns from which on a few rows are better sorted by many blocks
_MOST_ROWS = 65535               # of a grid

# Numbers whose increasing order is the decreasing one of x: the largest first, and NaN ahead of it, as NumPy sorts.
_KEY = {
    "float": ("uint32", "const uint32 bits = x == 0 ? 0 : bits_of(x);\n"
              "  return x != x ? 0 : ~(bits >> 31 ? ~bits : bits | 0x80000000u);"),
    "double": ("uint64", "const uint64 bits = x == 0 ? 0 : (uint64)__double_as_longlong(x);\n"
               "  return x != x ? 0 : ~(bits >> 63 ? ~bits : bits | 1ull << 63);"),
    "int32": ("uint32", "return ~((uint32)x ^ 0x80000000u);"), "uint32": ("uint32", "return ~x;"),
    "int64": ("uint64", "return ~((uint64)x ^ 1ull << 63);"), "uint64": ("uint64", "return ~x;"),
}
_KEY.update({small: ("uint32", _KEY["int32"][1]) for small in ("int8", "uint8", "int16", "uint16")})

_RANKED = """
extern "C" __global__ void ranked(const T* x, T* values, int32* places, uint32 columns, uint32 k, uint32 rows) {
  __shared__ K tile[256];
  for (uint32 row = blockIdx.y; row < rows; row += gridDim.y) {
    const T* own_row = x + (uint64)row * columns;
    const uint32 i = blockIdx.x * 256 + threadIdx.x;
    const K own = i < columns ? key_of(load(own_row[i])) : 0;
    uint32 rank = 0;
    for (uint32 first = 0; first < columns; first += 256) {
      const uint32 count = columns - first < 256 ? columns - first : 256;
      __syncthreads();
      if (threadIdx.x < count) tile[threadIdx.x] = key_of(load(own_row[first + threadIdx.x]));
      __syncthreads();
      for (uint32 c = 0; c < count; c++) rank += tile[c] < own || (tile[c] == own && first + c < i);
    }
    if (i < columns && rank < k) {
      values[(uint64)row * k + rank] = own_row[i];
      places[(uint64)row * k + rank] = (int32)i;
    }
  }
}
"""

# A block finds, digit by digit from the highest, the k-th key of its row and, of those that are equal, the place up to
# which they count. What lies up to there is gathered in any order, and ranked.
_SELECTED = """
extern "C" __global__ void selected(const T* x, T* values, int32* places, uint32 columns, uint32 k, uint32 rows,
                                    int place_digits) {
  __shared__ uint32 counts[256], found_digit, still;
  __shared__ uint32 taken;
  __shared__ K keys[1024];
  __shared__ uint32 from[1024];
  for (uint32 row = blockIdx.x; row < rows; row += gridDim.x) {
    const T* own_row = x + (uint64)row * columns;
    K last_key = 0;
    uint32 last_place = 0, wanted = k;
    for (int level = -(int)sizeof(K); level < place_digits; level++) {   /* below 0: of the key; then of the place */
      const uint32 shift = level < 0 ? 8 * (uint32)(-level - 1) : 8 * (uint32)(place_digits - level - 1);
      for (uint32 d = threadIdx.x; d < 256; d += blockDim.x) counts[d] = 0;
      __syncthreads();
      for (uint32 i = threadIdx.x; i < columns; i += blockDim.x) {
        const K key = key_of(load(own_row[i]));
        if (level < 0) {
          if (((key ^ last_key) >> shift) < 256) atomicAdd(&counts[(uint32)(key >> shift) & 255u], 1u);
        } else if (key == last_key && ((i ^ last_place) >> shift) < 256) {
          atomicAdd(&counts[i >> shift & 255u], 1u);
        }
      }
      __syncthreads();
      if (threadIdx.x == 0) {
        uint32 d = 0, before = 0;
        while (before + counts[d] < wanted) before += counts[d++];
        found_digit = d, still = wanted - before;
      }
      __syncthreads();
      wanted = still;
      if (level < 0) last_key |= (K)found_digit << shift;
      else last_place |= found_digit << shift;
    }
    if (threadIdx.x == 0) taken = 0;
    __syncthreads();
    for (uint32 i = threadIdx.x; i < columns; i += blockDim.x) {
      const K key = key_of(load(own_row[i]));
      if (key < last_key || (key == last_key && i <= last_place)) {
        const uint32 at = atomicAdd(&taken, 1u);
        keys[at] = key, from[at] = i;
      }
    }
    __syncthreads();
    for (uint32 c = threadIdx.x; c < k; c += blockDim.x) {
      const K own = keys[c];
      const uint32 place = from[c];
      uint32 rank = 0;
      for (uint32 other = 0; other < k; other++)
        rank += keys[other] < own || (keys[other] == own && from[other] < place);
      values[(uint64)row * k + rank] = own_row[place];
      places[(uint64)row * k + rank] = (int32)place;
    }
    __syncthreads();
  }
}
"""

_SORTED = """
extern "C" __global__ void find_keys(const T* x, K* keys, uint32 n) {
  for (uint32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    keys[i] = key_of(load(x[i]));
}
extern "C" __global__ void find_rows(uint32* keys, uint32 n, uint32 columns) {
  for (uint32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) keys[i] = i / columns;
}
extern "C" __global__ void take(const T* x, const uint32* order, T* values, int32* places, uint32 n, uint32 columns,
                                uint32 k) {
  for (uint32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    const uint32 row = i / k, from = order[row * columns + i % k];
    values[i] = x[from];
    places[i] = (int32)(from - row * columns);
  }
}
"""


@kernel("TopK", "TopKV2")
def top_k(r, target):
    """The largest first, of equals the first."""
    shape, k, t = r.in_shapes[0], r.out_shapes[0][-1], ctype(r.op_type, r.in_dtypes[0])
    rows, columns = math.prod(shape[:-1]), shape[-1]
    if k > columns:
        raise ValueError(f"input must have last dimension >= k = {k} but is {columns}")
    if t.compute not in _KEY:
        raise Unsupported(f"{r.op_type} on CUDA has no loop for {t.storage}")
    if not rows * k:
        return Work(())
    key, formula = _KEY[t.compute]
    head = (f"{PRELUDE}typedef {t.storage} T;\ntypedef {key} K;\n"
            f"__device__ inline K key_of({t.compute} x) {{\n  {formula}\n}}\n")
    if columns <= _FEW_COLUMNS:
        grid = ceil_div(columns, 256), min(rows, _MOST_ROWS)
        args = input_(0), output(0), output(1), *map(np.uint32, (columns, k, rows))
        return Work((Launch(Source(head + _RANKED), "ranked", grid, (256,), args),))
    if k <= _FEW and (columns < _LONG or rows >= 8):
        digits = np.int32(ceil_div((columns - 1).bit_length(), 8))
        args = input_(0), output(0), output(1), *map(np.uint32, (columns, k, rows)), digits
        return Work((Launch(Source(head + _SELECTED), "selected", (min(rows, 2 ** 31 - 1),), (512,), args),))
    return _sorted_rows(Source(head + _SORTED), 8 if key == "uint64" else 4, rows, columns, k, target)


def _sorted_rows(source, key_bytes, rows, columns, k, target):
    """All elements sorted, then, in that order, by row."""
    n, space = rows * columns, Workspace()
    if n >= 2 ** 31:
        raise Unsupported(f"TopK on CUDA sorts less than 2^31 elements, not {rows} rows of {columns}")
    keys = space.take(key_bytes * n)
    commands = [Launch(source, "find_keys", *grid_stride(n, target), (input_(0), keys, np.uint32(n)))]
    sorting, order = stable_order(keys, key_bytes, n, 8 * key_bytes, space)
    commands += sorting
    if rows > 1:
        row_keys = space.take(4 * n)
        commands.append(Launch(source, "find_rows", *grid_stride(n, target),
                               (row_keys, np.uint32(n), np.uint32(columns))))
        sorting, order = stable_order(row_keys, 4, n, (rows - 1).bit_length(), space, order)
        commands += sorting
    args = input_(0), order, output(0), output(1), *map(np.uint32, (rows * k, columns, k))
    commands.append(Launch(source, "take", *grid_stride(rows * k, target), args))
    return Work(tuple(commands), space.nbytes)


# A warp has one row at a time.
_AMONG = PRELUDE + """
extern "C" __global__ void among(const float* x, const I* targets, const I* k_in, bool* y, int64 k_is, uint32 rows,
                                 uint32 classes) {
  const int64 k = HAS_K ? (int64)*k_in : k_is;
  const uint32 lane = threadIdx.x % 32, warps = gridDim.x * (blockDim.x / 32);
  for (uint32 row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; row < rows; row += warps) {
    const int64 class_ = targets[row];
    const float* own_row = x + (uint64)row * classes;
    const bool is_class = class_ >= 0 && class_ < (int64)classes;
    const float own = is_class ? own_row[class_] : 0;
    int larger = 0, undecided = 0;
    for (uint32 c = lane; c < classes; c += 32) {
      const float other = own_row[c];
      larger += other > own;
      undecided |= !is_finite(other) && !(other <= own);
    }
    for (int reach = 16; reach; reach /= 2) {
      larger += __shfl_xor_sync(0xffffffffu, larger, reach);
      undecided |= __shfl_xor_sync(0xffffffffu, undecided, reach);
    }
    if (lane == 0) y[row] = is_class && is_finite(own) && !undecided && larger < k;
  }
}
"""
_IS_FINITE = """
__device__ inline bool is_finite(float x) { return (bits_of(x) & 0x7f800000u) != 0x7f800000u; }
"""


@kernel("InTopK", "InTopKV2")
def in_top_k(r, target):
    """Whether fewer than k classes have more; not where a number that decides is not finite."""
    if r.in_dtypes[0] != 1:
        raise Unsupported(f"{r.op_type} on CUDA takes float32 predictions")
    rows, classes = r.in_shapes[0]
    if not rows:
        return Work(())
    has_k, index_type = len(r.in_shapes) == 3, ctype(r.op_type, r.in_dtypes[1]).storage
    head = f"{PRELUDE}typedef {index_type} I;\n#define HAS_K {int(has_k)}\n{_IS_FINITE}"
    k = np.int64(0 if has_k else r.attrs["k"])
    args = input_(0), input_(1), input_(2 if has_k else 1), output(), k, np.uint32(rows), np.uint32(classes)
    source = Source(_AMONG.replace(PRELUDE, head))
    return Work((Launch(source, "among", *grid_stride(rows, target, 1, 8)[:1], (256,), args),))
