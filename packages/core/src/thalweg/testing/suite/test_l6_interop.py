"""L6: tensors to and from other libraries."""
import ctypes

import numpy as np
import pytest

import thalweg as tf

_DL_CPU, _DL_LAST = 1, 20


@pytest.fixture
def total(kit):
    """(session, placeholder, x + x on the device)."""
    with tf.device(kit.place):
        x = tf.placeholder(tf.float32, [None, None])
        y = x + x
        with kit.session() as session:
            yield session, x, y


def test_results_are_given_on_by_dlpack(kit, total):
    session, x, y = total
    result = session.run(y, {x: np.float32([[1, 2], [3, 4]])})
    taken = np.from_dlpack(result)
    assert taken.tolist() == [[2, 4], [6, 8]]
    assert taken.__array_interface__["data"][0] == result.__array_interface__["data"][0], "DLPack made a copy"


def test_results_belong_to_whoever_has_them(kit, total):
    session, x, y = total
    first = session.run(y, {x: np.float32([[1, 2]])})
    taken = np.from_dlpack(first)
    del first
    for k in range(5):
        session.run(y, {x: np.full((1, 2), k)})
    assert taken.tolist() == [[2, 4]]


class OnlyDLPack:
    """A tensor of another library: nothing but DLPack's two methods."""

    def __init__(self, array):
        self.array, self.stream = array, "not asked"

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __dlpack__(self, stream=None, **options):
        self.stream = stream
        return self.array.__dlpack__(**options)


def test_tensors_of_other_libraries_can_be_fed(kit, total):
    session, x, y = total
    tensor = OnlyDLPack(np.float32([[1, 2], [3, 4]]))
    assert session.run(y, {x: tensor}).tolist() == [[2, 4], [6, 8]]
    assert tensor.stream is None, "memory of the host is asked for without a stream"


@pytest.mark.parametrize("make", [memoryview, bytearray], ids=lambda make: make.__name__)
def test_buffers_can_be_fed(kit, total, make):
    session, x, y = total
    buffer = make(bytes([1, 2, 3, 4]))
    assert session.run(y, {x: np.frombuffer(buffer, np.uint8).reshape(2, 2)}).tolist() == [[2, 4], [6, 8]]


def test_the_kind_of_its_memory_is_told_in_dlpacks_numbers(kit):
    number = kit.device.dl_type
    assert 1 <= number <= _DL_LAST
    assert (number == _DL_CPU) <= kit.device.is_host, "memory that the host cannot see is said to be the host's"


def test_memory_that_the_host_can_see_is_a_buffer(kit):
    if not kit.device.is_host:
        pytest.skip("the host does not see its memory")
    address = kit.device.alloc(16)
    view = (ctypes.c_uint8 * 16).from_address(address)
    memoryview(view).cast("B")[:] = bytes(range(16))
    back = bytearray(16)
    kit.device.d2h(back, address)
    assert back == bytes(range(16))
    kit.device.h2d(address, bytes(range(16, 32)))
    assert bytes(view) == bytes(range(16, 32))
    kit.device.free(address)
