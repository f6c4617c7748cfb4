"""Norms of tensors, and clipping by them."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import FLOATS, float32
from thalweg.framework.graph import colocate_with, name_scope

from . import array, cast, complex, constant, math, reduction, select, sequence, unary


@define_op("L2Loss", "t: T -> output: T[]", T=FLOATS, cpu="reduction:l2_loss", public="nn.l2_loss")
def l2_loss(t):
    """Half the sum of the squares; summed in float64."""
    wide = t.astype(np.float64)
    return np.asarray(np.sum(wide * wide) / 2, t.dtype)


@l2_loss.gradient
def l2_loss_grad(node, dy):
    return node.t * dy


def l2_normalize(x, axis=None, epsilon=1e-12, name=None, dim=None):
    """x / sqrt(max(sum(x^2), epsilon)) along `axis`; None: along all. `dim` is the older name of `axis`."""
    axis = array._one_of("axis", axis, "dim", dim)
    with name_scope(name, "l2_normalize", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        total = reduction.reduce_sum(unary.square(x), axis, keepdims=True)
        return math.multiply(x, unary.rsqrt(math.maximum(total, epsilon)), name=scope)


def norm(tensor, ord="euclidean", axis=None, keepdims=None, name=None, keep_dims=None):
    """The norm of vectors (axis None or an int) or of matrices (axis a pair).

    ord : "euclidean", 1, 2, np.inf or any positive number; for matrices "euclidean", "fro", 1 or np.inf
    """
    keepdims = bool(array._one_of("keepdims", keepdims, "keep_dims", keep_dims))
    of_matrix = isinstance(axis, (tuple, list)) and len(axis) == 2
    axis = _checked_axis(ord, axis, of_matrix)
    with name_scope(name, "norm", [tensor]):
        tensor = convert_to_tensor(tensor)
        result = _kept_norm(tensor, ord, axis, of_matrix)
        return result if keepdims else array.squeeze(result, axis)


def _checked_axis(ord, axis, of_matrix):
    if of_matrix:
        if not all(isinstance(a, int) for a in axis) or axis[0] == axis[1]:
            raise ValueError("'axis' must be None, an integer, or a tuple of 2 unique integers")
        if ord not in ("euclidean", "fro", 1, np.inf):
            raise ValueError(f"'ord' must be a supported matrix norm in ['euclidean', 'fro', 1, inf], got {ord}")
        return tuple(axis)
    if not (isinstance(axis, int) or axis is None):
        raise ValueError("'axis' must be None, an integer, or a tuple of 2 unique integers")
    if ord not in ("euclidean", 1, 2, np.inf) and (isinstance(ord, str) or not np.isreal(ord) or ord <= 0):
        raise ValueError(f"'ord' must be a supported vector norm, got {ord}")
    return None if axis is None else (axis,)


def _kept_norm(tensor, ord, axis, of_matrix):
    """The norm with the reduced axes kept."""
    if ord in ("fro", "euclidean", 2):
        return unary.sqrt(reduction.reduce_sum(tensor * complex.conj(tensor), axis, keepdims=True))
    result = unary.abs(tensor)
    first = None if axis is None else axis[0]
    if ord == 1:
        result = reduction.reduce_sum(result, first, keepdims=True)
        return reduction.reduce_max(result, axis[-1], keepdims=True) if of_matrix else result
    if ord == np.inf:
        if of_matrix:
            result = reduction.reduce_sum(result, axis[1], keepdims=True)
        return reduction.reduce_max(result, first, keepdims=True)
    total = reduction.reduce_sum(math.pow(result, ord), axis, keepdims=True)
    return math.pow(total, 1.0 / ord)


# --- clipping ---------------------------------------------------------------------------------------

def _values_of(t, name):
    return convert_to_tensor(t.values if hasattr(t, "indices") else t, name=name)


def _like(t, values):
    """`values` in the form of t: IndexedSlices stay sparse."""
    return type(t)(values, t.indices, t.dense_shape) if hasattr(t, "indices") else values


def _of_same_shape(values, result):
    if not shapes.compatible(values._shape, result._shape):
        raise errors.ShapeError(f"clipping must not broadcast: {shapes.text(values._shape)} would become "
                                f"{shapes.text(result._shape)}")


def clip_by_value(t, clip_value_min, clip_value_max, name=None):
    """t with elements below `clip_value_min` or above `clip_value_max` set to these bounds."""
    with name_scope(name, "clip_by_value", [t, clip_value_min, clip_value_max]) as scope:
        values = _values_of(t, "t")
        below = math.minimum(values, clip_value_max)
        _of_same_shape(values, below)
        clipped = math.maximum(below, clip_value_min, name=scope)
        _of_same_shape(values, clipped)
        return _like(t, clipped)


def clip_by_norm(t, clip_norm, axes=None, name=None):
    """t, scaled down where its euclidean norm along `axes` (None: all) exceeds `clip_norm`."""
    with name_scope(name, "clip_by_norm", [t, clip_norm]) as scope:
        values = _values_of(t, "t")
        squares = reduction.reduce_sum(values * values, axes, keepdims=True)
        positive = squares > 0
        safe = select.where(positive, squares, constant.ones_like(squares))  # sqrt has no gradient at 0
        length = select.where(positive, unary.sqrt(safe), squares)
        scaled = values * clip_norm
        _of_same_shape(values, scaled)
        return _like(t, array.identity(scaled / math.maximum(length, clip_norm), name=scope))


def _checked_list(t_list):
    if not isinstance(t_list, (list, tuple)):
        raise TypeError("t_list should be a sequence")
    return list(t_list)


def global_norm(t_list, name=None):
    """The euclidean norm of all elements of all tensors of a list; None entries are left out."""
    t_list = _checked_list(t_list)
    with name_scope(name, "global_norm", t_list):
        halves = []
        for i, t in enumerate(t_list):
            if t is not None:
                values = _values_of(t, f"t_{i}")
                with colocate_with(values):
                    halves.append(l2_loss(values))
        half = reduction.reduce_sum(array.stack(halves))
        return unary.sqrt(half * constant.constant(2.0, half.dtype), name="global_norm")


def clip_by_global_norm(t_list, clip_norm, use_norm=None, name=None):
    """The tensors of a list, all scaled down by one factor if their global norm exceeds `clip_norm`.

    Gives (list, global norm). `use_norm` is the global norm where it is known; NaN results if it is not finite.
    """
    t_list = _checked_list(t_list)
    use_norm = global_norm(t_list, name) if use_norm is None else use_norm
    with name_scope(name, "clip_by_global_norm", [*t_list, clip_norm]) as scope:
        finite_scale = clip_norm * math.minimum(1.0 / use_norm, constant.constant(1.0, use_norm.dtype) / clip_norm)
        scale = select.where(unary.is_finite(use_norm), finite_scale, constant.constant(float("nan"), use_norm.dtype))
        values = [None if t is None else _values_of(t, f"t_{i}") for i, t in enumerate(t_list)]
        clipped = []
        for i, (t, v) in enumerate(zip(t_list, values)):
            if v is None:
                clipped.append(None)
                continue
            with colocate_with(v):
                clipped.append(_like(t, array.identity(v * scale, name=f"{scope}_{i}")))
        return clipped, use_norm


def clip_by_average_norm(t, clip_norm, name=None):
    """t, scaled down where its euclidean norm over its number of elements exceeds `clip_norm`."""
    with name_scope(name, "clip_by_average_norm", [t, clip_norm]) as scope:
        t = convert_to_tensor(t, name="t")
        count = cast.cast(array.size(t), float32)
        inverse = unary.rsqrt(reduction.reduce_sum(t * t, sequence.range(array.rank(t))))
        factor = t * clip_norm
        return array.identity(factor * math.minimum(inverse * count, constant.constant(1.0) / clip_norm), name=scope)
