"""The handshake of docs/devices.md: which plugins are taken, and what is said of those that are not."""
import ctypes

import numpy as np
import pytest

from thalweg._version import __version__
from thalweg.devices import DevicePlugin, KernelRequest, NoDevices, PluginError
from thalweg.devices.handshake import open_plugin
from thalweg.framework import errors
from thalweg.testing import ctypes_abi as abi
from thalweg.testing.device_call import call


def opened(native, **options):
    plugin = DevicePlugin("ACME", native.open, **options)
    return open_plugin(plugin, plugin.open(), "plugin acme 2.0", "acme")


def negation(shape=(3,), dtype=1):
    return KernelRequest("Neg", {}, [shape], [shape], [dtype], [dtype])


def test_a_plugin_made_of_the_header_alone_computes():
    native = abi.Plugin()
    (device,) = opened(native, host_memory=True)
    kernel = device.find_kernel(negation())
    assert call(kernel, np.float32([1, -2, 3]))[0].tolist() == [-1, 2, -3]
    assert (device.name, device.type, device.ordinal, device.build_tag) == ("/device:ACME:0", "ACME", 0, "ctypes")


@pytest.mark.parametrize("shape", [(3,), (0,), ()])
def test_a_kernel_that_writes_behind_its_output_is_found(shape):
    def beyond(call, ins, n_in, outs, n_out):
        ctypes.memset(outs[0].data, 0, 4 * int(np.prod(shape)) + 1)
        return abi.OK
    native = abi.Plugin()
    native._kernel = abi.KernelFunction(beyond)
    kernel = opened(native, host_memory=True)[0].find_kernel(negation(shape))
    with pytest.raises(AssertionError, match=r"Neg on /device:ACME:0 has written behind the \d+ bytes of output 0"):
        call(kernel, np.zeros(shape, np.float32))


def test_every_open_has_one_close_and_every_block_is_freed():
    native = abi.Plugin(count=2)
    devices = opened(native, host_memory=True)
    call(devices[1].find_kernel(negation()), np.float32([1, 2, 3]))
    assert not native.blocks
    del devices
    assert sorted(e for e in native.log if e[0] != "alloc") == [("close", 0), ("close", 1), ("open", 0), ("open", 1)]


def test_a_kernel_keeps_its_device_open():
    native = abi.Plugin()
    kernel = opened(native, host_memory=True)[0].find_kernel(negation())
    assert ("close", 0) not in native.log
    assert call(kernel, np.float32([1, 2, 3]))[0].tolist() == [-1, -2, -3]
    del kernel
    assert ("close", 0) in native.log


def test_the_reason_of_a_refusal_is_kept():
    (device,) = opened(abi.Plugin())
    request = negation(dtype=2)
    assert device.find_kernel(request) is None
    assert device.last_refusal == request.refusal == "only Neg of float32 is made of ctypes"


def refusal(native):
    with pytest.raises(PluginError) as caught:
        opened(native)
    return str(caught.value)


def test_newer_major():
    native = abi.Plugin()
    native.name = b"thalweg.device.v2"
    assert refusal(native) == (f"plugin acme 2.0 speaks device API v2, thalweg {__version__} speaks v1: install a "
                               "thalweg-core that speaks v2, or an older acme that speaks v1")


def test_older_major():
    native = abi.Plugin()
    native.name = b"thalweg.device.v0"
    assert refusal(native).endswith("install a newer acme that speaks v1")


def test_a_capsule_of_something_else():
    native = abi.Plugin()
    native.name = b"datetime.datetime_CAPI"
    assert "gave a capsule named 'datetime.datetime_CAPI'; a device's is named 'thalweg.device.v1'" in refusal(native)


def test_a_name_that_the_table_contradicts():
    native = abi.Plugin()
    native.table.abi_major = 3
    assert "its table says version 3.1: acme is built wrongly" in refusal(native)


def test_core_is_too_old():
    native = abi.Plugin()
    native.table.min_core_minor = 7
    assert refusal(native) == (f"plugin acme 2.0 needs device API 1.7, thalweg {__version__} speaks 1.1: "
                               "install a newer thalweg-core or an older acme")


def test_newer_minor_with_a_longer_table():
    class Longer(ctypes.Structure):
        _fields_ = [("known", abi.DeviceApi), ("unknown", ctypes.c_void_p * 4)]
    native = abi.Plugin()
    longer = Longer(known=native.table)
    native.table = longer.known
    native.table.abi_minor, native.table.struct_size = 9, ctypes.sizeof(Longer)
    (device,) = opened(native, host_memory=True)
    assert call(device.find_kernel(negation()), np.float32([1, 2, 3]))[0].tolist() == [-1, -2, -3]


