"""Constants and constant fills, and the conversion of Python and NumPy values (lists of tensors too) to tensors."""
import functools
import operator

import numpy as np

from thalweg.framework import dtypes, errors, shapes
from thalweg.framework.conversion import convert_to_tensor, register_tensor_conversion_function
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import DType, as_dtype
from thalweg.framework.graph import Tensor, name_scope

from . import _variants, array, cast, reduction
from .values import array_of, dtype_of, not_a_tensor


@define_op("Const", "-> output: dtype")
def const(*, value: np.ndarray, dtype: DType):
    """A value that stands in the graph."""
    return value


const.no_gradient("a constant has no inputs")


@const.shape
def const_shape(node):
    return node.value.shape


def constant(value, dtype=None, shape=None, name="Const", verify_shape=False):
    """A tensor with a fixed value.

    Parameters
    ----------
    value : number, string, (nested) list of them, or NumPy array
    dtype : element type; None takes it from `value`: Python floats give float32, Python ints int32 (int64 where
        one is too large), NumPy values keep theirs, strings give bytes
    shape : of the result, or None for that of `value`; missing elements repeat the last one
    verify_shape : raise unless `value` has exactly `shape`

    Raises
    ------
    TypeError    if `value` does not fit `dtype`, or has another shape than is to be verified
    ValueError   if a list is ragged, `value` is None, or has more elements than `shape`
    """
    found = array_of(value, None if dtype is None else as_dtype(dtype).base_dtype)
    if shape is not None:
        found = _filled_to(found, shapes.plain(shape), verify_shape)
    return const(value=found, dtype=dtype_of(found), name=name or "Const")


def _filled_to(values, shape, verify_shape):
    if values.shape == shape:
        return values
    if verify_shape:
        raise errors.DTypeError(f"Expected Tensor's shape: {shape}, got {values.shape}.")
    size = shapes.size_of(shape)
    if size is None:
        raise errors.ShapeError(f"a constant needs a known shape, not {shapes.text(shape)}")
    if size == 0:
        return np.empty(shape, values.dtype)
    if values.size > size:
        raise errors.ShapeError(f"Too many elements provided. Needed at most {size}, but received {values.size}")
    if values.size == 0:
        raise errors.ShapeError(f"a constant of shape {shape} needs at least one element")
    flat = values.ravel()
    if flat.size < size:
        flat = np.concatenate([flat, np.repeat(flat[-1:], size - flat.size)])
    return flat.reshape(shape)


# --- fills ------------------------------------------------------------------------------------------

@define_op("Fill", "dims: index_type, value: T[] -> output: T", index_type=INDEX_TYPES, cpu="array:fill",
           public="fill")
def fill(dims, value):
    """A tensor of shape `dims` whose every element is `value`."""
    if np.any(dims < 0):
        raise errors.InvalidArgumentError(None, None, f"Dimension {dims.min()} must be >= 0 in the shape "
                                                      f"{dims.tolist()}")
    return np.full(tuple(dims), value, value.dtype)


@fill.shape
def fill_shape(node, dims, value):
    sizes = node.constant(0)
    if sizes is not None and np.any(np.asarray(sizes) < 0):
        raise ValueError(f"Fill dimensions must be >= 0, not {np.ravel(sizes).tolist()}")
    return array.shape_from_input(node, 0)


@fill.gradient
def fill_grad(node, dy):
    return None, reduction.reduce_sum(dy)


_WITH_ONE = (*dtypes.FLOATS, *dtypes.COMPLEX, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64, dtypes.uint8,
             dtypes.uint16, dtypes.bool_)


@define_op("ZerosLike", "x: T -> y: T", kind="elementwise", cpu="array:zeros_like")
def zeros_like_op(x):
    """Zeros of the shape and dtype of x; strings give empty ones, lists lists of zeros."""
    return _variants.zeros(x)


zeros_like_op.no_gradient("the result does not depend on the values of x")


@define_op("OnesLike", "x: T -> y: T", kind="elementwise", T=_WITH_ONE, cpu="array:ones_like")
def ones_like_op(x):
    """Ones of the shape and dtype of x."""
    return np.ones_like(x)


ones_like_op.no_gradient("the result does not depend on the values of x")

_SMALL = 1000                                    # elements; larger fills are made when the graph runs


def zeros(shape, dtype=dtypes.float32, name=None):
    """A tensor of zeros (False, empty strings) of `shape`: a list, a TensorShape or an integer vector."""
    dtype = as_dtype(dtype).base_dtype
    zero = False if dtype is dtypes.bool_ else "" if dtype is dtypes.string else 0
    return _filled(zero, shape, dtype, name, "zeros")


def ones(shape, dtype=dtypes.float32, name=None):
    """A tensor of ones (True) of `shape`: a list, a TensorShape or an integer vector."""
    dtype = as_dtype(dtype).base_dtype
    return _filled(dtype is dtypes.bool_ or 1, shape, dtype, name, "ones")


def _filled(value, shape, dtype, name, default_name):
    with name_scope(name, default_name, [shape]) as scope:
        if not isinstance(shape, Tensor):
            try:
                if _is_small(shape):
                    return constant(value, dtype, shape, name=scope)
                shape = convert_to_tensor(shapes.TensorShape(shape))
            except (TypeError, ValueError):      # a list with tensors in it
                shape = convert_to_tensor(shape, dtypes.int32)
        if shape._shape != () and shape._shape is not None:
            return fill(shape, constant(value, dtype), name=scope)
        return fill(array.reshape(shape, [-1]), constant(value, dtype), name=scope)


