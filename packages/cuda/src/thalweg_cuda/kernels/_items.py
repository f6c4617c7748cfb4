"""Elements that are moved, not computed with: as unsigned numbers of their size, several at once where they lie so."""
from thalweg_cuda.work import Source

from .prelude import PRELUDE

_TYPES = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64", 16: "item16"}
_ITEM16 = "struct alignas(16) item16 { uint64 low, high; };\n"


def moving(item, index, text):
    """A Source in which T is an element of `item` bytes, and INDEX the type of indices."""
    return Source(f"{PRELUDE}{_ITEM16}typedef {_TYPES[item]} T;\ntypedef {index.name} INDEX;\n{text}")


def widened(item, *counts):
    """How many elements of `item` bytes one access of up to 16 bytes moves, where all `counts` are multiples of it."""
    factor = 16 // item
    while factor > 1 and any(count % factor for count in counts):
        factor //= 2
    return factor
