"""The handshake: what must hold of a plugin before any function of its table but the first is called."""
from cpython.pycapsule cimport PyCapsule_CheckExact, PyCapsule_GetName, PyCapsule_GetPointer
from libc.stdlib cimport calloc
from libc.string cimport memcpy

import os
import re
from weakref import WeakSet

from thalweg._version import __version__ as CORE_VERSION

from thalweg.devices.abi cimport THW_ABI_MAJOR, THW_ABI_MINOR, THW_CAPSULE, int32_t, thw_device_api
from thalweg.devices.core_api cimport core_table, fresh_outside_context, take_outside_error
from thalweg.devices.device cimport Device, new_gate, reset_gate
from thalweg.devices.python_tier cimport fill_python_table, open_python_device

from thalweg.devices.device import NoDevices, PluginError
from thalweg.devices.python_tier import missing_methods

cdef extern from "devices/pending.h":
    int raise_pending "thw_pending"() except -1

cdef extern from * nogil:
    """
    #define THW_REQUIRED_BYTES (offsetof(thw_device_api, find_kernel) + sizeof(void*))
    """
    size_t THW_REQUIRED_BYTES

_gated = WeakSet()                       # devices with a gate


def open_plugin(plugin, product, str label, str package=""):
    """Opens all devices of a plugin: a list of Device.

    Parameters
    ----------
    plugin : DevicePlugin
    product : PyCapsule or PyDevice     what plugin.open() gave
    label : str                         the plugin in messages, "plugin acme 2.0"
    package : str                       what to install another version of, "acme"; may be empty

    Raises
    ------
    PluginError, NoDevices      the handshake of docs/devices.md, section 5
    """
    if plugin.addresses and (plugin.host_memory or PyCapsule_CheckExact(product)):
        raise PluginError(f"{label}: `addresses` is for a PyDevice whose memory the host does not see")
    if PyCapsule_CheckExact(product):
        return _open_table(plugin, product, label, package or "the plugin")
    missing = missing_methods(product)
    if missing:
        raise PluginError(f"{label}: open() gave {type(product).__name__}, which is neither a capsule nor a PyDevice; "
                          f"a PyDevice also has {', '.join(missing)}")
    count = _counted(product.count(), label)
    return [_open_python(plugin, product, i) for i in range(count)]


def _counted(count, label):
    if count < 1:
        raise NoDevices(f"{label} finds no device on this machine")
    return count


cdef Device _new_device(plugin, owner, int ordinal, const thw_device_api* table):
    """A device with a table of its own, whole: entries that an older plugin does not have are NULL.

    It can record where it has all four entries for that, and memory that the host does not see.
    """
    cdef Device device = Device.__new__(Device)
    cdef thw_device_api* own = <thw_device_api*>calloc(1, sizeof(thw_device_api))
    if own == NULL:
        raise MemoryError()
    memcpy(own, table, min(table.struct_size, sizeof(thw_device_api)))
    device.api, device.owner, device.plugin = own, owner, plugin
    device.type, device.ordinal, device.name = plugin.type, ordinal, f"/device:{plugin.type}:{ordinal}"
    device.is_host, device.dl_type = plugin.host_memory, plugin.dl_type
    device.build_tag = table.build_tag.decode("utf-8", "replace") if table.build_tag != NULL else ""
    device.unfreed = []
    if own.record_begin != NULL and own.record_end != NULL and own.replay != NULL and own.recording_free != NULL \
            and not device.is_host:
        device.gate = new_gate()
        if device.gate == NULL:
            raise MemoryError()
        _gated.add(device)
    return device


def _reset_gates():
    """In the child of a fork: whoever recorded, or was in a call, is not there."""
    cdef Device device
    for device in _gated:
        reset_gate(device.gate)


os.register_at_fork(after_in_child=_reset_gates)


cdef Device _open_python(plugin, product, int ordinal):
    cdef thw_device_api table
    fill_python_table(product, &table)
    cdef Device device = _new_device(plugin, product, ordinal, &table)
    device.handle = open_python_device(product, ordinal, plugin)
    return device


cdef list _open_table(plugin, capsule, str label, str package):
    cdef const char* name = PyCapsule_GetName(capsule)
    cdef const thw_device_api* table
    _check_name((<bytes>name).decode("utf-8", "replace") if name != NULL else "", label, package)
    table = <const thw_device_api*>PyCapsule_GetPointer(capsule, THW_CAPSULE)
    _check_table(table, label, package)
    return [_open_ordinal(plugin, capsule, i, table, label) for i in range(_device_count(table, label))]


cdef int _device_count(const thw_device_api* table, str label) except -1:
    cdef int32_t count = 0
    fresh_outside_context()
    cdef int code = table.device_count(&count)
    raise_pending()
    if code:
        _, message, error = take_outside_error()
        raise error or PluginError(f"{label}: device_count gave code {code}{': ' if message else ''}{message}")
    return _counted(count, label)


cdef Device _open_ordinal(plugin, capsule, int ordinal, const thw_device_api* table, str label):
    cdef Device device = _new_device(plugin, capsule, ordinal, table)
    cdef void* handle = NULL
    fresh_outside_context()
    device.check(table.open(ordinal, core_table(), &handle), f"open of {label}")
    device.handle = handle
    if device.api.stream_create != NULL:
        device.check(device.api.stream_create(handle, &device.stream), f"stream_create of {label}")
    return device


def _check_name(str name, str label, str package):
    ours = THW_CAPSULE.decode()
    if name == ours:
        return
    match = re.fullmatch(r"thalweg\.device\.v(\d+)", name)
    if match is None:
        raise PluginError(f"{label}: open() gave a capsule named {name!r}; a device's is named {ours!r}")
    theirs = int(match[1])
    hint = (f"a thalweg-core that speaks v{theirs}, or an older {package} that speaks v{THW_ABI_MAJOR}"
            if theirs > THW_ABI_MAJOR else f"a newer {package} that speaks v{THW_ABI_MAJOR}")
    raise PluginError(f"{label} speaks device API v{theirs}, thalweg {CORE_VERSION} speaks v{THW_ABI_MAJOR}: "
                      f"install {hint}")


cdef int _check_table(const thw_device_api* table, str label, str package) except -1:
    if table.abi_major != THW_ABI_MAJOR:
        raise PluginError(f"{label}: its capsule is named {THW_CAPSULE.decode()!r} but its table says version "
                          f"{table.abi_major}.{table.abi_minor}: {package} is built wrongly")
    if table.min_core_minor > THW_ABI_MINOR:
        raise PluginError(f"{label} needs device API {THW_ABI_MAJOR}.{table.min_core_minor}, thalweg {CORE_VERSION} "
                          f"speaks {THW_ABI_MAJOR}.{THW_ABI_MINOR}: "
                          f"install a newer thalweg-core or an older {package}")
    if table.struct_size < THW_REQUIRED_BYTES:
        raise PluginError(f"{label}: its table has {table.struct_size} bytes, the required entries alone take "
                          f"{THW_REQUIRED_BYTES}: {package} is built wrongly")
    missing = [entry for entry, is_missing in (
        ("device_count", table.device_count == NULL), ("open", table.open == NULL), ("close", table.close == NULL),
        ("alloc", table.alloc == NULL), ("free", table.free == NULL), ("copy_h2d", table.copy_h2d == NULL),
        ("copy_d2h", table.copy_d2h == NULL), ("sync", table.sync == NULL),
        ("find_kernel", table.find_kernel == NULL)) if is_missing]
    if missing:
        raise PluginError(f"{label}: its table lacks {', '.join(missing)}, which every device must have")
    return 0
