"""Datasets of what is in files: TFRecord records, lines of text."""
import io
import os

import numpy as np

from thalweg.framework import errors

from ..records import streams
from ..records.records import read_records


def paths(filenames):
    """File names, as an array [] or [n] of strings, as paths."""
    return [os.fsdecode(name) for name in filenames.ravel().tolist()]


def compression(compression_type):
    """The name of a compression, as a string tensor, as one that streams.py knows."""
    name = compression_type.item().decode("utf-8", "replace")
    if name not in (streams.NONE, streams.ZLIB, streams.GZIP):
        raise errors.InvalidArgumentError(None, None, f'Unsupported compression_type: "{name}"; it is "", "ZLIB" or '
                                                      '"GZIP"')
    return name


def _string(data):
    result = np.empty((), object)
    result[()] = data
    return [result]


class Records:
    """The records of TFRecord files, one file after the other."""

    def __init__(self, files, compression):
        self.files, self.compression = files, compression

    def iterate(self, run):
        return (_string(data) for path in self.files for data in read_records(path, self.compression))


class _Raw(io.RawIOBase):
    """A stream as Python's file objects are made of."""

    def __init__(self, path, compression):
        self._source = streams.source(path, compression)

    def readable(self):
        return True

    def readinto(self, target):
        found = self._source.read(len(target))
        target[:len(found)] = found
        return len(found)

    def close(self):
        self._source.close()
        super().close()


class Lines:
    """The lines of text files, without "\\n" and "\\r\\n"."""

    def __init__(self, files, compression):
        self.files, self.compression = files, compression

    def iterate(self, run):
        for path in self.files:
            with io.BufferedReader(_Raw(path, self.compression)) as file:
                for line in file:
                    yield _string(line.removesuffix(b"\n").removesuffix(b"\r"))
