"""A card by itself: memory, copies, order, kernels, recordings, errors."""
import gc
import threading

import numpy as np
import pytest

from thalweg.framework import errors
from thalweg_cuda.device.bound import Bound
from thalweg_cuda.device.staging import SMALL_BYTES
from thalweg_cuda.driver import libcuda
from thalweg_cuda.driver.libcuda import DriverError
from thalweg_cuda.kernels.prelude import PRELUDE
from thalweg_cuda.work import Copy, Draw, Fill, Flag, Launch, Source, Work, input_, output

ADD = Source(PRELUDE + """
extern "C" __global__ void add(const float* a, const float* b, float* y, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = a[i] + b[i];
}""")
SIZES = [1, 100, SMALL_BYTES // 4, SMALL_BYTES // 4 + 1, 3_000_001]


def adding(card, n):
    return Bound(card, Work((Launch(ADD, "add", (4,), (128,), (input_(0), input_(1), output(), np.int32(n))),)), "Add")


class Arrays:
    """Memory on a card for arrays of the host."""

    def __init__(self, card):
        self.card, self.addresses = card, []

    def put(self, array):
        address = self.empty(array.nbytes)
        self.card.h2d(address, memoryview(array).cast("B"))
        return address

    def empty(self, nbytes):
        self.addresses.append(self.card.alloc(nbytes))
        return self.addresses[-1]

    def get(self, address, like):
        result = np.full_like(like, 77)
        self.card.d2h(memoryview(result).cast("B"), address)
        self.card.sync()
        return result


@pytest.fixture
def arrays(card):
    made = Arrays(card)
    yield made
    for address in made.addresses:
        card.pool.free(address)


@pytest.mark.parametrize("n", SIZES)
def test_what_goes_there_comes_back(arrays, n):
    there = np.random.RandomState(n).rand(n).astype(np.float32)
    np.testing.assert_array_equal(arrays.get(arrays.put(there), there), there)


@pytest.mark.parametrize("n", SIZES)
def test_a_source_may_change_once_its_copy_is_asked_for(arrays, n):
    source = np.ones(n, np.float32)
    address = arrays.put(source)
    source[:] = 5
    assert (arrays.get(address, source) == 1).all()


@pytest.mark.parametrize("n", SIZES)
def test_work_and_copies_keep_their_order(card, arrays, n):
    one, two = np.full(n, 1, np.float32), np.full(n, 2, np.float32)
    a, b, y = arrays.put(one), arrays.put(two), arrays.empty(one.nbytes)
    add = adding(card, n)
    add([a, b], [y])
    card.h2d(a, memoryview(np.full(n, 10, np.float32)).cast("B"))        # after the kernel has read it
    first = np.zeros(n, np.float32)
    card.d2h(memoryview(first).cast("B"), y)
    add([a, b], [y])                                                     # after the copy has read it
    second = arrays.get(y, one)
    assert (first == 3).all() and (second == 12).all()


def test_many_small_copies_in_one_run(card, arrays):
    address = arrays.put(np.arange(SMALL_BYTES // 4, dtype=np.float32))
    targets = [np.zeros(SMALL_BYTES // 4 - k, np.float32) for k in range(40)]
    for target in targets:
        card.d2h(memoryview(target).cast("B"), address)
    card.sync()
    assert all((t == np.arange(t.size)).all() for t in targets)


def test_many_small_copies_to_the_card(card, arrays):
    sources = [np.full(SMALL_BYTES // 4, k, np.float32) for k in range(100)]     # more than the ring holds
    addresses = [arrays.put(source) for source in sources]
    for source, address in zip(sources, addresses):
        np.testing.assert_array_equal(arrays.get(address, source), source)


def test_copies_and_fills(card, arrays):
    y = arrays.put(np.arange(10, dtype=np.int32))
    work = Work((Fill(output(0, 4), 8, 255), Copy(output(0, 32), output(), 4)))
    Bound(card, work, "Op")([], [y])
    assert arrays.get(y, np.zeros(10, np.int32)).tolist() == [0, -1, -1, 3, 4, 5, 6, 7, 0, 9]


def test_threads_get_what_they_asked_for(card, arrays):
    addresses = [arrays.put(np.full(100, k, np.float32)) for k in range(8)]
    failures = []

    def ask(k):
        for _ in range(30):
            target = np.zeros(100, np.float32)
            card.d2h(memoryview(target).cast("B"), addresses[k])
            card.sync()
            if not (target == k).all():
                failures.append((k, target))
    threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_modules_that_nobody_uses_make_room(card, arrays, monkeypatch):
    monkeypatch.setattr("thalweg_cuda.device.programs.MOST_IDLE", 4)
    n = 10
    a, y = arrays.put(np.full(n, 1, np.float32)), arrays.put(np.zeros(n, np.float32))

    def adder(k):
        text = ADD.text.replace("a[i] + b[i]", f"a[i] + b[i] + {k}.0f")
        return Bound(card, Work((Launch(Source(text), "add", (1,), (32,), (input_(0), input_(1), output(),
                                                                         np.int32(n))),)), "Add")
    gc.collect()
    kept, counts = adder(100), []
    kept([a, a], [y])
    for k in range(12):
        adder(k)([a, a], [y])
        assert (arrays.get(y, np.zeros(n, np.float32)) == 2 + k).all()
        counts.append(len(card.programs))
    assert max(counts[4:]) - min(counts[4:]) <= 4 and counts[-1] < counts[0] + 8
    kept([a, a], [y])
    assert (arrays.get(y, np.zeros(n, np.float32)) == 102).all()
    adder(0)([a, a], [y])                                # one that has been unloaded is loaded again
    assert (arrays.get(y, np.zeros(n, np.float32)) == 2).all()


# --- recordings --------------------------------------------------------------------------------------------

def test_a_recording_is_replayed_with_what_its_memory_holds_then(card, arrays, counters):
    n = 1000
    a, b = arrays.put(np.full(n, 1, np.float32)), arrays.put(np.full(n, 2, np.float32))
    y, z = arrays.empty(4 * n), arrays.empty(4 * n)
    add = adding(card, n)
    add([a, b], [y])                                     # the first call loads the module
    card.sync()
    card.record_begin()
    add([a, b], [y])
    card.d2d(z, y, 4 * n)
    add([z, z], [y])
    recording = card.record_end()
    like = np.zeros(n, np.float32)
    assert (arrays.get(y, like) == 3).all()              # nothing of it has run yet
    for k in range(3):
        card.h2d(a, memoryview(np.full(n, 10 * k, np.float32)).cast("B"))
        counters()
        card.replay(recording)
        card.sync()
        done = counters()
        assert (done["graph_launches"], done["synchronizations"], done["allocations"]) == (1, 1, 0)
        assert (arrays.get(y, like) == 2 * (10 * k + 2)).all()


def test_work_of_another_thread_is_no_part_of_a_recording(card, arrays):
    n = 100
    a, y = arrays.put(np.full(n, 1, np.float32)), arrays.put(np.zeros(n, np.float32))
    add = adding(card, n)
    add([a, a], [y])
    card.sync()
    card.record_begin()
    add([a, a], [a])
    recording = card.record_end()
    assert (arrays.get(a, np.zeros(n, np.float32)) == 1).all()
    card.replay(recording)
    card.replay(recording)
    assert (arrays.get(a, np.zeros(n, np.float32)) == 4).all()


def test_what_cannot_be_captured_is_an_error_and_the_card_goes_on(card, arrays):
    card.record_begin()
    with card.lock, card.context:
        with pytest.raises(card.driver.Error):
            card.driver.mem_alloc(1 << 20)               # forbidden while this thread captures
    with pytest.raises(DriverError, match="cuStreamEndCapture failed: operation failed due to a previous error"):
        card.record_end()
    there = np.arange(10, dtype=np.float32)
    np.testing.assert_array_equal(arrays.get(arrays.put(there), there), there)
    card.record_begin()
    assert card.record_end().executable


def test_the_end_of_a_recording_that_could_not_begin_gives_none(card, arrays, monkeypatch):
    def fail(stream):
        raise DriverError("cuStreamBeginCapture", 2, "out of memory")
    with monkeypatch.context() as patch:
        patch.setattr(libcuda, "begin_capture", fail)
        with pytest.raises(DriverError, match="out of memory"):
            card.record_begin()
    assert card.record_end() is None                     # core calls it all the same
    there = np.arange(10, dtype=np.float32)
    np.testing.assert_array_equal(arrays.get(arrays.put(there), there), there)


def test_a_dropped_recording_is_freed_later(card, counters):
    card.record_begin()
    recording = card.record_end()
    handle = recording.executable
    del recording
    assert [entry[0] for entry in card.dropped] == [handle]
    card.pool.free(card.alloc(100))
    assert not card.dropped


# --- what kernels tell -------------------------------------------------------------------------------------

CHECKED = Source(PRELUDE + """
extern "C" __global__ void checked(const int32* indices, float* y, int n, int64* flag) {
  int i = threadIdx.x;
  if (i >= n) return;
  if (indices[i] >= 0 && indices[i] < 5) y[indices[i]] = 1.0f;
  else if (atomicCAS((uint64*)flag, 0ull, 1ull) == 0) flag[1] = i, flag[2] = indices[i];
}""")


def checking(card):
    flag = Flag(lambda words: f"indices[{words[1]}] = {words[2]} is not in [0, 5)")
    launch = Launch(CHECKED, "checked", (1,), (32,), (input_(0), output(), np.int32(3), flag))
    return Bound(card, Work((launch,)), "Checked")


def test_a_wrong_index_is_told_at_the_next_wait(card, arrays):
    good, bad = arrays.put(np.int32([0, 1, 4])), arrays.put(np.int32([0, 7, 1]))
    y = arrays.put(np.zeros(5, np.float32))
    check = checking(card)
    check([good], [y])
    card.sync()
    check([bad], [y])
    with pytest.raises(errors.InvalidArgumentError, match=r"indices\[1\] = 7 is not in \[0, 5\)"):
        card.sync()
    card.sync()                                          # told once
    check([good], [y])
    card.sync()


def test_a_replay_tells_too(card, arrays):
    indices, y = arrays.put(np.int32([0, 1, 4])), arrays.put(np.zeros(5, np.float32))
    check = checking(card)
    check([indices], [y])
    card.sync()
    card.record_begin()
    check([indices], [y])
    recording = card.record_end()
    for k in range(3):
        card.h2d(indices, memoryview(np.int32([0, 1, 9 * k])).cast("B"))
        card.replay(recording)
        if k:
            with pytest.raises(errors.InvalidArgumentError, match=rf"indices\[2\] = {9 * k} is not in"):
                card.sync()
        else:
            card.sync()


def test_another_threads_wrong_index_is_not_mine(card, arrays):
    bad, y = arrays.put(np.int32([0, 7, 1])), arrays.put(np.zeros(5, np.float32))
    check, told = checking(card), []

    def err():
        check([bad], [y])
        enqueued.set()
        waited.wait(20)
        try:
            card.sync()
        except errors.InvalidArgumentError as error:
            told.append(str(error))
    enqueued, waited = threading.Event(), threading.Event()
    thread = threading.Thread(target=err)
    thread.start()
    enqueued.wait(20)
    card.sync()                                          # waits for that work, but it is not this thread's
    waited.set()
    thread.join()
    assert len(told) == 1


# --- memory ------------------------------------------------------------------------------------------------

def test_memory_is_given_again_without_an_allocation(card, counters):
    for _ in range(3):
        address = card.alloc(1 << 20)
        card.pool.free(address)
        card.sync()
    counters()
    address = card.alloc(1 << 20)
    card.pool.free(address)
    assert counters()["allocations"] == 0


def test_no_memory_is_an_error_with_figures(card):
    total = card.device.total_memory()
    with pytest.raises(MemoryError, match=r"bytes are wanted, .* are in use in \d+ blocks, at most .* may be"):
        card.alloc(total + 1)
    address = card.alloc(1000)
    card.pool.free(address)


def test_idle_blocks_are_given_back_before_the_card_is_full(card, standin):
    card.pool.free(card.alloc(20 << 20))
    total = card.device.total_memory()
    standin.set_memory(0, card.stats()["bytes_reserved"] + (40 << 20))
    try:
        card.pool.free(card.alloc(50 << 20))
    finally:
        standin.set_memory(0, total)


def test_a_card_that_others_have_filled(card, standin):
    total = card.device.total_memory()
    standin.set_memory(0, 1 << 20)
    try:
        with pytest.raises(MemoryError, match=r"8,388,608 bytes are wanted.*; the card has [\d,]+ of 1,048,576 bytes"):
            card.alloc(8 << 20)
    finally:
        standin.set_memory(0, total)
    card.pool.free(card.alloc(8 << 20))


def test_statistics(card):
    before = card.stats()
    address = card.alloc(3 << 20)
    during = card.stats()
    card.pool.free(address)
    assert during["bytes_in_use"] - before["bytes_in_use"] == 4 << 20
    assert card.stats()["bytes_in_use"] == before["bytes_in_use"]
    assert during["peak_bytes"] >= during["bytes_in_use"] and during["bytes_limit"] == card.device.total_memory()


def test_a_draw_in_a_recording_reads_what_is_there_then(card, arrays):
    source = Source(PRELUDE + """
    extern "C" __global__ void words(const uint32* draw, uint32* y) { y[threadIdx.x] = draw[threadIdx.x]; }""")
    bound = Bound(card, Work((Launch(source, "words", (1,), (6,), (Draw(1), output())),)), "Words")
    words = np.arange(6, dtype=np.uint32)
    place, y = arrays.put(words), arrays.empty(24)
    bound([], [y], rng=place)
    assert arrays.get(y, words).tolist() == words.tolist()
    card.record_begin()
    bound([], [y], rng=place)
    recording = card.record_end()
    card.h2d(place, memoryview(words + 10).cast("B"))
    card.replay(recording)
    assert arrays.get(y, words).tolist() == (words + 10).tolist()
