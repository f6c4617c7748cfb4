"""Diagonals and bands of matrices: taking them out, putting them in, identity matrices."""
import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import COMPLEX, FLOATS, NUMBERS, DType, int32, int64
from thalweg.framework.graph import Tensor, name_scope

from . import array, constant, math, reduction

_TENSOR_TYPES = FLOATS + COMPLEX + (int32, int64)
_MATRIX_TYPES = NUMBERS + (dtypes.bool_,)


def _at_least(shape, rank, what):
    if shape is not None and len(shape) < rank:
        raise ValueError(f"{what} has rank {len(shape)}, shape {shapes.text(shape)}, but must have at least {rank}")
    return shape


def _smaller(rows, columns):
    return None if rows is None or columns is None else min(rows, columns)


# --- tensors: Diag and DiagPart ---------------------------------------------------------------------

@define_op("Diag", "diagonal: T -> output: T", T=_TENSOR_TYPES, public="diag")
def diag(diagonal):
    """A tensor of shape [*s, *s] for a diagonal of shape s: diagonal[i] at [i, i], else 0."""
    return np.diag(diagonal.ravel()).reshape(diagonal.shape * 2)


@diag.shape
def diag_shape(node, diagonal):
    return None if diagonal is None else _at_least(diagonal, 1, "diagonal") * 2


@diag.gradient
def diag_grad(node, dy):
    return diag_part(dy)


