"""Slices of tensors: their text form in a graph, their keys in a checkpoint, and which elements they cover."""
from thalweg.framework import errors

from ..wire import VARINT, WireError, field_bytes, field_varint, fields, signed, varint

FULL = -1                                     # the length that stands for a whole dimension


class TensorSlice:
    """A box inside a tensor: a start and a length per dimension; (0, FULL) is the whole dimension.

    Attributes
    ----------
    extents : tuple of (int, int)
    """

    __slots__ = ("extents",)

    def __init__(self, extents):
        self.extents = tuple(extents)

    def __eq__(self, other):
        return isinstance(other, TensorSlice) and self.extents == other.extents

    def __hash__(self):
        return hash(self.extents)

    def __str__(self):
        return ":".join("-" if length == FULL else f"{start},{length}" for start, length in self.extents)

    @property
    def is_full(self):
        return all(length == FULL for _, length in self.extents)

    def covers(self, shape):
        """Whether the box is the whole of a tensor of `shape`."""
        return self.bounds(shape) == [(0, size) for size in shape]

    def bounds(self, shape):
        """[(begin, end)] per dimension; InvalidArgumentError when the box does not lie inside `shape`."""
        if len(shape) != len(self.extents):
            raise errors.InvalidArgumentError(None, None, f"Expecting a slice of rank {len(shape)} for shape "
                                              f"{list(shape)}, got {str(self)!r}")
        result = []
        for (start, length), size in zip(self.extents, shape):
            begin, end = (0, size) if length == FULL else (start, start + length)
            if start < 0 or end > size or length < FULL:
                raise errors.InvalidArgumentError(None, None, f"Extent {start},{length} is out of bounds of dimension "
                                                  f"{size}: slice {str(self)!r} of shape {list(shape)}")
            result.append((begin, end))
        return result

    def shape_in(self, shape):
        """The shape of the box inside a tensor of `shape`."""
        return tuple(end - begin for begin, end in self.bounds(shape))

    # --- the messages TensorSliceProto {1 extent* {1 start, 2 length}} -----------------------------

    @classmethod
    def from_message(cls, data):
        """Reads a TensorSliceProto; WireError when it is none."""
        extents = []
        for number, kind, value in fields(data):
            if number == 1 and kind == 2:
                start, length = 0, FULL
                for inner, inner_kind, inner_value in fields(value):
                    if inner_kind == VARINT and inner == 1:
                        start = signed(inner_value)
                    elif inner_kind == VARINT and inner == 2:
                        length = signed(inner_value)
                        if length < 0:
                            raise WireError(f"slice length {length}")
                extents.append((start, length))
        return cls(extents)

    def message(self):
        """The TensorSliceProto; a whole dimension has no length, and length 0 is written."""
        out = b""
        for start, length in self.extents:
            extent = field_varint(1, start)
            if length != FULL:
                extent += varint(2 << 3) + varint(length)
            out += field_bytes(1, extent)
        return out


def parse_spec(spec):
    """A `shape_and_slice` text: "" -> (None, None), else "4 3 0,2:-" -> ((4, 3), TensorSlice).

    Raises
    ------
    InvalidArgumentError     for anything else
    """
    if not spec:
        return None, None
    *sizes, box = spec.split(" ")
    try:
        shape = tuple(int(size) for size in sizes)
        slice_ = parse_slice(box)
    except ValueError as error:
        raise errors.InvalidArgumentError(
            None, None, f"shape_and_slice {spec!r} is not a shape followed by a slice, as in '4 3 0,2:-'") from error
    if not shape or min(shape) < 0:
        raise errors.InvalidArgumentError(None, None, f"shape_and_slice {spec!r} has no valid shape")
    slice_.bounds(shape)
    return shape, slice_


def parse_slice(text):
    """"0,2:-" -> TensorSlice; ValueError when it is none."""
    extents = []
    for part in text.split(":"):
        if part == "-":
            extents.append((0, FULL))
        else:
            start, length = part.split(",")
            extents.append((int(start), int(length)))
            if extents[-1][0] < 0 or extents[-1][1] <= 0:
                raise ValueError(f"extent {part!r}")
    return TensorSlice(extents)


def format_spec(full_shape, offset, shape):
    """The `shape_and_slice` text of a partition: "4 3 0,2:0,3"."""
    box = ":".join(f"{start},{length}" for start, length in zip(offset, shape))
    return " ".join([*map(str, full_shape), box])


# --- keys -------------------------------------------------------------------------------------------

_ESCAPES = {0x00: b"\x00\xff", 0xFF: b"\xff\x00"}


def slice_key(name, slice_):
    """The table key of a stored slice of tensor `name` (bytes): sorts by name, then rank, then extents."""
    escaped = b"".join(_ESCAPES.get(byte, bytes([byte])) for byte in name)
    key = _increasing(0) + escaped + b"\x00\x01" + _increasing(len(slice_.extents))
    for start, length in slice_.extents:
        key += _signed_increasing(start) + _signed_increasing(length)
    return key


def _increasing(number):
    """Unsigned: count of significant bytes, then those bytes, high first."""
    size = (number.bit_length() + 7) // 8
    return bytes([size]) + number.to_bytes(size, "big")


def _signed_increasing(number):
    """Signed: the first byte's leading bits tell the size, so that keys sort as numbers do."""
    size = 1
    while not -(1 << 7 * size - 1) <= number < 1 << 7 * size - 1:
        size += 1
    body = bytearray((number % (1 << 8 * size)).to_bytes(size, "big"))
    header = (0xFFFF << 16 - size & 0xFFFF).to_bytes(2, "big")         # `size` ones, then zeros
    for i, mask in enumerate(header[:size]):
        body[i] ^= mask
    return bytes(body)
