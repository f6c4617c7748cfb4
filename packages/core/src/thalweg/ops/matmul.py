"""Products of matrices and of batches of matrices."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import COMPLEX, FLOATS, int32, int64
from thalweg.framework.graph import name_scope

from . import complex
from ._gradient import conjugated
from ._reference import widened

_NUMBERS = FLOATS + COMPLEX + (int32, int64)


@define_op("MatMul", "a: T, b: T -> product: T", T=_NUMBERS, cpu="matmul:matmul")
@widened
def mat_mul(a, b, *, transpose_a: bool = False, transpose_b: bool = False):
    """The product of two matrices: a [M, K] (or [K, M] transposed) and b [K, N] (or [N, K])."""
    return (a.T if transpose_a else a) @ (b.T if transpose_b else b)


@mat_mul.shape
def mat_mul_shape(node, a, b):
    for name, side in (("a", a), ("b", b)):
        if side is not None and len(side) != 2:
            raise errors.Misfit(f"{name} must be a matrix, its shape is {shapes.text(side)}",
                                _factors("a", "b", node.transpose_a, node.transpose_b),
                                f"tf.expand_dims or tf.reshape to give {name} rank 2, or tf.tensordot")
    rows, inner = _sides(a, node.transpose_a)
    other, columns = _sides(b, node.transpose_b)
    _check_inner(inner, other, a, b, _factors("a", "b", node.transpose_a, node.transpose_b),
                 _turn_hint(a, b, inner, other, node.transpose_a, node.transpose_b, "transpose_"))
    return rows, columns


def _factors(a, b, turned_a, turned_b, before=""):
    """The shapes that a product expects of its factors."""
    return (f"{a} [{before}{'K, M' if turned_a else 'M, K'}], "
            f"{b} [{before}{'N, K' if turned_b else 'K, N'}]")


def _turn_hint(a, b, inner, other, turned_a, turned_b, attribute):
    """What makes the inner dimensions agree: the other turn of a factor, where that does it."""
    for side, shape, is_turned, wanted in (("b", b, turned_b, inner), ("a", a, turned_a, other)):
        rows, columns = _sides(shape, is_turned)
        if (columns if side == "b" else rows) == wanted:
            return f"{'without ' * is_turned}{attribute}{side}=True"
    return "tf.transpose or tf.reshape of a factor: K must be the same in both"


def _sides(shape, turned):
    rows, columns = (None, None) if shape is None else shape[-2:]
    return (columns, rows) if turned else (rows, columns)


def _check_inner(inner, other, a, b, expected, hint):
    if None not in (inner, other) and inner != other:
        raise errors.Misfit(f"Dimensions must be equal, but are {inner} and {other}: {shapes.text(a)} times "
                            f"{shapes.text(b)}", expected, hint)


@mat_mul.gradient
def mat_mul_grad(node, dy):
    a, b = conjugated(node.a), conjugated(node.b)
    if node.transpose_a:
        da = mat_mul(b, dy, transpose_a=node.transpose_b, transpose_b=True)
    else:
        da = mat_mul(dy, b, transpose_b=not node.transpose_b)
    if node.transpose_b:
        return da, mat_mul(dy, a, transpose_a=True, transpose_b=node.transpose_a)
    return da, mat_mul(a, dy, transpose_a=not node.transpose_a)


def _adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def _batch_product(x, y, adj_x, adj_y):
    return (_adjoint(x) if adj_x else x) @ (_adjoint(y) if adj_y else y)


@define_op("BatchMatMul", "x: T, y: T -> output: T", T=_NUMBERS, cpu="matmul:batch_matmul")
@widened
def batch_mat_mul(x, y, *, adj_x: bool = False, adj_y: bool = False):
    """Products of the matrices in the last two dimensions; the leading ones agree. `adj`: conjugate transpose."""
    return _batch_product(x, y, adj_x, adj_y)


@define_op("BatchMatMulV2", "x: T, y: T -> output: T", T=_NUMBERS, cpu="matmul:batch_matmul")
@widened
def batch_mat_mul_v2(x, y, *, adj_x: bool = False, adj_y: bool = False):
    """Products of the matrices in the last two dimensions; the leading ones are broadcast."""
    return _batch_product(x, y, adj_x, adj_y)


def _batch_shape(node, x, y, join):
    for name, side in (("x", x), ("y", y)):
        if side is not None and len(side) < 2:
            raise ValueError(f"{name} must have at least rank 2, its shape is {shapes.text(side)}")
    rows, inner = _sides(x, node.adj_x)
    other, columns = _sides(y, node.adj_y)
    _check_inner(inner, other, x, y, _factors("x", "y", node.adj_x, node.adj_y, "..., "),
                 _turn_hint(x, y, inner, other, node.adj_x, node.adj_y, "transpose_"))
    batch = join(None if x is None else x[:-2], None if y is None else y[:-2])
    return None if batch is None else batch + (rows, columns)


@batch_mat_mul.shape
def batch_mat_mul_shape(node, x, y):
    return _batch_shape(node, x, y, shapes.merge)


@batch_mat_mul_v2.shape
def batch_mat_mul_v2_shape(node, x, y):
    return _batch_shape(node, x, y, shapes.broadcast)


def _batch_gradients(node, dy, product):
    x, y = node.x, node.y
    if node.adj_x:
        dx = product(y, dy, adj_x=node.adj_y, adj_y=True)
    else:
        dx = product(dy, y, adj_y=not node.adj_y)
    if node.adj_y:
        return dx, product(dy, x, adj_x=True, adj_y=node.adj_x)
    return dx, product(x, dy, adj_x=not node.adj_x)


@batch_mat_mul.gradient
def batch_mat_mul_grad(node, dy):
    return _batch_gradients(node, dy, batch_mat_mul)


@batch_mat_mul_v2.gradient
def batch_mat_mul_v2_grad(node, dy):
    dx, dy = _batch_gradients(node, dy, batch_mat_mul_v2)
    return _unbatched(dx, node.x, node.y), _unbatched(dy, node.y, node.x)


def _unbatched(gradient, operand, other):
    """Sums the batch dimensions in which `operand` was repeated; its last two dimensions are its own."""
    from . import array, broadcast, reduction
    mine, theirs = operand._shape, other._shape
    if mine is not None and theirs is not None and None not in mine[:-2]:
        if mine[:-2] == theirs[:-2]:
            return gradient
        summed = broadcast.unbroadcast_statically(gradient, operand, theirs[:-2] + (1, 1))
        if summed is not None:
            return summed
    sizes = array.shape(operand)
    axes, _ = broadcast.broadcast_gradient_args(sizes[:-2], array.shape(other)[:-2])
    return array.reshape(reduction.sum_op(gradient, axes), sizes)


def matmul(a, b, transpose_a=False, transpose_b=False, adjoint_a=False, adjoint_b=False, a_is_sparse=False,
           b_is_sparse=False, name=None):
    """The product of matrices, or of the matrices in the last two dimensions; leading dimensions are broadcast.

    Parameters
    ----------
    a, b : Tensor [..., M, K] and [..., K, N]
    transpose_a, transpose_b : bool    the operand is given with its last two dimensions exchanged
    adjoint_a, adjoint_b : bool        and conjugated, too
    a_is_sparse, b_is_sparse : bool    hints of TensorFlow; they change nothing here
    """
    with name_scope(name, "MatMul", [a, b]) as scope:
        if transpose_a and adjoint_a or transpose_b and adjoint_b:
            raise ValueError("Only one of transpose and adjoint can be True for one operand.")
        a = convert_to_tensor(a, name="a")
        b = convert_to_tensor(b, name="b")
        if any(t._shape is None or len(t._shape) > 2 for t in (a, b)):
            a, adjoint_a = (complex.conj(a), True) if transpose_a else (a, adjoint_a)
            b, adjoint_b = (complex.conj(b), True) if transpose_b else (b, adjoint_b)
            return batch_mat_mul_v2(a, b, adj_x=adjoint_a, adj_y=adjoint_b, name=scope)
        a, transpose_a = (complex.conj(a), True) if adjoint_a else (a, transpose_a)
        b, transpose_b = (complex.conj(b), True) if adjoint_b else (b, transpose_b)
        return mat_mul(a, b, transpose_a=transpose_a, transpose_b=transpose_b, name=scope)