@define_op("DiagPart", "input: T -> diagonal: T", T=_TENSOR_TYPES, public="diag_part")
def diag_part(input):
    """The diagonal, of shape s, of a tensor of shape [*s, *s]."""
    shape = input.shape[:input.ndim // 2]
    size = int(np.prod(shape))
    return np.diagonal(input.reshape(size, size)).reshape(shape).copy()


@diag_part.shape
def diag_part_shape(node, x):
    if x is None:
        return None
    half = len(_at_least(x, 2, "input")) // 2
    if len(x) % 2:
        raise ValueError(f"input has rank {len(x)}, shape {shapes.text(x)}, but must have an even rank")
    return shapes.merge(x[:half], x[half:])


@diag_part.gradient
def diag_part_grad(node, dy):
    return diag(dy)


# --- matrices in a batch: the last two dimensions ---------------------------------------------------

@define_op("MatrixDiag", "diagonal: T -> output: T", T=_MATRIX_TYPES)
def matrix_diag_op(diagonal):
    """Matrices [..., N, N] with the diagonals [..., N], else 0."""
    n = diagonal.shape[-1]
    output = np.zeros((*diagonal.shape, n), diagonal.dtype)
    output[..., range(n), range(n)] = diagonal
    return output


@matrix_diag_op.shape
def matrix_diag_shape(node, diagonal):
    return None if diagonal is None else _at_least(diagonal, 1, "diagonal") + diagonal[-1:]


@matrix_diag_op.gradient
def matrix_diag_grad(node, dy):
    return matrix_diag_part_op(dy)


@define_op("MatrixDiagPart", "input: T -> diagonal: T", T=_MATRIX_TYPES)
def matrix_diag_part_op(input):
    """The diagonals [..., min(M, N)] of matrices [..., M, N]."""
    return np.diagonal(input, axis1=-2, axis2=-1).copy()


@matrix_diag_part_op.shape
def matrix_diag_part_shape(node, x):
    return None if x is None else _at_least(x, 2, "input")[:-2] + (_smaller(*x[-2:]),)


@matrix_diag_part_op.gradient
def matrix_diag_part_grad(node, dy):
    shape = node.input._shape
    if shape is not None and shape[-1] is not None and shape[-1] == shape[-2]:
        return matrix_diag_op(dy)
    return matrix_set_diag_op(constant.zeros_like(node.input), dy)


@define_op("MatrixSetDiag", "input: T, diagonal: T -> output: T", T=_MATRIX_TYPES)
def matrix_set_diag_op(input, diagonal):
    """Matrices [..., M, N] with their diagonals replaced by `diagonal` [..., min(M, N)]."""
    output, n = input.copy(), min(input.shape[-2:])
    output[..., range(n), range(n)] = diagonal
    return output


@matrix_set_diag_op.shape
def matrix_set_diag_shape(node, x, diagonal):
    if x is None:
        return None if diagonal is None else _at_least(diagonal, 1, "diagonal")[:-1] + (None, None)
    expected = _at_least(x, 2, "input")[:-2] + (_smaller(*x[-2:]),)
    return shapes.merge(expected, diagonal)[:-1] + x[-2:]


@matrix_set_diag_op.gradient
def matrix_set_diag_grad(node, dy):
    return matrix_set_diag_op(dy, constant.zeros_like(node.diagonal)), matrix_diag_part_op(dy)


@define_op("MatrixBandPart", "input: T, num_lower: Tindex[], num_upper: Tindex[] -> band: T", T=_MATRIX_TYPES,
           Tindex=INDEX_TYPES, public="matrix_band_part")
def matrix_band_part(input, num_lower, num_upper, *, Tindex: DType = int64):
    """Matrices [..., M, N] with 0 outside a band: `num_lower` diagonals below the main one, `num_upper` above.

    A negative number keeps all. InvalidArgumentError if one exceeds the size of the matrix.
    """
    for name, count, what, size in (("num_lower", num_lower, "rows", input.shape[-2]),
                                    ("num_upper", num_upper, "columns", input.shape[-1])):
        if count > size:
            raise errors.InvalidArgumentError(
                None, None, f"{name} must be negative or less or equal to number of {what} ({size}) got: {count}")
    below = np.arange(input.shape[-2])[:, None] - np.arange(input.shape[-1])                # [M, N]
    is_kept = ((num_lower < 0) | (below <= num_lower)) & ((num_upper < 0) | (-below <= num_upper))
    return np.where(is_kept, input, input.dtype.type(0))


@matrix_band_part.shape
def matrix_band_part_shape(node, x, num_lower, num_upper):
    return _at_least(x, 2, "input")


@matrix_band_part.gradient
def matrix_band_part_grad(node, dy):
    return matrix_band_part(dy, node.num_lower, node.num_upper), None, None


# --- public functions -------------------------------------------------------------------------------

def matrix_diag(diagonal, name="diag"):
    """Matrices [..., N, N] with the diagonals [..., N], else 0."""
    return matrix_diag_op(diagonal, name=name)


def matrix_diag_part(input, name="diag_part"):
    """The diagonals [..., min(M, N)] of matrices [..., M, N]."""
    return matrix_diag_part_op(input, name=name)


def matrix_set_diag(input, diagonal, name="set_diag"):
    """Matrices [..., M, N] with their diagonals replaced by `diagonal` [..., min(M, N)]."""
    return matrix_set_diag_op(input, diagonal, name=name)


def trace(x, name=None):
    """The sums of the diagonals of matrices [..., M, N]."""
    with name_scope(name, "Trace", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return reduction.reduce_sum(matrix_diag_part(x), [-1], name=scope)


def eye(num_rows, num_columns=None, batch_shape=None, dtype=dtypes.float32, name=None):
    """Identity matrices [*batch_shape, num_rows, num_columns]; num_columns is num_rows for None.

    Sizes and batch_shape may be tensors. TypeError if a size is neither an integer nor a tensor.
    """
    with name_scope(name, "eye", [num_rows, num_columns, batch_shape]):
        is_square = num_columns is None or (type(num_rows) is int and num_rows == num_columns)
        sizes = [num_rows, num_rows if num_columns is None else num_columns]
        batch = [] if batch_shape is None else batch_shape
        smaller = _least_size(*sizes)
        if not isinstance(batch, Tensor) and not isinstance(smaller, Tensor):
            batch = list(shapes.plain(batch))
            return _eye(batch + [smaller], None if is_square else batch + sizes, dtype)
        batch = convert_to_tensor(batch, int32, "shape")
        diagonal = array.concat((batch, [smaller]), 0)
        return _eye(diagonal, None if is_square else array.concat((batch, sizes), 0), dtype)


def _least_size(rows, columns):
    if isinstance(rows, Tensor) or isinstance(columns, Tensor):
        return math.minimum(rows, columns)
    if not all(isinstance(size, (int, np.integer)) for size in (rows, columns)):
        raise TypeError(f"num_rows and num_columns must be positive integer values, not {rows!r} and {columns!r}")
    return min(rows, columns)


def _eye(diagonal_shape, shape, dtype):
    diagonal = constant.ones(diagonal_shape, dtype)
    return matrix_diag(diagonal) if shape is None else matrix_set_diag(constant.zeros(shape, dtype), diagonal)
