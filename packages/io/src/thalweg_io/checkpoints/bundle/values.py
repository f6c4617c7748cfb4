"""The bytes of a tensor in a data file: numbers in C order, strings as lengths, a checksum, and the text.

    strings := varint length per element, masked CRC-32C of the lengths, the bytes of all elements
"""
import threading

import numpy as np

from thalweg.framework import errors

from ...records.crc32c import crc32c, crc32c_joined, masked
from ...side_by_side import processors, side_by_side
from ...wire import WireError, read_varint, varint
from ..texts import string_of

_AT_ONCE = 1 << 18                             # bytes
_PART = 1 << 19                                # bytes that are worth a thread of their own
_staging = threading.local()                    # .piece: memory of a thread for what is looked at only
_LONG = 1 << 32                                # lengths from here on enter the checksum as 8 bytes, others as 4


def stored_numbers(array):
    """The flat bytes of an array of fixed-size elements, little-endian; where they are that already, no copy."""
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C").reshape(-1).view(np.uint8)


class PieceWriter:
    """Writes a data file in pieces, each copied before its checksum is taken and it is written.

    So bytes and checksum agree, although the array may be a variable that another thread writes; and a piece stays in
    the processor's cache from the copy to the write, with no memory taken for a tensor.

    Parameters
    ----------
    write : callable (buffer)      takes the file's bytes in order

    Attributes
    ----------
    size : int                     bytes appended
    """

    _PIECE = 1 << 18

    def __init__(self, write):
        self._write, self._piece, self._used, self.size = write, np.empty(self._PIECE, np.uint8), 0, 0

    def append(self, data):
        """Appends flat bytes, an array; gives their checksum."""
        crc, start = 0, 0
        while start < len(data):
            if self._used == self._PIECE:
                self.flush()
            count = min(self._PIECE - self._used, len(data) - start)
            part = self._piece[self._used:self._used + count]
            part[...] = data[start:start + count]
            crc = crc32c(part, crc)
            self._used, start = self._used + count, start + count
        self.size += len(data)
        return crc

    def flush(self):
        """Writes what has been appended."""
        if self._used:
            self._write(self._piece[:self._used])
            self._used = 0


def stored_strings(array):
    """(bytes, masked checksum) of an array of bytes objects."""
    items = [string_of(item) for item in array.ravel().tolist()]
    crc = _crc_of_lengths(map(len, items), "little")
    stored_crc = masked(crc).to_bytes(4, "little")
    text = b"".join(items)
    lengths = b"".join(map(varint, map(len, items)))
    return lengths + stored_crc + text, masked(crc32c(text, crc32c(stored_crc, crc)))


def _crc_of_lengths(lengths, byteorder):
    return crc32c(b"".join(n.to_bytes(4 if n < _LONG else 8, byteorder) for n in lengths))


def check_crc(calculated, entry, owner):
    if masked(calculated) != entry.crc:
        raise errors.DataLossError(
            None, None, f"{owner}: Checksum does not match: stored {entry.crc:08x} vs. calculated on the "
                        f"restored bytes {masked(calculated):08x}")


def numbers_from(read_into, entry, dtype, is_big_endian, owner):
    """The array of a tensor of numbers; its size against shape and file is checked by the caller.

    `read_into(buffer, offset)` fills a buffer with the tensor's bytes from `offset` on.
    """
    array = np.empty(entry.shape, dtype.np)
    numbers_into(array, read_into, entry, dtype, owner)
    return _swapped(array) if is_big_endian else array


def numbers_into(array, read_into, entry, dtype, owner):
    """Fills a dense array with a tensor of numbers, in the byte order of the file; see `numbers_from`."""
    data = array.reshape(-1).view(np.uint8)
    _read_checked(lambda start, stop: data[start:stop], read_into, entry, dtype, owner)


def check_numbers(read_into, entry, dtype, owner):
    """Raises what `numbers_from` would raise, without memory for the tensor."""
    def memory(start, stop):
        if not hasattr(_staging, "piece"):
            _staging.piece = np.empty(_AT_ONCE, np.uint8)
        return _staging.piece[:stop - start]
    _read_checked(memory, read_into, entry, dtype, owner)


def _read_checked(memory, read_into, entry, dtype, owner):
    """Reads a tensor to where `memory(start, stop)` says for its bytes from `start` to `stop`."""
    def read_part(part):
        crc, are_bools = 0, True
        for start in range(part.start, part.stop, _AT_ONCE):          # a piece is looked at while it is in the cache
            piece = memory(start, min(start + _AT_ONCE, part.stop))
            read_into(piece, start)
            crc = crc32c(piece, crc)
            are_bools = are_bools and not (dtype.kind == "b" and (piece > 1).any())
        return crc, are_bools
    parts = _parts(entry.size)
    read = side_by_side(read_part, parts)
    crc = 0
    for part, (crc_of_part, _) in zip(parts, read):
        crc = crc32c_joined(crc, crc_of_part, len(part))
    check_crc(crc, entry, owner)
    if not all(are_bools for _, are_bools in read):
        raise errors.DataLossError(None, None, f"{owner}: a bool tensor holds bytes other than 0 and 1")


def _parts(size):
    """Ranges of bytes, as many as threads may be worth their while, each but the last of whole pieces."""
    if size < 2 * _PART:                                  # most tensors: nobody is asked about processors
        return [range(size)]
    count = min(processors(), size // _PART)
    step = -(-size // (count * _AT_ONCE)) * _AT_ONCE
    return [range(start, min(start + step, size)) for start in range(0, size, step)]


def _swapped(array):
    return array.byteswap() if array.dtype.names is None else _swapped_record(array)


def _swapped_record(array):
    (field,) = array.dtype.names                     # bfloat16 and the quantized types: one number under a name
    return array[field].byteswap().view(array.dtype)


def strings_from(data, entry, count, is_big_endian, owner):
    """The array of a string tensor of `count` elements from its stored bytes."""
    lengths, position = [], 0
    try:
        for _ in range(count):
            length, position = read_varint(data, position, len(data))
            lengths.append(length)
    except WireError as error:
        raise errors.DataLossError(None, None, f"{owner}: damaged string lengths: {error}") from error
    crc = _crc_of_lengths(lengths, "big" if is_big_endian else "little")
    stored_crc = data[position:position + 4]
    if masked(crc) != int.from_bytes(stored_crc, "big" if is_big_endian else "little"):
        raise errors.DataLossError(None, None, f"{owner}: The length checksum does not match the string "
                                               "lengths stored")
    text = position + 4
    if text + sum(lengths) != len(data):
        raise errors.DataLossError(None, None, f"{owner}: strings of {sum(lengths)} bytes in all, but "
                                               f"{len(data) - text} are stored")
    check_crc(crc32c(data[text:], crc32c(stored_crc, crc)), entry, owner)
    array = np.empty(count, np.object_)
    for i, length in enumerate(lengths):
        array[i] = data[text:text + length]
        text += length
    return array.reshape(entry.shape)
