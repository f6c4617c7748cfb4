"""What the index says of each tensor: BundleHeaderProto and BundleEntryProto."""
from collections.abc import Mapping

from thalweg.framework import errors

from ...wire import (
    BYTES,
    FIXED32,
    VARINT,
    WireError,
    field_bytes,
    field_fixed32,
    field_varint,
    fields,
    read_varint,
    signed,
)
from ..tensor_slice import TensorSlice

HEADER_KEY = b""
_VERSION = 1                                  # of the format: what we write, and what we must be allowed to read
_BIG = 1
MAX_RANK = 254


class Header:
    """How many data files there are and how their numbers are stored.

    Attributes
    ----------
    num_shards : int
    is_big_endian : bool
    """

    __slots__ = ("num_shards", "is_big_endian")

    def __init__(self, num_shards=1, is_big_endian=False):
        self.num_shards, self.is_big_endian = num_shards, is_big_endian

    def message(self):
        return (field_varint(1, self.num_shards) + field_varint(2, _BIG if self.is_big_endian else 0)
                + field_bytes(3, field_varint(1, _VERSION)))

    @classmethod
    def from_message(cls, data):
        """Reads a header; WireError when it is none, InvalidArgumentError for a later format."""
        header = cls(num_shards=0)
        for number, kind, value in fields(data):
            if (number, kind) == (1, VARINT):
                header.num_shards = signed(value)
            elif (number, kind) == (2, VARINT):
                header.is_big_endian = value == _BIG
            elif (number, kind) == (3, BYTES):
                check_version(value)
        if header.num_shards < 1:
            raise WireError(f"{header.num_shards} shards")
        return header


def check_version(data):
    """Raises InvalidArgumentError for a VersionDef that this reader does not meet."""
    for number, kind, value in fields(data):
        if number == 2 and kind == VARINT and signed(value) > _VERSION:
            raise errors.InvalidArgumentError(
                None, None, f"Checkpoint min consumer version {signed(value)} above current version {_VERSION}. "
                            "The checkpoint was written for a newer reader; upgrade thalweg-io.")
        if number == 3 and _VERSION in (_packed_numbers(value) if kind == BYTES else [value]):
            raise errors.InvalidArgumentError(
                None, None, f"Checkpoint disallows consumer version {_VERSION}: its writer names readers of this "
                            "version as faulty for it")


def _packed_numbers(data):
    """The numbers of a packed repeated varint field."""
    numbers, position = [], 0
    while position < len(data):
        number, position = read_varint(data, position, len(data))
        numbers.append(number)
    return numbers


class Entry:
    """One tensor, or one stored slice of a partitioned tensor, as the index has it.

    Attributes
    ----------
    dtype : int                       DataType number
    shape : tuple of int              or None where the file says "unknown rank"
    shard, offset, size : int         where its bytes are
    crc : int                         masked checksum of those bytes
    slices : list of TensorSlice      of a partitioned tensor, which has no bytes of its own
    """

    __slots__ = ("dtype", "shape", "shard", "offset", "size", "crc", "slices")

    def __init__(self, dtype=0, shape=(), shard=0, offset=0, size=0, crc=0, slices=()):
        self.dtype, self.shape, self.shard, self.offset = dtype, shape, shard, offset
        self.size, self.crc, self.slices = size, crc, list(slices)

    def message(self):
        return (field_varint(1, self.dtype) + field_bytes(2, shape_message(self.shape)) + field_varint(3, self.shard)
                + field_varint(4, self.offset) + field_varint(5, self.size) + field_fixed32(6, self.crc)
                + b"".join(field_bytes(7, s.message()) for s in self.slices))

    @classmethod
    def from_message(cls, data):
        """Reads an entry; WireError when it is none. What it says is checked by `check`."""
        entry = cls()
        for number, kind, value in fields(data):
            if kind == VARINT and number in _NUMBERS:
                setattr(entry, _NUMBERS[number], signed(value))
            elif (number, kind) == (2, BYTES):
                entry.shape = read_shape(value)
            elif (number, kind) == (6, FIXED32):
                entry.crc = value
            elif (number, kind) == (7, BYTES):
                entry.slices.append(TensorSlice.from_message(value))
        return entry

    def check(self, owner, header):
        """Raises InvalidArgumentError unless the entry's numbers make sense."""
        problem = None
        if self.shape is None or len(self.shape) > MAX_RANK or min(self.shape, default=0) < 0:
            problem = f"shape {'of unknown rank' if self.shape is None else list(self.shape)}"
        elif self.offset < 0 or self.size < 0:
            problem = f"{self.size} bytes at offset {self.offset}"
        elif not 0 <= self.shard < header.num_shards:
            problem = f"shard {self.shard} of {header.num_shards}"
        if problem:
            raise errors.InvalidArgumentError(None, None, f"{owner}: the checkpoint's index gives it {problem}")


class Entries(Mapping):
    """The entries of an index by key, read when they are first asked for.

    Parameters
    ----------
    table : dict         key -> message, the header's under HEADER_KEY
    path : str           of the index, for errors

    Attributes
    ----------
    header : Header
    """

    def __init__(self, table, path):
        self._messages, self._path, self._read = table, path, {}
        self.header = self._parsed(Header, table.pop(HEADER_KEY))

    def __getitem__(self, key):
        entry = self._read.get(key)
        if entry is None:
            entry = self._read[key] = self._parsed(Entry, self._messages[key])
        return entry

    def __contains__(self, key):
        return key in self._messages

    def __iter__(self):
        return iter(self._messages)

    def __len__(self):
        return len(self._messages)

    def _parsed(self, kind, message):
        try:
            return kind.from_message(message)
        except WireError as error:
            raise errors.DataLossError(None, None, f"{self._path}: Unable to parse an entry of the index: "
                                                   f"{error}") from error


_NUMBERS = {1: "dtype", 3: "shard", 4: "offset", 5: "size"}


def shape_message(shape):
    """The TensorShapeProto of a tuple."""
    return b"".join(field_bytes(2, field_varint(1, size)) for size in shape)


def read_shape(data):
    """A TensorShapeProto as a tuple, or None for unknown rank."""
    sizes, is_unknown = [], False
    for number, kind, value in fields(data):
        if (number, kind) == (2, BYTES):
            sizes.append(next((signed(v) for n, k, v in fields(value) if (n, k) == (1, VARINT)), 0))
        elif (number, kind) == (3, VARINT):
            is_unknown = bool(value)
    return None if is_unknown else tuple(sizes)
