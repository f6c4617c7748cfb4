"""Devices written in Python: a sample of forty lines with buffers of its own kind, and the reference device."""
import gc
import sys

import numpy as np
import pytest

from thalweg import devices
from thalweg.devices import DevicePlugin, KernelPlugin, KernelRequest, PluginError
from thalweg.devices.handshake import open_plugin
from thalweg.framework import errors
from thalweg.testing.device_call import call


class Listing:
    """A sample device whose memory is Python lists of bytes: nothing that the host could point into."""

    def __init__(self, limit_bytes=10_000):
        self.free_bytes, self.live = limit_bytes, 0

    def count(self):
        return 2

    def alloc(self, i, nbytes, align):
        if nbytes > self.free_bytes:
            raise MemoryError(f"{nbytes} bytes, {self.free_bytes} are left")
        self.free_bytes, self.live = self.free_bytes - nbytes, self.live + 1
        return [0] * nbytes

    def free(self, i, buf):
        self.free_bytes, self.live = self.free_bytes + len(buf), self.live - 1

    def h2d(self, i, buf, src, stream=None):
        buf[:] = src.tobytes()

    def d2h(self, i, dst, buf, stream=None):
        dst[:] = bytes(buf)

    def kernel(self, i, op):
        if op.op_type == "Broken":
            return lambda inputs, outputs: 1 / 0
        if op.op_type == "Draw":
            return lambda inputs, outputs, rng: outputs[0].__setitem__(
                slice(None), np.uint32([*rng.key, *rng.reserve(5), *rng.reserve(1)]).tobytes())
        if op.op_type != "Invert":
            op.refusal = f"lists know no {op.op_type}"
            return None
        return lambda inputs, outputs: outputs[0].__setitem__(slice(None), [255 - b for b in inputs[0]])


@pytest.fixture
def listing():
    return Listing()


@pytest.fixture
def device(listing):
    return open_plugin(DevicePlugin("LISTING", lambda: listing), listing, "plugin listing")[1]


def request(op_type="Invert", shape=(4,), dtype=4):
    return KernelRequest(op_type, {}, [shape], [shape], [dtype], [dtype])


def test_a_kernel_on_buffers_that_are_objects(device, listing):
    kernel = device.find_kernel(request())
    assert call(kernel, np.uint8([0, 1, 2, 255]))[0].tolist() == [255, 254, 253, 0]
    assert listing.live == 0


def test_an_empty_operand(device):
    assert call(device.find_kernel(request(shape=(0, 3))), np.empty((0, 3), np.uint8))[0].shape == (0, 3)


def test_empty_operands_share_one_object_that_the_device_gets_back(listing):
    opened = open_plugin(DevicePlugin("LISTING", lambda: listing), listing, "plugin listing")
    kernel = opened[1].find_kernel(request(shape=(0, 3)))
    for _ in range(5):
        call(kernel, np.empty((0, 3), np.uint8))
        assert listing.live == 1
    del opened, kernel
    gc.collect()
    assert listing.live == 0


def test_a_tensor_that_another_thread_writes_first_meanwhile_has_one_object(device, listing):
    arena, alloc = device.alloc(100), listing.alloc

    def slow_alloc(*args):
        listing.alloc = alloc
        device.h2d(arena, b"efgh")                       # what another thread may do before this one goes on
        return alloc(*args)
    listing.alloc = slow_alloc
    device.h2d(arena, b"abcd")
    result = bytearray(4)
    device.d2h(result, arena)
    assert (result, listing.live) == (b"abcd", 1)
    device.free(arena)
    assert listing.live == 0


def test_tensors_share_an_arena(device, listing):
    arena = device.alloc(1000)
    assert listing.live == 0                             # addresses only
    device.h2d(arena, b"abcd")
    device.h2d(arena + 64, b"efgh")
    result = bytearray(4)
    device.d2h(result, arena)
    assert (result, listing.live) == (b"abcd", 2)
    device.h2d(arena + 2, bytes(80))                     # overlaps both: they are gone
    assert listing.live == 1
    device.d2d(arena + 200, arena + 2, 80)
    assert listing.live == 2
    device.free(arena)
    assert listing.live == 0


def test_reading_what_was_never_written(device):
    arena = device.alloc(100)
    with pytest.raises(ValueError, match="4 bytes are read at 0x[0-9a-f]+, where nothing has been written"):
        device.d2h(bytearray(4), arena)
    device.h2d(arena, b"abcdef")
    with pytest.raises(ValueError, match="4 bytes are read at 0x[0-9a-f]+, where 6 bytes have been written"):
        device.d2h(bytearray(4), arena)


def test_no_memory(device):
    with pytest.raises(errors.ResourceExhaustedError, match="copy to the device failed: 20000 bytes, 10000 are left"):
        device.h2d(device.alloc(20_000), bytes(20_000))


def test_a_refusal(device):
    assert device.find_kernel(request("Conv2D")) is None
    assert device.last_refusal == "lists know no Conv2D"


def test_an_exception_in_a_kernel_passes_unchanged(device):
    with pytest.raises(ZeroDivisionError) as caught:
        call(device.find_kernel(request("Broken")), np.uint8([0, 1, 2, 3]))
    assert "test_python_tier.py" in str(caught.traceback[-1].path)


def broken(error):
    def method(*args):
        raise error
    return method


