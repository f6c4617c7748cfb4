"""Records back to back in a file, each with its length and checksums: event files and TFRecords.

    record := length(uint64), masked CRC-32C of those 8 bytes, data, masked CRC-32C of the data
"""
import os

from thalweg.framework import errors

from .atomic_file import translated
from .crc32c import masked_crc32c

_HEADER, _FOOTER = 12, 4


def framed(data):
    """A record of `data` as it stands in a file."""
    length = len(data).to_bytes(8, "little")
    return b"".join((length, masked_crc32c(length).to_bytes(4, "little"), data,
                     masked_crc32c(data).to_bytes(4, "little")))


def read_records(path):
    """Yields the records of a file.

    Raises
    ------
    NotFoundError     without such a file
    DataLossError     at a record that is damaged or cut, once those before it have been given
    """
    path = os.fspath(path)
    with translated(path), open(path, "rb") as file:
        size, offset = os.fstat(file.fileno()).st_size, 0
        while offset < size:
            data = _one_record(file, path, offset, size - offset)
            yield data
            offset += _HEADER + len(data) + _FOOTER


def _one_record(file, path, offset, rest):
    header = file.read(_HEADER)
    if len(header) < _HEADER:
        raise errors.DataLossError(None, None, f"{path}: truncated record at {offset}: half a header")
    if masked_crc32c(header[:8]) != int.from_bytes(header[8:], "little"):
        raise errors.DataLossError(None, None, f"{path}: corrupted record at {offset}: its length is damaged")
    length = int.from_bytes(header[:8], "little")
    if length > rest - _HEADER - _FOOTER:
        raise errors.DataLossError(None, None, f"{path}: truncated record at {offset}: of {length} bytes the file has "
                                               f"{max(rest - _HEADER - _FOOTER, 0)}")
    data, stored_crc = file.read(length), file.read(_FOOTER)
    if masked_crc32c(data) != int.from_bytes(stored_crc, "little"):
        raise errors.DataLossError(None, None, f"{path}: corrupted record at {offset}: its data are damaged")
    return data
