"""The header of an array in NumPy's format, read without evaluating it.

    array := "\\x93NUMPY", version (2 bytes), length of the header (uint16, or uint32 from version 2), header, values
    header := {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
"""
import math
import re

import numpy as np

from thalweg.framework.dtypes import as_dtype, bfloat16

from ..element_types import dtype_of_array

_MAGIC, _LONGEST = b"\x93NUMPY", 10_000              # bytes; NumPy's own limit of a header
_ITEM = re.compile(r"\s*'(\w+)'\s*:\s*('[^'\\]*'|\[\('\w+', '[^'\\]*'\)\]|True|False|\([\dL, ]*\))\s*(?:,|(?=\}))")
_TYPE = re.compile(r"'([<>=|]?)([biufcSU])(\d{1,9})'")
_RECORD = re.compile(r"\[\('(\w+)', '([<>=|]?[biu]\d)'\)\]")


class HeaderError(ValueError):
    """What a header says that cannot be; the caller names file and array."""


class Header:
    """What a header says.

    Attributes
    ----------
    stored : np.dtype            of the values as they lie in the file
    dtype : DType                of the values as they are read; strings for NumPy's texts
    shape : tuple
    is_fortran : bool
    nbytes : int                 of the values in the file
    """

    def __init__(self, text):
        if not text.rstrip("\n ").startswith("{") or not text.rstrip("\n ").endswith("}"):
            raise HeaderError(f"the header {text[:80]!r} is no dict")
        items, position, end = {}, 1, len(text.rstrip("\n ")) - 1
        while position < end and text[position:end].strip():
            match = _ITEM.match(text, position)
            if not match or match[1] in items:
                raise HeaderError(f"the header is damaged, or has what must be evaluated: {text[position:][:80]!r}")
            items[match[1]], position = match[2], match.end()
        if sorted(items) != ["descr", "fortran_order", "shape"]:
            raise HeaderError(f"the header has {', '.join(sorted(items)) or 'nothing'}, not descr, fortran_order, "
                              "shape")
        self.stored, self.dtype = _dtype(items["descr"])
        if items["fortran_order"] not in ("True", "False") or not items["shape"].startswith("("):
            raise HeaderError(f"the header {text[:80]!r} has a wrong value")
        self.is_fortran, self.shape = items["fortran_order"] == "True", _shape(items["shape"])
        self.nbytes = math.prod(self.shape) * self.stored.itemsize


def _shape(text):
    sizes = [part.strip().removesuffix("L") for part in text[1:-1].split(",") if part.strip()]
    if not all(s.isdecimal() and len(s) < 20 for s in sizes) or len(sizes) > 64:
        raise HeaderError(f"{text[:80]} is no shape")
    return tuple(map(int, sizes))


def _dtype(text):
    """(NumPy's dtype in the file, our DType)."""
    record, plain = _RECORD.fullmatch(text), _TYPE.fullmatch(text)
    try:
        if record:
            stored = np.dtype([(record[1], record[2])])
            return stored, bfloat16 if stored == bfloat16.np else dtype_of_array(np.empty(0, stored))
        if plain:
            stored = np.dtype(text[1:-1])
            if plain[2] in "SU":
                return stored, as_dtype("string")
            return stored, as_dtype(stored.newbyteorder("="))
    except (TypeError, ValueError) as error:
        raise HeaderError(f"{text[:80]} is no type that is read: {error}") from error
    raise HeaderError(f"{text[:80]} is no type that is read; Python objects never are")


def read_header(read):
    """The Header at the beginning of an array, and how many bytes it takes; `read(size)` gives the next bytes."""
    start = read(8)
    if len(start) < 8 or start[:6] != _MAGIC:
        raise HeaderError(f"it begins with {start[:8]!r}, not as an array of NumPy")
    if start[6] not in (1, 2, 3):
        raise HeaderError(f"version {start[6]}.{start[7]} of the format is not known")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(read(width), "little")
    if length > _LONGEST:
        raise HeaderError(f"a header of {length} bytes; {_LONGEST} is the most there may be")
    text = read(length)
    if len(text) < length:
        raise HeaderError("the header is cut")
    return Header(text.decode("utf-8" if start[6] == 3 else "latin-1", "replace")), 8 + width + length
