"""Devices in Python with addresses of their own: what alloc, copies and kernels get, and what kernels tell."""
import numpy as np
import pytest

from thalweg import devices
from thalweg.devices import DevicePlugin, KernelPlugin, KernelRequest, PluginError
from thalweg.devices.handshake import open_plugin
from thalweg.framework import errors
from thalweg.testing import delayed_device
from thalweg.testing.device_call import call


class Book:
    """A device that only writes down what it is asked; it has kernels as its test says."""

    def __init__(self, function=None):
        self.function, self.log, self.next = function, [], 1 << 60

    def count(self):
        return 1

    def alloc(self, i, nbytes, align):
        self.log.append(("alloc", nbytes, align))
        self.next += 1 << 20
        return self.next

    def free(self, i, address):
        self.log.append(("free", address))

    def h2d(self, i, address, source, stream=None):
        self.log.append(("h2d", address, bytes(source)))

    def d2h(self, i, target, address, stream=None):
        self.log.append(("d2h", address, target.nbytes))

    def kernel(self, i, op):
        return self.function


def opened(book):
    return open_plugin(DevicePlugin("BOOK", lambda: book, addresses=True), book, "plugin book")[0]


def addition():
    return KernelRequest("Add", {}, [(2,), (2,)], [(2,)], [1, 1], [1])


def test_copies_and_frees_get_the_address_that_alloc_gave():
    book = Book()
    device = opened(book)
    pointer = device.alloc(16)
    device.h2d(pointer + 4, b"abcd")
    device.d2h(bytearray(4), pointer + 4)
    device.free(pointer)
    assert pointer == book.next
    assert book.log == [("alloc", 16, 256), ("h2d", pointer + 4, b"abcd"), ("d2h", pointer + 4, 4), ("free", pointer)]


def test_a_copy_inside_the_device_is_told_its_size():
    book = Book()
    book.d2d = lambda *args: book.log.append(("d2d", *args))
    opened(book).d2d(512, 1024, 100)
    assert book.log == [("d2d", 0, 512, 1024, 100)]


def test_what_is_empty_has_an_address_too():
    book = Book()
    assert opened(book).alloc(0) == book.next
    assert book.log == [("alloc", 1, 256)]


@pytest.mark.parametrize("answer", [None, "x", 6.5])
def test_an_address_that_is_none(answer):
    book = Book()
    book.alloc = lambda i, nbytes, align: answer
    with pytest.raises(errors.InvalidArgumentError, match="^/device:BOOK:0: an allocation of 16 bytes failed: "
                       f"TypeError: alloc gave {answer!r}; an address, an int, was expected$"):
        opened(book).alloc(16)


@pytest.mark.parametrize("answer", [0, 100, -64, 1 << 64])
def test_an_address_that_does_not_fit(answer):
    book = Book()
    book.alloc = lambda i, nbytes, align: answer
    with pytest.raises(ValueError, match=f"alloc gave the address {answer:#x}; one that is a multiple of 256"):
        opened(book).alloc(16)


def test_no_memory():
    def alloc(i, nbytes, align):
        raise MemoryError("all is full")
    book = Book()
    book.alloc = alloc
    with pytest.raises(errors.ResourceExhaustedError, match="BOOK:0: an allocation of 16 bytes failed: all is full"):
        opened(book).alloc(16)


def test_kernels_get_addresses():
    calls = []
    book = Book(lambda inputs, outputs: calls.append((inputs, outputs)))
    call(opened(book).find_kernel(addition()), np.float32([1, 2]), np.float32([3, 4]))
    (inputs, outputs), = calls
    copied = [entry[1] for entry in book.log if entry[0] == "h2d"]
    assert inputs == copied and len(outputs) == 1 and all(type(a) is int for a in [*inputs, *outputs])


def test_an_input_that_is_read_on_the_host_is_an_array():
    calls = []

    def function(inputs, outputs):
        calls.append([inputs[1].copy(), inputs[1].flags.writeable, inputs[0]])
    function.host_inputs = (1,)
    book = Book(function)
    kernel = opened(book).find_kernel(addition())
    assert kernel.reads_on_host(1) and not kernel.reads_on_host(0)
    call(kernel, np.float32([1, 2]), np.float32([3, 4]))
    (host, is_writable, device), = calls
    assert host.tolist() == [3, 4] and not is_writable and type(device) is int


