"""SparseTensor: the places and the values of what is not zero, as parsing records gives them."""
import collections

from . import nest, shapes
from .constant_value import constant_value_as_shape
from .conversion import convert_to_tensor
from .dtypes import int64
from .graph import name_scope

SparseTensorValue = collections.namedtuple("SparseTensorValue", ["indices", "values", "dense_shape"])


class SparseTensor:
    """Values at places of a tensor of shape `dense_shape`, zero elsewhere, as `tf.SparseTensor`.

    Parameters
    ----------
    indices : Tensor int64 [n, rank]        a place per value, in row-major order as most ops want it
    values : Tensor [n]
    dense_shape : Tensor int64 [rank]

    Raises ValueError where the shapes do not fit together.
    """

    def __init__(self, indices, values, dense_shape):
        with name_scope(None, "SparseTensor"):
            self._indices = convert_to_tensor(indices, int64, name="indices")
            self._values = convert_to_tensor(values, name="values")
            self._dense_shape = convert_to_tensor(dense_shape, int64, name="dense_shape")
        places = self._indices.shape.with_rank(2)
        count = self._values.shape.with_rank(1)
        rank = self._dense_shape.shape.with_rank(1)
        places[0].merge_with(count[0])
        places[1].merge_with(rank[0])

    @classmethod
    def from_value(cls, value):
        """A SparseTensor of a SparseTensorValue or of another one's tensors; TypeError for anything else."""
        if not isinstance(value, (SparseTensor, SparseTensorValue)):
            raise TypeError(f"Neither a SparseTensor nor SparseTensorValue: {value!r}")
        return cls(value.indices, value.values, value.dense_shape)

    @property
    def indices(self):
        return self._indices

    @property
    def values(self):
        return self._values

    @property
    def dense_shape(self):
        return self._dense_shape

    @property
    def shape(self):
        return shapes.TensorShape(constant_value_as_shape(self._dense_shape))

    def get_shape(self):
        return self.shape

    @property
    def dtype(self):
        return self._values.dtype

    @property
    def op(self):
        return self._values.op

    @property
    def graph(self):
        return self._indices.graph

    def consumers(self):
        """The operations that take one of the three tensors."""
        return list(dict.fromkeys(op for t in _components(self) for op in t.consumers()))

    def eval(self, feed_dict=None, session=None):
        """The value in a session, a SparseTensorValue."""
        indices, values, dense_shape = [t.eval(feed_dict, session) for t in _components(self)]
        return SparseTensorValue(indices, values, dense_shape)

    def __str__(self):
        return f"SparseTensor(indices={self._indices}, values={self._values}, dense_shape={self._dense_shape})"

    __repr__ = __str__


def _components(sparse):
    return [sparse.indices, sparse.values, sparse.dense_shape]


def _invariants(sparse, shape):
    """How many values there are may change."""
    rank = None if shape is None else len(shape)
    return [(None, rank), (None,), (rank,)]


nest.register_composite(SparseTensor, _components, lambda like, parts: SparseTensor(*parts), _invariants)
