"""Walks over serialized Examples and SequenceExamples: the values of the wanted features, one column per feature.

Nothing is made per value, and a Python object per string only. What a field claims is compared with the bytes that
are there before anything is read.

    Example := 1 features Features;   SequenceExample := 1 context Features, 2 feature_lists FeatureLists
    Features := 1 map<string, Feature>;   FeatureLists := 1 map<string, FeatureList>;   FeatureList := 1 Feature*
    Feature := one of 1 bytes_list, 2 float_list, 3 int64_list, each of values 1*
"""
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy

import numpy as np

from thalweg_io.wire import WireError


cdef extern from "Python.h":
    void PyErr_NoMemory() except *


cdef enum:
    BYTES_LIST = 1               # the numbers of the fields in a Feature: the kinds of its values
    FLOAT_LIST = 2
    INT64_LIST = 3

_DTYPES = {FLOAT_LIST: np.dtype(np.float32), INT64_LIST: np.dtype(np.int64)}


class KindError(Exception):
    """A feature has values of another kind than its column; `column` and the kind that came are the arguments."""


# --- the wire ---------------------------------------------------------------------------------------

cdef struct Field:
    uint64_t number
    int wire_type                # 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes
    uint64_t value               # of a varint
    const unsigned char* begin   # of the others
    const unsigned char* end


cdef inline const unsigned char* _varint(const unsigned char* p, const unsigned char* end, uint64_t* value) \
        noexcept nogil:
    """The place behind a varint, NULL for none."""
    cdef uint64_t found = 0
    cdef int shift = 0
    cdef unsigned char byte
    while p < end and shift < 70:
        byte = p[0]
        p += 1
        if shift == 63 and byte > 1:
            return NULL                                    # above 2**64 - 1
        found |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            value[0] = found
            return p
        shift += 7
    return NULL


cdef inline const unsigned char* _next(const unsigned char* p, const unsigned char* end, Field* field) noexcept nogil:
    """Reads one field; the place behind it, NULL where it is damaged."""
    cdef uint64_t tag = 0, size = 0
    p = _varint(p, end, &tag)
    if p == NULL or tag >> 3 == 0:
        return NULL
    field.number, field.wire_type = tag >> 3, tag & 7
    if field.wire_type == 0:
        return _varint(p, end, &field.value)
    if field.wire_type == 2:
        p = _varint(p, end, &size)
        if p == NULL:
            return NULL
    elif field.wire_type == 5:
        size = 4
    elif field.wire_type == 1:
        size = 8
    else:
        return NULL
    if size > <uint64_t>(end - p):
        return NULL
    field.begin, field.end = p, p + size
    return field.end


# --- columns ----------------------------------------------------------------------------------------

