"""Writing tensors in one of the four formats: whole or not at all, and on the medium at the end."""
import functools
import os

import numpy as np

from thalweg.framework import errors

from ...arrays import write_npz, write_safetensors
from ...arrays.safetensors import KNOWN
from ...checkpoints.bundle import commit
from ...checkpoints.bundle.writer import BundleWriter
from ...checkpoints.v1.values import is_stored
from ...checkpoints.v1.writer import V1Writer
from ...element_types import RESOURCE, STRING, VARIANT, dtype_of_number

FORMATS = ("v1", "v2", "safetensors", "npz")

_ALL = [dtype_of_number(n, "") for n in range(1, 34) if n not in (RESOURCE, VARIANT)]
_DTYPES = {
    "v1": {dtype.name for dtype in _ALL if is_stored(dtype.as_datatype_enum)},
    "v2": {dtype.name for dtype in _ALL},
    "safetensors": {dtype.name for dtype in KNOWN},
    "npz": {dtype.name for dtype in _ALL if dtype.as_datatype_enum != STRING},     # as records where NumPy has no type
}


class Tensor:
    """A tensor on its way: its new name, where it is read from, and the slices in which it is kept (none: whole)."""

    __slots__ = ("name", "_source", "_old", "slices", "_advance")

    def __init__(self, name, source, old, slices, advance):
        self.name, self._source, self._old, self.slices, self._advance = name, source, old, slices, advance

    @property
    def shape(self):
        return self._source.shape(self._old)

    @property
    def dtype(self):
        return self._source.dtype(self._old)

    def read(self, slice_=None):
        value = self._source.read(self._old, slice_)
        self._advance(0 if value.dtype.kind == "O" else value.nbytes)
        return value


def format_of(path):
    """The format that a path tells by its end, None where it does not."""
    suffix = os.path.splitext(path)[1].removeprefix(".")
    return suffix if suffix in ("safetensors", "npz") else None


def check_place(path, format_, may_replace):
    """Raises AlreadyExistsError, FailedPreconditionError, InvalidArgumentError unless a checkpoint of `format_` may be
    written to `path`, and read from there."""
    by_end, wanted = format_of(path), format_ if format_ in ("safetensors", "npz") else None
    if by_end != wanted:
        hint = f"end it in .{format_}" if wanted else f"it would be read as .{by_end}"
        raise errors.InvalidArgumentError(None, None, f"{path} is no name for a file in format {format_}: {hint}")
    if os.path.isdir(path):
        raise errors.FailedPreconditionError(None, None, f"{path} is a folder: name the checkpoint in it, too")
    is_bundle, is_file = commit.exists(path), os.path.exists(path)
    if is_file if format_ == "v2" else is_bundle:                     # a reader would not know which one is meant
        raise errors.FailedPreconditionError(
            None, None, f"{path} exists in another format than {format_}: remove it or write to another name")
    if (is_bundle or is_file) and not may_replace:
        raise errors.AlreadyExistsError(None, None, f"{path} exists; --overwrite replaces it")


def check(source, format_, names, is_joined):
    """Raises UnimplementedError, before anything is written, for a tensor that the format cannot hold."""
    for name in names:
        dtype = source.dtype(name).name
        if dtype not in _DTYPES[format_]:
            raise errors.UnimplementedError(
                None, None, f"tensor {name!r} is of type {dtype}, which {format_} files do not know; they know "
                            f"{', '.join(sorted(_DTYPES[format_]))}")
        if format_ not in ("v1", "v2") and not is_joined and source.slices(name):
            raise errors.UnimplementedError(
                None, None, f"tensor {name!r} is partitioned into {len(source.slices(name))} slices, which {format_} "
                            "files do not know; --partitions join stores it whole")


def write(path, format_, tensors):
    """Writes Tensors, an iterable, of which each is read once and dropped."""
    _WRITERS[format_](path, tensors)


def _write_v2(path, tensors):
    with BundleWriter(path) as writer:
        for tensor in tensors:
            if not tensor.slices:
                writer.add(tensor.name, tensor.read())
            for slice_ in tensor.slices:
                writer.add_slice(tensor.name, tensor.shape, slice_, tensor.read(slice_))


def _write_v1(path, tensors):
    with V1Writer(path) as writer:
        for tensor in tensors:
            for slice_ in tensor.slices or [None]:
                writer.add_later(tensor.name, tensor.shape, tensor.dtype, slice_,
                                 functools.partial(tensor.read, slice_))


class _Unread:
    """Stands for an array in the dict that a writer takes: its shape and dtype are known, its value is read when the
    writer asks for it."""

    def __init__(self, tensor):
        self._tensor, self.shape, self.dtype = tensor, tensor.shape, tensor.dtype.np

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._tensor.read(), dtype)


def _write_safetensors(path, tensors):
    write_safetensors(path, {tensor.name: _Unread(tensor) for tensor in tensors})


def _write_npz(path, tensors):
    write_npz(path, {tensor.name: _Unread(tensor) for tensor in tensors})


_WRITERS = {"v1": _write_v1, "v2": _write_v2, "safetensors": _write_safetensors, "npz": _write_npz}
