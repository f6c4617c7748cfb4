"""The bytes of a file that may be compressed, as a stream: plain, gzip (RFC 1952) or zlib (RFC 1950).

A compressed file is taken apart piece by piece: what a few bytes would grow to takes no memory before it is asked for.
"""
import os
import zlib

from thalweg.framework import errors

from ..atomic_file import files, translated

NONE, ZLIB, GZIP = "", "ZLIB", "GZIP"
_WINDOW = {ZLIB: 15, GZIP: 31}                       # zlib's number for the window and the header around it
_PIECE = 1 << 16                                     # bytes of a compressed file that are read at once


class PlainSource:
    """A file that is read from its beginning.

    Attributes
    ----------
    path : str
    """

    def __init__(self, path):
        self.path, self._descriptor = path, None
        with translated(path):
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))

    def read(self, size):
        """The next bytes, at most `size`; b"" at the end, until the file grows."""
        with translated(self.path):
            return os.read(self._descriptor, size)

    def has(self, size):
        """Whether at least `size` bytes are left."""
        with translated(self.path):
            return os.fstat(self._descriptor).st_size - os.lseek(self._descriptor, 0, os.SEEK_CUR) >= size

    def close(self):
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    __del__ = close


class CompressedSource(PlainSource):
    """The uncompressed bytes of a compressed file; several gzip streams may stand in a file, one behind the other.

    Raises DataLossError where the file is cut or damaged.
    """

    def __init__(self, path, compression):
        super().__init__(path)
        self._window, self._name = _WINDOW[compression], compression
        self._offset, self._rest, self._stream = 0, b"", None
        self._begin()

    def _begin(self):
        self._stream, self._start = zlib.decompressobj(self._window), self._offset - len(self._rest)

    def read(self, size):
        while True:
            if self._stream.eof:
                self._rest = self._rest or self._piece()
                if not self._rest:
                    return b""
                self._begin()
            given = self._rest or self._piece()
            try:
                found = self._stream.decompress(given, size)
            except zlib.error as error:
                raise self._lost(f"the {self._name} stream is damaged: {error}") from error
            self._rest = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if found:
                return found
            if not given and not self._stream.eof:
                raise self._lost(f"the {self._name} stream that begins at {self._start} is cut")

    def _piece(self):
        piece = super().read(_PIECE)
        self._offset += len(piece)
        return piece

    def _lost(self, what):
        return errors.DataLossError(None, None, f"{self.path}: at byte {self._offset}: {what}")

    def has(self, size):
        """Unknown before it is read, so yes."""
        return True


def source(path, compression):
    """The stream of a file's bytes, uncompressed; NotFoundError without the file."""
    return CompressedSource(path, compression) if compression else PlainSource(path)


class PlainSink:
    """A new file, or the old one emptied, that is written from its beginning."""

    def __init__(self, path):
        self.path, self._descriptor = path, None
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        with translated(path):
            self._descriptor = os.open(path, flags, 0o666)

    def write(self, data):
        with translated(self.path):
            files.write(self._descriptor, data)

    def flush(self):
        """What has been written is in the file."""

    def close(self):
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with translated(self.path):
                os.close(descriptor)

    __del__ = close


class CompressedSink(PlainSink):
    """The compressed form of what is written; `parameters` are those of zlib.compressobj.

    `flush` writes what zlib can write without costing compression (`mode` zlib.Z_NO_FLUSH: nothing; Z_SYNC_FLUSH,
    Z_FULL_FLUSH: all, on a byte's border).
    """

    def __init__(self, path, mode, **parameters):
        self._stream, self._mode = zlib.compressobj(**parameters), mode
        super().__init__(path)

    def write(self, data):
        super().write(self._stream.compress(data))

    def flush(self):
        if self._mode != zlib.Z_NO_FLUSH:
            super().write(self._stream.flush(self._mode))

    def close(self):
        if self._descriptor is not None:
            try:
                super().write(self._stream.flush(zlib.Z_FINISH))
            finally:
                super().close()

    __del__ = PlainSink.close                        # what is left without `close` is cut, and says so
