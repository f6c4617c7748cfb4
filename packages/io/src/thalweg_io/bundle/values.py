"""The bytes of a tensor in a data file: numbers in C order, strings as lengths, a checksum, and the text.

    strings := varint length per element, masked CRC-32C of the lengths, the bytes of all elements
"""
import numpy as np

from thalweg.framework import errors

from ..crc32c import crc32c, masked
from ..wire import WireError, read_varint, varint

_LONG = 1 << 32                                # lengths from here on enter the checksum as 8 bytes, others as 4


def stored_numbers(array):
    """(flat bytes, masked checksum) of an array of fixed-size elements, little-endian.

    The bytes are a copy: the array may be a variable that another thread writes, and bytes and checksum must agree.
    """
    data = np.array(array, array.dtype.newbyteorder("<"), order="C").reshape(-1).view(np.uint8)
    return data, masked(crc32c(data))


def stored_strings(array):
    """(bytes, masked checksum) of an array of bytes objects."""
    items = [_as_bytes(item) for item in array.ravel().tolist()]
    crc = _crc_of_lengths(map(len, items), "little")
    stored_crc = masked(crc).to_bytes(4, "little")
    text = b"".join(items)
    lengths = b"".join(map(varint, map(len, items)))
    return lengths + stored_crc + text, masked(crc32c(text, crc32c(stored_crc, crc)))


def _as_bytes(item):
    if isinstance(item, str):
        return item.encode()
    if not isinstance(item, bytes):
        raise errors.InvalidArgumentError(None, None, f"a string tensor holds {type(item).__name__} {item!r}")
    return item


def _crc_of_lengths(lengths, byteorder):
    return crc32c(b"".join(n.to_bytes(4 if n < _LONG else 8, byteorder) for n in lengths))


def check_crc(calculated, entry, name):
    if masked(calculated) != entry.crc:
        raise errors.DataLossError(
            None, None, f"tensor {name!r}: Checksum does not match: stored {entry.crc:08x} vs. calculated on the "
                        f"restored bytes {masked(calculated):08x}")


def numbers_from(read_into, entry, dtype, is_big_endian, name):
    """The array of a tensor of numbers; its size against shape and file is checked by the caller.

    `read_into(buffer)` fills a buffer with the tensor's bytes.
    """
    array = np.empty(entry.shape, dtype.np)
    data = array.reshape(-1).view(np.uint8)
    read_into(data)
    check_crc(crc32c(data), entry, name)
    if dtype.kind == "b" and (data > 1).any():
        raise errors.DataLossError(None, None, f"tensor {name!r}: a bool tensor holds bytes other than 0 and 1")
    return _swapped(array) if is_big_endian else array


def _swapped(array):
    return array.byteswap() if array.dtype.names is None else _swapped_record(array)


def _swapped_record(array):
    (field,) = array.dtype.names                     # bfloat16 and the quantized types: one number under a name
    return array[field].byteswap().view(array.dtype)


def strings_from(data, entry, count, is_big_endian, name):
    """The array of a string tensor of `count` elements from its stored bytes."""
    lengths, position = [], 0
    try:
        for _ in range(count):
            length, position = read_varint(data, position, len(data))
            lengths.append(length)
    except WireError as error:
        raise errors.DataLossError(None, None, f"tensor {name!r}: damaged string lengths: {error}") from error
    crc = _crc_of_lengths(lengths, "big" if is_big_endian else "little")
    stored_crc = data[position:position + 4]
    if masked(crc) != int.from_bytes(stored_crc, "big" if is_big_endian else "little"):
        raise errors.DataLossError(None, None, f"tensor {name!r}: The length checksum does not match the string "
                                               "lengths stored")
    text = position + 4
    if text + sum(lengths) != len(data):
        raise errors.DataLossError(None, None, f"tensor {name!r}: strings of {sum(lengths)} bytes in all, but "
                                               f"{len(data) - text} are stored")
    check_crc(crc32c(data[text:], crc32c(stored_crc, crc)), entry, name)
    array = np.empty(count, np.object_)
    for i, length in enumerate(lengths):
        array[i] = data[text:text + length]
        text += length
    return array.reshape(entry.shape)
