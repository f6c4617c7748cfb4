"""What rows of one index become together: sums, products, extremes, and steps that follow one another.

The places are sorted by the row that they name, so that those of one row are a run. A thread folds the part of a run
that lies in one chunk, for one column; runs that cross chunks are joined from their parts in a second launch. Chunks
depend on sizes alone, so that the order of summation is always the same.
"""
import math

import numpy as np

from thalweg_cuda.work import Launch, Source, Unsupported

from . import _folds
from ._formulas import BOOLS, COMPLEX
from ._geometry import QUOTIENT, grid_stride, index_for, multiplier_of
from ._sort import stable_order
from .prelude import PRELUDE, TYPES

_MOST_ROWS = 2 ** 32 - 2
_THREADS_WANTED = 1 << 17        # two waves of an H200: longer chunks where there are more

_KEYS = """
extern "C" __global__ void find_rows(const I* indices, uint32* keys, int64* flag, uint32 n, uint32 rows PARAMETERS) {
  for (uint32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    const int64 row = ROW;
    if (row < 0 && !(DROPS && indices[i] < 0)) tell(flag, indices, i);
    keys[i] = row < 0 ? rows : (uint32)row;
  }
}
"""


class Runs:
    """The places of an index tensor in the order of the rows that they name.

    Attributes
    ----------
    commands : tuple                    that find it out
    args : tuple                        for a kernel with the parameters of ORDERED, see `ordered`
    n : int                             places
    """

    def __init__(self, places, indices, space, target, drops_negative=False):
        if places.rows > _MOST_ROWS:
            raise Unsupported(f"CUDA scatters to {_MOST_ROWS} rows at most, not {places.rows}")
        self.n, n, rows = places.count, np.uint32(places.count), np.uint32(places.rows)
        keys, sorted_keys = space.take(4 * places.count), space.take(4 * places.count)
        text = _KEYS.replace("PARAMETERS", f", {places.parameters}" if places.args else "").replace(
            "ROW", places.row("indices", "i")).replace("DROPS", str(int(drops_negative)))
        found = Launch(Source(PRELUDE + places.text + text), "find_rows", *grid_stride(places.count, target),
                       (indices, keys, places.flag, n, rows, *places.args))
        sorting, order = stable_order(keys, 4, places.count, places.rows.bit_length(), space, sorted_keys=sorted_keys)
        self.commands, self.args = (found, *sorting), (sorted_keys, order, n, rows)


# Places p of the order: AT(p) is the place in the index tensor, KEY(p) its row; those that name none come last.
ORDERED = "const uint32* keys, const uint32* order, uint32 n, uint32 rows"
SORTED = "\n#define AT(p) order[p]\n#define KEY(p) keys[p]\n"

# Ids that do not decrease: places are in order already.
IDS = "const I* keys, uint32 n, uint32 rows"
IN_ORDER = "\n#define AT(p) (p)\n#define KEY(p) (uint32)keys[p]\n"

_FOLD = QUOTIENT + """
FUNCTIONS
extern "C" __global__ void fold_runs(const T* x, T* y, accumulator* partial, INDEX threads, INDEX row,
                                     uint32 multiplier, uint32 shift, uint32 chunk, INDEX x_step, INDEX x_column,
                                     PARAMETERS) {
  for (INDEX t = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; t < threads; t += (INDEX)gridDim.x * blockDim.x) {
    const INDEX c = quotient(t, row, multiplier, shift), column = t - c * row;
    const uint32 begin = (uint32)c * chunk, end = n - begin < chunk ? n : begin + chunk;
    for (uint32 p = begin; p < end;) {
      const uint32 key = KEY(p), from = p;
      accumulator sum = identity();
      do {
        sum = fold(sum, lift(load(x[(INDEX)AT(p) * x_step + column * x_column]), 0));
        p++;
      } while (p < end && KEY(p) == key);
      if (key >= rows) continue;
      const bool is_begun = from == begin && begin > 0 && KEY(begin - 1) == key;
      const bool goes_on = p == end && end < n && KEY(end) == key;
      if (!is_begun && !goes_on) end_row(&y[(INDEX)key * row + column], sum, p - from);
      else partial[((INDEX)2 * c + (from != begin)) * row + column] = sum;
    }
  }
}
/* The runs that begin in a chunk and go on behind it. */
extern "C" __global__ void join_runs(T* y, const accumulator* partial, INDEX threads, INDEX row, uint32 multiplier,
                                     uint32 shift, uint32 chunk, PARAMETERS) {
  for (INDEX t = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; t < threads; t += (INDEX)gridDim.x * blockDim.x) {
    const INDEX c = quotient(t, row, multiplier, shift), column = t - c * row;
    const uint32 begin = (uint32)c * chunk, end = n - begin < chunk ? n : begin + chunk;
    if (end == n) continue;
    const uint32 key = KEY(end);
    uint32 from = end;
    while (from > begin && KEY(from - 1) == key) from--;
    if (key >= rows || from == end || (from == begin && begin > 0 && KEY(begin - 1) == key)) continue;
    accumulator sum = partial[((INDEX)2 * c + (from != begin)) * row + column];
    uint32 last = end;
    for (INDEX next = c + 1; last < n && KEY(last) == key; next++) {
      sum = fold(sum, partial[(INDEX)2 * next * row + column]);
      const uint32 stop = n - last < chunk ? n : last + chunk;
      if (KEY(stop - 1) == key) last = stop;
      else {
        while (KEY(last) == key) last++;
        break;
      }
    }
    end_row(&y[(INDEX)key * row + column], sum, last - from);
  }
}
"""