@pytest.mark.parametrize("method, ask, words", [
    ("kernel", lambda d: d.find_kernel(request()), "find_kernel for Invert ''"),
    ("alloc", lambda d: d.h2d(d.alloc(4), b"abcd"), "a copy to the device"),
    ("h2d", lambda d: d.h2d(d.alloc(4), b"abcd"), "a copy to the device"),
    ("sync", lambda d: d.sync(), "work on the device"),
    ("stats", lambda d: d.mem_stats(), "mem_stats"), ("describe", lambda d: d.describe(), "describe")])
def test_what_a_device_raises_arrives_with_its_name_and_what_it_was_asked_for(device, listing, method, ask, words):
    error = KeyError("missing")
    setattr(listing, method, broken(error))
    with pytest.raises(errors.InvalidArgumentError,
                       match=f"^/device:LISTING:1: {words} failed: KeyError: 'missing'$") as caught:
        ask(device)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [errors.DataLossError(None, None, "told in full"), KeyboardInterrupt()])
def test_our_own_errors_and_interrupts_pass_unchanged(device, listing, error):
    listing.sync = broken(error)
    with pytest.raises(type(error)) as caught:
        device.sync()
    assert caught.value is error and error.__cause__ is None


def test_a_kernel_that_is_no_function(device, listing):
    listing.kernel = lambda i, op: 7
    with pytest.raises(errors.InvalidArgumentError, match="kernel gave 7; a function, or None, was expected$"):
        device.find_kernel(request())


def test_a_generator(device):
    kernel = device.find_kernel(KernelRequest("Draw", {}, [], [(10,)], [], [22]))
    assert call(kernel, rng=((1, 2), (3, 4, 5, 6)))[0].tolist() == [1, 2, 3, 4, 5, 6, 8, 4, 5, 6]


def test_what_is_optional(device, listing):
    assert device.mem_stats() is None and device.describe() == {}
    device.sync()
    listing.sync = lambda i: 1 / 0
    listing.stats = lambda i: {"bytes_in_use": 7}
    listing.describe = lambda i: {"maker": "us"}
    assert device.mem_stats()["bytes_in_use"] == 7 and device.describe() == {"maker": "us"}
    with pytest.raises(errors.InvalidArgumentError, match="ZeroDivisionError: division by zero"):
        device.sync()


def test_kernels_and_devices_are_freed(device, listing):
    before = sys.getrefcount(listing)
    kernels = [device.find_kernel(request()) for _ in range(3)]
    del kernels
    gc.collect()
    assert sys.getrefcount(listing) <= before


def test_extra_kernels_in_python_need_memory_that_the_host_sees(device):
    extra = KernelPlugin("LISTING", lambda op: lambda inputs, outputs: None, name="quick")
    with pytest.raises(PluginError, match="quick: kernels in Python are for devices whose memory the host can see"):
        device.find_kernel(request(), [extra])


# --- the reference device -------------------------------------------------------------------------------

@pytest.fixture
def reference():
    return devices.find_device("REFERENCE")[0]


def run(device, op_type, *arrays, out, attrs=None, rng=None):
    shape, dtype = out
    arrays = [np.asarray(a) for a in arrays]
    kernel = device.find_kernel(KernelRequest(op_type, attrs or {}, [a.shape for a in arrays], [shape],
                                              [a.dtype for a in arrays], [dtype]))
    return call(kernel, *arrays, rng=rng)[0]


def test_the_reference_device_runs_bodies(reference):
    assert run(reference, "Neg", np.float64([1, -2]), out=((2,), 2)).tolist() == [-1, 2]
    assert run(reference, "Neg", np.float16([1, -2]), out=((2,), 19)).dtype == np.float16
    assert run(reference, "Neg", np.float32(3), out=((), 1)).shape == ()


def test_the_reference_device_says_when_a_shape_rule_is_wrong(reference):
    with pytest.raises(ValueError, match=r"the reference body of Neg gave shape \(2,\), its shape rule says \(3,\)"):
        run(reference, "Neg", np.float64([1, -2]), out=((3,), 2))


def test_the_reference_device_refuses_what_has_no_bytes(reference):
    strings = KernelRequest("Identity", {"T": 7}, [(2,)], [(2,)], [7], [7])
    assert reference.find_kernel(strings) is None and "Python objects" in strings.refusal
    unknown = KernelRequest("NoSuchOp", {}, [(2,)], [(2,)], [1], [1])
    assert reference.find_kernel(unknown) is None and unknown.refusal == "NoSuchOp has no declaration"


def test_the_reference_device_runs_ops_one_by_one(reference):
    """What a plan fuses would test the fusion against itself."""
    fused = KernelRequest("_Region", {}, [(2,)], [(2,)], [1], [1])
    assert reference.find_kernel(fused) is None
    assert fused.refusal in ("_Region is made by plans; the reference runs the ops that it stands for",
                             "_Region has no declaration")


def test_extra_kernels_in_python(reference):
    extra = KernelPlugin("REFERENCE", lambda op: (lambda inputs, outputs: outputs[0].fill(7))
                         if op.op_type == "Neg" else None)
    question = KernelRequest("Neg", {}, [(2,)], [(2,)], [1], [1])
    assert call(reference.find_kernel(question, [extra]), np.float32([1, 2]))[0].tolist() == [7, 7]
    other = KernelRequest("Abs", {}, [(2,)], [(2,)], [1], [1])
    assert call(reference.find_kernel(other, [extra]), np.float32([1, -2]))[0].tolist() == [1, 2]
