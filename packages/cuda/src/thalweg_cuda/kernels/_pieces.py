"""Joining tensors along a dimension and taking them apart: up to eight pieces in one launch."""
import math

import numpy as np

from thalweg_cuda.work import Launch

from ._geometry import QUOTIENT, THREADS, ceil_div, index_for, multiplier_of
from ._items import moving, widened

_PIECES = 8

# Both sides are rows: of a piece, `width` elements, and of the whole, `total` elements, from element `begin` of it on.
# Row blockIdx.y of the grid has one piece.
_TEXT = QUOTIENT + """
extern "C" __global__ void pieces(WHOLE T* whole, INDEX total, PARAMETERS) {
  PIECE T* piece = piece0;
  INDEX width = width0, n = n0, begin = begin0;
  uint32 multiplier = multiplier0, shift = shift0;
  CHOICES
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    const INDEX row = quotient(i, width, multiplier, shift), at = row * total + begin + (i - row * width);
    MOVE
  }
}
"""


def pieces(whole, parts, widths, outer, total, item, target, joins):
    """Commands that join `parts` to `whole`, or take it apart to them.

    Parameters
    ----------
    whole : Operand         [outer, total] elements of `item` bytes
    parts : list            Operands, [outer, widths[k]] elements, side by side in the rows of `whole`
    joins : bool            whether the parts are read and the whole is written
    """
    begins = np.cumsum([0, *widths[:-1]]).tolist()
    factor = widened(item, total, *widths)
    index = index_for(outer * total)
    source = moving(item * factor, index, _text(joins))
    used = [k for k, width in enumerate(widths) if width * outer]
    return tuple(_launch(source, whole, [(parts[k], widths[k] // factor, begins[k] // factor)
                                         for k in used[first:first + _PIECES]], outer, total // factor, index, target)
                 for first in range(0, len(used), _PIECES))


def _launch(source, whole, some, outer, total, index, target):
    args = [whole, index.scalar(total)]
    for part, width, begin in some + some[-1:] * (_PIECES - len(some)):
        args += [part, *map(index.scalar, (width, width * outer, begin)), *map(np.uint32, multiplier_of(width))]
    most = ceil_div(max(width for _, width, _ in some) * outer, THREADS)
    blocks = max(1, min(most, 8 * target.multiprocessors // len(some)))
    return Launch(source, "pieces", (blocks, len(some)), (THREADS,), tuple(args))


def _text(joins):
    ends = ("", "const") if joins else ("const", "")
    parameters = ", ".join(f"{ends[1]} T* piece{k}, INDEX width{k}, INDEX n{k}, INDEX begin{k}, uint32 multiplier{k}, "
                           f"uint32 shift{k}" for k in range(_PIECES))
    choices = "\n  ".join(f"if (blockIdx.y == {k}) piece = piece{k}, width = width{k}, n = n{k}, begin = begin{k}, "
                          f"multiplier = multiplier{k}, shift = shift{k};" for k in range(1, _PIECES))
    move = "whole[at] = piece[i];" if joins else "piece[i] = whole[at];"
    return _TEXT.replace("PARAMETERS", parameters).replace("CHOICES", choices).replace("WHOLE", ends[0]).replace(
        "PIECE", ends[1]).replace("MOVE", move)


def row_sizes(shape, axis):
    """(outer, inner) element counts before a dimension, and from it on."""
    return math.prod(shape[:axis]), math.prod(shape[axis:])
