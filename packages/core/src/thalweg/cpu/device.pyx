"""The CPU device: its table of the device contract, which core meets as it meets anybody's.

`find_kernel` takes the kernel that the op's declaration names, `cpu="module:function"`: the prepare function
`thalweg.cpu.<module>.<function>(Request)`, or one of another package where the module's name has a dot. A node with
float16 or bfloat16 operands is first offered as it is; a kernel that refuses gets it with float32 in their place,
between a widening and one rounding (c/half.h).
"""
from cpython.exc cimport PyErr_SetObject
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint16_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

import importlib
import json
import os

from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport (THW_ABI_MAJOR, THW_ABI_MINOR, THW_CAPSULE, THW_INTERNAL, THW_OK, THW_OOM,
                                  THW_UNIMPLEMENTED, int32_t, int64_t, thw_call, thw_core_api, thw_device_api,
                                  thw_kernel, thw_mem_stats, thw_op_desc, thw_tensor)

from thalweg.cpu._request import Unsupported

cdef extern from "cpu/memory.h" nogil:
    ctypedef struct thw_memory:
        pass
    void thw_memory_init(thw_memory* memory)
    int thw_memory_alloc(thw_memory* memory, size_t bytes, size_t align, void** pointer)
    void thw_memory_free(thw_memory* memory, void* pointer)
    void thw_memory_stats(thw_memory* memory, thw_mem_stats* out)

cdef extern from "cpu/c/half.h" nogil:
    enum:
        THW_NO_HALF
        THW_FLOAT16
        THW_BFLOAT16
    ctypedef struct thw_half_table:
        pass
    ctypedef struct thw_half_operand:
        int64_t n
        int format
        int is_ref
    ctypedef struct thw_half_state:
        thw_kernel inner
        const thw_half_table* convert
        int32_t n_in
        int32_t n_out
        thw_half_operand* operands
    const thw_half_table* thw_half()
    size_t thw_half_layout(thw_half_state* state)
    int thw_half_run(thw_call* call, const thw_tensor* ins, int32_t n_in, thw_tensor* outs, int32_t n_out)
    void thw_half_free(void* state)
    int thw_isa()
    const char* thw_isa_name(int isa)

cdef enum:
    FLOAT32 = 1
    BFLOAT16 = 14
    FLOAT16 = 19

cdef struct Cpu:
    const thw_core_api* core
    thw_memory memory


# --- kernels --------------------------------------------------------------------------------------------

_PREPARE = {}                            # kernel name -> prepare function


def prepare_function(name):
    """The prepare function of a kernel name; Unsupported where it is not built."""
    found = _PREPARE.get(name)
    if found is None:
        module, _, function = name.partition(":")
        module = module if "." in module else f"thalweg.cpu.{module}"
        try:
            imported = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise                                    # something that the module needs
            raise Unsupported(f"its kernel {name} is not built: there is no module {error.name}") from None
        found = getattr(imported, function, None)
        if found is None:
            raise Unsupported(f"its kernel {name} is not built: {module} has no {function}")
        _PREPARE[name] = found
    return found


cdef int _prepare(Cpu* cpu, const thw_op_desc* desc, thw_kernel* out) except -1:
    cdef const char* name = NULL
    cdef size_t length = 0
    if cpu.core.attr_str(desc.op, b"kernel:cpu", &name, &length):
        raise Unsupported(f"{desc.op_type.decode()} has no CPU kernel")
    prepare = prepare_function(name[:length].decode())
    try:
        prepare(Request.make(desc, cpu.core, out))
    except Unsupported:
        if not _has_half(desc):
            raise
        _clear(out)
        _prepare_widened(cpu, prepare, desc, out)
    return 0


cdef int _half_format(uint16_t dtype) noexcept:
    return THW_FLOAT16 if dtype == FLOAT16 else THW_BFLOAT16 if dtype == BFLOAT16 else THW_NO_HALF


cdef bint _has_half(const thw_op_desc* desc) noexcept:
    for k in range(desc.n_in):
        if _half_format(desc.in_dtypes[k]):
            return True
    for k in range(desc.n_out):
        if _half_format(desc.out_dtypes[k]):
            return True
    return False


cdef int _prepare_widened(Cpu* cpu, prepare, const thw_op_desc* desc, thw_kernel* out) except -1:
    """Prepares the kernel for float32 where the node has one of 16 bits, and wraps it."""
    cdef thw_op_desc wide = desc[0]
    cdef bytes in_dtypes = _widened(desc.in_dtypes, desc.n_in), out_dtypes = _widened(desc.out_dtypes, desc.n_out)
    cdef thw_half_state* state = <thw_half_state*>calloc(
        1, sizeof(thw_half_state) + (desc.n_in + desc.n_out) * sizeof(thw_half_operand))
    if state == NULL:
        raise MemoryError()
    out.state, out.free_state, out.fn = state, thw_half_free, thw_half_run
    wide.in_dtypes = <const uint16_t*><const char*>in_dtypes
    wide.out_dtypes = <const uint16_t*><const char*>out_dtypes
    state.inner.struct_size = sizeof(thw_kernel)
    request = Request.make(&wide, cpu.core, &state.inner)
    prepare(request)
    state.convert, state.n_in, state.n_out = thw_half(), desc.n_in, desc.n_out
    _describe_operands(cpu.core, desc, request, state.operands)
    out.workspace_bytes = thw_half_layout(state)
    out.scratch_bytes, out.flags, out.cost_ns = state.inner.scratch_bytes, state.inner.flags, state.inner.cost_ns
    return 0


