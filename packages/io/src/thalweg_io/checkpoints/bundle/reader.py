"""Reading a V2 checkpoint: names, dtypes, shapes and values, each checked before it is believed."""
import os
import weakref

import numpy as np

from thalweg.framework import errors
from thalweg.framework.shapes import size_of
from thalweg.framework.stored_value import StoredValue

from ...atomic_file import name_of, translated
from ...element_types import STRING, dtype_of_number
from ..assembly import assembled, full_slice, indices
from ..positioned import read_at
from ..tensor_slice import slice_key
from ..texts import key_of, text_of
from . import commit
from .index import read_index
from .values import check_numbers, numbers_from, numbers_into, strings_from

_ATTEMPTS = 1000                              # to open index and data of one save while another is replacing it


class BundleReader:
    """An open checkpoint. Its files stay open, so it reads one save even while another replaces it.

    Parameters
    ----------
    prefix : str      the checkpoint's path without `.index`

    Attributes
    ----------
    header : Header
    entries : mapping key (bytes) -> Entry, slices included, as the index has them: unchecked

    Raises
    ------
    NotFoundError     if there is no checkpoint
    DataLossError     if the index is damaged
    """

    def __init__(self, prefix):
        self.prefix = os.fspath(prefix)
        with translated(self.prefix):
            self._open()
        self._close = weakref.finalize(self, _close_all, list(self._data.values()))

    def close(self):
        """Closes the files; values can no longer be read."""
        self._close()
        self._data = {}

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # --- opening -------------------------------------------------------------------------------------

    def _open(self):
        """Opens index and data of one and the same save, which a running save may be replacing meanwhile."""
        for _ in range(_ATTEMPTS):
            path, token = self._where()
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                if path == commit.index_path(self.prefix) and not commit.exists(self.prefix):
                    raise errors.NotFoundError(
                        None, None, "Unsuccessful TensorSliceReader constructor: Failed to find any matching files "
                                    f"for {self.prefix}: there is no {path}") from None
                continue
            try:
                self.entries = read_index(descriptor, path)
                self.header = self.entries.header
                self._open_data(token)
                if self._is_still(descriptor):
                    return
            except BaseException:
                _close_all(getattr(self, "_data", {}).values())
                raise
            finally:
                os.close(descriptor)
            _close_all(self._data.values())
        raise errors.UnavailableError(None, None, f"{self.prefix} is being replaced without pause; try again")

    def _where(self):
        tokens = commit.pending_commits(self.prefix)
        index = commit.index_path(self.prefix)
        return (name_of(index, tokens[-1], "commit"), tokens[-1]) if tokens else (index, None)

    def _open_data(self, token):
        count = self.header.num_shards
        shards = [0] if count == 1 else commit.shards_in(self.prefix, count)
        self._data = {shard: self._open_shard(shard, token) for shard in shards}

    def _open_shard(self, shard, token):
        path = commit.data_path(self.prefix, shard, self.header.num_shards)
        for candidate in ([name_of(path, token, "tmp")] if token else []) + [path]:
            try:
                return os.open(candidate, os.O_RDONLY)
            except FileNotFoundError:
                continue
        return None                                   # an error for those who read from it; names can be listed

    def _is_still(self, descriptor):
        """Whether the index that was opened is the current one: then the data files opened after it are its own."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._where()[0]))
        except FileNotFoundError:
            return False

    # --- asking --------------------------------------------------------------------------------------

    def names(self):
        """The names of all tensors, sorted as the file has them."""
        return [text_of(key) for key in self.entries if not key.startswith(b"\0")]

    def __contains__(self, name):
        return key_of(name) in self.entries

    def dtype(self, name):
        """The DType of a tensor; NotFoundError when there is none of that name."""
        return dtype_of_number(self._entry(key_of(name), name).dtype, self._owner(name))

    def shape(self, name):
        """The shape of a tensor, a tuple; of a partitioned one the whole."""
        return self._entry(key_of(name), name).shape

    def slices(self, name):
        """The stored parts of a partitioned tensor, TensorSlices; none for a tensor that is stored whole."""
        return list(self._entry(key_of(name), name).slices)

    def _entry(self, key, name):
        entry = self.entries.get(key) if key else None
        if entry is None:
            raise errors.NotFoundError(None, None, f"Key {name} not found in checkpoint {self.prefix}")
        entry.check(self._owner(name), self.header)
        return entry

    def _owner(self, name):
        """What errors call a tensor."""
        return f"{self.prefix}: tensor {name!r}"

    def _place(self, entry, name):
        """Likewise, with the data file that holds its bytes."""
        return f"{commit.data_path(self.prefix, entry.shard, self.header.num_shards)}: tensor {name!r}"

    # --- reading -------------------------------------------------------------------------------------

    def read(self, name, slice_=None):
        """The value of a tensor, or of the box `slice_` (a TensorSlice) inside it, as an array of its own.

        Raises
        ------
        NotFoundError             for an unknown name
        DataLossError             when bytes are missing or do not match their checksum
        InvalidArgumentError      when the index or the slice makes no sense
        """
        key = key_of(name)
        entry = self._entry(key, name)
        box = slice_ or full_slice(entry.shape)
        bounds = box.bounds(entry.shape)
        if entry.slices:
            return self._assembled(key, entry, name, bounds)
        value = self._whole(entry, name)
        if box.covers(entry.shape):
            return value
        return value[indices(bounds)].copy()

    def found(self, name, slice_=None):
        """The same value, checked: if it is large and stored in one piece, a StoredValue, else an array.

        A StoredValue keeps the reader's files open, unless somebody closes that.
        """
        entry = self._entry(key_of(name), name)
        if entry.size < StoredValue.LEAST_BYTES or entry.slices or entry.dtype == STRING \
                or self.header.is_big_endian or slice_ is not None and not slice_.covers(entry.shape):
            return self.read(name, slice_)
        return _StoredTensor(self, entry, name)

    def read_slice(self, name, slice_):
        """The value of the box `slice_` inside a tensor; as `read`."""
        return self.read(name, slice_)

    def _whole(self, entry, name):
        owner = self._place(entry, name)
        dtype = dtype_of_number(entry.dtype, owner)
        descriptor = self._checked_place(entry, dtype, name)
        is_big_endian = self.header.is_big_endian
        if entry.dtype == STRING:
            data = np.empty(entry.size, np.uint8)
            read_at(descriptor, data, entry.offset, owner)
            return strings_from(data.tobytes(), entry, size_of(entry.shape), is_big_endian, owner)
        return numbers_from(lambda data, at: read_at(descriptor, data, entry.offset + at, owner), entry, dtype,
                            is_big_endian, owner)

    def _checked_place(self, entry, dtype, name):
        """The descriptor of the entry's data file, once it is certain that size, shape and file fit each other."""
        count, owner = size_of(entry.shape), self._place(entry, name)
        if entry.dtype == STRING:
            if entry.size < count + 4:                # a length each, and their checksum
                raise errors.DataLossError(None, None, f"{owner}: {count} strings cannot stand in "
                                                       f"{entry.size} bytes")
        elif entry.size != count * dtype.np.itemsize:
            raise errors.DataLossError(None, None,
                                       f"{owner}: Invalid size in bundle entry: {entry.size} bytes for "
                                       f"{dtype.name} {list(entry.shape)}, expected {count * dtype.np.itemsize}")
        descriptor = self._data.get(entry.shard)
        if descriptor is None:
            path = commit.data_path(self.prefix, entry.shard, self.header.num_shards)
            raise errors.NotFoundError(None, None, f"{self._owner(name)}: {path} is missing")
        size = os.fstat(descriptor).st_size
        if entry.offset + entry.size > size:
            path = commit.data_path(self.prefix, entry.shard, self.header.num_shards)
            raise errors.DataLossError(None, None, f"{self._owner(name)}: Read less bytes than requested: "
                                                   f"{entry.size} bytes at {entry.offset} in {path}, of {size} bytes; "
                                                   "it is cut: restore another checkpoint, or copy this one again")
        return descriptor

    # --- partitioned tensors -------------------------------------------------------------------------

    def _assembled(self, key, whole, name, bounds):
        """The box `bounds` of a partitioned tensor, put together from the stored slices that touch it."""
        dtype = dtype_of_number(whole.dtype, self._owner(name))
        entries = {s: self._slice_entry(key, whole, name, s) for s in whole.slices}
        return assembled(self.prefix, name, dtype, whole.shape, whole.slices, bounds,
                         lambda s: self._whole(entries[s], name),
                         lambda s: self._checked_place(entries[s], dtype, name))

    def _slice_entry(self, key, whole, name, slice_):
        """The entry of one stored slice of the tensor `whole`."""
        shape = slice_.shape_in(whole.shape)
        entry = self._entry(slice_key(key, slice_), f"{name} slice {slice_}")
        if entry.slices or entry.shape != shape or entry.dtype != whole.dtype:
            stored = "partitioned again" if entry.slices else f"as type {entry.dtype} {list(entry.shape)}"
            raise errors.DataLossError(None, None, f"{self._owner(name)}: its slice {slice_} is stored {stored}, "
                                                   f"expected as type {whole.dtype} {list(shape)}")
        return entry


class _StoredTensor(StoredValue):
    """A large tensor of numbers. It is read twice: here, to check all of it before anybody's memory is written."""

    def __init__(self, reader, entry, name):
        self._owner = reader._place(entry, name)
        self._entry, self._dtype = entry, dtype_of_number(entry.dtype, self._owner)
        self._descriptor, self._reader = reader._checked_place(entry, self._dtype, name), reader
        super().__init__(entry.shape, self._dtype.np)
        check_numbers(self._read_at, entry, self._dtype, self._owner)

    def read_into(self, array):
        numbers_into(array, self._read_at, self._entry, self._dtype, self._owner)

    def _read_at(self, data, start):
        read_at(self._descriptor, data, self._entry.offset + start, self._owner)


def _close_all(descriptors):
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)
