"""The index of a V2 checkpoint in memory.

The last one is kept: a restore may open its checkpoint once per variable.
"""
import os
import time

import numpy as np

from thalweg.framework import errors

from ..positioned import read_at
from ..table import read_table
from .entry import HEADER_KEY, Entries

_SETTLED_NS = 2_000_000_000           # where a file's last change is older, its times tell of a further one
_last: tuple = (None, None)           # (_identity, Entries)


def read_index(descriptor, path):
    """The Entries of the open index file `path`, perhaps shared with other readers; DataLossError if it is damaged."""
    global _last
    status = os.fstat(descriptor)
    identity, entries = _last
    if identity == _identity(status, path):
        return entries
    begun = time.time_ns()
    entries = _read(descriptor, status.st_size, path)
    if max(status.st_mtime_ns, status.st_ctime_ns) < begun - _SETTLED_NS:
        _last = _identity(status, path), entries
    return entries


def _identity(status, path):
    return (path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _read(descriptor, size, path):
    data = np.empty(size, np.uint8)
    read_at(descriptor, data, 0, path)
    table = read_table(data.tobytes(), path)
    if HEADER_KEY not in table:
        raise errors.DataLossError(None, None, f"{path}: the index has no header")
    return Entries(table, path)
