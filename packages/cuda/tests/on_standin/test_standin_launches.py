"""Modules and launches on the stand-in driver, and what it refuses as a real one does."""
import pathlib

import numpy as np
import pytest
from standin import driver


def test_a_prepared_call(scale, floats, read):
    x = floats([1, 2, 3])
    scale.prepared_call((1, 1), (32, 1, 1), x, 2, 3)
    assert list(read(x, 3)) == [2, 4, 6]
    assert driver.counters()["launches"] == 1


def test_a_generic_call(cuda, module, floats, read):
    x = floats([1, 2, 3])
    module.get_function("scale")(x, np.float32(3), np.int32(3), grid=(1, 1), block=(4, 1, 1))
    assert list(read(x, 3)) == [3, 6, 9]
    y = np.array([1, 2], np.float32)
    module.get_function("scale")(cuda.InOut(y), np.float32(3), np.int32(2), grid=(1, 1), block=(4, 1, 1))
    assert list(y) == [3, 6]


@pytest.mark.parametrize("order", ["forward", "reversed", "shuffled:5"])
def test_shared_memory(module, floats, read, order):
    driver.set_order(order)
    try:
        x = floats(range(64))
        module.get_function("reverse")(x, np.int32(64), grid=(1, 1), block=(64, 1, 1), shared=256)
        assert list(read(x, 64)) == list(range(63, -1, -1))
    finally:
        driver.set_order("forward")


def test_constant_memory(cuda, module, floats, read):
    address, nbytes = module.get_global("table")
    assert nbytes == 16
    cuda.memcpy_htod(address, np.array([5, 6, 7, 8], np.float32))
    x = floats([0] * 4)
    module.get_function("from_table")(x, block=(4, 1, 1), grid=(1, 1))
    assert list(read(x, 4)) == [5, 6, 7, 8]
    with pytest.raises(cuda.LogicError, match="not found"):
        module.get_global("nothing")


def test_attributes_of_functions(module):
    assert module.get_function("narrow").max_threads_per_block == 64
    assert module.get_function("scale").max_threads_per_block == 1024
    assert module.get_function("reverse").shared_size_bytes == 32
    assert module.get_function("scale").shared_size_bytes == 0


@pytest.mark.parametrize("block, shared, text", [
    ((1025, 1, 1), 0, "invalid argument"), ((32, 33, 1), 0, "invalid argument"), ((1, 1, 65), 0, "invalid argument"),
    ((0, 1, 1), 0, "invalid argument"), ((1, 1, 1), (48 << 10) + 1, "invalid argument")])
def test_launches_that_are_refused(cuda, scale, floats, block, shared, text):
    with pytest.raises(cuda.LogicError, match=text):
        scale.prepared_call((1, 1), block, floats([1]), 2, 1, shared_size=shared)


def test_launch_bounds(cuda, module, floats):
    with pytest.raises(cuda.LaunchError, match="too many resources requested"):
        module.get_function("narrow")(floats([0] * 128), block=(128, 1, 1), grid=(1, 1))


def test_much_shared_memory_must_be_asked_for(cuda, module, floats, read):
    x, reverse = floats(range(64)), module.get_function("reverse")
    attribute = cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES
    reverse.set_attribute(attribute, 200 << 10)
    reverse(x, np.int32(64), grid=(1, 1), block=(64, 1, 1), shared=100 << 10)
    assert read(x, 1) == [63]
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        reverse.set_attribute(attribute, (227 << 10) + 1)


def test_arguments_that_are_too_few(cuda, module, floats):
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        module.get_function("scale")(floats([1]), block=(1, 1, 1), grid=(1, 1))


def test_a_function_that_is_not_there(cuda, module):
    with pytest.raises(cuda.LogicError, match="named symbol not found"):
        module.get_function("nothing")


def test_images_that_are_none(cuda, contexts):
    with pytest.raises(cuda.Error, match="device kernel image is invalid"):
        cuda.module_from_buffer(b"x" * 100)
    with pytest.raises(cuda.Error, match="PTX JIT compilation failed"):
        cuda.module_from_buffer(b"//\n.version 9.0\n" + b" " * 100)
    from pycuda import _driver
    gpu = bytearray(pathlib.Path(_driver.__file__).read_bytes())
    gpu[18:20] = (190).to_bytes(2, "little")                     # the machine of a cubin
    with pytest.raises(cuda.Error, match="no kernel image is available"):
        cuda.module_from_buffer(bytes(gpu))


# ---- errors that a launch meets: they come later, and stay ----

def test_a_planted_failure_comes_at_the_next_synchronization(cuda, scale, floats):
    x = floats([1])
    stream = cuda.Stream()
    driver.fail("launch", 2)
    for _ in range(3):
        scale.prepared_async_call((1, 1), (1, 1, 1), stream, x, 2, 1)
    with pytest.raises(cuda.LaunchError, match="unspecified launch failure"):
        stream.synchronize()
    with pytest.raises(cuda.LaunchError, match="unspecified launch failure"):
        cuda.mem_alloc(4)                                         # the context is lost
    assert driver.message() == "kernel scale was asked to fail"


def test_a_kernel_that_reads_too_far(cuda, scale, floats):
    x = floats(np.ones(1024))
    scale.prepared_call((2, 1), (1024, 1, 1), x, 2, 1025)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        cuda.Context.synchronize()
    assert driver.message().startswith("kernel scale, block (1, 0, 0), thread (0, 0, 0): read out of bounds")


def test_a_kernel_that_writes_into_the_gap_behind_its_memory(cuda, scale, floats):
    x = floats([1, 2, 3])
    scale.prepared_call((1, 1), (4, 1, 1), x, 2, 4)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        cuda.Context.synchronize()
    assert driver.message() == "kernel scale wrote beyond the end of an allocation of 12 bytes"


def test_a_kernel_on_freed_memory(cuda, scale, floats):
    x = floats([1])
    address = int(x)
    x.free()
    scale.prepared_call((1, 1), (1, 1, 1), address, 2, 1)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        cuda.Context.synchronize()
    assert "not memory of the device, or freed" in driver.message()


def test_a_kernel_on_memory_of_the_host(cuda, scale):
    x = np.ones(4, np.float32)
    scale.prepared_call((1, 1), (1, 1, 1), x.ctypes.data, 2, 1)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        cuda.Context.synchronize()


def test_a_kernel_that_is_stuck(cuda, module, floats):
    module.get_function("stuck")(floats([1]), block=(2, 1, 1), grid=(1, 1))
    with pytest.raises(cuda.LaunchError, match="unspecified launch failure"):
        cuda.Context.synchronize()
    assert "kernel stuck, block (0, 0, 0): deadlock, the threads wait for each other" in driver.message()


def test_a_fresh_context_works_again(cuda, scale, floats, read):
    x = floats([1])
    scale.prepared_call((1, 1), (1, 1, 1), x, 2, 1)
    assert read(x, 1) == [2]
