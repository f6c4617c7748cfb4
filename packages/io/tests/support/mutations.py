"""Mutations of files: of bytes, of the messages in them, and of what stands behind a checksum, which is made right.

Every function takes a `random.Random` first, so that a seed gives the same input again.
"""
import gzip
import io
import json
import struct
import zipfile
import zlib

from thalweg_io.checkpoints.table import TableWriter, read_table
from thalweg_io.records.crc32c import masked_crc32c
from thalweg_io.wire import WireError, read_varint, varint

NUMBERS = [0, 1, 2, 3, 4, 7, 8, 16, 100, 127, 128, 255, 256, 2**15, 2**16, 2**20, 2**28, 2**31 - 1, 2**31, 2**32 - 1,
           2**32, 2**40, 2**53, 2**60, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
WORDS = [b"", b"\0", b"\xff\xfe", b"../../x", b"/etc/passwd", b"^", b":0", b"a:-1", b"a" * 5000, b"DT_FLOAT", b"{",
         b"[[", "ä".encode(), b"-1", b"1e999", b"nan", b"_class", b"loc:@a", b"?*[", b"\n"]
MAX_DEPTH = 12


# --- bytes ------------------------------------------------------------------------------------------

def of_bytes(rng, data):
    """`data` with one to four changes of any kind."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 2, 4, 8, 40, 400)))
        kind = rng.randrange(8)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[at % len(data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            del data[at:end]
        elif kind == 3:
            data[at:at] = data[at:end] * rng.choice((1, 1, 2, 50))
        elif kind == 4:
            data[at:at + 8] = struct.pack("<Q", rng.choice(NUMBERS))
        elif kind == 5:
            data[at:at] = varint(rng.choice(NUMBERS))
        elif kind == 6:
            data[at:at] = rng.choice(WORDS)
        else:
            del data[at:]
    return bytes(data)


# --- messages ---------------------------------------------------------------------------------------

def of_message(rng, data):
    """A protobuf message with a change in one of its fields, however deep; lengths around it are right."""
    try:
        tree = _fields(data)
    except WireError:
        return of_bytes(rng, data)
    for _ in range(rng.choice((1, 1, 2))):
        _change(rng, tree)
    return _bytes_of(tree)


def _fields(data, depth=0):
    """[[number, kind, value]]: a value is a number, bytes, or the list of a message's fields."""
    fields, position = [], 0
    while position < len(data):
        tag, position = read_varint(data, position, len(data))
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, position = read_varint(data, position, len(data))
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, position = data[position:position + size], position + size
        elif kind == 2:
            size, position = read_varint(data, position, len(data))
            value, position = data[position:position + size], position + size
            if position > len(data):
                raise WireError("cut")
            if depth < MAX_DEPTH and len(value) > 1:
                try:
                    value = _fields(value, depth + 1)
                except WireError:
                    pass
        else:
            raise WireError("group")
        if number == 0 or position > len(data):
            raise WireError("no message")
        fields.append([number, kind, value])
    return fields


def _bytes_of(fields):
    out = bytearray()
    for number, kind, value in fields:
        out += varint(number << 3 | kind)
        if isinstance(value, list):
            value = _bytes_of(value)
        out += varint(value) if kind == 0 and isinstance(value, int) else (
            varint(len(value)) + value if kind == 2 else value)
    return bytes(out)


def _change(rng, fields):
    """Changes one field of the tree, any with the same chance as far as that is simple."""
    if not fields:
        fields.append([rng.randrange(1, 12), 0, rng.choice(NUMBERS)])
        return
    place = rng.randrange(len(fields))
    field = fields[place]
    if isinstance(field[2], list) and rng.random() < 0.8:
        return _change(rng, field[2])
    kind = rng.randrange(7)
    if kind == 0:
        del fields[place]
    elif kind == 1:
        fields[place:place] = [field] * rng.choice((1, 1, 3, 100))
    elif kind == 2:
        field[0] = rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 2**28))
    elif kind == 3:
        fields[place] = [field[0], 0, rng.choice(NUMBERS)]
    elif kind == 4:
        fields[place] = [field[0], 2, rng.choice(WORDS)]
    elif field[1] == 0:
        field[2] = rng.choice((rng.choice(NUMBERS), field[2] + 1, max(0, field[2] - 1), 2**64 - 1 - rng.randrange(9)))
    elif isinstance(field[2], list):
        field[2] = rng.choice((_nested(field, rng.choice((3, 60, 300))), rng.choice(WORDS)))
    else:
        field[2] = of_bytes(rng, field[2])
        if field[1] in (1, 5):
            field[2] = field[2].ljust(8, b"\0")[:8 if field[1] == 1 else 4]


