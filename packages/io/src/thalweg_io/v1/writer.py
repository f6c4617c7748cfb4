"""Writing a V1 checkpoint; the file equals TensorFlow's byte for byte."""
import os

from thalweg.framework import errors
from thalweg.framework.shapes import size_of

from ..atomic_file import TemporaryFile, translated
from ..bundle import sharded
from ..element_types import as_stored, dtype_of_array
from ..table import TableWriter
from ..tensor_slice import FULL, TensorSlice, slice_key
from . import files
from .entry import META_KEY, TensorMeta, meta_message, slice_message
from .values import is_stored, tensor_message

_MOST_BYTES = (1 << 31) - 1                    # of one message


class V1Writer:
    """A V1 checkpoint in the making; use as a context: it appears whole at the end, or not at all.

    The values are held in memory until then, as they are stored: the format wants them sorted.

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
            table.add(key, self._values.pop(key))
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

    def _add(self, name, full_shape, slice_, value):
        dtype, key = dtype_of_array(value), name.encode("utf-8", "surrogateescape")
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
        self._values[where] = self._message(name, key, slice_, value, dtype.as_datatype_enum)
        meta.slices.append(slice_)

    def _message(self, name, key, slice_, value, number):
        message = slice_message(key, slice_, tensor_message(value, number))
        if len(message) <= _MOST_BYTES:
            return message
        raise errors.InvalidArgumentError(
            None, None, f"tensor {name!r} with {size_of(value.shape)} elements is too large for a V1 checkpoint, "
                        f"which holds up to {_MOST_BYTES} bytes of each; tf.train.Saver() writes V2, "
                        "which has no such limit")


