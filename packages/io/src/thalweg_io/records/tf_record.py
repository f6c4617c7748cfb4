"""TFRecord files: `tf.io.TFRecordWriter`, `tf_record_iterator` and their options."""
import os
import zlib

from thalweg.framework import errors

from . import streams
from .framing import FrameWriter
from .records import RecordReader


class TFRecordCompressionType:
    """How a file is compressed, as a number."""

    NONE, ZLIB, GZIP = 0, 1, 2


_NAMES = {TFRecordCompressionType.NONE: streams.NONE, TFRecordCompressionType.ZLIB: streams.ZLIB,
          TFRecordCompressionType.GZIP: streams.GZIP}
_WINDOW_BITS = 15                                      # 2**15 bytes, the most that zlib has


class TFRecordOptions:
    """How TFRecord files are compressed.

    Parameters
    ----------
    compression_type : None, "", "ZLIB", "GZIP", a TFRecordCompressionType, or other TFRecordOptions
    flush_mode : int                zlib's mode of TFRecordWriter.flush; None: Z_NO_FLUSH, which may keep all inside
    window_bits : int               the window is 2**window_bits bytes, 9 to 15
    compression_level : int         0 to 9, -1: zlib's choice
    mem_level : int                 1 to 9
    compression_strategy : int      zlib's Z_DEFAULT_STRATEGY, Z_FILTERED, Z_HUFFMAN_ONLY, ...
    input_buffer_size, output_buffer_size, compression_method : accepted

    Raises ValueError for another compression type.
    """

    compression_type_map = _NAMES

    def __init__(self, compression_type=None, flush_mode=None, input_buffer_size=None, output_buffer_size=None,
                 window_bits=None, compression_level=None, compression_method=None, mem_level=None,
                 compression_strategy=None):
        self.get_compression_type_string(compression_type)
        self.compression_type = compression_type
        self.flush_mode, self.window_bits = flush_mode, window_bits
        self.input_buffer_size, self.output_buffer_size = input_buffer_size, output_buffer_size
        self.compression_level, self.compression_method = compression_level, compression_method
        self.mem_level, self.compression_strategy = mem_level, compression_strategy

    @classmethod
    def get_compression_type_string(cls, options):
        """ "", "ZLIB" or "GZIP" of options, of a name or of a number."""
        if not options:
            return streams.NONE
        if isinstance(options, TFRecordOptions):
            return cls.get_compression_type_string(options.compression_type)
        if options in _NAMES.values():
            return options
        if options in _NAMES:
            return _NAMES[options]
        raise ValueError(f'Not a valid compression_type: "{options}"; it is "", "ZLIB" or "GZIP"')

    def sink(self, path):
        """The stream to a new file at `path`."""
        name = self.get_compression_type_string(self)
        if name == streams.NONE:
            return streams.PlainSink(path)
        bits = _or(self.window_bits, _WINDOW_BITS)
        return streams.CompressedSink(
            path, _or(self.flush_mode, zlib.Z_NO_FLUSH), level=_or(self.compression_level, -1),
            wbits=(16 if name == streams.GZIP else 0) + bits, memLevel=_or(self.mem_level, zlib.DEF_MEM_LEVEL),
            strategy=_or(self.compression_strategy, zlib.Z_DEFAULT_STRATEGY))


def _or(value, default):
    return default if value is None else value


def _options(options):
    return options if isinstance(options, TFRecordOptions) else TFRecordOptions(options)


class TFRecordWriter(FrameWriter):
    """Writes records to a new file at `path`, replacing an old one; they reach it many at a time.

    Parameters
    ----------
    path : str or path
    options : TFRecordOptions, "", "ZLIB", "GZIP" or a TFRecordCompressionType

    Raises
    ------
    OpError             of the kind that says why the file cannot be written; FailedPreconditionError: it is closed
    TypeError           for a record that is no bytes
    """

    def __init__(self, path, options=None):
        self._sink = _options(options).sink(os.fspath(path))

    def _drain(self, data):
        self._sink.write(data)

    def _refuse(self):
        raise errors.FailedPreconditionError(None, None, f"{self._sink.path}: Writer not initialized or previously "
                                                         "closed")

    def flush(self):
        """Hands all records to the operating system; of a compressed file what its `flush_mode` says."""
        if self.is_closed:
            self._refuse()
        self._hand_on()
        self._sink.flush()

    def close(self):
        """Completes the file; may be called again."""
        self._close_frames()
        try:
            self._hand_on()
        finally:
            self._sink.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def __del__(self):
        if hasattr(self, "_sink"):
            self.close()


def tf_record_iterator(path, options=None):
    """The records of a TFRecord file, an iterator of bytes.

    Parameters
    ----------
    path : str or path
    options : TFRecordOptions, "", "ZLIB", "GZIP" or a TFRecordCompressionType

    Raises
    ------
    NotFoundError       without such a file
    DataLossError       at a record that is cut or damaged, and at a compressed file that is; those before it are given
    """
    return RecordReader(path, TFRecordOptions.get_compression_type_string(options))