def fold_of(request, name, k):
    """The fold "Sum", "Prod", "Max" or "Min" of the elements of input k."""
    dtype = request.in_dtypes[k]
    if dtype in BOOLS or dtype in COMPLEX and name in ("Max", "Min"):
        raise Unsupported(f"{request.op_type} on CUDA has no loop for {TYPES[dtype].storage}")
    return _folds.fold(name, dtype, dtype)


def head(t):
    """What the text of a kernel of elements of the CType t begins with."""
    return f"{PRELUDE}typedef {t.storage} T;\ntypedef {t.compute} C;\ntypedef INDEX_TYPE INDEX;\n"


def fold(head, functions, ordered, x, y, row, n, rows_args, acc_bytes, rows, space, target, x_steps=None):
    """The commands that fold rows of x, `row` elements each, into the rows of y that their places name.

    Parameters
    ----------
    head : str              what the text begins with: names T, and those of the index type I and Places
    functions : str         a fold (_folds.py), and end_row(T* y, accumulator sum, uint32 count)
    ordered : (str, str)    parameters and macros, ORDERED and SORTED or IDS and IN_ORDER
    rows_args : tuple       the arguments for these parameters
    x_steps : (int, int)    elements from row to row of x, and from column to column; default: (row, 1)
    """
    chunk = _chunk(n, row)
    chunks = -(-n // chunk)
    threads = chunks * row
    index = index_for(threads, n * row, 2 * chunks * row, rows * row)
    partial = space.take(acc_bytes * (2 * threads if chunks > 1 else 1))
    text = head.replace("INDEX_TYPE", index.name) + ordered[1] + _FOLD.replace("PARAMETERS", ordered[0]).replace(
        "FUNCTIONS", functions)
    source = Source(text)
    sizes = index.scalar(threads), index.scalar(row), *map(np.uint32, multiplier_of(row)), np.uint32(chunk)
    steps = map(index.scalar, x_steps or (row, 1))
    grid, block = grid_stride(threads, target)
    commands = [Launch(source, "fold_runs", grid, block, (x, y, partial, *sizes, *steps, *rows_args))]
    if chunks > 1:
        commands.append(Launch(source, "join_runs", grid, block, (y, partial, *sizes, *rows_args)))
    return tuple(commands)


def _chunk(n, row):
    """Places of a chunk: 32 at least, and so many that there are not many more threads than run at once."""
    return min(256, max(32, 1 << max(0, math.ceil(math.log2(max(1, n * row / _THREADS_WANTED))))))


_EACH = QUOTIENT + """
FUNCTIONS
extern "C" __global__ void each_run(INDEX threads, INDEX row, uint32 multiplier, uint32 shift, PARAMETERS, OPERANDS) {
  SETUP
  for (INDEX t = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; t < threads; t += (INDEX)gridDim.x * blockDim.x) {
    const INDEX first = quotient(t, row, multiplier, shift), column = t - first * row;
    uint32 p = (uint32)first;
    const uint32 key = KEY(p);
    if (key >= rows) continue;
    const INDEX at_y = (INDEX)key * row + column;
    STEP
  }
}
"""

FIRST = "if (p > 0 && KEY(p - 1) == key) continue;"      # the thread of a run's first place goes through all of it
LAST = "if (p + 1 < n && KEY(p + 1) == key) continue;"


def each(head, functions, step, operands, args, row, runs, rows, target, setup=""):
    """The command that does `step` per place and column: it begins with FIRST or LAST, writes y[at_y]."""
    threads = runs.n * row
    index = index_for(threads, rows * row)
    text = _EACH.replace("PARAMETERS", ORDERED).replace("OPERANDS", operands).replace("SETUP", setup).replace(
        "STEP", step).replace("FUNCTIONS", functions)
    source = Source(head.replace("INDEX_TYPE", index.name) + SORTED + text)
    sizes = index.scalar(threads), index.scalar(row), *map(np.uint32, multiplier_of(row))
    return Launch(source, "each_run", *grid_stride(threads, target), (*sizes, *runs.args, *args))
