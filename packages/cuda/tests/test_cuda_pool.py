"""The pool of a card's memory, with a driver that only counts."""
import pytest

from thalweg_cuda.device.pool import Pool

MIB = 1 << 20


class Memory:
    def __init__(self, driver, address, nbytes):
        self.driver, self.address, self.nbytes = driver, address, nbytes

    def __int__(self):
        return self.address

    def free(self):
        self.driver.used -= self.nbytes
        self.driver.freed.append(self.address)


class Event:
    def __init__(self):
        self.is_done, self.waits = False, 0

    def query(self):
        return self.is_done

    def synchronize(self):
        self.waits += 1
        self.is_done = True


class Driver:
    """Memory of `size` bytes; events that are done when a test says so."""

    def __init__(self, size=1 << 40):
        self.size, self.used, self.next, self.freed, self.events = size, 0, 1 << 20, [], []

    def allocate(self, nbytes):
        if self.used + nbytes > self.size:
            raise MemoryError("the card is full")
        self.used += nbytes
        self.next += 1 << 32
        return Memory(self, self.next, nbytes)

    def mark(self):
        self.events.append(Event())
        return self.events[-1]

    def pool(self, limit_bytes=1 << 40):
        return Pool(self.allocate, self.mark, limit_bytes)


def test_a_freed_block_is_given_again_after_the_work_that_uses_it():
    driver = Driver()
    pool = driver.pool()
    first = pool.alloc(1000)
    pool.free(first)
    second = pool.alloc(1000)
    assert second != first                               # its event has not passed
    driver.events[0].is_done = True
    assert pool.alloc(900) == first
    assert (pool.num_allocs, pool.num_reserved) == (3, 2) and len(driver.events) == 1


def test_free_calls_no_driver():
    driver = Driver()
    pool = driver.pool()
    address = pool.alloc(10)
    pool.free(address)
    assert not driver.events and not driver.freed
    assert pool.stats()["bytes_in_use"] == 0 and len(driver.events) == 1


def test_one_event_stands_for_all_that_was_freed_in_between():
    driver = Driver()
    pool = driver.pool()
    for address in [pool.alloc(10) for _ in range(5)]:
        pool.free(address)
    pool.alloc(10)
    assert len(driver.events) == 1


def test_a_block_that_is_far_too_large_is_not_taken():
    driver = Driver()
    pool = driver.pool()
    large = pool.alloc(64 * MIB)
    pool.free(large)
    pool.stats()
    driver.events[0].is_done = True
    assert pool.alloc(MIB) != large
    assert pool.alloc(60 * MIB) == large


def test_more_alignment_than_the_drivers():
    pool = Driver().pool()
    addresses = [pool.alloc(n, 4096) for n in (1, 5000, 2 * MIB)]
    assert all(address % 4096 == 0 for address in addresses)
    for address in addresses:
        pool.free(address)
    assert pool.stats()["bytes_in_use"] == 0


def test_counts():
    driver = Driver()
    pool = driver.pool(limit_bytes=100 * MIB)
    address = pool.alloc(3 * MIB)                        # 4 MiB: the driver's pages are of two
    pool.alloc(100)
    pool.free(address)
    assert pool.stats() == {"bytes_in_use": 512, "peak_bytes": 4 * MIB + 512, "bytes_reserved": 4 * MIB + 512,
                            "bytes_limit": 100 * MIB, "num_allocs": 2, "largest_alloc": 4 * MIB}


def test_idle_blocks_are_given_back_before_memory_is_said_to_be_full():
    driver = Driver(size=10 * MIB)
    pool = driver.pool()
    address = pool.alloc(8 * MIB)
    pool.free(address)
    pool.alloc(10 * MIB)
    assert driver.freed == [address] and driver.events[0].waits == 1


def test_blocks_that_are_given_back_are_the_drivers_after_the_work_that_uses_them():
    driver = Driver()
    pool = driver.pool()
    kept, idle, *wanted = [pool.alloc(n) for n in (1000, 2000, 3000, 4 * MIB)]
    pool.free(idle)
    reserved = pool.stats()["bytes_reserved"]
    pool.give_back(wanted)
    assert driver.freed == wanted and driver.events[-1].waits == 2 and len(driver.events) == 2
    assert reserved - pool.stats()["bytes_reserved"] == 3072 + 4 * MIB and pool.stats()["bytes_in_use"] == 1024
    pool.give_back([])
    assert pool.alloc(1000) not in wanted and kept


def test_no_memory_is_an_error_with_figures_and_the_pool_goes_on():
    driver = Driver(size=10 * MIB)
    pool = driver.pool()
    pool.alloc(4 * MIB)
    with pytest.raises(MemoryError, match="8,388,608 bytes are wanted, 4,194,304 are in use in 1 blocks, at most "
                                          "1,099,511,627,776 may be; the card is full"):
        pool.alloc(8 * MIB)
    pool.alloc(6 * MIB)


def test_the_limit_of_a_session_is_kept():
    driver = Driver()
    pool = driver.pool(limit_bytes=4 * MIB)
    address = pool.alloc(4 * MIB)
    with pytest.raises(MemoryError, match="2,097,152 bytes are wanted, 4,194,304 are in use in 1 blocks, at most "
                                          "4,194,304 may be"):
        pool.alloc(2 * MIB)
    pool.free(address)
    pool.alloc(2 * MIB)
    assert driver.used == 2 * MIB


def test_closing_frees_all_and_what_is_freed_later_harms_nobody():
    driver = Driver()
    pool = driver.pool()
    address = pool.alloc(10)
    pool.close()
    pool.free(address)
    assert driver.used == 0 and pool.stats()["bytes_in_use"] == 512


def test_an_error_while_waiting_frees_nothing_twice():
    driver = Driver()
    pool = driver.pool()
    addresses = [pool.alloc(4 * MIB) for _ in range(3)]
    for address in addresses:
        pool.free(address)
        pool.stats()                                     # an event of its own
    waits = iter([None, RuntimeError("lost"), None])

    def wait():
        if (error := next(waits)) is not None:
            raise error
    for event in driver.events:
        event.synchronize = wait
    with pytest.raises(RuntimeError, match="lost"):
        pool.trim()
    pool.trim()
    assert len(driver.freed) == len(set(driver.freed)) == 2 and pool.bytes_reserved == 0
