"""Second derivatives: gradients are graphs, and are differentiated row by row."""
from thalweg.framework.graph import name_scope
from thalweg.ops import array, constant
from thalweg.ops.functional import map_fn
from thalweg.ops.sequence import range as int_range

from .aggregation import array_of
from .backward import gradients


def hessians(ys, xs, name="hessians", colocate_gradients_with_ops=False, gate_gradients=False,
             aggregation_method=None):
    """The Hessian matrix of sum(ys) with respect to each x, as `tf.hessians`.

    Returns
    -------
    list of Tensor, shape x.shape + x.shape; all zeros where the gradient does not depend on x

    Raises
    ------
    ValueError      if ys do not depend on an x at all
    """
    xs = list(xs) if isinstance(xs, (list, tuple)) else [xs]
    options = {"colocate_gradients_with_ops": colocate_gradients_with_ops, "gate_gradients": gate_gradients,
               "aggregation_method": aggregation_method}
    with name_scope(name, "hessians"):
        found = gradients(ys, xs, **options)
        return [_hessian(x, dx, options) for x, dx in zip(xs, found)]


def _hessian(x, dx, options):
    if dx is None:
        raise ValueError(f"hessians: ys do not depend on {x.name}")
    dx = array_of(dx)
    size, shape = array.size(dx), array.shape(dx)
    flat = array.reshape(dx, [-1])

    def row(i):
        second = gradients(flat[i], x, **options)[0]
        return constant.zeros_like(dx) if second is None else array_of(second)

    rows = map_fn(row, int_range(size), dtype=dx.dtype.base_dtype)
    whole = array.reshape(rows, array.concat([shape, shape], 0))
    whole.set_shape(dx.get_shape().concatenate(dx.get_shape()))
    return whole