def _is_small(shape):
    if isinstance(shape, shapes.TensorShape):
        shape = shape.as_list()
    if isinstance(shape, (int, np.integer, shapes.Dimension)):
        return False                             # TensorFlow's way: zeros(3) is a Fill, zeros([3]) a Const
    return not len(shape) or functools.reduce(operator.mul, shape) < _SMALL


def zeros_like(tensor, dtype=None, name=None, optimize=True):
    """Zeros of the shape of `tensor`, of its dtype or of `dtype`."""
    with name_scope(name, "zeros_like", [tensor]) as scope:
        tensor = convert_to_tensor(tensor, name="tensor")
        wanted = tensor.dtype.base_dtype if dtype is None else as_dtype(dtype).base_dtype
        if optimize and shapes.is_known(tensor._shape) and tensor.dtype.base_dtype is not dtypes.variant:
            return zeros(tensor._shape, wanted, name=scope)
        if wanted is not tensor.dtype.base_dtype and wanted is not dtypes.variant:
            return zeros(array.shape_internal(tensor, optimize=optimize), wanted, name=scope)
        return zeros_like_op(tensor, name=scope)


def ones_like(tensor, dtype=None, name=None, optimize=True):
    """Ones of the shape of `tensor`, of its dtype or of `dtype`."""
    with name_scope(name, "ones_like", [tensor]) as scope:
        tensor = convert_to_tensor(tensor, name="tensor")
        ones_shape = array.shape_internal(tensor, optimize=optimize)
        result = ones(ones_shape, tensor.dtype.base_dtype if dtype is None else dtype, name=scope)
        result.set_shape(tensor._shape)
        return result


# --- conversions ------------------------------------------------------------------------------------

def _from_value(value, dtype=None, name=None, as_ref=False):
    return constant(value, dtype, name=name or "Const")


def _is_tensor_like(value):
    return type(value) is Tensor or (hasattr(value, "_as_graph_element") and hasattr(value, "dtype"))


def _first_dtype(values):
    for value in values:
        found = _first_dtype(value) if isinstance(value, (list, tuple)) else (
            value.dtype.base_dtype if _is_tensor_like(value) else None)
        if found is not None:
            return found
    return None


def _from_list(values, dtype=None, name=None, as_ref=False):
    """A list with tensors in it becomes a Pack of its items, named as in TensorFlow ("packed/0")."""
    inferred = _first_dtype(values)
    if as_ref or inferred is None:
        return NotImplemented
    if dtype is not None and dtype is not inferred:
        values = _cast_items(values, dtype)
    return _packed(values, dtype or inferred, name or "packed")


def _cast_items(values, dtype):
    if isinstance(values, (list, tuple)):
        return [_cast_items(v, dtype) for v in values]
    return cast.cast(values, dtype) if _is_tensor_like(values) else values


def _packed(values, dtype, name):
    with name_scope(name) as scope:
        items = [_packed(v, dtype, str(i)) if isinstance(v, (list, tuple)) else _of_dtype(v, dtype)
                 for i, v in enumerate(values)]
        if not any(_is_tensor_like(item) for item in items):
            return items
        tensors = [item if _is_tensor_like(item) else constant(item, dtype, name=str(i))
                   for i, item in enumerate(items)]
        return array.pack(tensors, name=scope)


def _of_dtype(value, dtype):
    if _is_tensor_like(value) and value.dtype.base_dtype is not dtype:
        raise errors.DTypeError(f"Cannot convert a list containing a tensor of dtype {value.dtype.base_dtype.name} "
                                f"to {dtype.name} (Tensor is: {value!r}). Try tf.cast(x, tf.{dtype.name}).")
    return value


def _from_shape(value, dtype=None, name=None, as_ref=False):
    plain = value._plain if isinstance(value, shapes.TensorShape) else value.value
    if not (shapes.is_known(plain) if isinstance(value, shapes.TensorShape) else plain is not None):
        raise ValueError(f"Cannot convert a partially known {type(value).__name__} to a Tensor: {value}")
    if dtype is None:
        sizes = plain if isinstance(plain, tuple) else (plain,)
        dtype = dtypes.int64 if any(d >= 2**31 for d in sizes) else dtypes.int32
    elif dtype not in (dtypes.int32, dtypes.int64):
        raise errors.DTypeError(f"Cannot convert a {type(value).__name__} to dtype: {dtype.name}")
    return constant(np.array(plain, dtype.np), name=name or "shape_as_tensor")


def _refuse(value, dtype=None, name=None, as_ref=False):
    if value is None:
        raise ValueError("None values not supported.")
    raise not_a_tensor(value)


register_tensor_conversion_function((np.ndarray, np.generic, bool, int, float, complex, str, bytes, list, tuple,
                                     range), _from_value)
register_tensor_conversion_function((list, tuple), _from_list, 99)
register_tensor_conversion_function((shapes.TensorShape, shapes.Dimension), _from_shape)
register_tensor_conversion_function(object, _refuse, 200)
