"""npz files: a zip archive with one array in NumPy's format per member."""
import os
import struct
import zipfile
import zlib

import numpy as np

from thalweg.framework import errors
from thalweg.framework.packed import to_packed

from ..atomic_file import new_file
from ..element_types import dtype_of_array
from .file import ArrayFile, Entry, check_are_named, refused
from .npy import HeaderError, read_header

_SUFFIX = ".npy"
_MOST_RATIO = 1032                                   # deflate makes no byte of more than so many
# What zipfile raises for damaged archives, beside its own error.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, IndexError, NotImplementedError,
           RuntimeError, OverflowError, OSError, struct.error)
_DATE = (1980, 1, 1, 0, 0, 0)                        # the same arrays give the same file
_PIECE = 1 << 24                                     # bytes


def open_npz(path):
    """The arrays of an npz file, an ArrayFile.

    Raises
    ------
    NotFoundError           without such a file
    DataLossError           for what is no such archive, for a member that is no array, whose header must be evaluated
                            or does not fit its size; Python objects are never read
    """
    return _NpzFile(path)


class _NpzFile(ArrayFile):
    def _open(self, size):
        try:
            self._zip = zipfile.ZipFile(self._file)
        except _DAMAGE as error:
            raise self._lost(f"no archive of arrays: {error}") from error
        for info in self._zip.infolist():
            self._add(info, size)

    def _add(self, info, size):
        name = info.filename.removesuffix(_SUFFIX)
        if name == info.filename or name in self._entries:
            raise self._lost(f"the member {info.filename!r} " + ("is there twice" if name in self._entries else
                                                                 f"is no array: its name does not end in {_SUFFIX}"))
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._lost(f"compressed by method {info.compress_type}; arrays are stored or deflated", name)
        if info.compress_size > size or info.file_size > _MOST_RATIO * info.compress_size + 64:
            raise self._lost(f"{info.file_size} bytes cannot come of {info.compress_size} in a file of {size}", name)
        try:
            with self._zip.open(info) as member:
                header, start = read_header(lambda count: _exactly(member, count))
        except (HeaderError, *_DAMAGE) as error:
            raise self._lost(error, name) from error
        if start + header.nbytes != info.file_size:
            raise self._lost(f"an array of shape {header.shape}, {header.nbytes} bytes, in a member that has "
                             f"{info.file_size - start}", name)
        self._entries[name] = Entry(header.dtype, header.shape, (info, start, header))

    def _read(self, name, entry):
        info, start, header = entry.place
        flat = np.empty(header.nbytes, np.uint8)
        try:
            with self._zip.open(info) as member:
                _exactly(member, start)
                view = memoryview(flat)
                while view:
                    got = member.readinto(view[:_PIECE])
                    if not got:
                        raise EOFError(f"it ends {len(view)} bytes early")
                    view = view[got:]
                member.read(1)                           # the end, where the checksum is compared
        except _DAMAGE as error:
            raise self._lost(error, name) from error
        shape = header.shape[::-1] if header.is_fortran else header.shape
        array = flat.view(header.stored).reshape(shape) if flat.size else np.empty(shape, header.stored)
        return _own_form(array.T if header.is_fortran else array, entry.dtype)


def _exactly(member, count):
    """The next bytes, fewer only at the end."""
    found = b""
    while len(found) < count:
        piece = member.read(count - len(found))
        if not piece:
            break
        found += piece
    return found


def _own_form(array, dtype):
    """Values of NumPy's types as thalweg has them: this machine's byte order, strings as bytes."""
    if array.dtype.kind not in "SU":
        return np.ascontiguousarray(array, dtype.np).reshape(array.shape)
    result = np.empty(array.shape, object)
    flat = result.reshape(-1)
    for i, item in enumerate(array.ravel().tolist()):
        flat[i] = item if type(item) is bytes else item.encode("utf-8", "surrogatepass")
    return result


def write_npz(path, arrays):
    """Writes arrays to an npz file, not compressed, whole or not at all.

    Parameters
    ----------
    path : str or path
    arrays : dict of str: array         bfloat16 and 8-bit floats are written as records of their bits; objects with
                                        `shape` and `dtype` are asked for their value (`__array__`) one at a time

    Raises InvalidArgumentError for strings and other Python objects, which the format keeps by pickle alone.
    """
    path = os.fspath(path)
    check_are_named(arrays)
    arrays = {name: value if hasattr(value, "dtype") else np.asarray(value) for name, value in arrays.items()}
    dtypes = {name: _dtype(path, name, value) for name, value in arrays.items()}
    with new_file(path) as file, zipfile.ZipFile(_Stream(file), "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(name + _SUFFIX, _DATE), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, _writable(array, dtypes[name]), allow_pickle=False)


def _dtype(path, name, array):
    """The DType of an array, which the format must have, under a name that it can have."""
    if array.dtype.kind in "OSU":
        raise refused(path, name, "an npz file has no strings of any length; write them to a checkpoint or a TFRecord")
    if not isinstance(name, str) or not 0 < len(name.encode("utf-8", "surrogatepass")) < 1 << 15 or "\0" in name:
        raise refused(path, name, "the name of an array is a str without NUL, of 1 to 32767 bytes")
    try:
        return dtype_of_array(array)
    except (TypeError, errors.OpError) as error:
        raise refused(path, name, f"{array.dtype} is no element type of thalweg") from error


def _writable(value, dtype):
    return to_packed(np.asarray(value), dtype) if dtype.name == "bfloat16" else np.asarray(value)


class _Stream:
    """A TemporaryFile as zipfile wants it: it only appends."""

    def __init__(self, file):
        self._file = file

    def write(self, data):
        self._file.write(data)
        return len(data)

    def flush(self):
        """Nothing is held back."""
