"""Linear algebra: QR decomposition and triangular systems."""
import collections

import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import COMPLEX, FLOATS

from . import _householder, array, diagonal, matmul
from ._reference import widened

_TYPES = FLOATS + COMPLEX

Qr = collections.namedtuple("Qr", "q r")


def _matrix(shape, what):
    if shape is not None and len(shape) < 2:
        raise ValueError(f"{what} has rank {len(shape)}, shape {shapes.text(shape)}, but must have at least 2")
    return shape


def _adjoint(x):
    return array.matrix_transpose(x, conjugate=True)


# --- QR ---------------------------------------------------------------------------------------------

@define_op("Qr", "input: T -> q: T, r: T", T=_TYPES)
@widened
def qr_op(input, *, full_matrices: bool = False):
    """input [..., M, N] = q r: q [..., M, K] with orthonormal columns, r [..., K, N] upper triangular, K = min(M, N).

    By Householder reflections, so that a diagonal element of r has the sign opposite to that of the element which its
    reflection met (LAPACK's and Eigen's rule). With `full_matrices` K = M. float32 is computed in float64, except for
    tall matrices of few columns, which get the bits of TensorFlow 1.15 (_householder.py).
    """
    rows, columns = input.shape[-2:]
    if input.dtype == np.float32 and not full_matrices and 0 < columns <= min(rows, _householder.LIMIT) and input.size:
        parts = [_householder.decompose(a) for a in input.reshape(-1, rows, columns)]
        return [np.stack(part).reshape(input.shape[:-2] + part[0].shape) for part in zip(*parts)]
    q, r = np.linalg.qr(input, mode="complete" if full_matrices else "reduced")
    return q.astype(input.dtype), r.astype(input.dtype)


@qr_op.shape
def qr_shape(node, x):
    if _matrix(x, "input") is None:
        return [None, None]
    rows, columns = x[-2:]
    inner = rows if node.full_matrices else None if rows is None or columns is None else min(rows, columns)
    return [x[:-2] + (rows, inner), x[:-2] + (inner, columns)]


@qr_op.gradient
def qr_grad(node, dq, dr):
    """Source: arXiv:1001.1654 and arXiv:1710.08717, for a square r."""
    q, r = node.q, node.r
    if q.dtype.is_complex:
        raise NotImplementedError(f"Qr {node.op.name!r} has no gradient for complex matrices.")
    if r._shape is None or r._shape[-1] is None or r._shape[-1] != r._shape[-2]:
        raise NotImplementedError(
            f"Qr {node.op.name!r} has a gradient only where r is known to be square: rows >= columns, and "
            f"full_matrices only for square matrices; r is {shapes.text(r._shape)}.")
    inner, outer = matmul.matmul(q, dq, transpose_a=True), matmul.matmul(r, dr, transpose_b=True)
    skew = inner - _adjoint(inner) + outer - _adjoint(outer)
    lower = diagonal.matrix_band_part(skew, -1, 0)
    return (matmul.matmul(q, dr + _divided(lower, r)) + _divided(dq - matmul.matmul(q, inner), r))


def _divided(x, r):
    """x times the inverse of the transpose of an upper triangular r."""
    return _adjoint(matrix_triangular_solve(r, _adjoint(x), lower=False))


def qr(input, full_matrices=False, name=None):
    """The QR decomposition of matrices [..., M, N]: a namedtuple (q, r); q [..., M, K], r [..., K, N]."""
    return Qr(*qr_op(input, full_matrices=full_matrices, name=name))


# --- triangular systems -----------------------------------------------------------------------------

@define_op("MatrixTriangularSolve", "matrix: T, rhs: T -> output: T", T=_TYPES, public="matrix_triangular_solve")
@widened
def matrix_triangular_solve(matrix, rhs, *, lower: bool = True, adjoint: bool = False):
    """The solution of matrix @ output = rhs, or of adjoint(matrix) @ output = rhs; [..., M, M] and [..., M, N].

    Only the triangle that `lower` names is read. InvalidArgumentError if a diagonal element is 0.
    """
    if not np.all(np.diagonal(matrix, axis1=-2, axis2=-1)):
        raise errors.InvalidArgumentError(None, None, "Input matrix is not invertible.")
    triangle = np.tril(matrix) if lower else np.triu(matrix)
    if adjoint:
        triangle = np.conj(np.swapaxes(triangle, -1, -2))
    return np.linalg.solve(triangle, rhs).astype(rhs.dtype)


@matrix_triangular_solve.shape
def matrix_triangular_solve_shape(node, matrix, rhs):
    if _matrix(matrix, "matrix") is None or _matrix(rhs, "rhs") is None:
        return rhs
    rows = shapes.merge(shapes.merge(matrix[-1:], matrix[-2:-1]), rhs[-2:-1])
    return shapes.merge(matrix[:-2], rhs[:-2]) + rows + rhs[-1:]


@matrix_triangular_solve.gradient
def matrix_triangular_solve_grad(node, dy):
    solution, lower, adjoint = node.output, node.attrs["lower"], node.attrs["adjoint"]
    d_rhs = matrix_triangular_solve(node.matrix, dy, lower=lower, adjoint=not adjoint)
    left, right = (solution, d_rhs) if adjoint else (d_rhs, solution)
    full = -matmul.matmul(left, right, adjoint_b=True)
    return diagonal.matrix_band_part(full, *((-1, 0) if lower else (0, -1))), d_rhs
