"""Checksums, and records in and out of their frames: the loops that run once for each of millions of records.

    record := length(uint64), masked CRC-32C of those 8 bytes, data, masked CRC-32C of the data

`records.py` makes files of them and says what is wrong with one.
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove


cdef extern from "crc32c.h" nogil:
    void thw_crc32c_prepare()
    uint32_t thw_crc32c(uint32_t crc, const unsigned char* data, size_t n)
    uint32_t thw_crc32c_joined(uint32_t first, uint32_t second, uint64_t n_second)
    uint32_t thw_crc32c_by_tables(uint32_t crc, const unsigned char* data, size_t n)


cdef extern from "Python.h":
    void PyErr_NoMemory() except *


thw_crc32c_prepare()

cdef enum:
    HEADER = 12                  # bytes before the data
    FOOTER = 4                   # and after them
    CHUNK = 1 << 18              # so many are handed on, or asked for, at once
    LONG = 1 << 15               # from here on a checksum takes longer than giving Python's lock away


cdef inline uint32_t _masked(uint32_t crc) noexcept nogil:
    return ((crc >> 15) | (crc << 17)) + <uint32_t>0xA282EAD8


cdef inline void _put(unsigned char* target, uint64_t value, int size) noexcept nogil:
    cdef int i
    for i in range(size):
        target[i] = <unsigned char>(value >> (8 * i))


cdef inline uint64_t _get(const unsigned char* source, int size) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(size):
        value |= <uint64_t>source[i] << (8 * i)
    return value


cdef inline uint32_t _checksum(uint32_t crc, const unsigned char* data, size_t n) noexcept:
    # Only for memory that nobody can change meanwhile: the buffers below are theirs who have Python's lock.
    if n < LONG:
        return thw_crc32c(crc, data, n)
    with nogil:
        crc = thw_crc32c(crc, data, n)
    return crc


# --- checksums --------------------------------------------------------------------------------------

def crc32c(data, uint32_t crc=0):
    """The checksum of `data`, any contiguous buffer; `crc` is that of the bytes before it."""
    cdef Py_buffer view
    if PyBytes_CheckExact(data):
        return _checksum(crc, <const unsigned char*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        return _checksum(crc, <const unsigned char*>view.buf, view.len)
    finally:
        PyBuffer_Release(&view)


def crc32c_joined(uint32_t first, uint32_t second, uint64_t n_second):
    """The checksum of two pieces one after the other, the second of `n_second` bytes, from their own checksums."""
    return thw_crc32c_joined(first, second, n_second)


def crc32c_by_tables(bytes data not None, uint32_t crc=0):
    """The same as on a processor without the instruction; for tests."""
    return thw_crc32c_by_tables(crc, <const unsigned char*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


# --- a buffer ---------------------------------------------------------------------------------------

cdef class _Buffer:
    """Bytes `begin` to `end` of memory of its own."""

    cdef unsigned char* data
    cdef size_t begin, end, capacity

    def __dealloc__(self):
        free(self.data)

    cdef int reserve(self, size_t room) except -1:
        """Makes sure that `room` bytes fit behind `end`."""
        cdef size_t held = self.end - self.begin, wanted
        cdef unsigned char* grown
        if self.end + room <= self.capacity:
            return 0
        if self.begin:
            memmove(self.data, self.data + self.begin, held)
            self.begin, self.end = 0, held
        if held + room > self.capacity:
            wanted = max(held + room, 2 * self.capacity)
            grown = <unsigned char*>realloc(self.data, wanted)
            if grown == NULL:
                PyErr_NoMemory()
            self.data, self.capacity = grown, wanted
        return 0

    cdef int append(self, const unsigned char* source, size_t n) except -1:
        self.reserve(n)
        if n:
            memcpy(self.data + self.end, source, n)
            self.end += n
        return 0


# --- writing ----------------------------------------------------------------------------------------

cdef class FrameWriter(_Buffer):
    """Frames records one behind the other, for one thread at a time.

    A subclass takes the bytes away by `_drain(bytes)`, many records at once, and refuses a write to what is closed by
    `_refuse()`.
    """

    cdef readonly bint is_closed

    def write(self, record):
        """Adds one record, bytes or any contiguous buffer."""
        cdef Py_buffer view
        if PyBytes_CheckExact(record):
            self._add(<const unsigned char*>PyBytes_AS_STRING(record), PyBytes_GET_SIZE(record))
            return
        if isinstance(record, str):
            raise TypeError(f"a record is bytes, not a str: {record[:40]!r}; try .encode()")
        PyObject_GetBuffer(record, &view, PyBUF_SIMPLE)
        try:
            self._add(<const unsigned char*>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cdef int _add(self, const unsigned char* data, size_t n) except -1:
        cdef unsigned char* target
        if self.is_closed:
            self._refuse()
        self.reserve(HEADER + n + FOOTER)
        target = self.data + self.end
        _put(target, n, 8)
        _put(target + 8, _masked(thw_crc32c(0, target, 8)), 4)
        if n:
            memcpy(target + HEADER, data, n)
        _put(target + HEADER + n, _masked(thw_crc32c(0, target + HEADER, n)), 4)
        self.end += HEADER + n + FOOTER
        if self.end - self.begin >= CHUNK:
            self._hand_on()
        return 0

    def _hand_on(self):
        """Gives `_drain` what has been framed so far."""
        if self.end > self.begin:
            pending = PyBytes_FromStringAndSize(<char*>self.data + self.begin, self.end - self.begin)
            self.begin = self.end = 0
            self._drain(pending)

    def _close_frames(self):
        """From now on `write` is refused."""
        self.is_closed = True


# --- reading ----------------------------------------------------------------------------------------

cdef class FrameReader(_Buffer):
    """The records in a stream of bytes, an iterator; memory is taken for what the stream has, not for what it claims.

    A subclass gives

    _read(size) -> bytes         the next bytes of the stream, at most `size`; b"" at its end
    _left(size) -> bool          whether it may have `size` more bytes
    _cut(offset, why), _damaged(offset, why) -> the exception to raise about the record at `offset`

    At the end of the stream, or of what there is of a record, `next` may be called again: it looks for more. One
    thread reads at a time; another one gets a RuntimeError.

    Attributes
    ----------
    offset : int             where in the stream the next record begins, bytes
    """

    cdef readonly uint64_t offset
    cdef bint is_reading

    def __iter__(self):
        return self

    def __next__(self):
        if self.is_reading:                        # `_read` gives Python's lock away
            raise RuntimeError("another thread reads from this file; each needs a reader of its own")
        self.is_reading = True
        try:
            return self._record()
        finally:
            self.is_reading = False

    cdef object _record(self):
        """The next record; StopIteration at the end."""
        cdef unsigned char* frame
        cdef uint64_t length
        cdef size_t whole
        if self.end - self.begin < HEADER and not self._fill(HEADER):
            if self.end == self.begin:
                raise StopIteration
            raise self._cut(self.offset, f"{self.end - self.begin} of the {HEADER} bytes of a header")
        frame = self.data + self.begin
        length = _get(frame, 8)
        if _get(frame + 8, 4) != _masked(thw_crc32c(0, frame, 8)):
            raise self._damaged(self.offset, "its length is damaged")
        if length > <uint64_t>0x7FFFFFFFFFFFFFFF - HEADER - FOOTER:
            raise self._damaged(self.offset, f"no file has a record of {length} bytes")
        whole = HEADER + length + FOOTER
        if self.end - self.begin < whole:
            if not self._left(whole - (self.end - self.begin)) or not self._fill(whole):
                raise self._cut(self.offset, f"its {length} bytes are not all there")
            frame = self.data + self.begin
        if _get(frame + HEADER + length, 4) != _masked(thw_crc32c(0, frame + HEADER, length)):
            raise self._damaged(self.offset, "its data are damaged")
        record = PyBytes_FromStringAndSize(<char*>frame + HEADER, length)
        self.begin += whole
        self.offset += whole
        return record

    cdef bint _fill(self, size_t wanted) except -1:
        """Reads until `wanted` bytes are in the buffer; whether they are."""
        while self.end - self.begin < wanted:
            # A long record is asked for as it arrives: a lying length takes no memory.
            chunk = self._read(CHUNK)
            if not chunk:
                return False
            self.append(<const unsigned char*>PyBytes_AS_STRING(chunk), PyBytes_GET_SIZE(chunk))
        return True
