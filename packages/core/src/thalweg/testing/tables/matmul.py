"""Products of matrices, and what is made of them."""
import numpy as np

import thalweg as tf
from thalweg.ops import matmul
from thalweg.testing.samples import reals
from thalweg.testing.table import Bad, Row

F = ["float32", "float64"]
ALL = [*F, "float16", "int32", "int64", "complex64", "complex128"]


def einsum(equation, *samples, **options):
    return Row(lambda *xs: tf.einsum(equation, *xs), *samples, against=lambda *xs: np.einsum(equation, *xs),
               label=equation, dtypes=F, **options)


ROWS = [
    Row(tf.matmul, reals(3, 4), reals(4, 5), against=np.matmul, dtypes=ALL, tolerance=2),
    Row(tf.matmul, reals(4, 3), reals(4, 5), transpose_a=True, against=lambda a, b: a.T @ b, dtypes=F),
    Row(tf.matmul, reals(3, 4), reals(5, 4), transpose_b=True, against=lambda a, b: a @ b.T, dtypes=F),
    Row(tf.matmul, reals(4, 3), reals(5, 4), transpose_a=True, transpose_b=True, dtypes=F,
        against=lambda a, b: a.T @ b.T),
    Row(tf.matmul, reals(4, 3), reals(4, 5), adjoint_a=True, against=lambda a, b: a.conj().T @ b,
        dtypes=[*F, "complex128"]),
    Row(tf.matmul, reals(0, 4), reals(4, 5), against=np.matmul, dtypes=F),
    Row(tf.matmul, reals(3, 0), reals(0, 5), against=np.matmul, dtypes=F),
    Row(tf.matmul, reals(70, 90), reals(90, 50), against=np.matmul, dtypes=F, second=False, tolerance=10,
        label="larger than a tile"),
    Row(tf.matmul, reals(2, 3, 4), reals(2, 4, 5), against=np.matmul, dtypes=ALL, tolerance=2),
    Row(tf.matmul, reals(2, 1, 3, 4), reals(6, 4, 5), against=np.matmul, dtypes=F),
    Row(tf.matmul, reals(3, 4), reals(2, 4, 5), against=np.matmul, dtypes=F),
    Row(tf.matmul, reals(2, 4, 3), reals(2, 5, 4), transpose_a=True, adjoint_b=True, dtypes=F,
        against=lambda a, b: a.swapaxes(1, 2) @ b.swapaxes(1, 2)),
    Row(tf.matmul, reals(2, 4, 3), reals(4, 5), transpose_a=True, dtypes=F,
        against=lambda a, b: a.swapaxes(1, 2) @ b),
    Row(matmul.batch_mat_mul, reals(2, 3, 4), reals(2, 4, 5), against=np.matmul, dtypes=F),
    Row(matmul.batch_mat_mul, reals(2, 4, 3), reals(2, 5, 4), adj_x=True, adj_y=True, dtypes=F),
    Row(matmul.batch_mat_mul_v2, reals(0, 3, 4), reals(4, 5), against=np.matmul, dtypes=F),
    Row(lambda a, b: a @ b, reals(2, 3), reals(3, 2), against=np.matmul, dtypes=F, label="@"),

    Row(tf.tensordot, reals(2, 3, 4), reals(4, 3, 5), [[1, 2], [1, 0]], dtypes=F,
        against=lambda a, b: np.tensordot(a, b, ([1, 2], [1, 0]))),
    Row(tf.tensordot, reals(2, 3), reals(3, 4), 1, dtypes=F, unknown="dimensions",
        against=lambda a, b: np.tensordot(a, b, 1)),
    Row(tf.tensordot, reals(2, 3), reals(2, 3), axes=2, dtypes=F, unknown="dimensions",
        against=lambda a, b: np.tensordot(a, b, 2)),
    Row(tf.tensordot, reals(2), reals(3), axes=0, dtypes=F, against=lambda a, b: np.tensordot(a, b, 0)),

    einsum("ij,jk->ik", reals(2, 3), reals(3, 4), unknown="dimensions"),
    einsum("ij->ji", reals(2, 3), unknown="dimensions"),
    einsum("ij,ij->", reals(2, 3), reals(2, 3), unknown="dimensions"),
    einsum("bij,bjk->bik", reals(2, 3, 4), reals(2, 4, 5), unknown="dimensions"),
    einsum("abijk,acjkl->abcil", reals(2, 1, 2, 3, 2), reals(2, 2, 3, 2, 2), unknown="dimensions", second=False),
    einsum("i,j->ij", reals(2), reals(3), unknown="dimensions"),
    einsum("ij,jk", reals(2, 3), reals(3, 4), unknown="dimensions"),
    einsum("ij,jk,kl->il", reals(2, 3), reals(3, 4), reals(4, 2), unknown="dimensions"),
    einsum("ij->", reals(2, 3), unknown="dimensions"),
    einsum("...ij,jk->...ik", reals(2, 3, 4), reals(4, 5), unknown="dimensions"),
    Row(tf.trace, reals(2, 3, 3), against=lambda x: np.trace(x, axis1=1, axis2=2), dtypes=F),

    Bad(tf.matmul, reals(3, 4), reals(3, 4), match="Dimensions must be equal, but are 4 and 3"),
    Bad(tf.matmul, reals(3), reals(3, 4), match="a must be a matrix"),
    Bad(tf.matmul, reals(2, 3, 4), reals(5), match="must have at least rank 2"),
    Bad(tf.matmul, reals(2, 3, 4), reals(3, 4, 5), match="do not broadcast"),
    Bad(tf.matmul, reals(3, 4), reals(4, 3), transpose_a=True, adjoint_a=True, match="Only one of"),
    Bad(tf.tensordot, reals(3), reals(3), axes=2, match="not larger than the number of dimensions"),
    Bad(tf.tensordot, reals(3), reals(3), axes=[[0], [0, 0]], match="Different number of contraction axes"),
    Bad(lambda a, b: tf.einsum("ii,ij->j", a, b), reals(2, 2), reals(2, 2), match="appears more than once"),
    Bad(lambda a: tf.einsum("i?j->j", a), reals(2, 2), match="incorrect format"),
    Bad(lambda a: tf.einsum("ijk->k", a), reals(2, 2), match="the equation gives it 3 dimensions"),
]
