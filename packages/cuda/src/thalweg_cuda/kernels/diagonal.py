"""Diagonals and bands of matrices."""
import math

import numpy as np

from thalweg_cuda.work import Flag, Launch, Work, input_, output

from . import kernel
from ._copy import copies
from ._flags import FLAG
from ._geometry import QUOTIENT, grid_stride, index_for, multiplier_of
from ._items import moving
from ._views import item_bytes, whole
from .prelude import ctype

# Matrices [batch, rows, columns]; VALUE is element (row, column) of matrix `batch`, number i of all.
_TEXT = QUOTIENT + """
extern "C" __global__ void matrices(OPERANDS, T* y, INDEX n, INDEX rows, uint32 row_multiplier, uint32 row_shift,
                                    INDEX columns, uint32 column_multiplier, uint32 column_shift) {
  SETUP
  for (INDEX i = (INDEX)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (INDEX)gridDim.x * blockDim.x) {
    const INDEX line = quotient(i, columns, column_multiplier, column_shift), column = i - line * columns;
    const INDEX batch = quotient(line, rows, row_multiplier, row_shift), row = line - batch * rows;
    y[i] = VALUE;
  }
}
"""

_LEAST = "const INDEX size = rows < columns ? rows : columns;"


def _matrices(r, target, shape, operands, setup, value, args, before=""):
    """The Work that makes matrices of `shape` (dimensions ahead of the last two are batches)."""
    n = math.prod(shape)
    if not n:
        return Work(())
    index = index_for(n)
    text = before + _TEXT.replace("OPERANDS", operands).replace("SETUP", setup).replace("VALUE", value)
    sizes = [index.scalar(n)]
    for size in shape[-2:]:
        sizes += [index.scalar(size), *map(np.uint32, multiplier_of(size))]
    source = moving(item_bytes(r, r.out_dtypes[0]), index, text)
    return Work((Launch(source, "matrices", *grid_stride(n, target), (*args, output(), *sizes)),))


@kernel("Diag", "MatrixDiag")
def diag(r, target):
    """A diagonal, and zeros around it."""
    size = math.prod(r.in_shapes[0]) if r.op_type == "Diag" else r.in_shapes[0][-1]
    shape = (math.prod(r.in_shapes[0]) // max(1, size), size, size)
    return _matrices(r, target, shape, "const T* diagonal", "", "row == column ? diagonal[batch * rows + row] : T()",
                     (input_(0),))


@kernel("DiagPart", "MatrixDiagPart")
def diag_part(r, target):
    """What lies on the diagonal."""
    shape = r.in_shapes[0]
    if r.op_type == "DiagPart":
        shape = (math.prod(r.out_shapes[0]),) * 2
    view = np.diagonal(whole(shape), axis1=-2, axis2=-1)
    size = math.prod(r.out_shapes[0])
    return Work(copies([(input_(0), view, math.prod(shape), output(), whole(view.shape), size)],
                       item_bytes(r, r.out_dtypes[0]), target))


@kernel("MatrixSetDiag")
def matrix_set_diag(r, target):
    """Matrices with another diagonal."""
    return _matrices(r, target, r.in_shapes[0], "const T* x, const T* diagonal", _LEAST,
                     "row == column ? diagonal[batch * size + row] : x[i]", (input_(0), input_(1)))


_BAND = """
  const int64 lower = *num_lower, upper = *num_upper;
  if (lower > (int64)rows && claim(flag, 1)) flag[1] = lower;
  if (upper > (int64)columns && claim(flag, 2)) flag[1] = upper;
"""
_IN_BAND = "(lower < 0 || (int64)row - (int64)column <= lower) && (upper < 0 || (int64)column - (int64)row <= upper)"


@kernel("MatrixBandPart")
def matrix_band_part(r, target):
    """Zeros outside of a band."""
    rows, columns = r.in_shapes[0][-2:]

    def tell(words):
        name, what, size = ("num_lower", "rows", rows) if words[0] == 1 else ("num_upper", "columns", columns)
        return f"{name} must be negative or less or equal to number of {what} ({size}) got: {words[1]}"
    index_type = ctype(r.op_type, r.in_dtypes[1]).storage
    operands = "const T* x, const I* num_lower, const I* num_upper, int64* flag"
    return _matrices(r, target, r.in_shapes[0], operands, _BAND, f"{_IN_BAND} ? x[i] : T()",
                     (input_(0), input_(1), input_(2), Flag(tell)), f"{FLAG}typedef {index_type} I;\n")