def _nested(field, depth):
    data = _bytes_of(field[2])
    for _ in range(depth):
        data = varint(field[0] << 3 | 2) + varint(len(data)) + data
    return data


# --- what stands behind a checksum --------------------------------------------------------------------

def of_table(rng, data):
    """A table whose entries are changed, with right checksums; or one block changed and sealed again."""
    if rng.random() < 0.3:
        return _resealed(rng, data)
    entries = dict(read_table(data, "table"))
    for _ in range(rng.choice((1, 1, 2))):
        key = rng.choice(sorted(entries))
        what = rng.randrange(8)
        if what == 0:
            del entries[key]
        elif what == 1:
            entries[of_bytes(rng, key)] = entries[key]
        elif what == 2:
            entries[key] = entries[rng.choice(sorted(entries))]
        elif what == 3:
            entries[key] = of_bytes(rng, entries[key])
        else:
            entries[key] = of_message(rng, entries[key])
        if not entries:
            break
    out = bytearray()
    writer = TableWriter(out.extend)
    for key in sorted(entries):
        writer.add(key, entries[key])
    writer.finish()
    return bytes(out)


def _resealed(rng, data):
    """One of the blocks of a table that has three, changed in its bytes or its type."""
    footer = data[-48:]
    numbers, position = [], 0
    for _ in range(4):
        number, position = read_varint(footer, position, 40)
        numbers.append(number)
    blocks = [data[:numbers[0] - 5], data[numbers[0]:numbers[0] + numbers[1]],
              data[numbers[2]:numbers[2] + numbers[3]]]
    which = rng.randrange(3)
    blocks[which] = of_bytes(rng, blocks[which])
    if rng.random() < 0.5:                           # the first handle in the index is made right, too
        blocks[2] = blocks[2].replace(varint(numbers[0] - 5), varint(len(blocks[0])), 1)
    out, handles = b"", b""
    for number, block in enumerate(blocks):
        handles += varint(len(out)) + varint(len(block)) if number else b""
        stored = block + bytes([rng.choice((0, 0, 0, 0, 1, 2)) if number == which else 0])
        out += stored + struct.pack("<I", masked_crc32c(stored))
    return out + handles.ljust(40, b"\0") + footer[40:]


def of_records(rng, data, of_data):
    """A file of records, one or some of them changed by `of_data`, with right checksums."""
    records = split(data)
    for _ in range(rng.choice((1, 1, 3))):
        place = rng.randrange(len(records))
        records[place] = of_data(rng, records[place])
    return b"".join(map(record, records))


def split(data):
    """The data of records back to back."""
    found, at = [], 0
    while at < len(data):
        size = struct.unpack_from("<Q", data, at)[0]
        found.append(data[at + 12:at + 12 + size])
        at += size + 16
    return found


def record(data):
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc32c(head)) + data + struct.pack("<I", masked_crc32c(data))


def of_packed(rng, data):
    """A gzip or zlib stream: of a changed content, or changed itself."""
    is_gzip = data[:2] == b"\x1f\x8b"
    if rng.random() < 0.5:
        return of_bytes(rng, data)
    content = gzip.decompress(data) if is_gzip else zlib.decompress(data)
    content = of_records(rng, content, of_bytes) if rng.random() < 0.5 else of_bytes(rng, content)
    return gzip.compress(content, 1) if is_gzip else zlib.compress(content, 1)


def of_safetensors(rng, data):
    """The header changed as text or as JSON, its length made right; the buffer as it was, or changed."""
    size = struct.unpack_from("<Q", data)[0]
    text, buffer = data[8:8 + size], data[8 + size:]
    if rng.random() < 0.4:
        text = of_bytes(rng, text)
    else:
        header = json.loads(text)
        entry = header[rng.choice(sorted(header))]
        if isinstance(entry, dict) and entry:
            entry[rng.choice(sorted(entry))] = rng.choice(
                [*NUMBERS, -1, "F32", "BOOL", None, [], [[2]], {}, 1.5, [2**62, 4], [-1, -6], [0, 2**62], [1] * 300])
        text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + (of_bytes(rng, buffer) if rng.random() < 0.2 else buffer)


def of_npz(rng, data):
    """A member changed, the archive made right around it."""
    if rng.random() < 0.3:
        return of_bytes(rng, data)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        changed = rng.choice(names)
        for name in names:
            content = old.read(name)
            if name == changed:
                head = 10 + struct.unpack_from("<H", content, 8)[0]
                content = of_bytes(rng, content[:head if rng.random() < 0.8 else None]) + content[head:]
                name = rng.choice((name, name, name, "../x.npy", "/x.npy", "x"))
            new.writestr(name, content)
    return out.getvalue()
