"""L2: what is ordered when: streams, events, sync, errors of work that goes on, closing, forking."""
import ctypes

import numpy as np
import pytest

import thalweg as tf
from thalweg.devices import KernelRequest
from thalweg.framework import dtypes, errors
from thalweg.testing import ctypes_abi as abi
from thalweg.testing.device_call import call
from thalweg.testing.kit import needs
from thalweg.testing.raw_device import RawDevice, address_of

_BYTES = 1 << 22


@pytest.fixture
def raw(kit):
    return RawDevice(kit.device)


@pytest.fixture
def blocks(kit):
    """Two blocks of _BYTES on the device."""
    addresses = [kit.device.alloc(_BYTES) for _ in range(2)]
    yield addresses
    kit.device.sync()
    for address in addresses:
        kit.device.free(address)


def numbers(seed):
    return np.random.default_rng(seed).integers(0, 256, _BYTES, np.uint8)


UNARY = {
    "Neg": (tf.negative, np.negative), "Square": (tf.square, np.square), "Abs": (tf.abs, np.abs),
    "Relu": (tf.nn.relu, lambda x: np.maximum(x, 0)), "Tanh": (tf.tanh, np.tanh), "Exp": (tf.exp, np.exp),
}


def claimed_unary(kit):
    """An op type of one float32 tensor that the device claims; skips without one."""
    found = [op_type for op_type in UNARY if kit.caps.claims(op_type, dtypes.float32)]
    return found[0] if found else pytest.skip("the device claims no op of one float32 tensor")


def unary(kit, shape):
    """(kernel, its function in NumPy) of such an op."""
    op_type = claimed_unary(kit)
    request = KernelRequest(op_type, {"T": dtypes.float32}, [shape], [shape], [1], [1])
    kernel = kit.device.find_kernel(request)
    assert kernel is not None, f"the capabilities claim {op_type} of float32: {request.refusal}"
    return kernel, UNARY[op_type][1]


def test_copies_and_kernels_run_in_the_order_of_their_calls(kit):
    kernel, function = unary(kit, (1000,))
    for k in range(50):
        x = np.float32(np.arange(1000) * 1e-3 - k * 0.01)
        np.testing.assert_allclose(call(kernel, x)[0], function(x), 1e-5)


def test_a_session_that_runs_again_and_again_reads_what_was_fed(kit):
    with tf.Graph().as_default(), tf.device(kit.place):
        x = tf.placeholder(tf.float32, [300, 300])
        y = x + x
        with kit.session() as session:
            for k in range(30):
                assert (session.run(y, {x: np.full((300, 300), k)}) == 2 * k).all()


def test_sync_of_an_idle_device(kit):
    for _ in range(3):
        kit.device.sync()


@needs("streams")
def test_work_of_a_stream_is_done_when_it_is_synchronised(kit, raw, blocks):
    stream = raw.new_stream()
    for seed in range(5):
        source, back = numbers(seed), np.zeros(_BYTES, np.uint8)
        raw.call("copy_h2d", stream, blocks[0], address_of(source), _BYTES)
        raw.call("copy_d2h", stream, address_of(back), blocks[0], _BYTES)
        raw.call("sync", stream)
        assert np.array_equal(back, source)
    raw.api.stream_destroy(raw.handle, stream)


@needs("streams")
def test_copies_and_kernels_of_a_stream_run_in_order(kit, raw):
    kernel, function = unary(kit, (100_000,))
    stream = raw.new_stream()
    for k in range(20):
        x = np.float32(np.arange(100_000) * 1e-5 - k * 0.01)
        np.testing.assert_allclose(call(kernel, x, stream=stream)[0], function(x), 1e-5)
    raw.api.stream_destroy(raw.handle, stream)


@needs("streams")
def test_sync_of_the_whole_device_waits_for_all_streams(kit, raw, blocks):
    streams = [raw.new_stream(), raw.new_stream()]
    sources, backs = [numbers(1), numbers(2)], [np.zeros(_BYTES, np.uint8) for _ in range(2)]
    for stream, block, source, back in zip(streams, blocks, sources, backs):
        raw.call("copy_h2d", stream, block, address_of(source), _BYTES)
        raw.call("copy_d2h", stream, address_of(back), block, _BYTES)
    raw.call("sync", None)
    assert all(np.array_equal(b, s) for b, s in zip(backs, sources))
    for stream in streams:
        raw.api.stream_destroy(raw.handle, stream)


@needs("streams", "events")
def test_a_stream_waits_for_an_event_of_another(kit, raw, blocks):
    first, second = raw.new_stream(), raw.new_stream()
    for seed in range(10):
        source, back = numbers(seed), np.zeros(_BYTES, np.uint8)
        raw.call("copy_h2d", first, blocks[0], address_of(source), _BYTES)
        event = raw.record(first)
        raw.call("event_wait", second, event)
        raw.call("copy_d2h", second, address_of(back), blocks[0], _BYTES)
        raw.call("sync", second)
        raw.api.event_destroy(raw.handle, event)
        assert np.array_equal(back, source), "the second stream has not waited for the first"
    for stream in (first, second):
        raw.api.stream_destroy(raw.handle, stream)


