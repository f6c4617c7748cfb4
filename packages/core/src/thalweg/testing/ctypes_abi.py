"""include/thalweg_abi.h for ctypes: plugins for tests, in any shape that a compiler would not let through.

A plugin made here has no more of thalweg than its header: it shows that the contract is complete.
"""
import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int, c_size_t, c_void_p

c_int32, c_int64 = ctypes.c_int32, ctypes.c_int64
c_uint8, c_uint16, c_uint32, c_uint64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64

ABI_MAJOR, ABI_MINOR = 1, 1
CAPSULE, KERNELS_CAPSULE = b"thalweg.device.v1", b"thalweg.kernels.v1"
OK, UNIMPLEMENTED, OOM, INVALID, INTERNAL = range(5)


class Tensor(Structure):
    _fields_ = [("data", c_void_p), ("dl_type", c_int32), ("dl_id", c_int32), ("ndim", c_int32), ("code", c_uint8),
                ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)),
                ("byte_offset", c_uint64)]


class Rng(Structure):
    _fields_ = [("key", c_uint32 * 2), ("counter", c_uint64 * 2)]


Body = CFUNCTYPE(None, c_void_p, c_int64, c_int64, c_void_p)


class CoreApi(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("abi_major", c_uint32), ("abi_minor", c_uint32),
        ("set_error", CFUNCTYPE(None, c_void_p, c_int, c_char_p)),
        ("parallel_for", CFUNCTYPE(None, c_void_p, c_int64, c_int64, Body, c_void_p)),
        ("rng_reserve", CFUNCTYPE(None, c_void_p, POINTER(Rng), c_uint64, POINTER(c_uint32), POINTER(c_uint32))),
        ("attr_i64", CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(c_int64))),
        ("attr_f64", CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(c_double))),
        ("attr_str", CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(c_void_p), POINTER(c_size_t))),
        ("attr_ints", CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(POINTER(c_int64)), POINTER(c_size_t))),
        ("in_shape", CFUNCTYPE(c_int, c_void_p, c_int32, POINTER(POINTER(c_int64)), POINTER(c_int32))),
        ("out_shape", CFUNCTYPE(c_int, c_void_p, c_int32, POINTER(POINTER(c_int64)), POINTER(c_int32))),
        ("in_value", CFUNCTYPE(c_int, c_void_p, c_int32, POINTER(Tensor)))]


class Call(Structure):
    _fields_ = [("struct_size", c_size_t), ("core", POINTER(CoreApi)), ("core_ctx", c_void_p), ("device", c_void_p),
                ("stream", c_void_p), ("state", c_void_p), ("workspace", c_void_p), ("rng", POINTER(Rng)),
                ("in_versions", POINTER(POINTER(c_uint64)))]


KernelFunction = CFUNCTYPE(c_int, POINTER(Call), POINTER(Tensor), c_int32, POINTER(Tensor), c_int32)


class Kernel(Structure):
    _fields_ = [("struct_size", c_size_t), ("fn", KernelFunction), ("state", c_void_p),
                ("free_state", CFUNCTYPE(None, c_void_p)), ("flags", c_uint64), ("cost_ns", c_double),
                ("workspace_bytes", c_size_t), ("scratch_bytes", c_size_t), ("rng_blocks", c_uint64)]


class OpDesc(Structure):
    _fields_ = [("struct_size", c_size_t), ("op", c_void_p), ("op_type", c_char_p), ("in_dtypes", POINTER(c_uint16)),
                ("n_in", c_int32), ("out_dtypes", POINTER(c_uint16)), ("n_out", c_int32)]


class MemStats(Structure):
    _fields_ = [("struct_size", c_size_t), ("bytes_in_use", c_int64), ("peak_bytes", c_int64),
                ("bytes_reserved", c_int64), ("bytes_limit", c_int64), ("num_allocs", c_int64),
                ("largest_alloc", c_int64)]


_Copy = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t)


