"""What a program says of the features that it wants: `tf.FixedLenFeature` and its kin."""
import collections

from thalweg.framework import shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.dtypes import as_dtype
from thalweg.framework.errors import DTypeError
from thalweg.framework.sparse_tensor import SparseTensor
from thalweg.ops import array, sparse

from .columns import KINDS


class VarLenFeature(collections.namedtuple("VarLenFeature", ["dtype"])):
    """Any number of values, as a SparseTensor.

    dtype : float32, int64 or string
    """


class SparseFeature(collections.namedtuple("SparseFeature", ["index_key", "value_key", "dtype", "size",
                                                             "already_sorted"])):
    """Two features, of places and of values, as one SparseTensor.

    Parameters
    ----------
    index_key : str or list of str      int64 features: the places in each dimension
    value_key : str
    dtype : float32, int64 or string
    size : int or list of int           of each dimension
    already_sorted : bool               the places are in row-major order
    """

    def __new__(cls, index_key, value_key, dtype, size, already_sorted=False):
        return super().__new__(cls, index_key, value_key, dtype, size, already_sorted)


class FixedLenFeature(collections.namedtuple("FixedLenFeature", ["shape", "dtype", "default_value"])):
    """As many values as the shape says, as a dense tensor.

    Parameters
    ----------
    shape : list of int
    dtype : float32, int64 or string
    default_value : array of that shape or None     for an example without the feature; None: that is an error
    """

    def __new__(cls, shape, dtype, default_value=None):
        return super().__new__(cls, shape, dtype, default_value)


class FixedLenSequenceFeature(collections.namedtuple("FixedLenSequenceFeature", [
        "shape", "dtype", "allow_missing", "default_value"])):
    """Any number of rows of one shape, as a dense tensor; in a batch filled up to the longest example.

    Parameters
    ----------
    shape : list of int             of a row
    dtype : float32, int64 or string
    allow_missing : bool            an example without the feature has no rows; must be True outside of the lists of a
                                    SequenceExample
    default_value : scalar or None  what stands behind the rows of shorter examples; None: zero, ""
    """

    def __new__(cls, shape, dtype, allow_missing=False, default_value=None):
        return super().__new__(cls, shape, dtype, allow_missing, default_value)


class Plan:
    """Features in the order in which ops take them: sorted by key, the sparse ones and the dense ones.

    Attributes
    ----------
    sparse : dict of str: DType
    dense : dict of str: (DType, plain shape, default or None)
    may_miss : list of str            keys of rows that need not be there
    sparse_features : dict of str: SparseFeature        made of several of `sparse`
    """

    def __init__(self, features, takes):
        self.sparse, self.dense, self.may_miss, self.sparse_features = {}, {}, [], {}
        self._asked, self._rows = [], []
        for key in sorted(features or {}):
            feature = features[key]
            if not isinstance(feature, takes):
                raise ValueError(f"Invalid feature {key}:{feature}.")
            _ADD[type(feature)](self, key, feature)

    def _add_sparse(self, key, dtype):
        dtype = _dtype(key, dtype)
        if self.sparse.setdefault(key, dtype) is not dtype:
            raise ValueError(f"Conflicting type {dtype.name} vs {self.sparse[key].name} for feature {key}.")

    def _add_var_len(self, key, feature):
        self._add_sparse(key, feature.dtype)
        self._asked.append(key)

    def _add_sparse_feature(self, key, feature):
        for index_key in index_keys(feature):
            self._add_sparse(index_key, "int64")
        self._add_sparse(feature.value_key, feature.dtype)
        self.sparse_features[key] = feature

    def _add_fixed(self, key, feature):
        shape = shapes.plain(shapes.TensorShape(feature.shape))
        if shape is None or shape and shape[0] is None:
            raise ValueError(f"First dimension of shape for feature {key} unknown. Consider using "
                             "FixedLenSequenceFeature.")
        if None in shape:
            raise ValueError(f"All dimensions of shape for feature {key} need to be known but received {shape}.")
        self.dense[key] = _dtype(key, feature.dtype), shape, feature.default_value

    def _add_rows(self, key, feature):
        shape = shapes.plain(shapes.TensorShape(feature.shape))
        if shape is None or None in shape:
            raise ValueError(f"All dimensions of shape for feature {key} need to be known but received {shape}.")
        self.dense[key] = _dtype(key, feature.dtype), shape, feature.default_value
        self._rows.append(key)
        if feature.allow_missing:
            self.may_miss.append(key)

    def with_rows(self):
        """The shapes of rows with an open first dimension, as Examples have them; ValueError where one must be."""
        for key, (dtype, shape, default) in self.dense.items():
            if key in self._rows:
                if key not in self.may_miss:
                    raise ValueError("Unsupported: FixedLenSequenceFeature requires allow_missing to be True.")
                self.dense[key] = dtype, (None, *shape), default
        return self

    @property
    def sparse_keys(self):
        return sorted(self.sparse)

    @property
    def sparse_types(self):
        return [self.sparse[key] for key in self.sparse_keys]

    @property
    def dense_shapes(self):
        return [shape for _, shape, _ in self.dense.values()]

    @property
    def dense_types(self):
        return [dtype for dtype, _, _ in self.dense.values()]

    def defaults(self):
        """A tensor per dense feature: its default, or an empty one for none."""
        return [_default(key, *feature) for key, feature in self.dense.items()]

    def values(self, indices, values, dense_shapes, dense):
        """The dict of what was parsed, as the program asked for it."""
        found = {key: SparseTensor(*parts) for key, *parts in zip(self.sparse_keys, indices, values, dense_shapes)}
        made = {key: _merged(feature, found) for key, feature in self.sparse_features.items()}
        return {**{key: found[key] for key in self._asked}, **dict(zip(self.dense, dense)), **made}


_ADD = {VarLenFeature: Plan._add_var_len, SparseFeature: Plan._add_sparse_feature, FixedLenFeature: Plan._add_fixed,
        FixedLenSequenceFeature: Plan._add_rows}


def index_keys(feature):
    """The keys of a SparseFeature's places, a list."""
    return [feature.index_key] if isinstance(feature.index_key, str) else list(feature.index_key)


def _dtype(key, dtype):
    found = as_dtype(dtype)
    if found not in KINDS:
        raise DTypeError(f"feature {key!r} has DataType {found.name} not in list of allowed values: float32, int64, "
                         f"string; parse it as one of them, then tf.cast or tf.decode_raw")
    return found


def _default(key, dtype, shape, default):
    if shape and shape[0] is None:                       # rows: one value that stands behind the shorter ones
        default = (b"" if dtype.kind == "O" else 0) if default is None else default
        return array.reshape(convert_to_tensor(default, dtype, name=f"default_{_name(key)}"), [])
    if default is None:
        return convert_to_tensor([], dtype, name=f"none_{_name(key)}")
    return array.reshape(convert_to_tensor(default, dtype, name=f"default_{_name(key)}"), list(shape))


def _name(key):
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in key)


def _merged(feature, found):
    """The SparseTensor of a SparseFeature, of those of its places and its values."""
    values, size = found[feature.value_key], feature.size
    size = list(size) if isinstance(size, (list, tuple)) else [size]
    columns = [array.expand_dims(found[key].values, 1) for key in index_keys(feature)]
    leading = values.indices[:, :-1]                               # [n, 0] or [n, 1], the example
    whole = SparseTensor(array.concat([leading, *columns], 1), values.values,
                         array.concat([values.dense_shape[:-1], convert_to_tensor(size, "int64")], 0))
    return whole if feature.already_sorted else sparse.sparse_reorder(whole)
