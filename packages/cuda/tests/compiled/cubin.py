"""What a cubin says of its kernels: registers, stack, shared memory. A cubin is an ELF file.

Section `.nv.info` is a list of (format, attribute, size or value) with bytes behind those of format 4; the attributes
that are read here hold a kernel's symbol and a number.
"""
import struct
from typing import NamedTuple

_REGISTERS, _FRAME = 0x2f, 0x11                       # EIATTR_REGCOUNT, EIATTR_FRAME_SIZE
_WITH_BYTES = 4


class Use(NamedTuple):
    """What one kernel takes: registers and bytes of stack (spills lie there) per thread, static shared memory."""

    registers: int
    stack: int
    shared: int


def uses(cubin):
    """{entry: Use} of a cubin's kernels."""
    sections = _sections(cubin)
    names = _symbols(cubin, sections)
    found = {name.removeprefix(".text."): {} for name in sections if name.startswith(".text.")}
    for attribute, symbol, number in _info(cubin, sections[".nv.info"]):
        if names[symbol] in found:
            found[names[symbol]][attribute] = number
    return {entry: Use(numbers[_REGISTERS], numbers.get(_FRAME, 0), _size(sections.get(f".nv.shared.{entry}")))
            for entry, numbers in found.items()}


def _size(section):
    return section[1] if section else 0


def _sections(elf):
    """{name: (offset, size)}"""
    table, = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + k * size) for k in range(count)]
    texts = headers[names][4]
    return {_text(elf, texts + name): (offset, nbytes) for name, _, _, _, offset, nbytes in headers}


def _symbols(elf, sections):
    offset, nbytes = sections[".symtab"]
    texts = sections[".strtab"][0]
    return [_text(elf, texts + struct.unpack_from("<I", elf, place)[0])
            for place in range(offset, offset + nbytes, 24)]


def _text(elf, offset):
    return elf[offset:elf.index(b"\0", offset)].decode()


def _info(elf, section):
    place, end = section[0], sum(section)
    while place < end:
        kind, attribute, size = struct.unpack_from("<BBH", elf, place)
        place += 4
        if kind != _WITH_BYTES:
            continue
        if attribute in (_REGISTERS, _FRAME):
            yield attribute, *struct.unpack_from("<II", elf, place)
        place += size
