"""The table behind the device FAKE (fake_device.py): a plugin in C that stands on the CPU's table.

Its memory is the host's, but its addresses have a bit set that no address of a process has: touching one is a fault,
and one that should have been copied shows. Kernels are the CPU's, called with true addresses. Copies on a stream are
done some time after their call, by a thread of the stream.
"""
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset
from posix.time cimport nanosleep, timespec

from thalweg.devices.abi cimport (THW_ABI_MAJOR, THW_ABI_MINOR, THW_CAPSULE, THW_INVALID, THW_OK, THW_OOM,
                                  THW_UNIMPLEMENTED, int32_t, int64_t, thw_call, thw_core_api, thw_device_api,
                                  thw_kernel, thw_mem_stats, thw_op_desc, thw_tensor, uint64_t)

from thalweg.cpu import plugin as _cpu

# Bit 55 is clear in every address that a process has, on x86-64 as on aarch64, which ignores the bits above it.
cdef enum:
    MARKED_BIT = 55
cdef uintptr_t MARK = <uintptr_t>1 << MARKED_BIT

cdef extern from "testing/fake_stream.h" nogil:
    ctypedef struct fake_stream
    ctypedef struct fake_event
    fake_stream* fake_stream_new()
    void fake_stream_free(fake_stream* stream)
    int fake_stream_copy(fake_stream* stream, void* target, const void* source, size_t n, uint64_t delay_ns,
                         int reads_now)
    void fake_stream_sync(fake_stream* stream)
    fake_event* fake_event_new(fake_stream* stream)
    int fake_event_wait(fake_stream* stream, fake_event* event)
    int64_t fake_event_ns(fake_event* event)
    void fake_event_free(fake_event* event)

cdef enum:
    MAX_STREAMS = 64
    ASYNC_NS = 200000                    # how much later than its call the copy of a stream is done

cdef struct Fake:
    const thw_core_api* core
    void* cpu                            # the handle of the CPU below
    fake_stream* streams[MAX_STREAMS]    # NULL: free places

cdef struct State:
    thw_kernel inner
    uint64_t host_inputs                 # bit k: input k is read on the host

cdef const thw_device_api* CPU = NULL
cdef int COUNT = 1
cdef int64_t ALLOCATIONS_LEFT = -1       # until one fails; -1: none does
cdef double NS_PER_BYTE = 0
cdef object MISSING = frozenset()
cdef object HOST_INPUTS = {}


def set_faults(int count, int64_t oom_at, missing, double ns_per_byte, host_inputs):
    """See fake_device.faults."""
    global COUNT, ALLOCATIONS_LEFT, NS_PER_BYTE, MISSING, HOST_INPUTS
    COUNT, NS_PER_BYTE = count, ns_per_byte
    ALLOCATIONS_LEFT = oom_at - 1 if oom_at else -1
    MISSING, HOST_INPUTS = frozenset(missing), dict(host_inputs)


cdef inline void* _marked(void* pointer) noexcept nogil:
    return <void*>(<uintptr_t>pointer | MARK)


cdef inline void* _true(const void* pointer) noexcept nogil:
    return <void*>(<uintptr_t>pointer & ~MARK)


cdef inline bint _is_ours(const void* pointer) noexcept nogil:
    return (<uintptr_t>pointer & MARK) != 0


# --- memory ---------------------------------------------------------------------------------------------

cdef int _device_count(int32_t* n) noexcept nogil:
    n[0] = COUNT
    return THW_OK


cdef int _open(int32_t ordinal, const thw_core_api* core, void** dev) noexcept nogil:
    cdef Fake* fake = <Fake*>calloc(1, sizeof(Fake))
    if fake == NULL:
        return THW_OOM
    fake.core = core
    dev[0] = fake
    return CPU.open(0, core, &fake.cpu)


cdef void _close(void* dev) noexcept nogil:
    cdef int i
    for i in range(MAX_STREAMS):
        if (<Fake*>dev).streams[i] != NULL:
            fake_stream_free((<Fake*>dev).streams[i])
    CPU.close((<Fake*>dev).cpu)
    free(dev)


