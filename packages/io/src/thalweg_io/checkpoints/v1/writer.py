"""Writing a V1 checkpoint; the file equals TensorFlow's byte for byte."""
import os

from thalweg.framework import errors
from thalweg.framework.shapes import size_of

from ...atomic_file import TemporaryFile, translated
from ...element_types import as_stored, dtype_of_array
from ..bundle import sharded
from ..table import TableWriter
from ..tensor_slice import FULL, TensorSlice, slice_key
from ..texts import key_of
from . import files
from .entry import META_KEY, TensorMeta, meta_message, slice_message
from .values import is_stored, tensor_message

_MOST_BYTES = (1 << 31) - 1                    # of one message


class V1Writer:
    """A V1 checkpoint in the making; use as a context: it appears whole at the end, or not at all.

    The format wants the list of all tensors first and the values sorted. So those that are added at once are held in
    memory until the end, as they are stored; `add_later` holds none.

    Parameters
    ----------
    path : str             of the file; its folder is made, the folder above must exist
    is_staged : bool       as a shard, it waits for `files.commit`, which replaces all shards of a checkpoint together
    """

    def __init__(self, path, is_staged=False):
        self.path, self._is_staged = os.fspath(path), is_staged
        self._metas: dict = {}
        self._values: dict = {}

    def __enter__(self):
        with translated(self.path):
            sharded.open_folder(os.path.dirname(self.path))
            self._file = TemporaryFile(self.path, files.token_for(self.path, self._is_staged))
        return self

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            self._file.discard()
            return
        try:
            with translated(self.path):
                self._write_table()
                self._file.sync()
                files.put(self._file, self.path, self._is_staged)
        except BaseException:
            self._file.discard()
            raise

    def _write_table(self):
        table = TableWriter(self._file.write)
        table.add(META_KEY, meta_message(self._metas.values()))
        for key in sorted(self._values):
            value = self._values.pop(key)
            table.add(key, value() if callable(value) else value)
        table.finish()

    def add(self, name, value):
        """Adds a tensor: an array; strings as an array of bytes objects."""
        value = as_stored(value)
        self._add(name, value.shape, TensorSlice([(0, FULL)] * value.ndim), value)

    def add_slice(self, name, full_shape, slice_, value):
        """Adds the part `slice_` (a TensorSlice) of a partitioned tensor of `full_shape`."""
        value = as_stored(value)
        if slice_.shape_in(full_shape) != value.shape:
            raise errors.InvalidArgumentError(None, None, f"Slice {slice_} of {name!r} {list(full_shape)} has shape "
                                              f"{list(slice_.shape_in(full_shape))}, the value {list(value.shape)}")
        self._add(name, tuple(full_shape), slice_, value)

    def add_later(self, name, full_shape, dtype, slice_, read):
        """Adds a tensor (`slice_` None) or a part of it whose value `read()` gives, one at a time, at the end.

        Parameters
        ----------
        full_shape : tuple of int      of the whole tensor
        dtype : DType                  of the value
        slice_ : TensorSlice or None
        read : callable                without arguments, called once
        """
        slice_ = slice_ or TensorSlice([(0, FULL)] * len(full_shape))
        key, where = self._register(name, tuple(full_shape), slice_, dtype)
        number = dtype.as_datatype_enum
        self._values[where] = lambda: self._message(name, key, slice_, as_stored(read()), number)

    def _add(self, name, full_shape, slice_, value):
        dtype = dtype_of_array(value)
        key, where = self._register(name, full_shape, slice_, dtype)
        self._values[where] = self._message(name, key, slice_, value, dtype.as_datatype_enum)

    def _register(self, name, full_shape, slice_, dtype):
        """(key, key of the slice) of a value that belongs into the list of tensors from now on."""
        key = key_of(name)
        if not key:
            raise errors.InvalidArgumentError(None, None, "a tensor needs a name to be saved under")
        if not is_stored(dtype.as_datatype_enum):
            raise errors.InvalidArgumentError(
                None, None, f"tensor {name!r} of {dtype.name}: V1 checkpoints hold no tensors of that type; "
                            "tf.train.Saver() without write_version writes V2, which does")
        meta = self._metas.setdefault(key, TensorMeta(key, dtype.as_datatype_enum, full_shape))
        if (meta.shape, meta.dtype) != (full_shape, dtype.as_datatype_enum):
            raise errors.InvalidArgumentError(None, None, f"Slices of {name!r} disagree in shape or dtype: "
                                              f"{list(meta.shape)} and {list(full_shape)}")
        where = slice_key(key, slice_)
        if where in self._values:
            raise errors.InvalidArgumentError(None, None, f"Adding duplicate key: {name} slice {slice_}")
        meta.slices.append(slice_)
        return key, where

    def _message(self, name, key, slice_, value, number):
        message = slice_message(key, slice_, tensor_message(value, number))
        if len(message) <= _MOST_BYTES:
            return message
        raise errors.InvalidArgumentError(
            None, None, f"tensor {name!r} with {size_of(value.shape)} elements is too large for a V1 checkpoint, "
                        f"which holds up to {_MOST_BYTES} bytes of each; tf.train.Saver() writes V2, "
                        "which has no such limit")


