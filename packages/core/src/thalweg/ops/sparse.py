"""Sparse tensors: becoming dense, the row-major order of their places."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import as_dtype, int64
from thalweg.framework.sparse_tensor import SparseTensor, SparseTensorValue

from .placeholder import placeholder


def _places(indices):
    """Indices of TensorFlow's forms, [], [n] or [n, rank], as [n, rank]."""
    return indices.reshape(-1, 1) if indices.ndim < 2 else indices


@define_op("SparseToDense", "sparse_indices: Tindices, output_shape: Tindices[R], sparse_values: T, "
                            "default_value: T[] -> dense: T", Tindices=INDEX_TYPES)
def sparse_to_dense_op(sparse_indices, output_shape, sparse_values, default_value, *, validate_indices: bool = True):
    """A tensor of `default_value` with values at the given places; of a place that is repeated the last counts."""
    places, size = _places(sparse_indices), tuple(output_shape.tolist())
    if places.shape[1] != len(size):
        raise _invalid(f"output_shape has incorrect number of elements: {len(size)} should be: {places.shape[1]}")
    if sparse_values.shape not in ((), (len(places),)):
        raise _invalid(f"sparse_values has incorrect shape {shapes.text(sparse_values.shape)}, should be [] or "
                       f"[{len(places)}]")
    _check_places(places, size, validate_indices)
    try:
        dense = np.full(size, default_value[()], sparse_values.dtype)
    except (MemoryError, ValueError) as error:
        raise errors.ResourceExhaustedError(None, None, f"a dense tensor of shape {_listed(size)}: {error}") from error
    dense[tuple(places.T)] = sparse_values
    return dense


def _check_places(places, size, is_ordered):
    """Raises InvalidArgumentError for a place outside of `size`, and for unsorted or repeated ones if they matter."""
    outside = ((places < 0) | (places >= np.array(size, places.dtype))).any(1)
    if outside.any():
        raise _invalid(f"{_place(places, outside.argmax())} is out of bounds: need 0 <= index < {_listed(size)}")
    if not is_ordered or len(places) < 2:
        return
    step = places[1:] - places[:-1]
    moves = step != 0
    first = np.take_along_axis(step, moves.argmax(1)[:, None], 1)[:, 0] if step.shape[1] else np.zeros(len(step))
    if (first <= 0).any():
        k = int((first <= 0).argmax())
        what = "is repeated" if first[k] == 0 else "is out of order: sorted indices are wanted, see tf.sparse.reorder"
        raise _invalid(f"{_place(places, k + 1)} {what}")


def _place(places, k):
    return f"indices[{k}] = {_listed(places[k].tolist())}"


def _listed(numbers):
    return f"[{','.join(map(str, numbers))}]"


def _invalid(text):
    return errors.InvalidArgumentError(None, None, text)


@sparse_to_dense_op.shape
def sparse_to_dense_shape(node, indices, size, values, default):
    known = node.constant(1)
    return tuple(known.tolist()) if known is not None else None if size is None else (None,) * size[0] \
        if size[0] is not None else None


@define_op("SparseReorder", "input_indices: int64[N, R], input_values: T[N], input_shape: int64[R] "
                            "-> output_indices: int64[N, R], output_values: T[N]")
def sparse_reorder_op(input_indices, input_values, input_shape):
    """The same sparse tensor with its places in row-major order."""
    order = np.lexsort(input_indices.T[::-1]) if input_indices.shape[1] else np.arange(len(input_indices))
    return input_indices[order], input_values[order]


sparse_to_dense_op.no_gradient("gradients do not flow into sparse tensors")
sparse_reorder_op.no_gradient("gradients do not flow into sparse tensors")


def sparse_to_dense(sparse_indices, output_shape, sparse_values, default_value=0, validate_indices=True, name=None):
    """A tensor of `default_value` with values at the given places.

    Parameters
    ----------
    sparse_indices : integers [], [n] or [n, rank]
    output_shape : integers [rank]
    sparse_values : [] or [n]
    validate_indices : bool         places must be sorted, and none repeated

    Raises InvalidArgumentError, when run, for places that are outside, unsorted or repeated.
    """
    return sparse_to_dense_op(sparse_indices, output_shape, sparse_values, default_value,
                              validate_indices=validate_indices, name=name)


def sparse_tensor_to_dense(sp_input, default_value=None, validate_indices=True, name=None):
    """The dense tensor of a SparseTensor, `default_value` (zero, "") where it has no value; as `sparse_to_dense`."""
    sp_input = _sparse(sp_input)
    if default_value is None:
        default_value = b"" if sp_input.dtype.kind == "O" else 0
    default = convert_to_tensor(default_value, sp_input.dtype, name="default_value")
    dense = sparse_to_dense_op(sp_input.indices, sp_input.dense_shape, sp_input.values, default,
                               validate_indices=validate_indices, name=name)
    dense.set_shape(sp_input.shape)
    return dense


def sparse_reorder(sp_input, name=None):
    """A SparseTensor with its places in row-major order."""
    sp_input = _sparse(sp_input)
    indices, values = sparse_reorder_op(sp_input.indices, sp_input.values, sp_input.dense_shape, name=name)
    return SparseTensor(indices, values, sp_input.dense_shape)


def _sparse(value):
    if not isinstance(value, (SparseTensor, SparseTensorValue)):
        raise TypeError(f"Input must be a SparseTensor, not {value!r}")
    return SparseTensor.from_value(value) if isinstance(value, SparseTensorValue) else value


def sparse_placeholder(dtype, shape=None, name=None):
    """A SparseTensor to be fed with a SparseTensorValue, or a tuple (indices, values, dense_shape).

    shape : list      of the dense tensor; None, or a None in it: any
    """
    sizes = shapes.plain(shapes.TensorShape(shape))
    rank = None if sizes is None else len(sizes)

    def named(part):
        return f"{name}/{part}" if name else None
    if sizes is None or None in sizes:
        dense_shape = placeholder(int64, [rank], name=named("shape"))
    else:
        dense_shape = convert_to_tensor(list(sizes), int64, name=named("shape"))
    values = placeholder(as_dtype(dtype), [None], name=named("values"))
    return SparseTensor(placeholder(int64, [None, rank], name=named("indices")), values, dense_shape)


