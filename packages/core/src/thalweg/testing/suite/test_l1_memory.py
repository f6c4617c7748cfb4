"""L1: memory and copies."""
import gc
import threading

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import dtypes, errors
from thalweg.testing.kit import each, needs

_CYCLES = 100_000
_TOO_MUCH = 1 << 60
_DTYPES = ("float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16",
           "uint32", "uint64", "bool", "complex64", "complex128")


def there_and_back(device, array, offset=0):
    """The array after a copy to the device, `offset` bytes into an allocation, and back."""
    base = device.alloc(array.nbytes + offset)
    try:
        device.h2d(base + offset, array.view(np.uint8))
        result = np.empty(array.nbytes, np.uint8)
        device.d2h(result, base + offset)
    finally:
        device.free(base)
    return result.view(array.dtype)


@pytest.mark.parametrize("align", [1, 16, 64, 256, 4096])
@pytest.mark.parametrize("nbytes", [1, 3, 64, 4097, 1 << 20])
def test_addresses_are_aligned_as_asked(kit, nbytes, align):
    addresses = [kit.device.alloc(nbytes, align) for _ in range(5)]
    assert len(set(addresses)) == 5 and all(a and a % align == 0 for a in addresses)
    for address in addresses:
        kit.device.free(address)


def test_no_bytes_can_be_allocated_copied_and_freed(kit):
    for _ in range(3):
        address = kit.device.alloc(0)
        kit.device.h2d(address, b"")
        kit.device.d2h(bytearray(), address)
        kit.device.free(address)


def test_too_large_an_allocation_is_an_error_and_not_a_crash(kit):
    with pytest.raises(errors.ResourceExhaustedError, match=f"an allocation of {_TOO_MUCH} bytes failed"):
        kit.device.alloc(_TOO_MUCH)
    assert there_and_back(kit.device, np.arange(8)).tolist() == list(range(8))


@each(lambda kit: {name: dtypes.as_dtype(name) for name in _DTYPES})
def test_every_dtype_comes_back_as_it_went(kit, case):
    array = np.frombuffer(np.random.default_rng(1).bytes(60 * case.size), case.np)
    assert there_and_back(kit.device, array).tobytes() == array.tobytes()


@pytest.mark.parametrize("offset", [0, 1, 3, 16, 63])
@pytest.mark.parametrize("nbytes", [1, 2, 5, 63, 65, 4095, 1_000_003])
def test_odd_sizes_at_odd_offsets(kit, nbytes, offset):
    array = np.random.default_rng(nbytes).integers(0, 256, nbytes, np.uint8)
    assert np.array_equal(there_and_back(kit.device, array, offset), array)


@pytest.mark.parametrize("nbytes", [1, 4095, 1_000_003])
def test_copies_inside_the_device(kit, nbytes):
    array = np.random.default_rng(nbytes).integers(0, 256, nbytes, np.uint8)
    source, target = kit.device.alloc(nbytes), kit.device.alloc(nbytes)
    kit.device.h2d(source, array)
    kit.device.d2d(target, source, nbytes)
    kit.device.free(source)
    result = np.empty_like(array)
    kit.device.d2h(result, target)
    kit.device.free(target)
    assert np.array_equal(result, array)


def test_allocations_do_not_overlap(kit):
    sizes = [1, 100, 4096, 7, 65536, 33]
    addresses = [kit.device.alloc(n) for n in sizes]
    for k, (address, n) in enumerate(zip(addresses, sizes)):
        kit.device.h2d(address, bytes([k]) * n)
    for k, (address, n) in enumerate(zip(addresses, sizes)):
        result = bytearray(n)
        kit.device.d2h(result, address)
        assert result == bytes([k]) * n
        kit.device.free(address)


def test_a_hundred_thousand_allocations(kit):
    kept = []
    for k in range(_CYCLES):
        kept.append(kit.device.alloc(1 + k * 37 % 5000))
        if len(kept) > 20:
            kit.device.free(kept.pop(k % 20))
    for address in kept:
        kit.device.free(address)
    assert there_and_back(kit.device, np.arange(100)).tolist() == list(range(100))


def test_two_threads_at_once(kit):
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(300):
                array = rng.integers(0, 256, int(rng.integers(1, 20_000)), np.uint8)
                if not np.array_equal(there_and_back(kit.device, array), array):
                    wrong.append(f"thread {seed} got other bytes")
        except Exception as error:
            wrong.append(repr(error))
    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]


@needs("stats")
def test_the_counts_of_memory_are_true(kit):
    gc.collect()
    before = kit.device.mem_stats()
    addresses = [kit.device.alloc(n) for n in (1000, 2000, 1 << 20)]
    during = kit.device.mem_stats()
    for address in addresses:
        kit.device.free(address)
    after = kit.device.mem_stats()
    taken = 1000 + 2000 + (1 << 20)
    assert during["bytes_in_use"] - before["bytes_in_use"] >= taken
    assert during["peak_bytes"] >= during["bytes_in_use"] and during["num_allocs"] >= before["num_allocs"] + 3
    assert after["bytes_in_use"] == before["bytes_in_use"], "what was freed is still counted as in use"


@needs("stats")
def test_sessions_leave_nothing_behind(kit):
    def once():
        with tf.Graph().as_default(), tf.device(kit.place):
            x = tf.placeholder(tf.float32, [None, 8])
            v = tf.Variable(tf.ones([8, 8]))
            y = tf.reduce_sum(tf.matmul(x, v))
            with kit.session() as session:
                session.run(v.initializer)
                for n in (1, 5, 3):
                    session.run(y, {x: np.ones((n, 8))})
    once()
    gc.collect()
    before = kit.device.mem_stats()["bytes_in_use"]
    for _ in range(5):
        once()
    gc.collect()
    assert kit.device.mem_stats()["bytes_in_use"] <= before
