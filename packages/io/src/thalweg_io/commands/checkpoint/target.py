"""Writing tensors in one of the four formats: whole or not at all, and on the medium at the end."""
import os

from thalweg.framework import errors

from ...bundle import commit
from ...bundle.writer import BundleWriter

FORMATS = ("v1", "v2", "safetensors", "npz")

_CLASSIC = {"float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool"}
_DTYPES = {
    "v1": _CLASSIC | {"string", "complex64", "complex128", "qint8", "quint8", "qint32"},
    "safetensors": _CLASSIC | {"uint32", "uint64", "bfloat16", "complex64", "float8_e5m2", "float8_e4m3fn"},
    "npz": _CLASSIC | {"uint32", "uint64", "complex64", "complex128"},
}


class Tensor:
    """A tensor on its way: its new name, where it is read from, and the slices in which it is kept."""

    __slots__ = ("name", "_source", "_old", "slices")

    def __init__(self, name, source, old, slices):
        self.name, self._source, self._old, self.slices = name, source, old, slices

    @property
    def shape(self):
        return self._source.shape(self._old)

    @property
    def dtype(self):
        return self._source.dtype(self._old)

    def read(self, slice_=None):
        return self._source.read(self._old, slice_)


def format_of(path):
    """The format that a path tells by its end, None where it does not."""
    suffix = os.path.splitext(path)[1].removeprefix(".")
    return suffix if suffix in ("safetensors", "npz") else None


def exists(path):
    """Whether something would be replaced by writing to `path`."""
    return os.path.exists(path) or commit.exists(path)


def check(source, format_, names, is_joined):
    """Raises UnimplementedError, before anything is written, for a tensor that the format cannot hold."""
    for name in names:
        dtype = source.dtype(name).name
        if dtype not in _DTYPES.get(format_, {dtype}):
            raise errors.UnimplementedError(
                None, None, f"tensor {name!r} is of type {dtype}, which {format_} files do not know; they know "
                            f"{', '.join(sorted(_DTYPES[format_]))}")
        if format_ not in ("v1", "v2") and not is_joined and source.slices(name):
            raise errors.UnimplementedError(
                None, None, f"tensor {name!r} is partitioned into {len(source.slices(name))} slices, which {format_} "
                            "files do not know; --partitions join stores it whole")


def write(path, format_, tensors):
    """Writes Tensors, an iterable, of which each is read once and dropped."""
    if format_ in ("v1", "v2"):
        with _writer(path, format_) as writer:
            for tensor in tensors:
                _add(writer, tensor)
    else:
        _write_arrays(path, format_, tensors)


def _writer(path, format_):
    if format_ == "v2":
        return BundleWriter(path)
    from ...v1.writer import V1Writer
    return V1Writer(path)


def _add(writer, tensor):
    if not tensor.slices:
        writer.add(tensor.name, tensor.read())
    for slice_ in tensor.slices:
        writer.add_slice(tensor.name, tensor.shape, slice_, tensor.read(slice_))


def _write_arrays(path, format_, tensors):
    raise NotImplementedError
