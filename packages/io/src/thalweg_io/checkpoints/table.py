"""The sorted table file (SSTable in LevelDB's form) that holds a checkpoint's index; formats of the bytes below.

    file   := data_block* metaindex_block index_block footer(48)
    block  := entry* restart_offset(uint32)* restart_count(uint32), then 1 byte compression, 4 bytes masked CRC-32C
    entry  := varint shared, varint unshared, varint value_size, key suffix, value
    footer := handle(metaindex) handle(index), padded to 40 bytes, magic
    handle := varint offset, varint size (without the 5 trailing bytes)

What is written equals TensorFlow's files byte for byte; what is read is checked completely before it is used.
"""
import bisect
import contextlib

from thalweg.framework import errors

from ..records.crc32c import masked_crc32c
from ..wire import WireError, read_varint, varint
from . import snappy

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER_SIZE, _TRAILER_SIZE = 48, 5
_BLOCK_SIZE = 262144                          # bytes; TensorFlow's choice, and the reason for byte identity
_RESTART_INTERVAL = 16
_STORED, _SNAPPY = 0, 1


# --- writing ----------------------------------------------------------------------------------------

class _BlockBuilder:
    """Entries of one block, each key as its difference from the one before."""

    def __init__(self, restart_interval):
        self._interval = restart_interval
        self.clear()

    def clear(self):
        self._entries, self._restarts, self._since_restart, self._last_key = bytearray(), [0], 0, b""

    def add(self, key, value):
        shared = 0
        if self._since_restart < self._interval:
            shared = _common_prefix(self._last_key, key)
        else:
            self._restarts.append(len(self._entries))
            self._since_restart = 0
        self._entries += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        self._last_key = key
        self._since_restart += 1

    @property
    def is_empty(self):
        return not self._entries

    @property
    def size(self):
        return len(self._entries) + 4 * len(self._restarts) + 4

    def finish(self):
        numbers = [*self._restarts, len(self._restarts)]
        return bytes(self._entries) + b"".join(n.to_bytes(4, "little") for n in numbers)


def _common_prefix(a, b):
    limit = min(len(a), len(b))
    if a[:limit] == b[:limit]:
        return limit
    return next(i for i in range(limit) if a[i] != b[i])


def _separator(last, following):
    """A short key k with last <= k < following."""
    i = _common_prefix(last, following)
    if i < min(len(last), len(following)) and last[i] + 1 < following[i]:
        return last[:i] + bytes([last[i] + 1])
    return last


def _successor(last):
    """A short key k >= last."""
    for i, byte in enumerate(last):
        if byte != 0xFF:
            return last[:i] + bytes([byte + 1])
    return last


class TableWriter:
    """Writes a table: `add` in increasing key order, then `finish`.

    Parameters
    ----------
    write : callable (bytes)    takes the file's bytes in order
    """

    def __init__(self, write):
        self._write, self._offset = write, 0
        self._data, self._index = _BlockBuilder(_RESTART_INTERVAL), _BlockBuilder(1)
        self._last_key, self._pending_handle = None, None

    def add(self, key, value):
        """Adds an entry; ValueError unless `key` (bytes) is greater than the one before."""
        if self._last_key is not None:
            if key <= self._last_key:
                raise ValueError(f"table keys must increase: {key!r} after {self._last_key!r}")
            if len(key) + len(value) >= 2 * _BLOCK_SIZE:
                self._flush()
        if self._pending_handle is not None:
            self._index.add(_separator(self._last_key, key), self._pending_handle)
            self._pending_handle = None
        self._data.add(key, value)
        self._last_key = key
        if self._data.size >= _BLOCK_SIZE:
            self._flush()

    def finish(self):
        """Writes what is left, the index and the footer."""
        self._flush()
        metaindex = self._write_block(_BlockBuilder(1).finish())
        if self._pending_handle is not None:
            self._index.add(_successor(self._last_key), self._pending_handle)
        index = self._write_block(self._index.finish())
        self._write((metaindex + index).ljust(_FOOTER_SIZE - len(_MAGIC), b"\0") + _MAGIC)

    def _flush(self):
        if not self._data.is_empty:
            self._pending_handle = self._write_block(self._data.finish())
            self._data.clear()

    def _write_block(self, contents):
        handle = varint(self._offset) + varint(len(contents))
        stored = contents + bytes([_STORED])
        self._write(stored + masked_crc32c(stored).to_bytes(4, "little"))
        self._offset += len(contents) + _TRAILER_SIZE
        return handle


# --- reading ----------------------------------------------------------------------------------------