class DeviceApi(Structure):
    _fields_ = [
        ("struct_size", c_size_t), ("abi_major", c_uint32), ("abi_minor", c_uint32), ("min_core_minor", c_uint32),
        ("build_tag", c_char_p),
        ("device_count", CFUNCTYPE(c_int, POINTER(c_int32))),
        ("open", CFUNCTYPE(c_int, c_int32, POINTER(CoreApi), POINTER(c_void_p))),
        ("close", CFUNCTYPE(None, c_void_p)),
        ("alloc", CFUNCTYPE(c_int, c_void_p, c_size_t, c_size_t, POINTER(c_void_p))),
        ("free", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("copy_h2d", _Copy), ("copy_d2h", _Copy), ("sync", CFUNCTYPE(c_int, c_void_p, c_void_p)),
        ("find_kernel", CFUNCTYPE(c_int, c_void_p, POINTER(OpDesc), POINTER(Kernel))),
        ("copy_d2d", _Copy), ("stream_create", CFUNCTYPE(c_int, c_void_p, POINTER(c_void_p))),
        ("stream_destroy", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("event_record", CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(c_void_p))),
        ("event_wait", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)),
        ("event_elapsed_ns", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, POINTER(c_uint64))),
        ("event_destroy", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("host_alloc", CFUNCTYPE(c_void_p, c_void_p, c_size_t)), ("host_free", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("mem_stats", CFUNCTYPE(c_int, c_void_p, POINTER(MemStats))), ("compile", c_void_p), ("describe", c_void_p),
        ("record_begin", CFUNCTYPE(c_int, c_void_p, c_void_p)),
        ("record_end", CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(c_void_p))),
        ("replay", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)),
        ("recording_free", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("copy_peer", CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t)),
        ("configure", CFUNCTYPE(c_int, c_void_p, c_char_p))]


class KernelsApi(Structure):
    _fields_ = [("struct_size", c_size_t), ("abi_major", c_uint32), ("abi_minor", c_uint32),
                ("min_core_minor", c_uint32), ("build_tag", c_char_p),
                ("find_kernel", CFUNCTYPE(c_int, c_void_p, POINTER(CoreApi), POINTER(OpDesc), POINTER(Kernel)))]


class RunContext(Structure):
    """The head of what core_ctx points to: core's own business, here for tests of core."""
    _fields_ = [("code", c_int), ("is_claimed", c_int), ("threads", c_int), ("scratch_bytes", c_size_t),
                ("exception", c_void_p), ("message", ctypes.c_char * 2048)]


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = ctypes.py_object, [c_void_p, c_char_p, c_void_p]


def capsule(table, name=CAPSULE):
    """A capsule around a table; both must be kept by the caller."""
    return _new_capsule(ctypes.addressof(table), name, None)


class Plugin:
    """A device with plain memory and one kernel, `Neg` of float32; attributes of `table` may be spoilt before use.

    `core` is the table that core gave to `open`; `log` lists opens, closes, allocations and frees.
    """

    def __init__(self, count=1):
        self.count, self.log, self.core, self.blocks = count, [], None, {}
        self.name = CAPSULE
        self.table = DeviceApi(struct_size=ctypes.sizeof(DeviceApi), abi_major=ABI_MAJOR, abi_minor=ABI_MINOR,
                               build_tag=b"ctypes")
        for name, function in (("device_count", self._count), ("open", self._open), ("close", self._close),
                               ("alloc", self._alloc), ("free", self._free), ("copy_h2d", self._copy),
                               ("copy_d2h", self._copy), ("sync", lambda dev, stream: OK),
                               ("find_kernel", self._find)):
            setattr(self.table, name, dict(DeviceApi._fields_)[name](function))
        self._kernel = KernelFunction(_negate)

    def open(self):
        """What a DevicePlugin's `open` gives."""
        return capsule(self.table, self.name)

    def _count(self, out):
        out[0] = self.count
        return OK

    def _open(self, ordinal, core, out):
        self.core = core.contents
        out[0] = ordinal + 1
        self.log.append(("open", ordinal))
        return OK

    def _close(self, dev):
        self.log.append(("close", dev - 1))

    def _alloc(self, dev, nbytes, align, out):
        block = ctypes.create_string_buffer(nbytes + align)
        address = ctypes.addressof(block)
        out[0] = address + -address % align
        self.blocks[out[0]] = block
        self.log.append(("alloc", nbytes))
        return OK

    def _free(self, dev, pointer):
        del self.blocks[pointer]

    def _copy(self, dev, stream, target, source, nbytes):
        ctypes.memmove(target, source, nbytes)
        return OK

    def _find(self, dev, desc, out):
        if desc[0].op_type != b"Neg" or desc[0].in_dtypes[0] != 1:
            self.core.set_error(None, UNIMPLEMENTED, b"only Neg of float32 is made of ctypes")
            return UNIMPLEMENTED
        out[0].fn = self._kernel
        return OK


def _negate(call, ins, n_in, outs, n_out):
    n = 1
    for i in range(ins[0].ndim):
        n *= ins[0].shape[i]
    source, target = (ctypes.cast(t.data, POINTER(ctypes.c_float)) for t in (ins[0], outs[0]))
    for i in range(n):
        target[i] = -source[i]
    return OK