@needs("streams", "events", "timing")
def test_events_tell_the_time_between_them(kit, raw, blocks):
    stream, source = raw.new_stream(), numbers(3)
    events = [raw.record(stream)]
    for _ in range(3):
        raw.call("copy_h2d", stream, blocks[0], address_of(source), _BYTES)
        events.append(raw.record(stream))
    raw.call("sync", stream)
    short, long = raw.nanoseconds(events[0], events[1]), raw.nanoseconds(events[0], events[3])
    assert 0 < short < long
    for event in events:
        raw.api.event_destroy(raw.handle, event)
    raw.api.stream_destroy(raw.handle, stream)


@needs("pinned")
def test_pinned_memory_is_memory_of_the_host(kit, raw, blocks):
    pinned = raw.api.host_alloc(raw.handle, _BYTES)
    assert pinned
    view = np.frombuffer((ctypes.c_uint8 * _BYTES).from_address(pinned), np.uint8)
    view[:] = numbers(4)
    raw.call("copy_h2d", None, blocks[0], pinned, _BYTES)
    raw.call("sync", None)
    back = np.zeros(_BYTES, np.uint8)
    kit.device.d2h(back, blocks[0])
    kit.device.sync()
    assert np.array_equal(back, view)
    raw.api.host_free(raw.handle, pinned)


# --- recording --------------------------------------------------------------------------------------

def chain(kit, x):
    """An op of one float32 tensor that the device claims, three times; and the same in NumPy."""
    build, function = UNARY[claimed_unary(kit)]
    return build(build(build(x))), lambda value: function(function(function(value)))


@needs("record")
def test_a_run_that_comes_again_is_recorded_then_replayed(kit):
    with tf.Graph().as_default(), tf.device(kit.place):
        x, seen, metadata = tf.placeholder(tf.float32, [1000]), [], tf.RunMetadata()
        y, expected = chain(kit, x)
        with kit.session(rewrites=False) as session:
            for k in range(5):
                fed = np.float32(np.arange(1000) * 1e-3 - k * 0.1)
                value = session.run(y, {x: fed}, run_metadata=metadata)
                np.testing.assert_allclose(value, expected(fed), 1e-3)
                seen += [(s.mode, s.refusal) for s in metadata.segments]
    assert seen == [(mode, "") for mode in ("eager", "recorded", "replayed", "replayed", "replayed")]


@needs("record")
def test_replayed_steps_read_and_write_variables(kit):
    with tf.Graph().as_default(), tf.device(kit.place):
        v, metadata = tf.Variable(np.linspace(-0.9, 0.9, 100, dtype=np.float32)), tf.RunMetadata()
        value, expected = chain(kit, v)
        step = v.assign(value)
        with kit.session(rewrites=False) as session:
            session.run(v.initializer)
            for _ in range(5):
                before = session.run(v)
                session.run(step.op, run_metadata=metadata)
                np.testing.assert_allclose(session.run(v), expected(before), 1e-3, 1e-30)
    assert [s.mode for s in metadata.segments] == ["replayed"], [s.refusal for s in metadata.segments]


def stream_of(raw):
    """A stream, where the device has streams."""
    return raw.new_stream() if raw.api.stream_create else None


def put(raw, stream, block, seed):
    source = numbers(seed)
    raw.call("copy_h2d", stream, block, address_of(source), _BYTES)


def bytes_at(raw, stream, block):
    back = np.zeros(_BYTES, np.uint8)
    raw.call("copy_d2h", stream, address_of(back), block, _BYTES)
    raw.call("sync", stream)
    return back


@needs("record")
def test_what_is_recorded_is_not_done_until_it_is_replayed(kit, raw, blocks):
    if not raw.api.copy_d2d:
        pytest.skip("the device has no copy_d2d, which could be recorded")
    stream = stream_of(raw)
    for block, seed in zip(blocks, (1, 2)):
        put(raw, stream, block, seed)
    recording = raw.recorded(stream, lambda: raw.call("copy_d2d", stream, blocks[1], blocks[0], _BYTES))
    assert np.array_equal(bytes_at(raw, stream, blocks[1]), numbers(2)), "work was done while it was recorded"
    for seed in range(3, 6):
        put(raw, stream, blocks[0], seed)
        raw.call("replay", stream, recording)
        assert np.array_equal(bytes_at(raw, stream, blocks[1]), numbers(seed)), "a replay reads what lies there then"
    raw.api.recording_free(raw.handle, recording)
    assert np.array_equal(bytes_at(raw, stream, blocks[1]), numbers(5))