class Table:
    """A table file, read block by block as it is asked for.

    Parameters
    ----------
    read : callable (offset, size)      bytes of the file, or a memoryview of them; asked for what lies in it only
    size : int                          of the file, bytes
    name : str                          what to call the file in an error

    Raises
    ------
    DataLossError                       for a file that is no table, or a damaged one
    """

    def __init__(self, read, size, name):
        self._read, self._size, self._name = read, size, name
        self._last = None                              # (number, entries) of the block that was looked into
        with self._damage_named():
            self._limits, self._handles = self._read_footer()

    def get(self, key):
        """The value of `key` (bytes), None where there is none."""
        number = bisect.bisect_left(self._limits, key)
        if number == len(self._limits):
            return None
        last = self._last                              # which another thread may replace meanwhile
        if last is None or last[0] != number:
            with self._damage_named():
                self._last = last = number, dict(self._increasing([self._handles[number]], self._limits[number]))
        return last[1].get(key)

    def items(self):
        """All (key, value) in key order, each block checked before its first entry is given."""
        with self._damage_named():
            yield from self._increasing(self._handles, None)

    @contextlib.contextmanager
    def _damage_named(self):
        try:
            yield
        except WireError as error:
            raise errors.DataLossError(None, None, f"{self._name}: bad entry in block: {error}") from error

    def _increasing(self, handles, limit):
        last = None
        for handle in handles:
            for key, value in self._block(handle):
                if last is not None and key <= last or limit is not None and key > limit:
                    raise WireError(f"key {key!r} does not come after {last!r}" if limit is None else
                                    f"key {key!r} is outside of its block")
                yield key, value
                last = key

    def _read_footer(self):
        """(last keys, handles) of the data blocks."""
        name, size = self._name, self._size
        if size < _FOOTER_SIZE:
            raise errors.DataLossError(None, None, f"{name}: file is too short to be an sstable: {size} bytes")
        footer = bytes(self._read(size - _FOOTER_SIZE, _FOOTER_SIZE))
        if footer[-len(_MAGIC):] != _MAGIC:
            raise errors.DataLossError(None, None, f"{name}: not an sstable (bad magic number): perhaps the file is "
                                                   "in another format, or it is damaged")
        metaindex_handle, position = _handle(footer, 0, name)
        index_handle, position = _handle(footer, position, name)
        if any(footer[position:-len(_MAGIC)]):
            raise errors.DataLossError(None, None, f"{name}: damaged footer")
        list(self._block(metaindex_handle))            # nothing in it is needed, but damage there is damage
        index = list(self._increasing([index_handle], None))
        return [key for key, _ in index], [_handle(handle, 0, name)[0] for _, handle in index]

    def _block(self, handle):
        """Yields the entries of the block at `handle`."""
        offset, size = handle
        if offset + size + _TRAILER_SIZE > self._size:
            raise errors.DataLossError(None, None, f"{self._name}: truncated block read: a block of {size} bytes at "
                                                   f"{offset} in a file of {self._size}")
        data = self._read(offset, size + _TRAILER_SIZE)
        if masked_crc32c(data[:size + 1]) != int.from_bytes(data[size + 1:], "little"):
            raise errors.DataLossError(None, None, f"{self._name}: block checksum mismatch at offset {offset}")
        if data[size] == _SNAPPY:
            return _block_entries(snappy.decompress(data[:size]))
        if data[size] != _STORED:
            raise errors.DataLossError(None, None, f"{self._name}: bad block type {data[size]} at offset {offset}")
        return _block_entries(data[:size])


def read_table(data, name):
    """All entries of a table, checked: a dict from key to value, in key order.

    Parameters
    ----------
    data : bytes      the whole file
    name : str        what to call the file in an error

    Raises
    ------
    DataLossError     for a file that is no table, or a damaged one
    """
    return dict(Table(lambda offset, size: data[offset:offset + size], len(data), name).items())


def _handle(data, start, name):
    """((offset, size), position after it) of the block handle at `start`."""
    try:
        offset, position = read_varint(data, start, len(data))
        size, position = read_varint(data, position, len(data))
        if varint(offset) + varint(size) != data[start:position]:
            raise WireError("a number is longer than need be")
    except WireError as error:
        raise errors.DataLossError(None, None, f"{name}: bad block handle: {error}") from error
    return (offset, size), position


def _block_entries(contents):
    if len(contents) < 4:
        raise WireError(f"a block of {len(contents)} bytes")
    restarts = int.from_bytes(contents[-4:], "little")
    end = len(contents) - 4 - 4 * restarts
    if restarts == 0 or end < 0:
        raise WireError(f"{restarts} restart points in a block of {len(contents)} bytes")
    position, key = 0, b""
    while position < end:
        head = contents[position:position + 3]
        if position + 3 <= end and max(head) < 0x80:   # three numbers of one byte each, as nearly always
            (shared, unshared, size), position = head, position + 3
        else:
            shared, position = read_varint(contents, position, end)
            unshared, position = read_varint(contents, position, end)
            size, position = read_varint(contents, position, end)
        if shared > len(key) or unshared + size > end - position:
            raise WireError("an entry reaches outside its block")
        key = b"".join((key[:shared], contents[position:position + unshared]))
        position += unshared
        yield key, contents[position:position + size]
        position += size
