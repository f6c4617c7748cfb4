"""Positions that an op reads from an index tensor, and the error for one that lies outside."""
from libc.stdio cimport snprintf
from libc.string cimport memcpy

from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport THW_INVALID, int64_t, thw_call

from math import prod

from thalweg.cpu._request import Unsupported

cdef enum:
    INT64 = 9
    MESSAGE_BYTES = 512


cdef int init_places(Places* places, Request r, int k, sizes, bint is_tuple, str noun, str suffix) except -1:
    shape = r.in_shapes[k]
    outer = shape[:len(shape) - 1] if is_tuple else shape
    depth = shape[len(shape) - 1] if is_tuple else 1
    if len(outer) > MAX_DEPTH or depth > MAX_DEPTH:
        raise Unsupported(f"{r.op_type}: positions of shape {shape}")
    if depth > len(sizes):
        raise ValueError(f"{r.op_type}: positions of {depth} numbers in a tensor of {len(sizes)} dimensions")
    places.is_int64, places.is_tuple, places.depth = r.in_dtypes[k] == INT64, is_tuple, depth
    places.count, places.rank = prod(outer), len(outer)
    for i, size in enumerate(outer):
        places.dims[<int>i] = size
    for i in range(depth):
        places.size[<int>i], places.stride[<int>i] = sizes[i], prod(sizes[i + 1:depth])
    _copy_text(places.noun, noun, sizeof(places.noun))
    _copy_text(places.suffix, suffix, sizeof(places.suffix))
    return 0


cdef int _copy_text(char* target, str text, size_t room) except -1:
    encoded = text.encode()[:room - 1]
    memcpy(target, <const char*>encoded, len(encoded))
    target[len(encoded)] = 0
    return 0


cdef int tell_outside(thw_call* call, const Places* places, const void* indices, int64_t i) noexcept nogil:
    """TensorFlow's words: "indices[1,0] = 7 is not in [0, 5)"."""
    cdef char message[MESSAGE_BYTES]
    cdef int n = snprintf(message, MESSAGE_BYTES, b"%s[", places.noun)
    cdef int64_t rest = places.count, at = i
    cdef int d
    for d in range(places.rank):
        rest //= places.dims[d]
        n += snprintf(message + n, MESSAGE_BYTES - n, b",%lld" if d else b"%lld", <long long>(at // rest))
        at %= rest
    cdef const char* opening = b"[" if places.is_tuple else b""
    n += snprintf(message + n, MESSAGE_BYTES - n, b"] = %s", opening)        # a format is a literal: -Wformat-security
    for d in range(places.depth):
        n += snprintf(message + n, MESSAGE_BYTES - n, b", %lld" if d else b"%lld",
                      <long long>number_at(places, indices, i * places.depth + d))
    snprintf(message + n, MESSAGE_BYTES - n, b"] %s" if places.is_tuple else b" %s", places.suffix)
    call.core.set_error(call.core_ctx, THW_INVALID, message)
    return THW_INVALID
