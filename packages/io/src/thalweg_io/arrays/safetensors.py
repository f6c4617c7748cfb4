"""safetensors files: a length, a header in JSON, and the values of all arrays without gaps.

    file := uint64 N, N bytes of JSON {"NAME": {"dtype", "shape", "data_offsets": [begin, end]}, ...}, values
"""
import json
import math
import os
from reprlib import repr as brief

import numpy as np

from thalweg.framework import errors
from thalweg.framework.dtypes import as_dtype
from thalweg.framework.packed import to_packed

from ..atomic_file import new_file, translated
from ..element_types import dtype_of_array, dtype_of_number
from .file import ArrayFile, Entry, check_are_named, lost, refused

_MOST = 100_000_000                                  # bytes of a header, the format's limit
_ALIGNMENT = 8
_FLOAT8 = {"F8_E5M2": 24, "F8_E4M3": 25}             # DataType numbers
_DTYPES = {**{name: as_dtype(dtype) for name, dtype in {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "F16": "float16",
    "BF16": "bfloat16", "I32": "int32", "U32": "uint32", "F32": "float32", "F64": "float64", "I64": "int64",
    "U64": "uint64", "C64": "complex64"}.items()},
    **{name: dtype_of_number(number, name) for name, number in _FLOAT8.items()}}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
KNOWN = frozenset(_NAMES)                            # the DTypes that such files hold
_BITS_OF_OTHERS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E8M0": 8}      # known by name only


def open_safetensors(path):
    """The arrays of a safetensors file, an ArrayFile.

    Raises
    ------
    NotFoundError       without such a file
    DataLossError       for a header that is too long, no JSON, has a name twice, or does not fit the file: arrays must
                        lie one behind the other, without gap or overlap, as large as their shapes say
    """
    return _SafetensorsFile(path)


class _SafetensorsFile(ArrayFile):
    _BUFFERING = 0

    def _open(self, size):
        if size < 8:
            raise self._lost(f"too short for a safetensors file: {size} bytes")
        length = int.from_bytes(self._file.read(8), "little")
        if length > _MOST:
            raise self._lost(f"a header of {length} bytes; {_MOST} is the most there may be")
        if length > size - 8:
            raise self._lost(f"a header of {length} bytes, of which the file has {size - 8}")
        self._begin = 8 + length
        header = _parsed(self.path, self._file.read(length))
        self.metadata = _metadata(self.path, header.pop("__metadata__", {}))
        self._entries = {name: _entry(self.path, name, value) for name, value in header.items()}
        _check_places(self.path, self._entries, size - self._begin)

    def _read(self, name, entry):
        begin, end = entry.place
        flat = np.empty(end - begin, np.uint8)
        with translated(self.path):
            self._file.seek(self._begin + begin)
            view = memoryview(flat)
            while view:
                got = self._file.readinto(view[:1 << 30])
                if not got:
                    raise self._lost(f"the file ends {len(view)} bytes early", name)
                view = view[got:]
        if entry.dtype.kind == "b" and flat.max(initial=0) > 1:
            raise self._lost("a bool that is neither 0 nor 1", name)
        return flat.view(entry.dtype.np.newbyteorder("<")).astype(entry.dtype.np, copy=False).reshape(entry.shape)


def _parsed(path, data):
    """The header as a dict."""
    def without_duplicates(pairs):
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise lost(path, f"the header has {twice!r} twice")
        return found
    try:
        header = json.loads(data.decode("utf-8"), object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError) as error:
        raise lost(path, f"the header is no JSON: {error}") from error
    if not data.startswith(b"{") or type(header) is not dict:
        raise lost(path, "the header is no JSON object")
    return header


def _metadata(path, value):
    if type(value) is not dict or not all(type(v) is str for v in value.values()):
        raise lost(path, "__metadata__ must have strings only")
    return value


def _entry(path, name, value):
    """The Entry of one array; its place is (begin, end) behind the header."""
    if type(value) is not dict or sorted(value) != ["data_offsets", "dtype", "shape"]:
        raise lost(path, f"{name}: an entry has dtype, shape and data_offsets")
    dtype, shape, place = value["dtype"], value["shape"], value["data_offsets"]
    known = type(dtype) is str and (dtype in _DTYPES or dtype in _BITS_OF_OTHERS)
    if not known:
        raise lost(path, f"{name}: {dtype!r} is not a data type of safetensors")
    if not _are_sizes(shape) or not _are_sizes(place) or len(place) != 2:
        raise lost(path, f"{name}: the shape {brief(shape)} and the offsets {brief(place)} must be lists "
                         "of sizes")
    bits = _BITS_OF_OTHERS[dtype] if dtype in _BITS_OF_OTHERS else 8 * _DTYPES[dtype].size
    if place[1] - place[0] < 0 or math.prod(shape) * bits != 8 * (place[1] - place[0]):
        raise lost(path, f"{name}: the offsets {place} do not fit the shape {brief(shape)} of {dtype}")
    return Entry(_DTYPES.get(dtype, dtype), tuple(shape), tuple(place))


def _are_sizes(value):
    return type(value) is list and len(value) < 255 and all(type(v) is int and 0 <= v < 1 << 63 for v in value)


def _check_places(path, entries, size):
    """Arrays lie one behind the other, up to the end of the file."""
    end = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1].place):
        if entry.place[0] != end:
            raise lost(path, f"{name}: begins at {entry.place[0]} where {end} is expected: a gap or an overlap")
        end = entry.place[1]
    if end != size:
        raise lost(path, f"the arrays end at {end}, the file's data at {size}")


def write_safetensors(path, arrays, metadata=None):
    """Writes arrays to a safetensors file, whole or not at all.

    Parameters
    ----------
    path : str or path
    arrays : dict of str: array         also records of bfloat16's bits, and values of ml_dtypes; objects with `shape`
                                        and `dtype` are asked for their value (`__array__`) one at a time
    metadata : dict of str: str

    Raises InvalidArgumentError for a type that the format lacks (strings, complex128), and the name "__metadata__".
    """
    path, header, end = os.fspath(path), {}, 0
    if metadata:
        header["__metadata__"] = {str(key): str(value) for key, value in metadata.items()}
    check_are_named(arrays)
    arrays = {name: value if hasattr(value, "dtype") else np.asarray(value) for name, value in arrays.items()}
    dtypes = {name: _dtype(path, name, value) for name, value in arrays.items()}
    order = sorted(arrays, key=lambda n: (-dtypes[n].np.itemsize, n))              # so that each lies aligned
    for name in order:
        shape = arrays[name].shape
        nbytes = math.prod(shape) * dtypes[name].np.itemsize
        header[name] = {"dtype": _NAMES[dtypes[name]], "shape": list(shape), "data_offsets": [end, end + nbytes]}
        end += nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with new_file(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            file.write(memoryview(_packed(arrays[name], dtypes[name]).reshape(-1).view(np.uint8)))


def _dtype(path, name, array):
    """The DType of an array, which the format must have."""
    if not isinstance(name, str) or name == "__metadata__":
        raise refused(path, name, "the name of an array is a str other than __metadata__")
    try:
        dtype = dtype_of_array(array)
    except (TypeError, errors.OpError):
        dtype = None
    if dtype not in _NAMES:
        raise refused(path, name, f"safetensors has no type for {array.dtype}; it has {', '.join(_NAMES.values())}")
    return dtype


def _packed(value, dtype):
    """An array in C order, little-endian."""
    array = np.asarray(value)
    if dtype.name == "bfloat16":
        array = to_packed(array, dtype)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