cdef int _alloc(void* dev, size_t nbytes, size_t align, void** out) noexcept nogil:
    global ALLOCATIONS_LEFT
    cdef void* pointer = NULL
    cdef int code
    if ALLOCATIONS_LEFT == 0:
        (<Fake*>dev).core.set_error(NULL, THW_OOM, b"an injected fault")
        return THW_OOM
    if ALLOCATIONS_LEFT > 0:
        ALLOCATIONS_LEFT -= 1
    code = CPU.alloc((<Fake*>dev).cpu, nbytes, align, &pointer)
    out[0] = _marked(pointer)
    return code


cdef void _free(void* dev, void* pointer) noexcept nogil:
    _sync(dev, NULL)                     # copies that have been ordered still use it
    CPU.free((<Fake*>dev).cpu, _true(pointer))


cdef int _copy(void* dev, void* stream, void* target, const void* source, size_t n, bint to_device,
               bint from_device) noexcept nogil:
    cdef timespec pause
    if n and (_is_ours(target) != to_device or _is_ours(source) != from_device):
        (<Fake*>dev).core.set_error(NULL, THW_INVALID, b"a copy was given an address of the wrong side")
        return THW_INVALID
    if stream != NULL:
        return _ok(fake_stream_copy(<fake_stream*>stream, _true(target), _true(source), n,
                                    ASYNC_NS + <uint64_t>(n * NS_PER_BYTE), not from_device))
    if NS_PER_BYTE > 0:
        pause.tv_sec, pause.tv_nsec = <long>(n * NS_PER_BYTE * 1e-9), <long>(n * NS_PER_BYTE) % 1000000000
        nanosleep(&pause, NULL)
    memcpy(_true(target), _true(source), n)
    return THW_OK


cdef inline int _ok(bint has_worked) noexcept nogil:
    return THW_OK if has_worked else THW_OOM


cdef int _h2d(void* dev, void* stream, void* target, const void* source, size_t n) noexcept nogil:
    return _copy(dev, stream, target, source, n, True, False)


cdef int _d2h(void* dev, void* stream, void* target, const void* source, size_t n) noexcept nogil:
    return _copy(dev, stream, target, source, n, False, True)


cdef int _d2d(void* dev, void* stream, void* target, const void* source, size_t n) noexcept nogil:
    return _copy(dev, stream, target, source, n, True, True)


cdef int _sync(void* dev, void* stream) noexcept nogil:
    cdef int i
    if stream != NULL:
        fake_stream_sync(<fake_stream*>stream)
        return THW_OK
    for i in range(MAX_STREAMS):
        if (<Fake*>dev).streams[i] != NULL:
            fake_stream_sync((<Fake*>dev).streams[i])
    return THW_OK


cdef int _mem_stats(void* dev, thw_mem_stats* out) noexcept nogil:
    return CPU.mem_stats((<Fake*>dev).cpu, out)


# --- streams --------------------------------------------------------------------------------------------

cdef int _stream_create(void* dev, void** out) noexcept nogil:
    cdef Fake* fake = <Fake*>dev
    cdef int i
    for i in range(MAX_STREAMS):
        if fake.streams[i] == NULL:
            fake.streams[i] = fake_stream_new()
            out[0] = fake.streams[i]
            return _ok(fake.streams[i] != NULL)
    fake.core.set_error(NULL, THW_OOM, b"FAKE has 64 streams and no more")
    return THW_OOM


cdef void _stream_destroy(void* dev, void* stream) noexcept nogil:
    cdef int i
    for i in range(MAX_STREAMS):
        if (<Fake*>dev).streams[i] == stream:
            (<Fake*>dev).streams[i] = NULL
            fake_stream_free(<fake_stream*>stream)
            return


cdef int _event_record(void* dev, void* stream, void** out) noexcept nogil:
    out[0] = fake_event_new(<fake_stream*>stream)
    return _ok(out[0] != NULL)


cdef int _event_wait(void* dev, void* stream, void* event) noexcept nogil:
    return _ok(fake_event_wait(<fake_stream*>stream, <fake_event*>event))


cdef int _event_elapsed_ns(void* dev, void* first, void* second, uint64_t* ns) noexcept nogil:
    ns[0] = <uint64_t>(fake_event_ns(<fake_event*>second) - fake_event_ns(<fake_event*>first))
    return THW_OK


cdef void _event_destroy(void* dev, void* event) noexcept nogil:
    fake_event_free(<fake_event*>event)


cdef void* _host_alloc(void* dev, size_t nbytes) noexcept nogil:
    return malloc(nbytes)


cdef void _host_free(void* dev, void* pointer) noexcept nogil:
    free(pointer)


