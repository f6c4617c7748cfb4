"""Sessions on a device that only enqueues work: where core waits, what it records, and what it says of it."""
import threading

import numpy as np
import pytest

import thalweg as tf
from thalweg.testing import delayed_device

DEVICE = "/device:DELAYED:0"


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


@pytest.fixture
def delayed():
    with delayed_device.registered() as device:
        yield device


def chain(x, n=5):
    """n ops that no pass makes one of."""
    for _ in range(n):
        x = tf.cumsum(x)
    return x


def run(session, fetches, feed=None):
    """The values and the run's metadata."""
    metadata = tf.RunMetadata()
    return session.run(fetches, feed, run_metadata=metadata), metadata


# --- waiting ----------------------------------------------------------------------------------------------

def test_ten_fetches_are_waited_for_once(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        ys = [tf.cumsum(x) * float(k) for k in range(10)]
    with tf.Session() as session:
        values = session.run(ys, {x: np.ones(4)})
        assert delayed.counts["sync"] == 1 and delayed.counts["d2h"] == 10
    for k, value in enumerate(values):
        np.testing.assert_array_equal(value, np.arange(1, 5) * k)


def test_the_host_waits_before_it_takes_what_was_copied(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = tf.cumsum(x)
    with tf.device("/cpu:0"):
        z = tf.cumsum(y)
    w = tf.py_func(lambda a: a + np.float32(1), [y], tf.float32)
    with tf.device(DEVICE):
        w.set_shape([4])
        u = tf.cumsum(z) + w
    with tf.Session() as session:
        value = session.run(u, {x: np.ones(4)})
        assert delayed.counts["sync"] == 2                       # before the host's steps, and at the end
    np.testing.assert_array_equal(value, np.cumsum([1, 3, 6, 10]) + [2, 3, 4, 5])


def test_a_run_that_fetches_nothing_waits_at_its_end(delayed):
    with tf.device(DEVICE):
        v = tf.Variable(tf.zeros([3]))
        step = v.assign_add(tf.ones([3]))
    with tf.Session() as session:
        session.run(v.initializer)
        before = delayed.counts["sync"]
        session.run(step.op)
        assert delayed.counts["sync"] == before + 1
        assert not delayed.ordinals[0].queue
        assert session.run(v).tolist() == [1, 1, 1]


def test_a_run_on_the_host_alone_waits_for_nobody(delayed):
    x = tf.placeholder(tf.float32, [4])
    with tf.device(DEVICE):
        y = tf.cumsum(x)
    with tf.Session() as session:
        session.run(y, {x: np.ones(4)})
        before = delayed.counts["sync"]
        with tf.device("/cpu:0"):
            z = tf.cumsum(x)
        session.run(z, {x: np.ones(4)})
        assert delayed.counts["sync"] == before


def test_what_goes_wrong_in_enqueued_work_ends_the_run_that_enqueued_it():
    with delayed_device.registered(fail_in={"Cumsum"}) as delayed, tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            y, z = tf.cumsum(x), -x
        with pytest.raises(RuntimeError, match="^DELAYED was told to fail in Cumsum$"):
            session.run(y, {x: np.ones(4)})
        assert session.run(z, {x: np.ones(4)}).tolist() == [-1] * 4
        delayed.fail_in = set()
        assert session.run(y, {x: np.ones(4)}).tolist() == [1, 2, 3, 4]


def test_a_run_that_fails_on_the_host_waits_for_what_it_has_enqueued(delayed):
    def fail(a):
        raise ValueError("no")
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = tf.cumsum(x)
    z = tf.py_func(fail, [y], tf.float32)
    with tf.device(DEVICE):
        w = tf.cumsum(tf.cumsum(x))
    with tf.Session() as session:
        with pytest.raises(tf.errors.InvalidArgumentError, match="ValueError: no"):
            session.run([w, z], {x: np.ones(4)})
        assert not delayed.ordinals[0].queue


def test_work_that_fails_after_a_step_of_the_host_has_failed_is_noted():
    def fail(a):
        raise ValueError("no")
    with delayed_device.registered(fail_in={"Exp"}), tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            w = tf.Variable(tf.zeros([4])).assign(tf.exp(tf.cumsum(x)))
        with tf.control_dependencies([w]):
            z = tf.py_func(fail, [x], tf.float32)
        with pytest.raises(tf.errors.InvalidArgumentError, match="ValueError: no") as caught:
            session.run(z, {x: np.ones(4)})
    assert caught.value.__notes__ == ["Then, while waiting for /device:DELAYED:0: RuntimeError: DELAYED was told to "
                                      "fail in Exp"]


def test_a_traced_run_waits_after_each_step(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(x)
    with tf.Session() as session:
        metadata = tf.RunMetadata()
        session.run(y, {x: np.ones(4)}, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
        assert delayed.counts["sync"] >= 7                       # a copy there, five ops, a copy back
    assert [row[1] for row in metadata.step_stats] == ["_Copy", *["Cumsum"] * 5, "_Copy"]


def test_a_source_may_change_as_soon_as_it_has_been_copied(delayed):
    """Host memory that an arena uses again: the copy to the device has read it."""
    with tf.device("/cpu:0"):
        x = tf.placeholder(tf.float32, [1000])
        a = tf.cumsum(x)
    with tf.device(DEVICE):
        b = tf.cumsum(a)
    with tf.device("/cpu:0"):
        c = tf.cumsum(tf.cumsum(tf.cumsum(x)))
    with tf.Session() as session:
        value = session.run([b, c], {x: np.ones(1000)})
    np.testing.assert_allclose(value[0], np.cumsum(np.cumsum(np.ones(1000))))


def test_a_workspace_on_the_device_is_its_own():
    with delayed_device.registered(workspace_bytes=100), tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            y = chain(x)
        expected = np.ones(4)
        for _ in range(5):
            expected = np.cumsum(expected)
        for _ in range(3):
            assert session.run(y, {x: np.ones(4)}).tolist() == expected.tolist()


# --- recording --------------------------------------------------------------------------------------------

def test_the_first_run_is_eager_the_second_recorded_the_third_replayed(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(x)
    modes, calls = [], []
    with tf.Session() as session:
        for k in range(4):
            value, metadata = run(session, y, {x: np.full(4, k)})
            assert value.tolist() == [k, 6 * k, 21 * k, 56 * k]
            modes.append([s.mode for s in metadata.segments])
            calls.append(delayed.counts["kernels"])
    assert modes == [["eager"], ["recorded"], ["replayed"], ["replayed"]]
    assert calls == [5, 10, 10, 10]
    assert delayed.counts["record"] == 1 and delayed.counts["replay"] == 3
    segment, = metadata.segments
    assert (segment.device, segment.steps, segment.refusal) == (DEVICE, 5, "")
    assert segment.cut == "Cumsum_4:0 is copied from /device:DELAYED:0 to the host"