cdef bytes _widened(const uint16_t* dtypes, int32_t n):
    cdef uint16_t[1] one
    parts = []
    for k in range(n):
        one[0] = FLOAT32 if _half_format(dtypes[k]) else dtypes[k]
        parts.append((<const char*>one)[:sizeof(one)])
    return b"".join(parts)


cdef int _describe_operands(const thw_core_api* core, const thw_op_desc* desc, Request request,
                            thw_half_operand* operands) except -1:
    cdef const int64_t* refs = NULL
    cdef size_t n_refs = 0
    cdef int32_t k
    for k, shape in enumerate(request.in_shapes + request.out_shapes):
        operands[k].n = 1
        for size in shape:
            operands[k].n *= size
        operands[k].format = _half_format(desc.in_dtypes[k] if k < desc.n_in else desc.out_dtypes[k - desc.n_in])
    if core.attr_ints(desc.op, b"inputs:ref", &refs, &n_refs) == 0:
        for k in range(<int32_t>n_refs):
            operands[refs[k]].is_ref = True
    return 0


cdef void _clear(thw_kernel* kernel) noexcept:
    """Frees what a prepare function that has failed left behind."""
    if kernel.free_state != NULL and kernel.state != NULL:
        kernel.free_state(kernel.state)
    memset(kernel, 0, sizeof(thw_kernel))
    kernel.struct_size = sizeof(thw_kernel)


cdef int _find_kernel(void* dev, const thw_op_desc* desc, thw_kernel* out) noexcept nogil:
    with gil:
        try:
            _prepare(<Cpu*>dev, desc, out)
            return THW_OK
        except Unsupported as refusal:
            reason = str(refusal).encode("utf-8", "replace")
            error = None
        except BaseException as unexpected:
            error = unexpected                           # a mistake in a kernel: core raises it as it is
        _clear(out)
        if error is None:
            (<Cpu*>dev).core.set_error(NULL, THW_UNIMPLEMENTED, reason)
            return THW_UNIMPLEMENTED
        PyErr_SetObject(type(error), error)
        return THW_INTERNAL


# --- the rest of the table ------------------------------------------------------------------------------

cdef int _device_count(int32_t* n) noexcept nogil:
    n[0] = 1
    return THW_OK


cdef int _open(int32_t ordinal, const thw_core_api* core, void** dev) noexcept nogil:
    cdef Cpu* cpu = <Cpu*>malloc(sizeof(Cpu))
    if cpu == NULL:
        return THW_OOM
    cpu.core = core
    thw_memory_init(&cpu.memory)
    dev[0] = cpu
    return THW_OK


cdef void _close(void* dev) noexcept nogil:
    free(dev)


cdef int _alloc(void* dev, size_t nbytes, size_t align, void** out) noexcept nogil:
    return thw_memory_alloc(&(<Cpu*>dev).memory, nbytes, align, out)


cdef void _free(void* dev, void* pointer) noexcept nogil:
    thw_memory_free(&(<Cpu*>dev).memory, pointer)


cdef int _copy(void* dev, void* stream, void* target, const void* source, size_t n) noexcept nogil:
    memcpy(target, source, n)
    return THW_OK


cdef int _sync(void* dev, void* stream) noexcept nogil:
    return THW_OK


cdef int _mem_stats(void* dev, thw_mem_stats* out) noexcept nogil:
    thw_memory_stats(&(<Cpu*>dev).memory, out)
    return THW_OK


cdef int _describe(void* dev, char* text, size_t room) noexcept nogil:
    with gil:
        described = json.dumps({"instruction_set": isa()}).encode()
        if <size_t>len(described) >= room:
            return THW_OOM
        memcpy(text, <const char*>described, len(described) + 1)
        return THW_OK


cdef thw_device_api TABLE
memset(&TABLE, 0, sizeof(TABLE))
TABLE.struct_size = sizeof(thw_device_api)
TABLE.abi_major, TABLE.abi_minor, TABLE.build_tag = THW_ABI_MAJOR, THW_ABI_MINOR, b"thalweg-core"
TABLE.device_count, TABLE.open, TABLE.close = _device_count, _open, _close
TABLE.alloc, TABLE.free, TABLE.sync = _alloc, _free, _sync
TABLE.copy_h2d, TABLE.copy_d2h, TABLE.copy_d2d = _copy, _copy, _copy
TABLE.find_kernel, TABLE.mem_stats, TABLE.describe = _find_kernel, _mem_stats, _describe


def isa():
    """The instruction set that kernels run with: "portable", "avx2" or "avx512"."""
    return thw_isa_name(thw_isa()).decode()


def capsule():
    """The CPU device for core; ValueError when THALWEG_ISA names no instruction set."""
    wish = os.environ.get("THALWEG_ISA", "")
    if wish not in ("", "portable", "avx2", "avx512"):
        raise ValueError(f"THALWEG_ISA is {wish!r}; it must be portable, avx2 or avx512, or unset")
    return PyCapsule_New(&TABLE, THW_CAPSULE, NULL)