def test_what_a_kernel_tells_by_its_attributes():
    def function(inputs, outputs, workspace):
        raise NotImplementedError
    function.workspace_bytes, function.inplace, function.inplace_second = 1000, (0, 1), (1,)
    function.is_async = function.deterministic = True
    function.cost_ns = 2.5
    book = Book(function)
    with pytest.raises(ValueError, match=r"only enqueues work, but Book has no method sync\(i\) by which core could"):
        opened(book).find_kernel(addition())
    book.sync = lambda i: None
    kernel = opened(book).find_kernel(addition())
    assert (kernel.workspace_bytes, kernel.cost_ns) == (1000, 2.5)
    assert kernel.flags == 1 | 2 | 1 << 8 | 1 << 32 | 1 << 41
    assert kernel.may_overwrite(1, 0) and kernel.may_overwrite(1, 1) and not kernel.may_overwrite(0, 1)


def test_a_kernel_that_wants_a_workspace_gets_its_address():
    calls = []

    def function(inputs, outputs, workspace):
        calls.append(workspace)
    function.workspace_bytes = 1000
    book = Book(function)
    call(opened(book).find_kernel(addition()), np.float32([1, 2]), np.float32([3, 4]))
    assert ("alloc", 1000, 256) in book.log and ("free", calls[0]) in book.log


def test_an_attribute_that_names_no_input():
    def function(inputs, outputs):
        raise NotImplementedError
    function.inplace = (2,)
    with pytest.raises(ValueError, match="inplace names input 2; there are 2, and only the first 8 can be named"):
        opened(Book(function)).find_kernel(addition())


def test_addresses_are_for_devices_in_python_without_host_memory():
    book = Book()
    with pytest.raises(PluginError, match="plugin book: `addresses` is for a PyDevice whose memory the host does not"):
        open_plugin(DevicePlugin("BOOK", lambda: book, addresses=True, host_memory=True), book, "plugin book")


def test_extra_kernels_in_python_get_addresses():
    calls = []
    extra = KernelPlugin("BOOK", lambda op: lambda inputs, outputs: calls.append(inputs[0]))
    call(opened(Book()).find_kernel(addition(), [extra]), np.float32([1, 2]), np.float32([3, 4]))
    assert type(calls[0]) is int


def test_a_kernel_that_core_draws_for_gets_the_address_of_its_generator():
    calls = []

    def function(inputs, outputs, rng):
        calls.append(rng)
    function.rng_blocks = 7
    book = Book(function)
    kernel = opened(book).find_kernel(addition())
    call(kernel, np.float32([1, 2]), np.float32([3, 4]), rng=((1, 2), (3, 4, 5, 6)))
    assert kernel.rng_blocks == 7
    assert ("h2d", calls[0], np.uint32([1, 2, 3, 4, 5, 6]).tobytes()) in book.log


# --- the device DELAYED ------------------------------------------------------------------------------------

@pytest.fixture
def delayed():
    with delayed_device.registered() as device:
        yield device


def test_delayed_computes_when_somebody_waits(delayed):
    device = devices.find_device("DELAYED")[0]
    pointer, result = device.alloc(4), bytearray(4)
    device.h2d(pointer, b"abcd")
    delayed.d2h(0, memoryview(result), pointer)
    assert result == b"\xff\xff\xff\xff"
    device.sync()
    assert result == b"abcd"
    device.free(pointer)
    device.sync()
    assert delayed.stats(0)["bytes_in_use"] == 0


def test_delayed_refuses_addresses_that_are_not_its_own(delayed):
    device = devices.find_device("DELAYED")[0]
    device.h2d(np.zeros(4, np.uint8).ctypes.data, b"abcd")
    with pytest.raises(ValueError, match="4 bytes at 0x[0-9a-f]+ are not allocated on this device"):
        device.sync()
