"""IndexedSlices: a gradient of which only some rows are not zero, as the gradient of a gather."""
import collections
import warnings

from . import nest, shapes
from .conversion import convert_to_tensor, register_tensor_conversion_function
from .declaration import REGISTRY
from .errors import DTypeError
from .graph import name_scope
from .naming import Frame, user_frame

_LARGE = 100_000_000                     # elements: from here on, becoming dense is worth a warning


IndexedSlicesValue = collections.namedtuple("IndexedSlicesValue", ["values", "indices", "dense_shape"])


class IndexedSlices:
    """Rows `values` at places `indices` of a tensor of shape `dense_shape`, zero elsewhere, as `tf.IndexedSlices`.

    An index that occurs more than once adds up.

    Attributes
    ----------
    values : Tensor [k, ...]        the rows, shape dense_shape[1:] each
    indices : Tensor [k]            integers
    dense_shape : Tensor [rank] or None
    """

    __array_priority__ = 100
    is_internal = False                  # made of thalweg's own bookkeeping: becoming dense is no news to the user

    def __init__(self, values, indices, dense_shape=None):
        self._values, self._indices, self._dense_shape = values, indices, dense_shape

    @property
    def values(self):
        return self._values

    @property
    def indices(self):
        return self._indices

    @property
    def dense_shape(self):
        return self._dense_shape

    @property
    def shape(self):
        if self._dense_shape is None:
            return shapes.TensorShape(None)
        from .constant_value import constant_value_as_shape
        return shapes.TensorShape(constant_value_as_shape(self._dense_shape))

    def get_shape(self):
        return self.shape

    @property
    def name(self):
        return self._values.name

    @property
    def device(self):
        return self._values.device

    @property
    def op(self):
        return self._values.op

    @property
    def dtype(self):
        return self._values.dtype

    @property
    def graph(self):
        return self._values.graph

    def consumers(self):
        """The operations that take the values or the indices."""
        return list(dict.fromkeys(self._values.consumers() + self._indices.consumers()))

    def __neg__(self):
        return IndexedSlices(-self._values, self._indices, self._dense_shape)

    def __str__(self):
        shape = "" if self._dense_shape is None else f", dense_shape={self._dense_shape}"
        return f"IndexedSlices(indices={self._indices}, values={self._values}{shape})"

    __repr__ = __str__


def _components(slices):
    found = [slices.values, slices.indices]
    return found if slices.dense_shape is None else [*found, slices.dense_shape]


def _invariants(slices, shape):
    """The shape is that of the values; how many rows there are may change with it."""
    rows = None if shape is None else (shape[0],)
    return [shape, rows] if slices.dense_shape is None else [shape, rows, slices.dense_shape._shape]


nest.register_composite(IndexedSlices, _components, lambda like, parts: IndexedSlices(*parts), _invariants)


def to_dense(value, dtype=None, name=None, as_ref=False):
    """The tensor that IndexedSlices stand for; registered with `convert_to_tensor`."""
    if dtype is not None and value.dtype.base_dtype is not dtype:
        raise DTypeError(f"Tensor conversion requested dtype {dtype.name} for IndexedSlices with dtype "
                         f"{value.dtype.name}")
    if value.dense_shape is None:
        raise ValueError(f"Tensor conversion requested for IndexedSlices without dense_shape: {value}")
    size = value.shape.num_elements()
    if value.is_internal:
        pass
    elif size is None:
        _warn("a dense Tensor of unknown shape", value)
    elif size >= _LARGE:
        _warn(f"a dense Tensor with {size} elements", value)
    with name_scope(name, "IndexedSlicesToTensor"):
        rows = value.dense_shape[0]
        dense = REGISTRY["UnsortedSegmentSum"](value.values, value.indices, rows)
    dense.set_shape(value.shape)
    return dense


def _warn(what, value):
    place = user_frame() or Frame(__file__, 1, "")
    warnings.warn_explicit(f"Converting sparse IndexedSlices to {what}. This may consume a large amount of memory. "
                           f"({value})", UserWarning, place.filename, place.line)


register_tensor_conversion_function(IndexedSlices, to_dense)


def convert_to_tensor_or_indexed_slices(value, dtype=None, name=None, as_ref=False):
    """IndexedSlices as they are, None as None, anything else as a tensor."""
    if value is None:
        return None
    if isinstance(value, IndexedSlices):
        if dtype is not None and value.dtype.base_dtype is not dtype:
            raise DTypeError(f"Tensor conversion requested dtype {dtype.name} for IndexedSlices with dtype "
                             f"{value.dtype.name}")
        return value
    return convert_to_tensor(value, dtype, name, as_ref=as_ref)


def convert_n_to_tensor_or_indexed_slices(values, dtype=None, name=None, as_ref=False):
    """`convert_to_tensor_or_indexed_slices` of each; constants are named `name_0`, `name_1`, ..."""
    return [convert_to_tensor_or_indexed_slices(v, dtype, None if name is None else f"{name}_{i}", as_ref)
            for i, v in enumerate(values)]
