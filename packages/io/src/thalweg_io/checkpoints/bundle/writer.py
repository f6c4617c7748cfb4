"""Writing a V2 checkpoint, and joining the parts of a sharded one; the files equal TensorFlow's byte for byte."""
import os

import numpy as np

from thalweg.framework import errors

from ...atomic_file import TemporaryFile, new_token, translated
from ...element_types import STRING, as_stored, dtype_of_array
from ...records.crc32c import masked
from ..tensor_slice import slice_key
from ..texts import key_of
from . import commit, sharded
from .entry import Entry, Header
from .values import PieceWriter, stored_numbers, stored_strings


class BundleWriter:
    """A checkpoint in the making; use as a context: it is committed at the end, or leaves nothing if that fails.

    Parameters
    ----------
    prefix : str      the checkpoint's path without `.index`; its folder is made, the folder above must exist
    """

    def __init__(self, prefix):
        self.prefix, self._token = os.fspath(prefix), new_token()
        self._entries = {}

    def __enter__(self):
        with translated(self.prefix):
            sharded.open_folder(os.path.dirname(self.prefix))
            self._data = TemporaryFile(commit.data_path(self.prefix, 0, 1), self._token)
            self._pieces = PieceWriter(self._data.write)
        return self

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            self._data.discard()
            return
        try:
            with translated(self.prefix):
                self._pieces.flush()
                self._data.sync()
                commit.commit_index(self.prefix, self._token, Header(), self._entries, [self._data])
        except BaseException:
            self._data.discard()
            raise

    def add(self, name, value):
        """Adds a tensor: an array, of ml_dtypes, too; strings as an array of bytes objects."""
        self._add(key_of(name), name, as_stored(value))

    def add_slice(self, name, full_shape, slice_, value):
        """Adds the part `slice_` (a TensorSlice) of a partitioned tensor of `full_shape`."""
        value = as_stored(value)
        if slice_.covers(full_shape):
            return self.add(name, value)
        if slice_.shape_in(full_shape) != value.shape:
            raise errors.InvalidArgumentError(None, None, f"Slice {slice_} of {name!r} {list(full_shape)} has shape "
                                              f"{list(slice_.shape_in(full_shape))}, the value {list(value.shape)}")
        key = key_of(name)
        whole = self._entries.setdefault(key, Entry(dtype_of_array(value).as_datatype_enum, tuple(full_shape)))
        if whole.shape != tuple(full_shape) or whole.dtype != dtype_of_array(value).as_datatype_enum or whole.size:
            raise errors.InvalidArgumentError(None, None, f"Slices of {name!r} disagree in shape or dtype: "
                                              f"{list(whole.shape)} and {list(full_shape)}")
        whole.slices.append(slice_)
        self._add(slice_key(key, slice_), f"{name} slice {slice_}", value)

    def _add(self, key, name, array):
        if not key:
            raise errors.InvalidArgumentError(None, None, "a tensor needs a name to be saved under")
        if key in self._entries:
            raise errors.InvalidArgumentError(None, None, f"Adding duplicate key: {name}")
        dtype = dtype_of_array(array)
        offset, crc = self._pieces.size, None
        if dtype.as_datatype_enum == STRING:
            stored, crc = stored_strings(array)
            data = np.frombuffer(stored, np.uint8)
        else:
            data = stored_numbers(array)
        with translated(self.prefix):
            of_bytes = masked(self._pieces.append(data))
        self._entries[key] = Entry(dtype.as_datatype_enum, array.shape, 0, offset, len(data),
                                   of_bytes if crc is None else crc)
