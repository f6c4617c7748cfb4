"""Positions that an op reads from an index tensor, and the error for one that lies outside."""
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport int32_t, int64_t, thw_call

cdef enum:
    MAX_DEPTH = 16
    SUFFIX_BYTES = 160


cdef struct Places:
    int is_int64
    int is_tuple                # positions are tuples of `depth` numbers, else single numbers
    int depth
    int64_t count               # positions
    int64_t size[MAX_DEPTH]     # of the dimensions that they index into
    int64_t stride[MAX_DEPTH]   # rows
    int rank                    # of the tensor of positions, for messages
    int64_t dims[MAX_DEPTH]
    char noun[16]               # what an index is called
    char suffix[SUFFIX_BYTES]   # what is said of one that lies outside


# Fills `places` for the index tensor that is input `k`, into dimensions of `sizes`. A tuple of numbers is its last
# dimension.
cdef int init_places(Places* places, Request r, int k, sizes, bint is_tuple, str noun, str suffix) except -1

# Number i of the index tensor.
cdef inline int64_t number_at(const Places* places, const void* indices, int64_t i) noexcept nogil:
    return (<const int64_t*>indices)[i] if places.is_int64 else (<const int32_t*>indices)[i]

# The row that position i names, -1 if it lies outside.
cdef inline int64_t row_at(const Places* places, const void* indices, int64_t i) noexcept nogil:
    cdef int64_t row = 0, number
    cdef int d
    for d in range(places.depth):
        number = number_at(places, indices, i * places.depth + d)
        if number < 0 or number >= places.size[d]:
            return -1
        row += number * places.stride[d]
    return row

# Tells core that position i lies outside; gives THW_INVALID.
cdef int tell_outside(thw_call* call, const Places* places, const void* indices, int64_t i) noexcept nogil
