"""Records back to back in a file, each with its length and checksums: event files and TFRecords.

    record := length(uint64), masked CRC-32C of those 8 bytes, data, masked CRC-32C of the data
"""
import os

from thalweg.framework import errors

from .crc32c import masked_crc32c
from .framing import FrameReader
from .streams import NONE, source


class TruncatedRecordError(errors.DataLossError):
    """The file ends inside a record: cut, or not all written yet. Another `next` looks whether it has grown."""


def framed(data):
    """A record of `data` as it stands in a file."""
    length = len(data).to_bytes(8, "little")
    return b"".join((length, masked_crc32c(length).to_bytes(4, "little"), data,
                     masked_crc32c(data).to_bytes(4, "little")))


class RecordReader(FrameReader):
    """An iterator over the records of a file, from its first.

    At the end of a file that is not compressed, `next` may be called again: it gives what has been added meanwhile. So
    one follows a file that is being written.

    Parameters
    ----------
    path : str or path
    compression : "", "ZLIB" or "GZIP"

    Attributes
    ----------
    offset : int                where the next record begins, in the uncompressed bytes

    Raises
    ------
    NotFoundError               without such a file
    TruncatedRecordError        where the file ends inside a record, once those before it have been given
    DataLossError               at a record or a compressed stream that is damaged, and one that is cut
    """

    def __init__(self, path, compression=NONE):
        self.path = os.fspath(path)
        self._source = source(self.path, compression)
        self._read, self._left = self._source.read, self._source.has

    def _cut(self, offset, why):
        return TruncatedRecordError(None, None, f"{self.path}: truncated record at {offset}: {why}")

    def _damaged(self, offset, why):
        return errors.DataLossError(None, None, f"{self.path}: corrupted record at {offset}: {why}")

    def close(self):
        """Closes the file; may be called again."""
        self._source.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def read_records(path, compression=NONE):
    """Yields the records of a file; raises as RecordReader."""
    with RecordReader(path, compression) as reader:
        yield from reader
