"""Reading a V1 checkpoint: names, dtypes, shapes and values, each checked before it is believed."""
import os
import weakref

import numpy as np

from thalweg.framework import errors
from thalweg.framework.shapes import size_of

from ...atomic_file import translated
from ...element_types import dtype_of_number
from ...wire import WireError
from .. import snappy
from ..assembly import assembled, full_slice
from ..positioned import read_at
from ..table import Table
from ..tensor_slice import slice_key
from ..texts import key_of, text_of
from . import files
from .entry import META_KEY, metas_of, tensor_of
from .values import is_stored, least_bytes, values_of


class V1Reader:
    """An open V1 checkpoint. Its files stay open, so it reads one save even while another replaces it.

    Parameters
    ----------
    pattern : str     the checkpoint's path, or a pattern for its shards: `NAME-?????-of-00003`

    Raises
    ------
    NotFoundError     if there is no checkpoint
    DataLossError     if it is damaged, or a shard is missing
    """

    def __init__(self, pattern):
        self.prefix = os.fspath(pattern)
        with translated(self.prefix):
            opened = files.open_all(self.prefix)
        self._close = weakref.finalize(self, _close_all, [descriptor for _, descriptor in opened])
        try:
            self._read_lists(opened)
        except BaseException:
            self.close()
            raise

    def close(self):
        """Closes the files; values can no longer be read."""
        self._close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _read_lists(self, opened):
        self._tensors: dict = {}                       # name (bytes) -> TensorMeta with the slices of all files
        self._tables: dict = {}                        # (name, slice) -> the table that has it
        self._most_bytes = snappy.MOST_PER_BYTE * sum(os.fstat(descriptor).st_size for _, descriptor in opened)
        for path, descriptor in opened:
            table = _table(path, descriptor)
            value = table.get(META_KEY)
            if value is None:
                raise errors.DataLossError(None, None, f"{path}: the file has no list of tensors: it is no checkpoint")
            for meta in metas_of(value, path).values():
                self._add(meta, table, path)

    def _add(self, meta, table, path):
        known = self._tensors.setdefault(meta.name, meta)
        if known is not meta:
            if (known.shape, known.dtype) != (meta.shape, meta.dtype):
                raise errors.DataLossError(None, None, f"{path}: tensor {text_of(meta.name)!r} differs in shape or "
                                                       "type from what another shard says")
            known.slices += meta.slices
        self._tables.update({(meta.name, slice_): table for slice_ in meta.slices})

    # --- asking --------------------------------------------------------------------------------------

    def names(self):
        """The names of all tensors, sorted by their bytes."""
        return [text_of(key) for key in sorted(self._tensors)]

    def __contains__(self, name):
        return key_of(name) in self._tensors

    def dtype(self, name):
        """The DType of a tensor; NotFoundError when there is none of that name."""
        return dtype_of_number(self._meta(name).dtype, self._owner(name))

    def shape(self, name):
        """The shape of a tensor, a tuple; of a partitioned one the whole."""
        return self._meta(name).shape

    def slices(self, name):
        """The stored parts of a partitioned tensor, TensorSlices; none for a tensor that is stored whole."""
        meta = self._meta(name)
        is_whole = len(meta.slices) == 1 and meta.slices[0].covers(meta.shape)
        return [] if is_whole else list(meta.slices)

    def _meta(self, name):
        meta = self._tensors.get(key_of(name))
        if meta is None:
            raise errors.NotFoundError(None, None, f"Key {name} not found in checkpoint {self.prefix}")
        meta.check(self._owner(name))
        return meta

    def _owner(self, name):
        """What errors call a tensor."""
        return f"{self.prefix}: tensor {name!r}"

    # --- reading -------------------------------------------------------------------------------------

    def read(self, name, slice_=None):
        """The value of a tensor, or of the box `slice_` (a TensorSlice) inside it, as an array of its own.

        Raises
        ------
        NotFoundError             for an unknown name
        DataLossError             when values are missing or do not match a checksum
        InvalidArgumentError      when the list of tensors or the slice makes no sense
        """
        meta = self._meta(name)
        dtype = dtype_of_number(meta.dtype, self._owner(name))
        if not is_stored(meta.dtype):
            raise errors.DataLossError(None, None, f"{self._owner(name)}: V1 checkpoints hold no tensors of "
                                                   f"{dtype.name}")
        bounds = (slice_ or full_slice(meta.shape)).bounds(meta.shape)
        value = assembled(self.prefix, name, dtype, meta.shape, meta.slices, bounds,
                          lambda s: self._stored(meta, s, dtype, name), lambda s: self._check_size(meta, s, name))
        return value if value.flags.writeable else value.copy()

    def found(self, name, slice_=None):
        """As `read`: these values are coded, no memory can hold them as they stand in the file."""
        return self.read(name, slice_)

    def read_slice(self, name, slice_):
        """The value of the box `slice_` inside a tensor; as `read`."""
        return self.read(name, slice_)

    def _check_size(self, meta, slice_, name):
        """Raises where all files together are too small for a slice's values."""
        nbytes = least_bytes(size_of(slice_.shape_in(meta.shape)), meta.dtype)
        if nbytes > self._most_bytes:
            raise errors.DataLossError(None, None, f"{self._owner(name)} slice {slice_}: {nbytes} bytes at least "
                                                   "cannot stand in the files")

    def _stored(self, meta, slice_, dtype, name):
        """The value of one stored slice, perhaps read-only."""
        owner, shape = f"{self._owner(name)} slice {slice_}", slice_.shape_in(meta.shape)
        value = self._tables[meta.name, slice_].get(slice_key(meta.name, slice_))
        if value is None:
            raise errors.DataLossError(None, None, f"{owner}: the list of tensors names it, but it is not there")
        try:
            tensor = tensor_of(value, meta.name)
        except WireError as error:
            raise errors.DataLossError(None, None, f"{owner}: Unable to parse its entry: {error}") from error
        return values_of(tensor, dtype, size_of(shape), owner).reshape(shape)


def _table(path, descriptor):
    def read(offset, size):
        data = np.empty(size, np.uint8)
        read_at(descriptor, data, offset, path)
        return memoryview(data)
    return Table(read, os.fstat(descriptor).st_size, path)


def _close_all(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)
