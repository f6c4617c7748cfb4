"""The messages of a V1 checkpoint: SavedTensorSlices, which holds the list of tensors, or one slice of a tensor.

    SavedTensorSlices    := 1 meta SavedTensorSliceMeta, or 2 data SavedSlice
    SavedTensorSliceMeta := 1 tensor* SavedSliceMeta, 2 versions
    SavedSliceMeta       := 1 name, 2 shape, 3 type, 4 slice*
    SavedSlice           := 1 name, 2 slice, 3 data TensorProto
"""
from thalweg.framework import errors

from ...wire import BYTES, VARINT, WireError, field_bytes, field_varint, fields
from ..bundle.entry import MAX_RANK, check_version, read_shape, shape_message
from ..tensor_slice import TensorSlice

META_KEY = b""
_VERSIONS = field_varint(1, 1)                         # producer 1


class TensorMeta:
    """What the list says of one tensor.

    Attributes
    ----------
    name : bytes
    dtype : int                        DataType number
    shape : tuple of int               or None where the file says "unknown rank"
    slices : list of TensorSlice       those that are stored, a whole tensor as one full slice
    """

    __slots__ = ("name", "dtype", "shape", "slices")

    def __init__(self, name=b"", dtype=0, shape=(), slices=()):
        self.name, self.dtype, self.shape, self.slices = name, dtype, shape, list(slices)

    def message(self):
        return (field_bytes(1, self.name) + field_bytes(2, shape_message(self.shape)) + field_varint(3, self.dtype)
                + b"".join(field_bytes(4, s.message()) for s in self.slices))

    @classmethod
    def from_message(cls, data):
        meta = cls()
        for number, kind, value in fields(data):
            if (number, kind) == (1, BYTES):
                meta.name = bytes(value)
            elif (number, kind) == (2, BYTES):
                meta.shape = read_shape(value)
            elif (number, kind) == (3, VARINT):
                meta.dtype = value
            elif (number, kind) == (4, BYTES):
                meta.slices.append(TensorSlice.from_message(value))
        return meta

    def check(self, owner):
        """Raises InvalidArgumentError unless the shape makes sense."""
        if self.shape is None or len(self.shape) > MAX_RANK or min(self.shape, default=0) < 0:
            shape = "of unknown rank" if self.shape is None else list(self.shape)
            raise errors.InvalidArgumentError(None, None, f"{owner}: the checkpoint gives it shape {shape}")


def meta_message(metas):
    """The value under META_KEY: the list of tensors, sorted by name."""
    tensors = b"".join(field_bytes(1, meta.message()) for meta in sorted(metas, key=lambda meta: meta.name))
    return field_bytes(1, tensors + field_bytes(2, _VERSIONS))


def metas_of(data, path):
    """The tensors of the list, {name: TensorMeta}.

    Raises
    ------
    DataLossError              when it is no such list, or names a tensor twice
    InvalidArgumentError       for a file that is meant for later readers
    """
    found: dict = {}
    try:
        for number, kind, value in _inside(data, 1):
            if (number, kind) == (2, BYTES):
                check_version(value)
            elif (number, kind) == (1, BYTES):
                meta = TensorMeta.from_message(value)
                if not meta.name or found.setdefault(meta.name, meta) is not meta:
                    raise WireError(f"tensor {meta.name!r} {'twice' if meta.name else 'without a name'}")
    except WireError as error:
        raise errors.DataLossError(None, None, f"{path}: Failed to parse the list of tensors: {error}") from error
    return found


def slice_message(name, slice_, tensor):
    """The value of one slice; `tensor` is its TensorProto."""
    return field_bytes(2, field_bytes(1, name) + field_bytes(2, slice_.message()) + field_bytes(3, tensor))


def tensor_of(data, name):
    """The TensorProto of one slice; WireError when the value is none of the tensor `name` (bytes)."""
    tensor, inner = b"", b""
    for number, kind, value in _inside(data, 2):
        if (number, kind) == (1, BYTES):
            inner = bytes(value)
        elif (number, kind) == (3, BYTES):
            tensor = value
    if inner != name:
        raise WireError(f"the values are those of {inner!r}")
    return tensor


def _inside(data, wanted):
    """The fields of the message that stands in the field `wanted`."""
    for number, kind, value in fields(data):
        if (number, kind) == (wanted, BYTES):
            yield from fields(value)
