"""Varints and protobuf fields by hand, for the few small messages inside a checkpoint's index.

An index has one message per tensor; reading them here needs no protobuf and makes no object per field.
"""

_MAX_VARINT_BYTES = 10
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5          # wire types; 3 and 4, groups, are refused


class WireError(ValueError):
    """The bytes are no message; the caller names the file."""


def varint(value):
    """`value` as a base-128 varint; negative numbers as 64-bit two's complement, ten bytes."""
    if value < 0:
        value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, position, end):
    """(value, position after it); WireError when it is cut, too long, or above 2**64 - 1."""
    value = shift = 0
    for i in range(position, min(position + _MAX_VARINT_BYTES, end)):
        byte = data[i]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, i + 1
        shift += 7
    raise WireError("a varint is cut or too long")


def signed(value):
    """A 64-bit varint read as int64."""
    return value - (1 << 64) if value >> 63 else value


def fields(data):
    """Yields (field number, wire type, value) of a message: an int, or bytes for wire type 2."""
    position, end = 0, len(data)
    while position < end:
        tag, position = read_varint(data, position, end)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise WireError("field number 0")
        if kind == VARINT:
            value, position = read_varint(data, position, end)
        else:
            value, position = _sized_field(data, kind, position, end)
        yield number, kind, value


def _sized_field(data, kind, position, end):
    if kind == BYTES:
        size, position = read_varint(data, position, end)
    elif kind in (FIXED32, FIXED64):
        size = 4 if kind == FIXED32 else 8
    else:
        raise WireError(f"wire type {kind}")
    if size > end - position:
        raise WireError("a field is longer than its message")
    value = data[position:position + size]
    return (value if kind == BYTES else int.from_bytes(value, "little")), position + size


def field_varint(number, value):
    """A varint field; nothing for 0, as proto3 writes it."""
    return varint(number << 3) + varint(value) if value else b""


def field_fixed32(number, value):
    """A fixed32 field; nothing for 0."""
    return varint(number << 3 | FIXED32) + value.to_bytes(4, "little") if value else b""


def field_bytes(number, value):
    """A bytes, string or message field, always written."""
    return varint(number << 3 | BYTES) + varint(len(value)) + value
