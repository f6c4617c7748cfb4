"""What the files of arrays have in common: an index by name, made when they are opened, and errors that name both."""
import collections
import os

from thalweg.framework import errors

from ..atomic_file import translated

# Where an array is: its DType, its shape, and what its kind of file needs to read it.
Entry = collections.namedtuple("Entry", ["dtype", "shape", "place"])


class ArrayFile:
    """Arrays by name in a file. A context manager.

    Attributes
    ----------
    path : str
    metadata : dict of str: str       what a safetensors file says of itself
    """

    _BUFFERING = -1                  # of `open`: 0 where large pieces are read straight into arrays

    def __init__(self, path):
        self.path, self.metadata, self._entries = os.fspath(path), {}, {}
        with translated(self.path):
            self._file = open(self.path, "rb", buffering=self._BUFFERING)
            try:
                self._open(os.fstat(self._file.fileno()).st_size)
            except BaseException:
                self.close()
                raise

    def _open(self, size):
        """Fills the entries from the open file of `size` bytes."""
        raise NotImplementedError(f"{type(self).__name__} must define _open(size)")

    def names(self):
        """The names, in the order of the file."""
        return list(self._entries)

    def __contains__(self, name):
        return name in self._entries

    def __len__(self):
        return len(self._entries)

    def __iter__(self):
        return iter(self._entries)

    def shape(self, name):
        """The shape of an array, a tuple of int; NotFoundError for a name that is not there."""
        return self._entry(name).shape

    def dtype(self, name):
        """The DType of an array; UnimplementedError for one that thalweg lacks."""
        dtype = self._entry(name).dtype
        if isinstance(dtype, str):
            raise errors.UnimplementedError(None, None, f"{self.path}: {name}: values of type {dtype} cannot be read")
        return dtype

    def read(self, name):
        """The values of an array, in memory of their own, C order, this machine's byte order.

        Raises
        ------
        NotFoundError           for a name that is not there
        UnimplementedError      for a type that thalweg lacks
        DataLossError           for damaged data
        """
        self.dtype(name)
        return self._read(name, self._entry(name))

    def close(self):
        """Closes the file; may be called again."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _entry(self, name):
        try:
            return self._entries[name]
        except KeyError:
            raise errors.NotFoundError(None, None, f"{self.path} has no array {name!r}; it has "
                                                   f"{', '.join(list(self._entries)[:10]) or 'none'}"
                                                   f"{', ...' * (len(self._entries) > 10)}") from None

    def _lost(self, what, name=None):
        return lost(self.path, what if name is None else f"{name}: {what}")


def check_are_named(arrays):
    """TypeError unless `arrays` is a dict."""
    if not hasattr(arrays, "items"):
        raise TypeError(f"arrays must be a dict of name: array, not a {type(arrays).__name__}")


def lost(path, what):
    """The error for a damaged file."""
    return errors.DataLossError(None, None, f"{path}: {what}")


def refused(path, name, what):
    """The error for an array that cannot be written."""
    return errors.InvalidArgumentError(None, None, f"{path}: {name}: {what}")
