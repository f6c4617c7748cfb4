# cython: language_level=3
"""The table of a device on the host's memory that adds float32 tensors of one shape."""
from cpython.pycapsule cimport PyCapsule_New
from libc.stdlib cimport free
from libc.string cimport memcpy, memset, strcmp
from posix.stdlib cimport posix_memalign

from thalweg.devices.abi cimport (THW_ABI_MAJOR, THW_ABI_MINOR, THW_CAPSULE, THW_INPLACE, THW_OK, THW_OOM,
                                  THW_UNIMPLEMENTED, int32_t, int64_t, thw_call, thw_core_api, thw_device_api,
                                  thw_kernel, thw_op_desc, thw_tensor)

cdef enum:
    FLOAT32 = 1                 # DataType
    GRAIN = 65536               # elements of a chunk

cdef struct Operands:
    const float* x
    const float* y
    float* z

cdef int64_t calls = 0


def count_of_calls():
    """How often the kernel has run."""
    return calls


cdef void add_chunk(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef Operands* operands = <Operands*>arg
    cdef int64_t i
    for i in range(begin, end):
        operands.z[i] = operands.x[i] + operands.y[i]


cdef int add(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    global calls
    cdef Operands operands = Operands(<const float*>x[0].data, <const float*>x[1].data, <float*>y[0].data)
    cdef int64_t n = 1
    cdef int32_t i
    for i in range(y[0].ndim):
        n *= y[0].shape[i]
    calls += 1
    call.core.parallel_for(call.core_ctx, n, GRAIN, add_chunk, &operands)
    return THW_OK


cdef int find_kernel(void* dev, const thw_op_desc* op, thw_kernel* out) noexcept nogil:
    cdef const thw_core_api* core = <const thw_core_api*>dev
    if strcmp(op.op_type, b"Add") != 0 and strcmp(op.op_type, b"AddV2") != 0:
        core.set_error(NULL, THW_UNIMPLEMENTED, b"OUTSIDER only adds")
        return THW_UNIMPLEMENTED
    if op.in_dtypes[0] != FLOAT32 or not have_one_shape(core, op):
        core.set_error(NULL, THW_UNIMPLEMENTED, b"OUTSIDER adds float32 tensors of one known shape")
        return THW_UNIMPLEMENTED
    out.fn, out.flags = add, THW_INPLACE(0) | THW_INPLACE(1)
    return THW_OK


cdef bint have_one_shape(const thw_core_api* core, const thw_op_desc* op) noexcept nogil:
    cdef const int64_t* a = NULL
    cdef const int64_t* b = NULL
    cdef int32_t rank_a = 0, rank_b = 0, i
    if core.in_shape(op.op, 0, &a, &rank_a) or core.in_shape(op.op, 1, &b, &rank_b) or rank_a != rank_b:
        return False
    for i in range(rank_a):
        if a[i] != b[i]:
            return False
    return True


cdef int device_count(int32_t* n) noexcept nogil:
    n[0] = 1
    return THW_OK


cdef int open_device(int32_t ordinal, const thw_core_api* core, void** dev) noexcept nogil:
    dev[0] = <void*>core
    return THW_OK


cdef void close_device(void* dev) noexcept nogil:
    pass


cdef int alloc(void* dev, size_t nbytes, size_t align, void** out) noexcept nogil:
    return THW_OOM if posix_memalign(out, align, nbytes) else THW_OK


cdef void free_memory(void* dev, void* pointer) noexcept nogil:
    free(pointer)


cdef int copy(void* dev, void* stream, void* target, const void* source, size_t n) noexcept nogil:
    memcpy(target, source, n)
    return THW_OK


cdef int sync(void* dev, void* stream) noexcept nogil:
    return THW_OK


cdef thw_device_api TABLE
memset(&TABLE, 0, sizeof(TABLE))
TABLE.struct_size = sizeof(TABLE)
TABLE.abi_major, TABLE.abi_minor, TABLE.build_tag = THW_ABI_MAJOR, THW_ABI_MINOR, b"outsider 1.0"
TABLE.device_count, TABLE.open, TABLE.close, TABLE.sync = device_count, open_device, close_device, sync
TABLE.alloc, TABLE.free, TABLE.copy_h2d, TABLE.copy_d2h = alloc, free_memory, copy, copy
TABLE.find_kernel = find_kernel


def capsule():
    """The table, as an entry point of the group thalweg.devices hands it over."""
    return PyCapsule_New(&TABLE, THW_CAPSULE, NULL)