# --- kernels --------------------------------------------------------------------------------------------

cdef int _find_kernel(void* dev, const thw_op_desc* desc, thw_kernel* out) noexcept nogil:
    cdef Fake* fake = <Fake*>dev
    cdef State* state
    cdef uint64_t host_inputs = 0
    cdef int code
    with gil:
        op_type = desc.op_type.decode()
        is_missing = op_type in MISSING
        for k in HOST_INPUTS.get(op_type, ()):
            host_inputs |= <uint64_t>1 << <int>k
        if is_missing:
            fake.core.set_error(NULL, THW_UNIMPLEMENTED, f"FAKE was told to lack {op_type}".encode())
            return THW_UNIMPLEMENTED
    state = <State*>calloc(1, sizeof(State))
    if state == NULL:
        return THW_OOM
    state.host_inputs, state.inner.struct_size = host_inputs, sizeof(thw_kernel)
    code = CPU.find_kernel(fake.cpu, desc, &state.inner)
    if code:
        free(state)
        return code
    out[0] = state.inner
    out.fn, out.state, out.free_state = _run, state, _free_state
    out.flags |= host_inputs << 16                       # THW_HOST_IN(k)
    return THW_OK


cdef void _free_state(void* memory) noexcept nogil:
    cdef State* state = <State*>memory
    if state.inner.free_state != NULL and state.inner.state != NULL:
        state.inner.free_state(state.inner.state)
    free(state)


cdef int _run(thw_call* call, const thw_tensor* ins, int32_t n_in, thw_tensor* outs, int32_t n_out) noexcept nogil:
    cdef State* state = <State*>call.state
    cdef thw_call inner = call[0]
    cdef int code = THW_OK
    cdef int32_t k
    cdef bint is_on_host
    cdef thw_tensor* tensors = <thw_tensor*>malloc((n_in + n_out + 1) * sizeof(thw_tensor))
    if tensors == NULL:
        return THW_OOM
    if call.stream != NULL:
        fake_stream_sync(<fake_stream*>call.stream)      # kernels do not go on after their call, what they read does
    memcpy(tensors, ins, n_in * sizeof(thw_tensor))
    memcpy(tensors + n_in, outs, n_out * sizeof(thw_tensor))
    for k in range(n_in + n_out):
        is_on_host = k < n_in and k < 16 and (state.host_inputs >> k) & 1
        if tensors[k].data != NULL and _is_ours(tensors[k].data) == is_on_host:
            call.core.set_error(call.core_ctx, THW_INVALID, b"FAKE: an operand lies on the wrong side")
            code = THW_INVALID
        tensors[k].data = _true(tensors[k].data)
    if code == THW_OK:
        inner.state, inner.device = state.inner.state, (<Fake*>call.device).cpu
        inner.workspace = _true(call.workspace)
        code = state.inner.fn(&inner, tensors, n_in, tensors + n_in, n_out)
    free(tensors)
    return code


cdef thw_device_api TABLE
memset(&TABLE, 0, sizeof(TABLE))
TABLE.struct_size = sizeof(thw_device_api)
TABLE.abi_major, TABLE.abi_minor, TABLE.build_tag = THW_ABI_MAJOR, THW_ABI_MINOR, b"fake"
TABLE.device_count, TABLE.open, TABLE.close = _device_count, _open, _close
TABLE.alloc, TABLE.free, TABLE.sync = _alloc, _free, _sync
TABLE.copy_h2d, TABLE.copy_d2h, TABLE.copy_d2d = _h2d, _d2h, _d2d
TABLE.find_kernel, TABLE.mem_stats = _find_kernel, _mem_stats
TABLE.stream_create, TABLE.stream_destroy = _stream_create, _stream_destroy
TABLE.event_record, TABLE.event_wait, TABLE.event_destroy = _event_record, _event_wait, _event_destroy
TABLE.event_elapsed_ns, TABLE.host_alloc, TABLE.host_free = _event_elapsed_ns, _host_alloc, _host_free


cdef object _cpu_capsule = None


def capsule():
    """The device's capsule; opens the CPU's table below it."""
    global CPU, _cpu_capsule
    _cpu_capsule = _cpu.open()
    CPU = <const thw_device_api*>PyCapsule_GetPointer(_cpu_capsule, THW_CAPSULE)
    return PyCapsule_New(&TABLE, THW_CAPSULE, NULL)
