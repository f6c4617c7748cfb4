"""Datasets of what is in files: TFRecord records, lines of text."""
import os

import numpy as np

from thalweg.framework import errors

from ..atomic_file import translated
from ..records import read_records


def paths(filenames, compression_type):
    """File names, as an array [] or [n] of strings, as paths."""
    compression = compression_type.item().decode()
    if compression:
        raise errors.UnimplementedError(None, None, f"compression_type {compression!r}: compressed files are not "
                                                    "read; decompress them, and leave the argument out")
    return [os.fsdecode(name) for name in filenames.ravel().tolist()]


def _string(data):
    result = np.empty((), object)
    result[()] = data
    return [result]


class Records:
    """The records of TFRecord files, one file after the other."""

    def __init__(self, files):
        self.files = files

    def iterate(self, run):
        return (_string(data) for path in self.files for data in read_records(path))


class Lines:
    """The lines of text files, without "\\n" and "\\r\\n"."""

    def __init__(self, files):
        self.files = files

    def iterate(self, run):
        for path in self.files:
            with translated(path), open(path, "rb") as file:
                for line in file:
                    yield _string(line.removesuffix(b"\n").removesuffix(b"\r"))
