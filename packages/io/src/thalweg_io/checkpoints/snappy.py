"""Decoder of raw snappy blocks, which old TensorFlow 1.x writers put into table files. thalweg never writes them."""
from ..wire import WireError, read_varint

_LITERAL, _COPY_1, _COPY_2, _COPY_4 = range(4)
MOST_PER_BYTE = 64                # a three-byte copy makes at most 64 bytes: no block grows beyond this factor


def decompress(data):
    """The bytes that a raw snappy block holds; WireError when it is damaged or claims an impossible length."""
    data = bytes(data)
    size, position = read_varint(data, 0, len(data))
    if size > len(data) * MOST_PER_BYTE:
        raise WireError(f"a snappy block of {len(data)} bytes cannot hold {size}")
    out = bytearray()
    while position < len(data):
        tag = data[position]
        if tag & 3 == _LITERAL:
            position = _literal(data, position, tag, out)
        else:
            position = _copy(data, position, tag, out)
        if len(out) > size:
            break
    if len(out) != size:
        raise WireError(f"a snappy block holds {len(out)} bytes but claims {size}")
    return bytes(out)


def _literal(data, position, tag, out):
    length = tag >> 2
    position += 1
    if length >= 60:                                   # 60..63: the length - 1 stands in the next 1..4 bytes
        extra = length - 59
        length = int.from_bytes(_take(data, position, extra), "little")
        position += extra
    out += _take(data, position, length + 1)
    return position + length + 1


def _copy(data, position, tag, out):
    kind = tag & 3
    if kind == _COPY_1:
        length, offset, step = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | _take(data, position + 1, 1)[0], 2
    else:
        width = 2 if kind == _COPY_2 else 4
        length, offset, step = (tag >> 2) + 1, int.from_bytes(_take(data, position + 1, width), "little"), 1 + width
    if not 0 < offset <= len(out):
        raise WireError("a snappy copy reaches before the start")
    start = len(out) - offset
    while length > 0:                                  # source and target may overlap: copy what exists, repeat
        piece = out[start:start + length]
        out += piece
        length -= len(piece)
        start += len(piece)
    return position + step


def _take(data, position, count):
    piece = data[position:position + count]
    if len(piece) != count:
        raise WireError("a snappy block is cut")
    return piece
