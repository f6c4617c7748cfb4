"""TensorProto, the form of a constant inside a graph: from an array and back."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.dtypes import as_dtype
from thalweg.ops.values import array_of, dtype_of

from .element_types import STRING, dtype_of_number

_AS_CONTENT = frozenset((1, 2, 3, 4, 5, 6, 9, 11, 12, 13, 15, 16, 17, 22, 23))     # stored raw when several
_FIELDS = {1: "float_val", 2: "double_val", STRING: "string_val", 8: "scomplex_val", 9: "int64_val", 10: "bool_val",
           14: "half_val", 18: "dcomplex_val", 19: "half_val", 22: "uint32_val", 23: "uint64_val",
           **{number: "int_val" for number in (3, 4, 5, 6, 11, 12, 13, 15, 16, 17)}}

# Bytes of a constant that a file may ask for and does not hold: where one value stands for all, which takes memory
# only when a plan needs it, and where the last of several does, at once; then so many times those it holds, if more.
MOST_FILLED_BYTES = 2**30
MOST_PADDED_BYTES, MOST_PADDING = 2**26, 8
_LARGE_FILL = 2**20


def tensor_proto(array, dtype=None):
    """The TensorProto of an array; of a constant fill it holds one value, which readers repeat.

    Parameters
    ----------
    array : ndarray     strings as bytes objects
    dtype : DType       or None for the array's own
    """
    from .protos import TensorProto
    array = np.asarray(array)
    dtype = as_dtype(array.dtype) if dtype is None else dtype.base_dtype
    number = dtype.as_datatype_enum
    message = TensorProto(dtype=number, tensor_shape=shapes.TensorShape(array.shape).as_proto())
    flat = array[(0,) * array.ndim].reshape(1) if _is_repeated(array) else array.reshape(-1)
    if flat.size > 1 and _is_fill(flat):
        flat = flat[:1]
    if flat.size > 1 and number in _AS_CONTENT:
        message.tensor_content = flat.astype(flat.dtype.newbyteorder("<"), copy=False).tobytes()
    elif flat.size:
        getattr(message, _FIELDS[number]).extend(_plain_values(flat, number))
    return message


def _is_repeated(array):
    """Whether one value stands for all, as in the arrays of large fills."""
    return array.size > 1 and not any(array.strides)


def _is_fill(flat):
    if flat.dtype.kind == "O":
        return all(item == flat[0] for item in flat)
    raw = flat.view(np.uint8).reshape(flat.size, -1)                 # bits, so that -0.0 and NaN count as they are
    return bool((raw == raw[0]).all())


def _plain_values(flat, number):
    if number in (14, 19):
        return flat.view(np.uint16).tolist()
    if flat.dtype.names:
        return flat[flat.dtype.names[0]].tolist()
    if flat.dtype.kind == "c":
        return flat.view(flat.real.dtype).tolist()
    return flat.tolist()


def make_tensor_proto(values, dtype=None, shape=None, verify_shape=False):
    """The TensorProto of a Python value or an array, as `tf.make_tensor_proto`.

    Parameters
    ----------
    values : number, string, (nested) list of them, or array
    dtype : element type; None: as `tf.constant` chooses it
    shape : of the result; missing elements repeat the last one
    verify_shape : raise unless `values` has exactly `shape`

    Raises
    ------
    TypeError       if `values` do not fit `dtype`, or have another shape than is to be verified
    ValueError      if there are more values than `shape` holds
    """
    array = array_of(values, None if dtype is None else as_dtype(dtype).base_dtype)
    if shape is not None:
        shape = shapes.plain(shape)
        if verify_shape and array.shape != shape:
            raise TypeError(f"Expected Tensor's shape: {shape}, got {array.shape}.")
        array = _padded(array.reshape(-1), shapes.size_of(shape), f"values of shape {shape}").reshape(shape)
    return tensor_proto(array, dtype_of(array))


def _padded(flat, count, owner):
    """`flat` with `count` elements: the last one, or zero, stands for those that are missing."""
    if flat.size > count:
        raise errors.InvalidArgumentError(None, None, f"{owner}: {flat.size} values for {count} elements")
    if flat.size == count:
        return flat
    filler = flat[-1:] if flat.size else np.array([b""] if flat.dtype.kind == "O" else 0, flat.dtype).reshape(1)
    return np.concatenate([flat, np.broadcast_to(filler, count - flat.size)])


def make_ndarray(tensor, name="TensorProto"):
    """The array of a TensorProto; errors call it `name`.

    Raises
    ------
    InvalidArgumentError     when shape, dtype and values do not fit each other
    """
    dtype = dtype_of_number(tensor.dtype, name)
    shape = tuple(d.size for d in tensor.tensor_shape.dim)
    if min(shape, default=0) < 0:
        raise errors.InvalidArgumentError(None, None, f"{name}: shape {list(shape)} has a negative dimension")
    count = shapes.size_of(shape)
    if tensor.tensor_content:
        return _from_content(tensor.tensor_content, dtype, shape, count, name)
    flat = _from_values(getattr(tensor, _FIELDS.get(tensor.dtype, "int_val")), dtype, name)
    nbytes = count * flat.dtype.itemsize
    most = MOST_FILLED_BYTES if flat.size <= 1 else max(MOST_PADDED_BYTES, MOST_PADDING * flat.nbytes)
    if flat.size < count and nbytes > most:
        raise errors.InvalidArgumentError(
            None, None, f"{name}: {flat.size} values stand for {count} elements, {nbytes} bytes; a file may ask for "
                        f"at most {most} bytes that it does not hold. tf.fill makes large constants")
    if flat.size <= 1 < count and nbytes > _LARGE_FILL:
        return np.broadcast_to(_padded(flat, 1, name), shape)        # takes memory only when a plan needs it
    return _padded(flat, count, name).reshape(shape)


def _from_content(content, dtype, shape, count, name):
    if dtype.kind == "O" or len(content) != count * dtype.size:
        raise errors.InvalidArgumentError(None, None, f"{name}: {len(content)} bytes of content for {dtype.name} "
                                                      f"{list(shape)}")
    return np.frombuffer(content, dtype.np.newbyteorder("<")).astype(dtype.np).reshape(shape)


def _from_values(values, dtype, name):
    if dtype.as_datatype_enum in (14, 19):
        return np.array(values, np.uint16).view(dtype.np)
    if dtype.kind == "c":
        if len(values) % 2:
            raise errors.InvalidArgumentError(None, None, f"{name}: a complex number lacks its imaginary part")
        return np.array(values, dtype.real_dtype.np).view(dtype.np)
    if dtype.kind == "O":
        flat = np.empty(len(values), np.object_)
        flat[:] = list(values)
        return flat
    if dtype.np.names:
        return np.array(values, dtype.np[0]).view(dtype.np)
    return np.array(values, dtype.np)
