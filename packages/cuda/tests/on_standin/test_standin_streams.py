"""Streams, events and graphs on the stand-in driver: what no event orders has not happened."""
import ctypes

import numpy as np
import pytest
from standin import driver

ONE = (1, 1), (4, 1, 1)


@pytest.fixture
def pinned(cuda, contexts):
    def make(values):
        array = cuda.pagelocked_empty(len(values), np.float32)
        array[:] = values
        return array
    return make


@pytest.fixture
def streams(cuda, contexts):
    return cuda.Stream(), cuda.Stream()


def test_a_missing_event_shows_as_nan(cuda, streams, pinned, scale):
    first, second = streams
    x, source, target = cuda.mem_alloc(16), pinned([1, 2, 3, 4]), pinned([0] * 4)
    cuda.memcpy_htod_async(x, source, first)
    scale.prepared_async_call(*ONE, second, x, 2, 4)                # nothing says that the copy comes first
    cuda.memcpy_dtoh_async(target, x, second)
    second.synchronize()
    assert np.isnan(target).all()


def test_an_event_orders_streams(cuda, streams, pinned, scale):
    first, second = streams
    x, source, target = cuda.mem_alloc(16), pinned([1, 2, 3, 4]), pinned([0] * 4)
    cuda.memcpy_htod_async(x, source, first)
    copied = cuda.Event()
    copied.record(first)
    second.wait_for_event(copied)
    scale.prepared_async_call(*ONE, second, x, 2, 4)
    cuda.memcpy_dtoh_async(target, x, second)
    assert list(target) == [0] * 4
    second.synchronize()
    assert list(target) == [2, 4, 6, 8]
    assert driver.counters()["synchronizations"] == 1


def test_pinned_memory_is_read_when_the_copy_runs(cuda, streams, pinned, read):
    x, source = cuda.mem_alloc(16), pinned([1, 2, 3, 4])
    cuda.memcpy_htod_async(x, source, streams[0])
    source[:] = 9                                                    # too early
    streams[0].synchronize()
    assert list(read(x, 4)) == [9] * 4


def test_pageable_memory_is_read_before_the_call_returns(cuda, streams, read):
    x, source = cuda.mem_alloc(16), np.array([1, 2, 3, 4], np.float32)
    cuda.memcpy_htod_async(x, source, streams[0])
    source[:] = 9
    streams[0].synchronize()
    assert list(read(x, 4)) == [1, 2, 3, 4]


def test_a_copy_to_pageable_memory_is_complete_when_the_call_returns(cuda, streams, floats, scale):
    x, target = floats([1, 2, 3, 4]), np.zeros(4, np.float32)
    driver.reset_counters()
    scale.prepared_async_call(*ONE, streams[0], x, 2, 4)
    cuda.memcpy_dtoh_async(target, x, streams[0])
    assert list(target) == [2, 4, 6, 8]
    assert driver.counters()["implicit_synchronizations"] == 1


def test_events_have_times(cuda, streams, floats, scale):
    x, begin, end = floats(np.ones(100_000)), cuda.Event(), cuda.Event()
    begin.record(streams[0])
    scale.prepared_async_call((100, 1), (1000, 1, 1), streams[0], x, 2, 100_000)
    end.record(streams[0])
    with pytest.raises(cuda.Error, match="not ready"):
        end.time_since(begin)
    end.synchronize()
    assert 0 < end.time_since(begin) < 5000                          # ms
    quiet = cuda.Event(cuda.event_flags.DISABLE_TIMING)
    quiet.record(streams[0])
    quiet.synchronize()
    with pytest.raises(cuda.LogicError, match="invalid resource handle"):
        quiet.time_since(begin)


def test_asking_comes_to_an_end(cuda, streams, floats, scale):
    x, done = floats([1, 2]), cuda.Event()
    for _ in range(3):
        scale.prepared_async_call(*ONE, streams[0], x, 2, 2)
    done.record(streams[0])
    asked = 0
    while not done.query():
        asked += 1
    assert asked == 4 and done.query()
    scale.prepared_async_call(*ONE, streams[0], x, 2, 2)
    assert not streams[0].is_done() and streams[0].is_done()


# ---- capture ----