@needs("record")
def test_a_recording_of_nothing_ends(kit, raw, blocks):
    stream, recording = stream_of(raw), ctypes.c_void_p()
    for seed in range(20):
        raw.call("record_begin", stream)
        code = raw.api.record_end(raw.handle, stream, ctypes.byref(recording))
        assert code in (abi.OK, abi.UNIMPLEMENTED), f"record_end gave code {code}"
        if code == abi.OK:
            raw.api.recording_free(raw.handle, recording)
        put(raw, stream, blocks[0], seed)
        assert np.array_equal(bytes_at(raw, stream, blocks[0]), numbers(seed)), "it still records"


# --- errors of work that goes on --------------------------------------------------------------------

RUN_TIME_ERRORS = {
    "GatherV2": (lambda i: tf.gather(tf.constant([1.0, 2.0]) * 1.0, i), "is not in"),
    "FloorDiv": (lambda i: (i + 1) // (i - i), "by zero"),
    "FloorMod": (lambda i: (i + 1) % (i - i), "by zero"),
}


def mistakes(kit):
    """(build, pattern of the message) of ops that the device claims and that fail when they run."""
    return [RUN_TIME_ERRORS[op] for op, dtype in (("GatherV2", dtypes.float32), ("FloorDiv", dtypes.int32),
                                                  ("FloorMod", dtypes.int32)) if kit.caps.claims(op, dtype)]


def check_mistake(kit, build, match):
    with tf.Graph().as_default():
        i = tf.placeholder(tf.int32, [2])
        with tf.device(kit.place):
            y = build(i)
        with kit.session() as session:
            with pytest.raises(errors.InvalidArgumentError, match=match):
                session.run(y, {i: [1, 7]})
                kit.device.sync()
            session.run(i + i, {i: [1, 2]})                 # the session goes on
    kit.device.sync()                                       # and the error was told once


def test_an_error_of_a_kernel_is_told_once_and_the_device_goes_on(kit):
    found = mistakes(kit)
    if not found:
        pytest.skip("the device claims no op that can fail when it runs")
    for build, match in found:
        check_mistake(kit, build, match)


@needs("async")
def test_an_error_of_work_that_goes_on_shows_at_sync(kit):
    if not mistakes(kit):
        pytest.skip("the device claims no op that can fail when it runs")
    for _ in range(10):
        check_mistake(kit, *mistakes(kit)[0])


# --- closing and forking ----------------------------------------------------------------------------

_BUSY = """
import gc, os, sys, threading
import numpy as np
import thalweg as tf
with tf.device(device.name):
    x = tf.placeholder(tf.float32, [400, 400])
    y = x
    for _ in range(30):
        y = y + x
session = tf.Session()
feed = {x: np.ones((400, 400), np.float32)}
session.run(y, feed)
started = threading.Event()
def work():
    while True:
        try:
            session.run(y, feed)
        except Exception:
            return                    # the session was closed under it
        started.set()
"""


def test_a_session_is_closed_with_work_in_flight(kit):
    told = kit.child(_BUSY + """
thread = threading.Thread(target=work)
thread.start()
started.wait()
session.close()
thread.join(60)
report(ended=not thread.is_alive())
""")
    assert told["ended"], "a run did not end after its session was closed"


def test_the_process_ends_with_work_in_flight(kit):
    kit.child(_BUSY + "threading.Thread(target=work, daemon=True).start()\nstarted.wait()\n")


@needs("streams")
def test_the_device_is_closed_with_work_in_flight(kit):
    told = kit.child("""
import gc
import numpy as np
from thalweg import devices
from thalweg.testing.raw_device import RawDevice, address_of
raw = RawDevice(device)
stream, block = raw.new_stream(), device.alloc(1 << 24)
source = np.ones(1 << 24, np.uint8)
for _ in range(20):
    raw.call("copy_h2d", stream, block, address_of(source), 1 << 24)
del raw, device
from thalweg.devices.registry import REGISTRY
for entry in REGISTRY.entries():
    entry.devices = []
gc.collect()
report(ended=True)
""")
    assert told["ended"]


_FORK = """
import os, signal, sys, time
import numpy as np
import thalweg as tf
with tf.device(device.name):
    x = tf.placeholder(tf.float32, [200, 200])
    y = x + x
session = tf.Session()
feed = {x: np.ones((200, 200), np.float32)}
session.run(y, feed)
reader, writer = os.pipe()
child = os.fork()
if not child:
    signal.alarm(60)                                       # a child that hangs is killed, and seen
    try:
        answer = "works" if (session.run(y, feed) == 2).all() else "wrong numbers"
    except Exception as error:
        answer = f"refuses: {error}"
    os.write(writer, answer.encode()[:1000])
    os._exit(0)
os.close(writer)
_, status = os.waitpid(child, 0)
report(answer=os.read(reader, 1000).decode(), status=status, parent=bool((session.run(y, feed) == 2).all()))
"""


def test_after_a_fork_it_works_or_says_that_it_does_not(kit):
    told = kit.child(_FORK)
    assert told["status"] == 0, f"the child of a fork crashed or hung, status {told['status']}"
    assert told["parent"], "the parent of a fork computes wrong numbers"
    assert told["answer"].startswith("works") or (told["answer"].startswith("refuses") and not kit.caps.has("fork")), \
        told["answer"]
