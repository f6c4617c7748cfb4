"""Memory of the stand-in driver: filled, guarded, counted, and strict about what is whose."""
import ctypes
import pathlib
import resource

import numpy as np
import pytest
from standin import driver


def test_devices(cuda):
    assert cuda.Device.count() == 2
    device = cuda.Device(1)
    assert (device.name(), device.compute_capability()) == ("thalweg stand-in", (9, 0))
    assert device.get_attribute(cuda.device_attribute.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN) == 227 << 10
    assert device.get_attribute(cuda.device_attribute.WARP_SIZE) == 32
    assert len(device.get_attributes()) > 80
    assert cuda.Device(0).can_access_peer(device)
    assert cuda.get_driver_version() == 13000
    with pytest.raises(cuda.LogicError, match="invalid device ordinal"):
        cuda.Device(2)


def test_new_memory_is_nan(cuda, contexts, read):
    assert np.isnan(read(cuda.mem_alloc(40), 10)).all()


def test_copies_and_their_counters(cuda, contexts, floats, read):
    x = floats([1, 2, 3])
    y = cuda.mem_alloc(12)
    cuda.memcpy_dtod(y, x, 12)
    assert list(read(y, 3)) == [1, 2, 3]
    counted = driver.counters()
    names = "bytes_h2d", "bytes_d2d", "bytes_d2h", "copies", "allocations"
    assert [counted[name] for name in names] == [12, 12, 12, 3, 2]
    assert counted["implicit_synchronizations"] == 2


def test_part_of_an_allocation(cuda, floats, read):
    x = floats(range(10))
    assert list(read(int(x) + 8, 2)) == [2, 3]
    base, size = cuda.mem_get_address_range(int(x) + 8)
    assert (int(base), size) == (int(x), 40)


def test_a_copy_beyond_an_allocation_is_refused(cuda, floats):
    x = floats([1, 2, 3])
    host = np.empty(4, np.float32)
    for copy in (lambda: cuda.memcpy_dtoh(host, x), lambda: cuda.memcpy_htod(x, host),
                 lambda: cuda.memset_d32(int(x), 0, 4), lambda: cuda.memcpy_dtod(x, int(x) + 4, 12)):
        with pytest.raises(cuda.LogicError, match="invalid argument"):
            copy()


def test_a_freed_pointer_is_refused(cuda, floats):
    x = floats([1, 2, 3])
    address = int(x)
    x.free()
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.memcpy_dtoh(np.empty(3, np.float32), address)
    assert int(floats([1, 2, 3])) != address                    # and its address is not given out again


def test_fills(cuda, contexts, read):
    x = cuda.mem_alloc(48)
    cuda.memset_d32(x, 0x3f800000, 12)
    assert list(read(x, 12)) == [1] * 12
    cuda.memset_d2d8(x, 16, 0, 8, 3)
    assert list(read(x, 12)) == [0, 0, 1, 1] * 3
    stream = cuda.Stream()
    cuda.memset_d16_async(x, 0, 24, stream)
    assert list(read(x, 12)) == [0] * 12                        # the legacy stream waits for other streams
    assert driver.counters()["memsets"] == 3


def test_two_dimensions(cuda, contexts):
    source, target = np.arange(12, dtype=np.float32).reshape(3, 4), np.zeros((3, 2), np.float32)
    memory, pitch = cuda.mem_alloc_pitch(16, 3, 4)
    there = cuda.Memcpy2D()
    there.set_src_host(source)
    there.set_dst_device(memory)
    there.width_in_bytes = there.src_pitch = 16
    there.dst_pitch, there.height = pitch, 3
    there(aligned=True)
    back = cuda.Memcpy2D()
    back.set_src_device(int(memory) + 4)
    back.set_dst_host(target)
    back.width_in_bytes = back.dst_pitch = 8
    back.src_pitch, back.height = pitch, 3
    back(aligned=False)
    assert pitch == 512 and (target == source[:, 1:3]).all()


def test_memory_comes_to_an_end(cuda, contexts):
    driver.set_memory(0, 1 << 20)
    try:
        free, total = cuda.mem_get_info()
        kept = cuda.mem_alloc(600 << 10)
        assert (free, total, cuda.mem_get_info()[0]) == (1 << 20, 1 << 20, 424 << 10)
        with pytest.raises(cuda.MemoryError, match="out of memory"):
            cuda.mem_alloc(600 << 10)
        kept.free()
        cuda.mem_alloc(600 << 10).free()
    finally:
        driver.set_memory(0, 4 << 30)


def test_a_planted_allocation_fails(cuda, contexts):
    driver.fail("allocation", 2, times=2)
    cuda.mem_alloc(4)
    with pytest.raises(cuda.MemoryError):
        cuda.mem_alloc(4)
    cuda.mem_alloc(4)