class Graphs:
    """The calls of the driver that PyCUDA does not have."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")

    def __getattr__(self, name):
        return getattr(self.library, name)

    def begin(self, stream, mode=1):
        return self.library.cuStreamBeginCapture_v2(ctypes.c_void_p(stream.handle), mode)

    def end(self, stream):
        graph = ctypes.c_void_p()
        return self.library.cuStreamEndCapture(ctypes.c_void_p(stream.handle), ctypes.byref(graph)), graph

    def instantiate(self, graph):
        made = ctypes.c_void_p()
        assert self.library.cuGraphInstantiateWithFlags(ctypes.byref(made), graph, ctypes.c_ulonglong(0)) == 0
        return made

    def captured(self, stream, work):
        assert self.begin(stream) == 0
        work()
        code, graph = self.end(stream)
        assert code == 0
        return graph

    def launch(self, made, stream):
        assert self.library.cuGraphLaunch(made, ctypes.c_void_p(stream.handle)) == 0


@pytest.fixture
def graphs(contexts):
    return Graphs()


def test_capture_and_replay_with_changed_input(cuda, streams, pinned, scale, graphs):
    stream = streams[0]
    x, source, target = cuda.mem_alloc(16), pinned([0] * 4), pinned([0] * 4)

    def work():
        cuda.memcpy_htod_async(x, source, stream)
        scale.prepared_async_call(*ONE, stream, x, 2, 4)
        scale.prepared_async_call(*ONE, stream, x, 10, 4)
        cuda.memcpy_dtoh_async(target, x, stream)
    made = graphs.instantiate(graphs.captured(stream, work))
    driver.reset_counters()
    for values in ([1, 2, 3, 4], [5, 6, 7, 8]):
        source[:] = values
        graphs.launch(made, stream)
        stream.synchronize()
        assert list(target) == [20 * value for value in values]
    counted = driver.counters()
    assert [counted[name] for name in ("graph_launches", "graph_kernels", "launches", "synchronizations", "bytes_h2d",
                                       "allocations")] == [2, 4, 0, 2, 32, 0]
    assert graphs.cuGraphExecDestroy(made) == 0
    assert graphs.cuGraphExecDestroy(made) == 1                      # CUDA_ERROR_INVALID_VALUE


def test_a_capture_over_two_streams(cuda, streams, pinned, scale, graphs):
    first, second = streams
    x, target, fork, join = cuda.mem_alloc(16), pinned([0] * 4), cuda.Event(), cuda.Event()

    def work(ordered):
        cuda.memset_d32_async(x, 0x3f800000, 4, first)
        fork.record(first)
        second.wait_for_event(fork)
        scale.prepared_async_call(*ONE, second, x, 7, 4)
        join.record(second)
        if ordered:
            first.wait_for_event(join)
        cuda.memcpy_dtoh_async(target, x, first)
        if not ordered:
            first.wait_for_event(join)
    for ordered in (True, False):                   # without the edge the copy does not see the kernel
        graph = graphs.captured(first, lambda ordered=ordered: work(ordered))
        made = graphs.instantiate(graph)
        graphs.launch(made, first)
        first.synchronize()
        assert ordered == (list(target) == [7] * 4)


def test_an_unjoined_stream_ends_a_capture_with_an_error(cuda, streams, floats, scale, graphs):
    first, second = streams
    x, fork = floats([1]), cuda.Event()
    assert graphs.begin(first) == 0
    fork.record(first)
    second.wait_for_event(fork)
    scale.prepared_async_call(*ONE, second, x, 7, 1)
    assert graphs.end(first)[0] == 904                               # UNJOINED


@pytest.mark.parametrize("what", ["stream", "context", "allocation", "copy", "pageable"])
def test_what_a_capture_forbids(cuda, streams, floats, scale, graphs, what):
    stream = streams[0]
    x, host = floats([1, 2]), np.zeros(2, np.float32)
    assert graphs.begin(stream) == 0
    forbidden = {"stream": stream.synchronize, "context": cuda.Context.synchronize,
                 "allocation": lambda: cuda.mem_alloc(4), "copy": lambda: cuda.memcpy_dtoh(host, x),
                 "pageable": lambda: cuda.memcpy_dtoh_async(host, x, stream)}
    with pytest.raises(cuda.Error, match="operation not permitted when stream is capturing"):
        forbidden[what]()
    with pytest.raises(cuda.Error, match="previous error during capture"):
        scale.prepared_async_call(*ONE, stream, x, 2, 2)
    assert graphs.end(stream)[0] == 901                              # INVALIDATED
    scale.prepared_async_call(*ONE, stream, x, 2, 2)
    stream.synchronize()


def test_the_legacy_stream_during_a_capture(cuda, streams, floats, scale, graphs):
    x = floats([1])
    assert graphs.begin(streams[0], 2) == 0                          # relaxed
    with pytest.raises(cuda.Error, match="legacy stream depend on a capturing"):
        scale.prepared_call(*ONE, x, 2, 1)
    assert graphs.end(streams[0])[0] == 901


def test_another_thread_may_allocate_during_a_thread_local_capture(cuda, streams, contexts, graphs):
    import threading
    assert graphs.begin(streams[0]) == 0
    failed = []

    def allocate():
        contexts[0].push()
        try:
            cuda.mem_alloc(4).free()
        except cuda.Error as error:
            failed.append(error)
        cuda.Context.pop()
    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()
    assert not failed and graphs.end(streams[0])[0] == 0


def test_an_outside_event_in_a_capture(cuda, streams, graphs):
    outside = cuda.Event()
    outside.record(streams[1])
    assert graphs.begin(streams[0]) == 0
    with pytest.raises(cuda.Error, match="dependency created on uncaptured work"):
        streams[0].wait_for_event(outside)
    assert graphs.end(streams[0])[0] == 901


def test_a_graph_may_be_updated_if_its_shape_stays(cuda, streams, pinned, floats, scale, graphs):
    stream, x, y = streams[0], floats([1, 1]), floats([1, 1])
    once = graphs.captured(stream, lambda: scale.prepared_async_call(*ONE, stream, x, 2, 2))
    other = graphs.captured(stream, lambda: scale.prepared_async_call(*ONE, stream, y, 3, 2))
    longer = graphs.captured(stream, lambda: [scale.prepared_async_call(*ONE, stream, y, 3, 2) for _ in range(2)])
    made, info = graphs.instantiate(once), (ctypes.c_void_p * 3)()
    assert graphs.cuGraphExecUpdate_v2(made, other, info) == 0
    graphs.launch(made, stream)
    target = pinned([0, 0])
    cuda.memcpy_dtoh_async(target, y, stream)
    stream.synchronize()
    assert list(target) == [3, 3]
    assert graphs.cuGraphExecUpdate_v2(made, longer, info) == 910    # GRAPH_EXEC_UPDATE_FAILURE


def test_a_replay_on_freed_memory(cuda, streams, floats, scale, graphs):
    stream, x = streams[0], floats([1])
    made = graphs.instantiate(graphs.captured(stream, lambda: scale.prepared_async_call(*ONE, stream, int(x), 2, 1)))
    x.free()
    graphs.launch(made, stream)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        stream.synchronize()
