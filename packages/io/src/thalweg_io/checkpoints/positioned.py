"""Reading a piece of a file into memory that is there already."""
import os

from thalweg.framework import errors

_CHUNK = 1 << 30                              # bytes of one read call, which may take at most 2**31 - 4096


def read_at(descriptor, data, offset, name):
    """Fills `data` (flat bytes) from the file's position `offset`.

    Raises
    ------
    DataLossError        naming `name`, if the file ends before
    """
    view, position = memoryview(data), offset
    while view:
        count = os.preadv(descriptor, [view[:_CHUNK]], position)
        if count == 0:
            raise errors.DataLossError(None, None, f"{name}: Read less bytes than requested")
        view, position = view[count:], position + count
