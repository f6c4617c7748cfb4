"""A copy of a view whose place is a tensor's values: x[i] in a loop, without waiting for i on the host."""
from typing import NamedTuple

import numpy as np

from thalweg_cuda.work import Flag, Launch

from ._copy import ordered
from ._flags import FLAG
from ._geometry import QUOTIENT, Walk, ceil_div, collapse, grid_stride, index_for
from ._items import moving, widened
from ._views import begin
from .prelude import ctype


class Move(NamedTuple):
    """Entry number `entry` of the tensor of places moves the view by `step` elements for each 1 that it has.

    It may be `most` at most; negative ones count from behind `most` where `wraps`.
    """

    entry: int
    dimension: int
    most: int
    step: int


_TEXT = FLAG + QUOTIENT + """
extern "C" __global__ void copy_at(const T* x, T* y, const I* places, int64* flag, INDEX x_begin, INDEX y_begin,
                                   INDEX n, MOVES, PARAMETERS) {
  INDEX moved = 0;
  FIND
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    OFFSETS
    COPY
  }
}
"""

_FIND = """
  {{
    int64 place = places[entry{k}];
    if (WRAPS && place < 0) place += (int64)most{k} + 1;
    if (place < 0 || place > (int64)most{k}) {{
      if (claim(flag, 1)) flag[1] = places[entry{k}], flag[2] = dimension{k};
      return;
    }}
    moved += (INDEX)place * by{k};
  }}"""


def moved_copy(request, source, x, x_total, to, y, y_total, item, places, moves, wraps, moves_source, tell, target):
    """The command that copies view x to view y, one of which is moved by what input `places` holds.

    moves_source : bool     whether the source is moved, else the target
    tell : callable         an entry that is wrong and its dimension -> the message
    """
    sizes, x_steps, y_steps = ordered(x, y)
    if not sizes:
        sizes, x_steps, y_steps = (1,), (1,), (1,)
    x_begin, y_begin, by = begin(x), begin(y), [m.step for m in moves]
    if x_steps[-1] == y_steps[-1] == 1:
        factor = widened(item, sizes[-1], x_begin, y_begin, *by, *x_steps[:-1], *y_steps[:-1])
        narrow = [tuple(s // factor for s in steps[:-1]) + (1,) for steps in (x_steps, y_steps)]
        sizes, x_steps, y_steps = collapse((*sizes[:-1], sizes[-1] // factor), *narrow)
        if not sizes:
            sizes, x_steps, y_steps = (1,), (1,), (1,)
        item, x_begin, y_begin, by = item * factor, x_begin // factor, y_begin // factor, [s // factor for s in by]
        x_total, y_total = ceil_div(x_total, factor), ceil_div(y_total, factor)
    index, n = index_for(x_total, y_total), int(np.prod(sizes, dtype=object))
    walk, rank = Walk(sizes, [x_steps, y_steps], index), range(len(moves))
    shifts = ("moved + ", "") if moves_source else ("", "moved + ")
    text = _TEXT.replace("MOVES", ", ".join(f"int32 entry{k}, int32 dimension{k}, INDEX most{k}, INDEX by{k}"
                                            for k in rank))
    text = text.replace("FIND", "".join(_FIND.format(k=k) for k in rank).replace("WRAPS", str(int(wraps))))
    text = text.replace("COPY", f"y[(INDEX)({shifts[1]}y_begin + at_y)] = x[(INDEX)({shifts[0]}x_begin + at_x)];")
    text = text.replace("PARAMETERS", walk.parameters).replace("OFFSETS", walk.offsets("i", ["at_x", "at_y"]))
    text = f"typedef {ctype(request.op_type, request.in_dtypes[places.index]).storage} I;\n{text}"
    flag = Flag(lambda words: tell(words[1], words[2]))
    args = [source, to, places, flag, *map(index.scalar, (x_begin, y_begin, n))]
    for move, step in zip(moves, by):
        args += [np.int32(move.entry), np.int32(move.dimension), index.scalar(move.most), index.scalar(step)]
    return Launch(moving(item, index, text), "copy_at", *grid_stride(n, target), (*args, *walk.args))