cdef class _Numbers:
    """Memory that grows, for numbers one behind the other."""

    cdef char* data
    cdef size_t size, capacity           # bytes

    def __dealloc__(self):
        free(self.data)

    cdef char* room(self, size_t wanted) except NULL:
        """Where `wanted` more bytes may be written; `size` is then theirs to move."""
        cdef size_t grown
        cdef char* data
        if self.data == NULL or self.size + wanted > self.capacity:
            grown = max(self.size + wanted, 2 * self.capacity, <size_t>256)
            data = <char*>realloc(self.data, grown)
            if data == NULL:
                PyErr_NoMemory()
            self.data, self.capacity = data, grown
        return self.data + self.size

    cdef int put(self, int64_t value) except -1:
        (<int64_t*>self.room(8))[0] = value
        self.size += 8
        return 0

    cdef object array(self, dtype):
        cdef Py_buffer view
        found = np.empty(self.size // dtype.itemsize, dtype)
        if self.size:
            PyObject_GetBuffer(found, &view, PyBUF_WRITABLE)
            memcpy(view.buf, self.data, self.size)
            PyBuffer_Release(&view)
        return found


cdef class Column:
    """The values of one feature, of all examples.

    Attributes
    ----------
    key : bytes
    kind : int           1 strings, 2 float32, 3 int64
    values : array [n]
    counts : array       values of each Feature; -1 where an example has none, or one without values of any kind
    lengths : array      of a list of features: Features of each example, -1 where it has no list
    """

    cdef readonly bytes key
    cdef readonly int kind
    cdef _Numbers _values, _counts, _lengths
    cdef list _strings
    cdef const unsigned char* begin      # of what was found last in the example that is walked, where `is_found`
    cdef const unsigned char* end
    cdef bint is_found

    def __init__(self, bytes key not None, int kind):
        self.key, self.kind = key, kind
        self._values, self._counts, self._lengths, self._strings = _Numbers(), _Numbers(), _Numbers(), []

    @property
    def values(self):
        if self.kind != BYTES_LIST:
            return self._values.array(_DTYPES[self.kind])
        found = np.empty(len(self._strings), object)
        found[:] = self._strings
        return found

    @property
    def counts(self):
        return self._counts.array(_DTYPES[INT64_LIST])

    @property
    def lengths(self):
        return self._lengths.array(_DTYPES[INT64_LIST])

    cdef int take_feature(self) except -1:
        """The Feature that was found, or that there is none."""
        if not self.is_found:
            self._counts.put(-1)
            return 0
        self.is_found = False
        return self._feature(self.begin, self.end)

    cdef int take_list(self) except -1:
        """The FeatureList that was found, or that there is none."""
        cdef const unsigned char* p = self.begin
        cdef Field field
        cdef int64_t length = 0
        if not self.is_found:
            self._lengths.put(-1)
            return 0
        self.is_found = False
        while p < self.end:
            p = _next(p, self.end, &field)
            if p == NULL:
                raise WireError("a list of features is damaged")
            if field.number == 1 and field.wire_type == 2:
                self._feature(field.begin, field.end)
                length += 1
        self._lengths.put(length)
        return 0

    cdef int _feature(self, const unsigned char* p, const unsigned char* end) except -1:
        cdef Field field, values
        cdef int kind = 0
        cdef int64_t count
        while p < end:
            p = _next(p, end, &field)
            if p == NULL:
                raise WireError("a feature is damaged")
            if field.number <= INT64_LIST and field.wire_type == 2:
                kind, values = <int>field.number, field
        if not kind:
            self._counts.put(-1)
            return 0
        if kind != self.kind:
            raise KindError(self, kind)
        if kind == BYTES_LIST:
            count = self._take_strings(values.begin, values.end)
        elif kind == FLOAT_LIST:
            count = self._take_floats(values.begin, values.end)
        else:
            count = self._take_integers(values.begin, values.end)
        self._counts.put(count)
        return 0

    cdef int64_t _take_strings(self, const unsigned char* p, const unsigned char* end) except -1:
        cdef Field field
        cdef int64_t count = 0
        while p < end:
            p = _next(p, end, &field)
            if p == NULL:
                raise WireError("a list of strings is damaged")
            if field.number == 1 and field.wire_type == 2:
                self._strings.append(PyBytes_FromStringAndSize(<const char*>field.begin, field.end - field.begin))
                count += 1
        return count

    cdef int64_t _take_floats(self, const unsigned char* p, const unsigned char* end) except -1:
        cdef Field field
        cdef size_t before = self._values.size
        while p < end:
            p = _next(p, end, &field)
            if p == NULL:
                raise WireError("a list of floats is damaged")
            if field.number == 1 and (field.wire_type == 2 or field.wire_type == 5):       # packed, or one
                if (field.end - field.begin) % 4:
                    raise WireError(f"packed floats of {field.end - field.begin} bytes")
                memcpy(self._values.room(field.end - field.begin), field.begin, field.end - field.begin)
                self._values.size += field.end - field.begin
        return (self._values.size - before) // 4

    cdef int64_t _take_integers(self, const unsigned char* p, const unsigned char* end) except -1:
        cdef Field field
        cdef size_t before = self._values.size
        cdef int64_t* target
        cdef uint64_t value = 0
        while p < end:
            p = _next(p, end, &field)
            if p == NULL:
                raise WireError("a list of integers is damaged")
            if field.number == 1 and field.wire_type == 0:
                self._values.put(<int64_t>field.value)
            elif field.number == 1 and field.wire_type == 2:
                target = <int64_t*>self._values.room(8 * (field.end - field.begin))    # a byte each at least
                while field.begin < field.end:
                    field.begin = _varint(field.begin, field.end, &value)
                    if field.begin == NULL:
                        raise WireError("a packed integer is damaged")
                    target[0] = <int64_t>value
                    target += 1
                self._values.size = <char*>target - self._values.data
        return (self._values.size - before) // 8


cdef class Columns:
    """Columns by their keys, for one kind of map.

    Parameters
    ----------
    wanted : list of (key, kind)       kind 1 strings, 2 float32, 3 int64
    """

    cdef readonly list columns
    cdef int32_t* slots                   # number of a column + 1, 0 for none: a table with open addressing
    cdef uint32_t mask

    def __cinit__(self, wanted):
        cdef uint32_t size = 4
        while size < 3 * <size_t>len(wanted):
            size *= 2
        self.mask = size - 1
        self.slots = <int32_t*>calloc(size, sizeof(int32_t))
        if self.slots == NULL:
            PyErr_NoMemory()

    def __dealloc__(self):
        free(self.slots)

    def __init__(self, wanted):
        cdef Column column
        self.columns = [Column(key, kind) for key, kind in wanted]
        for i, column in enumerate(self.columns):
            slot = self._slot(<const unsigned char*>PyBytes_AS_STRING(column.key), PyBytes_GET_SIZE(column.key))
            self.slots[slot] = i + 1

    cdef uint32_t _slot(self, const unsigned char* key, size_t size):
        """The slot of a key: that of its column, or the empty one where it would be."""
        cdef uint32_t hashed = 2166136261
        cdef size_t i
        cdef Column column
        for i in range(size):
            hashed = (hashed ^ key[i]) * 16777619
        hashed ^= hashed >> 15
        while True:
            hashed &= self.mask
            if not self.slots[hashed]:
                return hashed
            column = <Column>self.columns[self.slots[hashed] - 1]
            if PyBytes_GET_SIZE(column.key) == <Py_ssize_t>size and \
                    not memcmp(PyBytes_AS_STRING(column.key), key, size):
                return hashed
            hashed += 1

    cdef int find(self, const unsigned char* p, const unsigned char* end) except -1:
        """Notes where the wanted entries of a map are; the last of a key counts."""
        cdef Field field
        while p < end:
            p = _next(p, end, &field)
            if p == NULL:
                raise WireError("a map of features is damaged")
            if field.number == 1 and field.wire_type == 2:
                self._entry(field.begin, field.end)
        return 0

    cdef int _entry(self, const unsigned char* p, const unsigned char* end) except -1:
        cdef Field field, key, value
        cdef int32_t number
        cdef Column column
        key.begin = key.end = value.begin = value.end = p
        while p < end:
            p = _next(p, end, &field)
            if p == NULL:
                raise WireError("an entry in a map of features is damaged")
            if field.wire_type == 2 and field.number == 1:
                key = field
            elif field.wire_type == 2 and field.number == 2:
                value = field
        number = self.slots[self._slot(key.begin, key.end - key.begin)]
        if number:
            column = <Column>self.columns[number - 1]
            column.begin, column.end, column.is_found = value.begin, value.end, True
        return 0


class Walk:
    """Goes over serialized Examples, or SequenceExamples.

    Parameters
    ----------
    features : list of (key, kind)       wanted of the Example, or of the context
    lists : list of (key, kind)          wanted of the lists of a SequenceExample

    Attributes
    ----------
    features, lists : list of Column     filled by `over`
    example : int                        the number of the one that is walked; tells which one is damaged
    """

    def __init__(self, features, lists=()):
        self._features, self._lists = Columns(features), Columns(lists)
        self.features, self.lists = self._features.columns, self._lists.columns
        self.example = 0

    def over(self, serialized):
        """Takes the wanted values of each of a list of bytes.

        Raises WireError for what is no such message, KindError for a feature of another kind.
        """
        cdef Columns features = self._features, lists = self._lists
        cdef bytes data
        for self.example, data in enumerate(serialized):
            _walk(features, lists, <const unsigned char*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef int _walk(Columns features, Columns lists, const unsigned char* p, size_t size) except -1:
    cdef const unsigned char* end = p + size
    cdef Field field
    cdef Column column
    while p < end:
        p = _next(p, end, &field)
        if p == NULL:
            raise WireError("it is no such message")
        if field.number == 1 and field.wire_type == 2:
            features.find(field.begin, field.end)
        elif field.number == 2 and field.wire_type == 2:
            lists.find(field.begin, field.end)
    for column in features.columns:
        column.take_feature()
    for column in lists.columns:
        column.take_list()
    return 0