def test_pycuda_asks_twice_for_memory(cuda, contexts):
    driver.fail("allocation")
    cuda.mem_alloc(4)


def resident_bytes():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_large_memory_costs_nothing_before_it_is_written(cuda, contexts, read):
    before = resident_bytes()
    memory = cuda.mem_alloc(3 << 30)
    assert resident_bytes() - before < 64 << 20
    cuda.memset_d32(int(memory) + (20 << 20), 0, 1)
    for place, expected in ((0, np.nan), (20 << 20, 0), ((20 << 20) + 4, np.nan), ((3 << 30) - 4, np.nan)):
        np.testing.assert_equal(read(int(memory) + place, 1), np.float32([expected]))


def test_peak_and_use(cuda, contexts):
    before = driver.counters()["bytes_in_use"]
    a, b = cuda.mem_alloc(1000), cuda.mem_alloc(5000)
    a.free()
    b.free()
    counted = driver.counters()
    assert counted["bytes_in_use"] == before and counted["peak_bytes"] == before + 1024 + 5120
    assert (counted["allocations"], counted["frees"]) == (2, 2)


def test_a_pool_allocates_once(cuda, contexts):
    from pycuda.tools import DeviceMemoryPool
    pool = DeviceMemoryPool()
    for _ in range(3):
        pool.allocate(1000).free()
    assert driver.counters()["allocations"] == 1
    pool.stop_holding()


def test_pinned_memory(cuda, contexts):
    array = cuda.pagelocked_empty(8, np.float32)
    assert np.isnan(array).all() and driver.counters()["host_allocations"] == 1
    assert array.base.get_device_pointer() == array.ctypes.data


def test_registered_memory(call):
    mine = np.empty(4096, np.uint8)
    address = ctypes.c_void_p(mine.ctypes.data)
    assert call("cuMemHostRegister_v2", address, ctypes.c_size_t(4096), 0) == 0
    assert call("cuMemHostRegister_v2", address, ctypes.c_size_t(4096), 0) == 712      # already registered
    assert call("cuMemHostUnregister", address) == 0
    assert call("cuMemHostUnregister", address) == 713                                 # not registered


def test_pointer_attributes(floats, call):
    def attribute(number, address, kind=ctypes.c_uint):
        value = kind()
        code = call("cuPointerGetAttribute", ctypes.byref(value), number, ctypes.c_ulonglong(address))
        return value.value if code == 0 else f"error {code}"
    x = floats([1, 2])
    assert attribute(2, int(x)) == 2                                                   # memory of a device
    assert attribute(9, int(x) + 4, ctypes.c_int) == 0                                 # of the first one
    assert attribute(11, int(x) + 4, ctypes.c_ulonglong) == int(x)                     # where it begins
    assert attribute(2, 4096) == "error 1"


# ---- two devices ----

def test_each_device_has_its_memory(cuda, contexts):
    kept = cuda.mem_alloc(1 << 20)
    free = cuda.mem_get_info()[0]
    contexts[1].push()
    assert cuda.mem_get_info()[0] > free
    cuda.Context.pop()
    kept.free()


def test_peer_copy(cuda, contexts, floats, read):
    x = floats([1, 2, 3])
    contexts[1].push()
    y = cuda.mem_alloc(12)
    cuda.memcpy_peer(y, x, 12, contexts[1], contexts[0])
    assert list(read(y, 3)) == [1, 2, 3] and driver.counters()["bytes_peer"] == 12
    del y
    cuda.Context.pop()


def test_another_devices_memory_needs_peer_access(cuda, contexts, scale, floats, read):
    contexts[1].push()
    y = floats([3, 4])
    cuda.Context.pop()
    contexts[0].enable_peer_access(contexts[1])
    with pytest.raises(cuda.LogicError, match="peer access is already enabled"):
        contexts[0].enable_peer_access(contexts[1])
    scale.prepared_call((1, 1), (2, 1, 1), y, 2, 2)
    assert list(read(y, 2)) == [6, 8]
    contexts[0].disable_peer_access(contexts[1])
    scale.prepared_call((1, 1), (2, 1, 1), y, 2, 2)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        cuda.Context.synchronize()
    assert "argument 0 is 0x" in driver.message()
    assert "memory of another device without peer access" in driver.message()


def test_a_forked_child_has_no_driver(cuda, call):
    import os
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)          # of forking beside threads
        child = os.fork()
    if not child:
        os._exit(10 * call("cuInit", 0) + call("cuCtxSynchronize"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 33   # NOT_INITIALIZED
    assert call("cuCtxSynchronize") == 0
