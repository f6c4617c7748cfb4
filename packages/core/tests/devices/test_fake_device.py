"""The device FAKE: an address space of its own, and faults on request."""
import subprocess
import sys
import time

import numpy as np
import pytest

from thalweg import devices
from thalweg.devices import KernelRequest
from thalweg.framework import errors
from thalweg.testing import fake_device
from thalweg.testing.device_call import call


@pytest.fixture
def fake():
    with fake_device.registered():
        yield devices.find_device("FAKE")[0]


def negation(shape=(3,), dtype=1):
    return KernelRequest("Neg", {}, [shape], [shape], [dtype], [dtype])


def test_it_is_there_only_while_registered():
    assert devices.find_device("FAKE")[0] is None
    with fake_device.registered(count=2):
        assert devices.find_device("FAKE", 1)[0].name == "/device:FAKE:1"
        assert devices.default_device().type != "FAKE"
    assert devices.find_device("FAKE")[0] is None


def test_it_computes(fake):
    x = np.float32([1, -2, 3])
    assert call(fake.find_kernel(negation()), x)[0].tolist() == [-1, 2, -3]
    assert call(fake.find_kernel(negation((0,))), x[:0])[0].shape == (0,)


def test_float16_needs_a_workspace_on_the_device(fake):
    kernel = fake.find_kernel(negation(dtype=19))
    assert kernel.workspace_bytes > 0
    assert call(kernel, np.float16([1, -2, 3]))[0].tolist() == [-1, 2, -3]


def test_it_keeps_nothing(fake):
    kernel = fake.find_kernel(negation())
    for _ in range(20):
        call(kernel, np.float32([1, -2, 3]))
    assert fake.mem_stats()["bytes_in_use"] == 0


def test_touching_its_memory_from_the_host_is_a_fault():
    program = """
import ctypes, sys
from thalweg import devices
from thalweg.testing import fake_device
with fake_device.registered():
    pointer = devices.find_device("FAKE")[0].alloc(64)
    print("allocated", flush=True)
    ctypes.string_at(pointer, 1)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "allocated\n" and done.returncode < 0


def test_arithmetic_on_its_addresses(fake):
    pointer = fake.alloc(200)
    fake.h2d(pointer + 100, b"abcd")
    fake.d2d(pointer, pointer + 102, 2)
    result = bytearray(2)
    fake.d2h(result, pointer)
    fake.free(pointer)
    assert result == b"cd"


def test_a_copy_that_is_given_the_wrong_side(fake):
    host = np.zeros(8, np.uint8)
    with pytest.raises(errors.InvalidArgumentError, match="FAKE:0: a copy to the device failed: a copy was given an "
                                                          "address of the wrong side"):
        fake.h2d(host.ctypes.data, b"12345678")


def test_an_operand_on_the_wrong_side():
    with fake_device.registered(host_inputs={"Neg": (0,)}):
        fake = devices.find_device("FAKE")[0]
        kernel = fake.find_kernel(negation())
        assert kernel.reads_on_host(0) and not kernel.reads_on_host(1)
        assert call(kernel, np.float32([1, -2, 3]))[0].tolist() == [-1, 2, -3]
        fake_device.set_faults()
        plain = fake.find_kernel(negation())
        assert not plain.reads_on_host(0)


def test_no_memory_from_the_nth_allocation_on(fake):
    fake_device.set_faults(oom_at=3)
    pointers = [fake.alloc(8), fake.alloc(8)]
    for _ in range(2):
        with pytest.raises(errors.ResourceExhaustedError, match="an allocation of 8 bytes failed: an injected fault"):
            fake.alloc(8)
    fake_device.set_faults()
    for pointer in [*pointers, fake.alloc(8)]:
        fake.free(pointer)
    assert fake.mem_stats()["bytes_in_use"] == 0


def test_missing_kernels(fake):
    fake_device.set_faults(missing=["Neg"])
    request = negation()
    assert fake.find_kernel(request) is None and request.refusal == "FAKE was told to lack Neg"
    fake_device.set_faults()
    assert fake.find_kernel(request) is not None


def test_what_the_cpu_lacks_it_lacks_too(fake):
    request = KernelRequest("NoSuchOp", {}, [], [], [], [])
    assert fake.find_kernel(request) is None and request.refusal == "NoSuchOp has no CPU kernel"


def test_slow_copies(fake):
    fake_device.set_faults(ns_per_byte=1000)
    pointer = fake.alloc(50_000)
    begun = time.perf_counter()
    fake.h2d(pointer, bytes(50_000))
    fake.sync()
    assert time.perf_counter() - begun >= 0.05
    fake.free(pointer)