def test_older_minor_with_a_shorter_table():
    native = abi.Plugin()
    native.table.struct_size = abi.DeviceApi.copy_d2d.offset
    native.table.mem_stats = dict(abi.DeviceApi._fields_)["mem_stats"](lambda dev, out: 1 / 0)   # beyond its size
    (device,) = opened(native, host_memory=True)
    assert device.mem_stats() is None and device.describe() == {}
    source, target = device.alloc(8), device.alloc(8)
    device.h2d(source, b"12345678")
    device.d2d(target, source, 8)                                   # through the host: the table has no copy_d2d
    result = bytearray(8)
    device.d2h(result, target)
    assert result == b"12345678"


def test_a_plugin_of_version_1_0_records_nothing():
    native = abi.Plugin()
    for entry in ("record_begin", "record_end", "replay", "recording_free"):
        function = dict(abi.DeviceApi._fields_)[entry]
        setattr(native.table, entry, function(lambda *args: 1 / 0))
    assert opened(native)[0].can_record
    native.table.struct_size = abi.DeviceApi.record_begin.offset
    native.table.abi_minor = 0
    assert not opened(native)[0].can_record


def test_core_makes_one_stream_for_a_device_and_hands_it_to_every_call():
    native, calls = abi.Plugin(), []
    entries = dict(abi.DeviceApi._fields_)

    def create(dev, out):
        out[0] = 77
        return abi.OK

    def copy(dev, stream, target, source, nbytes):
        calls.append(("copy", stream))
        ctypes.memmove(target, source, nbytes)
        return abi.OK

    def sync(dev, stream):
        calls.append(("sync", stream))
        return abi.OK
    native.table.stream_create = entries["stream_create"](create)
    native.table.stream_destroy = entries["stream_destroy"](lambda dev, stream: calls.append(("destroy", stream)))
    native.table.copy_h2d = native.table.copy_d2h = entries["copy_h2d"](copy)
    native.table.sync = entries["sync"](sync)
    (device,) = opened(native)
    pointer = device.alloc(4)
    device.h2d(pointer, b"abcd")
    device.d2h(bytearray(4), pointer)
    device.free(pointer)
    del device
    assert calls == [("copy", 77), ("copy", 77), ("sync", 77), ("destroy", 77)]


def test_a_table_without_the_required_part():
    native = abi.Plugin()
    native.table.struct_size = 40
    assert "its table has 40 bytes" in refusal(native)


def test_missing_entries_are_named():
    native = abi.Plugin()
    native.table.alloc, native.table.sync = type(native.table.alloc)(), type(native.table.sync)()
    assert "its table lacks alloc, sync, which every device must have" in refusal(native)


def test_device_count_fails():
    native = abi.Plugin()
    native.table.device_count = type(native.table.device_count)(lambda out: abi.INTERNAL)
    assert refusal(native) == "plugin acme 2.0: device_count gave code 4"


def test_no_device():
    with pytest.raises(NoDevices, match="plugin acme 2.0 finds no device on this machine"):
        opened(abi.Plugin(count=0))


def test_open_fails_with_its_own_words():
    native = abi.Plugin()

    def fail(ordinal, core, out):
        core[0].set_error(None, abi.INVALID, b"driver 12 is too old, 13 is needed")
        return abi.INVALID
    native.table.open = type(native.table.open)(fail)
    with pytest.raises(ValueError, match="/device:ACME:0: open of plugin acme 2.0 failed: driver 12 is too old"):
        opened(native)


def test_neither_capsule_nor_python_device():
    with pytest.raises(PluginError, match="gave int, which is neither a capsule nor a PyDevice; a PyDevice also has "
                                          "count, alloc, free, h2d, d2h, kernel"):
        open_plugin(DevicePlugin("ACME", int), 3, "plugin acme 2.0")


def test_an_asynchronous_kernel_on_memory_that_the_host_sees_is_a_mistake_of_the_plugin():
    native = abi.Plugin()

    def found(dev, desc, out):
        code = native._find(dev, desc, out)
        out[0].flags = 1 << 32
        return code
    native.table.find_kernel = type(native.table.find_kernel)(found)
    assert opened(native)[0].find_kernel(negation()).is_async
    with pytest.raises(errors.InternalError, match="/device:ACME:0: its kernel for Neg says that it only"):
        opened(native, host_memory=True)[0].find_kernel(negation())


def test_random_numbers_drawn_by_core_on_memory_that_the_host_sees_are_a_mistake_of_the_plugin():
    native = abi.Plugin()

    def found(dev, desc, out):
        code = native._find(dev, desc, out)
        out[0].rng_blocks = 1
        return code
    native.table.find_kernel = type(native.table.find_kernel)(found)
    with pytest.raises(errors.InternalError, match="ACME:0: its kernel for Neg wants its random numbers drawn"):
        opened(native, host_memory=True)[0].find_kernel(negation())


def test_a_kernel_without_a_function_is_a_mistake_of_the_plugin():
    native = abi.Plugin()
    native.table.find_kernel = type(native.table.find_kernel)(lambda dev, desc, out: abi.OK)
    with pytest.raises(Exception, match="ACME:0 said that it has a kernel for Neg but gave no function"):
        opened(native)[0].find_kernel(negation())
