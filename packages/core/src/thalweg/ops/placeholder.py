"""Placeholders: values that a run is fed with."""
from thalweg.framework import errors
from thalweg.framework.declaration import define_op
from thalweg.framework.dtypes import ANY, DType, as_dtype
from thalweg.framework.shapes import TensorShape, merge, text


@define_op("Placeholder", "-> output: dtype")
def placeholder_op(*, dtype: DType, shape: TensorShape = None):
    """A value that must be fed; running it unfed is the error that this body raises."""
    raise errors.InvalidArgumentError(None, None, f"You must feed a value for a placeholder tensor with dtype "
                                                  f"{dtype.name} and shape {text(shape)}")


@placeholder_op.shape
def placeholder_shape(node):
    return node.shape


placeholder_op.no_gradient("a placeholder has no inputs")


@define_op("PlaceholderWithDefault", "input: dtype -> output: dtype", dtype=ANY, cpu="array:identity")
def placeholder_with_default_op(input, *, shape: TensorShape):
    """`input`, unless another value is fed."""
    return input


@placeholder_with_default_op.shape
def placeholder_with_default_shape(node, default):
    merge(default, node.shape)                   # raises when the default cannot have this shape
    return node.shape


@placeholder_with_default_op.gradient
def placeholder_with_default_grad(node, dy):
    return dy


def placeholder(dtype, shape=None, name=None):
    """A tensor that is always fed.

    Parameters
    ----------
    dtype : element type
    shape : what is known of the shape: a list with None where a dimension is free; None if nothing is known
    name : str

    Running it unfed raises InvalidArgumentError, which says which fetch needs it.
    """
    return placeholder_op(dtype=as_dtype(dtype).base_dtype, shape=_declared(shape), name=name)


def placeholder_with_default(input, shape, name=None):
    """A tensor that may be fed, and is `input` otherwise; `shape` is what fed values must have, None being free."""
    return placeholder_with_default_op(input, shape=_declared(shape), name=name)


def _declared(shape):
    try:
        return TensorShape(shape)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"placeholder: {shape!r} is not a shape: {error}. Expected a list of sizes, with None where one is "
                   "free, or None") from error
