"""Sessions on a device that only enqueues work: where core waits, what it records, and what it says of it."""
import re
import signal
import threading
import time
import traceback

import numpy as np
import pytest

import thalweg as tf
from thalweg.devices import placement
from thalweg.runtime import engine
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
        with pytest.raises(tf.errors.UnknownError, match="DELAYED was told to fail in Cumsum"):
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
    note, = caught.value.__notes__
    assert note.startswith("Then, while waiting for /device:DELAYED:0: UnknownError: /device:DELAYED:0: work on the "
                           "device failed: RuntimeError: DELAYED was told to fail in Exp\n\t [[Exp 'Exp']]\n")


def assert_names(caught, op):
    """An error of enqueued work says which op's it was, and where that was built; the device's own is the cause."""
    error = caught.value
    assert error.op is op
    assert str(error).startswith("/device:DELAYED:0: work on the device failed: RuntimeError: DELAYED was told to "
                                 f"fail in Exp\n\t [[Exp '{op.name}']]\n  built at  {__file__}:")
    assert str(error).count("built at") == 1
    assert type(error.__cause__) is RuntimeError
    assert "_run" in [entry.name for entry in traceback.extract_tb(error.__cause__.__traceback__)]


@pytest.mark.parametrize("runs_before, records, replays", [(0, 0, 0), (1, 1, 1), (2, 1, 2)],
                         ids=["eager", "recorded", "replayed"])
def test_the_op_whose_work_fails_is_named(delayed, runs_before, records, replays):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        wrong = tf.exp(chain(x, 2), name="wrong")
        y = chain(wrong, 2)
    with tf.Session() as session:
        for _ in range(runs_before):
            session.run(y, {x: np.ones(4)})
        delayed.fail_in = {"Exp"}
        with pytest.raises(tf.errors.UnknownError) as caught:
            session.run(y, {x: np.ones(4)})
    assert_names(caught, wrong.op)
    assert (delayed.counts["record"], delayed.counts["replay"]) == (records, replays)


def test_the_op_whose_work_fails_is_named_in_a_traced_run():
    with delayed_device.registered(fail_in={"Exp"}), tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            wrong = tf.exp(x)
        with pytest.raises(tf.errors.UnknownError) as caught:
            session.run(wrong, {x: np.ones(4)}, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), tf.RunMetadata())
    assert_names(caught, wrong.op)


@pytest.mark.parametrize("build", [
    lambda x: tf.while_loop(lambda k, a: k < 2, lambda k, a: (k + 1, tf.exp(a, name="wrong")), [tf.constant(0), x])[1],
    lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: tf.exp(x, name="wrong"), lambda: x)], ids=["while", "cond"])
def test_the_op_whose_work_fails_is_named_inside_of(build):
    with delayed_device.registered(fail_in={"Exp"}), tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            y = build(x)
        with pytest.raises(tf.errors.UnknownError) as caught:
            session.run(y, {x: np.ones(4)})
    assert caught.value.op.type == "Exp"
    assert_names(caught, caught.value.op)


def test_an_op_that_a_body_has_waited_for_is_one_of_the_run_around_it():
    with delayed_device.registered(fail_in={"Exp"}), tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            wrong = tf.exp(x, name="wrong")              # enqueued first: nobody waits for it before the body does
            with tf.control_dependencies([wrong]):
                count = tf.while_loop(lambda k, a: k < 2, lambda k, a: (k + 1, tf.cumsum(a)), [tf.constant(0), x])[1]
        with pytest.raises(tf.errors.UnknownError) as caught:
            session.run([wrong, count], {x: np.ones(4)})
    assert_names(caught, wrong.op)


@pytest.mark.parametrize("method, asked", [("d2h", "0: a copy to the host"), ("h2d", "0: a copy to the device"),
                                           ("copy_peer", "1: a copy from /device:DELAYED:0")])
def test_a_copy_that_fails_for_earlier_work_names_the_op_of_that_work(method, asked):
    def fail(*arguments, stream=None):
        error = RuntimeError("DELAYED was told to fail in Exp")
        error.op_name = "wrong"
        raise error
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        wrong = tf.exp(x, name="wrong")
    with tf.device("/device:DELAYED:1"):
        y = tf.cumsum(wrong)
    with delayed_device.registered(devices=2) as delayed, tf.Session() as session:
        session.run([wrong, y], {x: np.ones(4)})                 # puts constants there
        setattr(delayed, method, fail)
        with pytest.raises(tf.errors.UnknownError) as caught:
            session.run([wrong, y], {x: np.ones(4)})
    assert caught.value.op is wrong.op
    assert str(caught.value).startswith(f"/device:DELAYED:{asked} failed: RuntimeError: DELAYED was told to fail in "
                                        "Exp\n\t [[Exp 'wrong']]\n  built at  ")


def test_a_name_that_no_op_of_the_run_has_says_nothing(delayed):
    def sync(i, stream=None):
        error = RuntimeError("lost")
        error.op_name = "of another session"
        raise error
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = tf.exp(x)
    delayed.sync = sync
    with tf.Session() as session, pytest.raises(tf.errors.UnknownError) as caught:
        session.run(y, {x: np.ones(4)})
    assert caught.value.op is None
    assert str(caught.value) == "/device:DELAYED:0: work on the device failed: RuntimeError: lost"


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


def test_workspaces_lie_where_libraries_want_them(monkeypatch):
    seen, call = [], delayed_device._Kernel.__call__

    def noting(kernel, inputs, outputs, workspace=None, rng=None):
        seen.append(workspace)
        return call(kernel, inputs, outputs, workspace, rng)
    monkeypatch.setattr(delayed_device._Kernel, "__call__", noting)
    with delayed_device.registered(workspace_bytes=100), tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            values = [x]
            for _ in range(6):
                values.append(tf.cumsum(values[-1]))
            y = values.pop()
            for value in reversed(values):               # which are alive until then
                y = tf.cumsum(tf.concat([y, value], 0))
        session.run(y, {x: np.ones(4)})
    assert len(set(seen)) > 1 and not any(workspace % 256 for workspace in seen)


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


def modes(metadata):
    return [s.mode for s in metadata.segments]


def training():
    """A variable, a loss, and a step that changes the variable, all on the device."""
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        v = tf.Variable(tf.ones([4]))
        loss = tf.reduce_sum(chain(v * x, 3))
        gradient, = tf.gradients(loss, v)
        return x, v, loss, v.assign_sub(0.1 * gradient)


def test_replayed_steps_train_as_eager_ones_do(delayed):
    x, v, loss, step = training()
    with tf.Session() as session, tf.Session() as on_host:
        with tf.Graph().as_default(), tf.Session() as on_host:
            with tf.device("/cpu:0"):
                hx = tf.placeholder(tf.float32, [4])
                hv = tf.Variable(tf.ones([4]))
                hloss = tf.reduce_sum(chain(hv * hx, 3))
                hstep = hv.assign_sub(0.1 * tf.gradients(hloss, hv)[0])
            on_host.run(hv.initializer)
            session.run(v.initializer)
            for k in range(6):
                feed = np.arange(4) + k
                (value, _), metadata = run(session, [loss, step], {x: feed})
                np.testing.assert_allclose(value, on_host.run([hloss, hstep], {hx: feed})[0], rtol=1e-6)
            np.testing.assert_allclose(session.run(v), on_host.run(hv), rtol=1e-6)
    assert modes(metadata) == ["replayed"]


def test_checks_stand_before_a_segment_and_marks_after_it(delayed):
    with tf.device(DEVICE):
        v, w = tf.Variable(tf.ones([4]), name="v"), tf.Variable(tf.ones([4]), name="w")
        x = tf.placeholder(tf.float32, [4])
        fill = v.assign(chain(x, 4))
        use = w.assign(chain(v + w, 4))
    with tf.Session() as session:
        for _ in range(3):
            with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value v"):
                session.run(use.op)
        for _ in range(3):
            _, metadata = run(session, fill.op, {x: np.ones(4)})
        assert modes(metadata) == ["replayed"]
        for _ in range(3):
            with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value w"):
                session.run(use.op)
        session.run(w.initializer)
        for _ in range(3):
            _, metadata = run(session, use.op)
        assert modes(metadata) == ["replayed"]
        assert delayed.counts["replay"] == 4


def test_what_was_recorded_before_a_variable_took_another_shape_is_given_back(delayed):
    value = tf.placeholder(tf.float32)
    with tf.device(DEVICE):
        v = tf.Variable(value, validate_shape=False)
        x = tf.placeholder(tf.float32, [3])
        y = chain(v + x, 4)
    seen = []
    with tf.Session() as session:
        for shape in [3], [1], [3]:
            session.run(v.initializer, {value: np.ones(shape)})
            for _ in range(3):
                result, metadata = run(session, y, {x: np.ones(3)})
                seen += modes(metadata)
                assert result.tolist() == [2, 10, 30]
            assert delayed.live_recordings() == 1
    assert seen == ["eager", "recorded", "replayed"] * 3


def test_a_device_that_refuses_runs_its_steps_one_by_one(caplog):
    caplog.set_level("INFO", "thalweg")
    with delayed_device.registered(no_recording="no graphs on this driver") as delayed, tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            y = chain(x)
        for k in range(4):
            value, metadata = run(session, y, {x: np.full(4, k)})
            assert value.tolist() == [k, 6 * k, 21 * k, 56 * k]
        assert delayed.counts["record"] == 1 and delayed.counts["kernels"] == 5 * 5
    assert [(s.mode, s.refusal) for s in metadata.segments] == [("eager", "no graphs on this driver")]
    told = [r.message for r in caplog.records if "does not record" in r.message]
    assert told == ["/device:DELAYED:0 does not record the 5 steps from 'Cumsum' to 'Cumsum_4', which run one by one: "
                    "no graphs on this driver"]


def test_a_kernel_that_cannot_be_recorded_makes_its_segment_eager():
    with delayed_device.registered(unrecordable={"Cumprod"}) as delayed, tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            y = chain(tf.cumprod(chain(x, 2)), 2)
        for _ in range(3):
            value, metadata = run(session, y, {x: np.ones(4)})
            assert value.tolist() == session.run(y, {x: np.ones(4)}).tolist()
        assert not delayed.ordinals[0].recorder
    assert [(s.mode, s.refusal) for s in metadata.segments] == [
        ("eager", "DELAYED cannot kernels while it records")]


def test_a_device_that_fails_half_way_into_a_recording_goes_on(delayed):
    begin = delayed.record_begin

    def fail(i):
        begin(i)
        raise RuntimeError("no room for a graph")
    delayed.record_begin = fail
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(x)
    with tf.Session() as session:
        for k in range(4):
            value, metadata = run(session, y, {x: np.full(4, k)})
            assert value.tolist() == [k, 6 * k, 21 * k, 56 * k]
    assert [(s.mode, s.refusal) for s in metadata.segments] == [("eager", "no room for a graph")]
    assert delayed.counts["record"] == 1 and not delayed.ordinals[0].recorder and not delayed.live_recordings()


def test_a_first_run_that_fails_does_not_count(delayed, monkeypatch):
    """Kernels behind the one that failed have not run once, and may have to be loaded."""
    call, failures = delayed_device._Kernel.__call__, [RuntimeError("not now")]

    def failing_once(*args, **more):
        if failures:
            raise failures.pop()
        return call(*args, **more)
    monkeypatch.setattr(delayed_device._Kernel, "__call__", failing_once)
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(x)
    with tf.Session() as session:
        with pytest.raises(tf.errors.OpError, match="not now"):
            session.run(y, {x: np.ones(4)})
        seen = [modes(run(session, y, {x: np.ones(4)})[1]) for _ in range(3)]
    assert seen == [["eager"], ["recorded"], ["replayed"]]


def test_an_interrupt_at_the_end_of_a_recording_that_has_failed_is_an_interrupt():
    with delayed_device.registered(unrecordable={"Cumprod"}) as delayed, tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            y = chain(tf.cumprod(chain(x, 2)), 2)
        session.run(y, {x: np.ones(4)})
        end = delayed.record_end

        def interrupted(i):
            end(i)
            signal.raise_signal(signal.SIGINT)
        delayed.record_end = interrupted
        with pytest.raises(KeyboardInterrupt):
            session.run(y, {x: np.ones(4)})


@pytest.mark.parametrize(("faults", "cut"), [
    ({"synchronous": {"Cumprod"}}, "the kernel of Cumprod 'Cumprod' waits for its result"),
    ({"host_inputs": {"Cumprod": (0,)}}, "Cumsum_2:0 is copied from /device:DELAYED:0 to the host"),
    ({"missing": {"Cumprod"}}, "Cumsum_2:0 is copied from /device:DELAYED:0 to the host")])
def test_what_cuts_a_segment(faults, cut):
    with delayed_device.registered(**faults), tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [4])
            y = chain(tf.cumprod(chain(x, 3)), 4)
        for _ in range(3):
            value, metadata = run(session, y, {x: np.ones(4)})
        np.testing.assert_array_equal(value, session.run(y, {x: np.ones(4)}))
    assert metadata.segments[0].cut == cut
    assert [s.steps for s in metadata.segments] == [3, 4]
    assert modes(metadata) == ["replayed", "replayed"]


def test_few_steps_are_not_worth_it(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(x, 2)
    with tf.Session() as session:
        for _ in range(3):
            _, metadata = run(session, y, {x: np.ones(4)})
    assert [(s.mode, s.refusal) for s in metadata.segments] == [("eager", "it has fewer than 3 steps")]


def test_random_ops_cut_a_segment_where_they_draw_on_the_host(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(chain(x, 3) + tf.random_uniform([4], seed=3), 3)
    with tf.Session() as session:
        for _ in range(3):
            _, metadata = run(session, y, {x: np.ones(4)})
    assert "RandomUniform 'random_uniform/RandomUniform' draws its numbers on the host" in [
        s.cut for s in metadata.segments]


def test_random_ops_whose_generator_lies_on_the_device_are_replayed():
    def draws(device):
        with tf.Graph().as_default(), tf.device(device), tf.Session() as session:
            y = chain(tf.random_uniform([4], seed=3) + tf.random_normal([2, 4], seed=5), 3)
            values = []
            for _ in range(5):
                value, metadata = run(session, y)
                values.append(value)
            return values, metadata
    with delayed_device.registered(rng_blocks={"RandomUniform": 1024, "RandomStandardNormal": 2048}):
        values, metadata = draws(DEVICE)
        on_host, _ = draws("/cpu:0")
    assert modes(metadata) == ["replayed"]
    assert values[0].tolist() != values[4].tolist()
    np.testing.assert_allclose(values, on_host, rtol=1e-6)


def test_a_snapshot_of_a_variable_is_a_copy_inside_the_device(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        v = tf.Variable(tf.ones([4]))
        before = tf.identity(v)
        with tf.control_dependencies([before]):
            step = v.assign_add(chain(x, 3))
        with tf.control_dependencies([step]):
            after = chain(before + v, 2)
    with tf.Session() as session:
        session.run(v.initializer)
        for k in range(4):
            value, metadata = run(session, after, {x: np.ones(4)})
            old = 1 + k * np.float32([1, 4, 10, 20])
            np.testing.assert_array_equal(value, np.cumsum(np.cumsum(2 * old + np.float32([1, 4, 10, 20]))))
    assert delayed.counts["d2d"] == 2                            # in the first run, and when it was recorded
    assert modes(metadata) == ["replayed"]


def test_recordings_die_with_their_session(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [None])
        y = chain(x)
    with tf.Session() as session:
        for n in (3, 4, 5):
            for _ in range(3):
                session.run(y, {x: np.ones(n)})
        assert delayed.live_recordings() == 3
    assert delayed.live_recordings() == 0
    delayed.ordinals[0].drain()
    assert delayed.stats(0)["bytes_in_use"] == 0


def test_the_plan_for_a_shape_that_is_used_stays_when_others_come(delayed, monkeypatch):
    monkeypatch.setattr(engine, "MAX_PROGRAMS", 3)
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [None])
        y = chain(x)
    seen = []
    with tf.Session() as session:
        for n in (7, 2, 7, 3, 7, 4, 7, 5, 7, 2):
            seen.append((n, *modes(run(session, y, {x: np.ones(n)})[1])))
    assert [mode for n, mode in seen if n == 7] == ["eager", "recorded", *["replayed"] * 3]
    assert [mode for n, mode in seen if n != 7] == ["eager"] * 5


def test_a_session_keeps_64_recordings(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        ys = [chain(x * float(k), 3) for k in range(70)]
    with tf.Session() as session:
        for y in ys:
            for _ in range(2):
                session.run(y, {x: np.ones(4)})
        assert delayed.live_recordings() == 64
        for y in ys:                                             # the first ones are recorded once more
            assert session.run(y, {x: np.ones(4)}).tolist() == (ys.index(y) * np.float32([1, 4, 10, 20])).tolist()


def test_a_session_of_more_segments_than_it_keeps_records_ever_less(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        ys = [chain(x * float(k), 3) for k in range(70)]
    with tf.Session() as session:
        recorded = []
        for _ in range(24):
            before = delayed.counts["record"]
            for y in ys:
                session.run(y, {x: np.ones(4)})
            recorded.append(delayed.counts["record"] - before)
        assert delayed.live_recordings() == 64
    assert recorded[:2] == [0, 70]
    assert sum(recorded[2:12]) < 70 * 3 and sum(recorded[12:]) < 70 * 2
    assert delayed.counts["replay"] > 70 * 12


def test_a_recording_that_finds_no_memory_is_tried_again_ever_later(delayed, caplog):
    caplog.set_level("INFO", "thalweg")
    end, failures = delayed.record_end, [MemoryError("no memory for a graph")] * 2

    def failing_twice(i):
        recording = end(i)
        if failures:
            raise failures.pop()
        return recording
    delayed.record_end = failing_twice
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(x)
    seen = []
    with tf.Session() as session:
        for k in range(11):
            value, metadata = run(session, y, {x: np.full(4, k)})
            assert value.tolist() == [k, 6 * k, 21 * k, 56 * k]
            seen += [(s.mode, s.refusal) for s in metadata.segments]
    assert seen == [("eager", "")] * 9 + [("recorded", ""), ("replayed", "")]
    assert delayed.counts["record"] == 3
    told = [r.message for r in caplog.records if "does not record" in r.message]
    assert told == ["/device:DELAYED:0 does not record the 5 steps from 'Cumsum' to 'Cumsum_4', which run one by one "
                    "for a while: no memory for a graph"] * 2


def test_nobody_else_calls_a_device_while_one_records(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [None])
        y = chain(x, 6)
    problems = []

    def work(seed):
        try:
            for k in range(40):
                n = 2 + (k + seed) % 17
                assert session.run(y, {x: np.ones(n)}).shape == (n,)
        except Exception as error:
            problems.append(error)
    with tf.Session() as session:
        threads = [threading.Thread(target=work, args=(5 * i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not problems and not delayed.intruders
    assert delayed.counts["record"] > 10


def test_a_deadline_is_heeded_before_a_segment(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(tf.py_func(lambda a: (time.sleep(0.05), a)[1], [x], tf.float32), 5)
    with tf.Session() as session, pytest.raises(tf.errors.DeadlineExceededError):
        session.run(y, {x: np.ones(4)}, tf.RunOptions(timeout_in_ms=20))


def test_closing_a_session_is_heeded_before_a_segment(delayed):
    session = tf.Session()
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        early = chain(x, 4)
    y = tf.py_func(lambda a: (session.close(), a)[1], [early], tf.float32)
    with tf.device(DEVICE):
        late = chain(tf.reshape(y, [4]), 4)
    with pytest.raises(tf.errors.CancelledError, match="Session has been closed during the run"):
        session.run(late, {x: np.ones(4)})
    assert delayed.counts["kernels"] == 4


@pytest.mark.parametrize("method", ["h2d", "kernel", "record_begin", "record_end", "replay"])
def test_an_interrupt_in_the_devices_code_is_an_interrupt(delayed, method):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(x, 4)

    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)
    with tf.Session() as session:
        if method != "kernel":
            for _ in range(3 if method == "replay" else 1):
                session.run(y, {x: np.ones(4)})
        setattr(delayed, method, interrupted if method != "kernel" else lambda i, op: interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.run(y, {x: np.ones(4)})
        delattr(delayed, method)
        if method == "record_end":
            delayed.record_end(0)
        if method != "kernel":
            assert session.run(y, {x: np.ones(4)}).tolist() == [1, 5, 15, 35]


def test_a_replay_that_fails_says_which(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(x)
    with tf.Session() as session:
        for _ in range(2):
            session.run(y, {x: np.ones(4)})

        def replay(i, recording):
            raise MemoryError("the driver is full")
        delayed.replay = replay
        with pytest.raises(tf.errors.ResourceExhaustedError, match="the replay of the 5 steps from 'Cumsum' to "
                                                                    "'Cumsum_4' failed: the driver is full"):
            session.run(y, {x: np.ones(4)})
        del delayed.replay
        assert session.run(y, {x: np.ones(4)}).tolist() == [1, 6, 21, 56]


def test_plans_of_a_device_make_room_for_each_other_where_shapes_never_repeat(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [None])
        y = chain(x, 3)
    with tf.Session() as session:
        for n in [*range(1, 80), 1]:
            value, metadata = run(session, y, {x: np.ones(n)})
            assert value.shape == (n,) and not metadata.fallbacks
        assert session.run(y, {x: np.ones(1)}) == 1
        run(session, y, {x: np.ones(1)})
        assert delayed.counts["record"] == 1
    delayed.ordinals[0].drain()
    assert delayed.stats(0)["bytes_in_use"] == 0


# --- memory -----------------------------------------------------------------------------------------------

def test_no_memory_for_a_plan_lists_what_is_alive_and_the_session_goes_on():
    with delayed_device.registered(limit_bytes=2 << 20), tf.Session() as session:
        with tf.device(DEVICE):
            v = tf.Variable(tf.zeros([1 << 16]), name="weights")
            x = tf.placeholder(tf.float32, [None, 1 << 16])
            wide = tf.cumsum(x, name="wide")
            y = tf.reduce_sum(wide * v, name="sum")
        session.run(v.initializer)
        with pytest.raises(tf.errors.ResourceExhaustedError) as caught:
            session.run(y, {x: np.ones([20, 1 << 16])})
        assert session.run(y, {x: np.ones([2, 1 << 16])}) == 0
    text = str(caught.value)
    assert "/device:DELAYED:0 has no memory for the 5.0 MiB of this run's intermediate values" in text
    assert "5.0 MiB, by _Copy at " in text
    assert "variable weights float32 (65536,), 256.0 KiB, at " in text and text.count(__file__) >= 3
    assert re.search(r"in use +512.0 KiB of 2.0 MiB, /device:DELAYED:0 says", text)      # and the initial value


def test_no_memory_for_a_variable_lists_the_others():
    with delayed_device.registered(limit_bytes=3 << 19), tf.Session() as session:
        with tf.device(DEVICE):
            v = tf.get_variable("v", [1 << 17])
            w = tf.get_variable("w", [1 << 18])
        session.run(v.initializer)
        with pytest.raises(tf.errors.ResourceExhaustedError) as caught:
            session.run(w.initializer)
        assert session.run(v).shape == (1 << 17,)
    text = str(caught.value)
    assert "no memory for a variable: w:0 takes 1.0 MiB" in text and "variable v float32 (131072,), 512.0 KiB" in text


def test_no_memory_for_a_constant(delayed):
    delayed.limit_bytes = 1 << 20
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [1 << 18])
        y = tf.cumsum(x) * tf.constant(np.arange(1 << 18, dtype=np.float32), name="table")
    with tf.Session() as session, pytest.raises(tf.errors.ResourceExhaustedError, match="no memory for a constant: "
                                                                                          "table:0 takes 1.0 MiB"):
        session.run(y, {x: np.ones(1 << 18)})


def test_idle_memory_of_other_runs_is_given_back_before_an_allocation_fails(delayed):
    delayed.limit_bytes = 3 << 20
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [None])
        y = tf.reduce_sum(tf.cumsum(x))
    with tf.Session() as one, tf.Session() as other:
        for n in 1 << 17, (1 << 17) + 1, (1 << 17) + 2, (1 << 17) + 3:
            assert one.run(y, {x: np.zeros(n)}) == 0
            assert other.run(y, {x: np.zeros(n)}) == 0
        peak = delayed.stats(0)["peak_bytes"]
    assert (2 << 20) < peak <= 3 << 20


def test_a_constant_is_put_on_a_device_once_for_all_shapes(delayed):
    table = np.arange(1 << 16, dtype=np.float32)
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [None, 1 << 16])
        y = tf.reduce_sum(tf.cumsum(x) * tf.constant(table))
    with tf.Session() as session:
        for n in 1, 2, 3:
            session.run(y, {x: np.ones([n, 1 << 16])})
        assert delayed.counts["bytes_h2d"] < (1 + 2 + 3 + 1) * table.nbytes + 1000


def test_what_a_kernel_finds_no_memory_for_names_its_op(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = tf.cumsum(x, name="hungry")

    def kernel(i, op):
        def hungry(inputs, outputs):
            raise MemoryError("no room for a plan")
        return hungry
    delayed.kernel = kernel
    with tf.Session() as session, pytest.raises(tf.errors.ResourceExhaustedError, match="no room for a plan(.|\n)*"
                                                                                          r"\[\[Cumsum 'hungry'\]\]"):
        session.run(y, {x: np.ones(4)})


def test_ctrl_c_in_the_devices_code_is_ctrl_c(delayed, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = chain(x)
    with tf.Session() as session:
        session.run(y, {x: np.ones(4)})
        for method in ("h2d", "d2h", "sync"):
            with monkeypatch.context() as patch:
                patch.setattr(delayed, method, interrupted)
                with pytest.raises(KeyboardInterrupt):
                    session.run(y, {x: np.ones(4)})
        assert session.run(y, {x: np.ones(4)})[0] == 1


# --- options ----------------------------------------------------------------------------------------------

def test_options_reach_a_device_before_its_first_use_and_the_first_session_decides(delayed, caplog):
    def session_with(**options):
        return tf.Session(config=tf.ConfigProto(gpu_options=tf.GPUOptions(**options)))

    def told():                          # not of the default device, which other tests may have configured
        return [m for m in (r.getMessage() for r in caplog.records) if "DELAYED" in m]
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [4])
        y = tf.cumsum(x)
    with session_with(allow_growth=True, visible_device_list="0", experimental={"beta": 2, "gamma": 3}) as first:
        first.run(y, {x: np.ones(4)})
        assert delayed.options == {0: {"allow_growth": True, "beta": 2}}
        first.run(y + 1.0, {x: np.ones(4)})
    with session_with() as careless:
        careless.run(y, {x: np.ones(4)})
    assert not told()
    with session_with(allow_growth=True, per_process_gpu_memory_fraction=0.5) as late:
        late.run(y, {x: np.ones(4)})
    assert told() == [
        "/device:DELAYED:0 was configured by the first session that used it: per_process_gpu_memory_fraction=0.5 is "
        "ignored, it is None"]
    assert delayed.options == {0: {"allow_growth": True, "beta": 2}}


def test_options_that_a_device_refuses(delayed):
    def configure(i, options):
        raise ValueError("a fraction of 3 is more than all")
    delayed.configure = configure
    with tf.device(DEVICE):
        y = tf.cumsum(tf.placeholder_with_default(tf.ones([4]), [4]))
    config = tf.ConfigProto(gpu_options=tf.GPUOptions(per_process_gpu_memory_fraction=3.0))
    with tf.Session(config=config) as session, pytest.raises(ValueError, match="a fraction of 3 is more than all"):
        session.run(y)


@pytest.mark.parametrize("is_soft", [True, False])
def test_an_ordinal_that_the_options_leave_out_is_not_there(caplog, monkeypatch, is_soft):
    def configure(i, options):
        if i:
            raise tf.errors.NotFoundError(None, None, "there is no second one: 1 is visible")
    monkeypatch.setattr(placement, "_reported", set())
    with tf.device("/device:DELAYED:1"):
        y = tf.cumsum(tf.placeholder_with_default(tf.ones([4]), [4]))
    config = tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True), allow_soft_placement=is_soft)
    with delayed_device.registered(devices=2) as delayed, tf.Session(config=config) as session:
        delayed.configure = configure
        if is_soft:
            assert session.run(y).tolist() == [1, 2, 3, 4] and delayed.counts["kernels"] == 0
            assert "there is no device /device:DELAYED:1 (there is no second one: 1 is visible)" in caplog.text
            return
        with pytest.raises(tf.errors.InvalidArgumentError,
                           match="assigned to /device:DELAYED:1, but there is no second one: 1 is visible\n"):
            session.run(y)


# --- fused steps ------------------------------------------------------------------------------------------

def ops_of(metadata):
    return {(name, device) for _, name, device, *_ in metadata.step_stats if name != "_Copy"}


def traced(session, fetch, feed):
    metadata = tf.RunMetadata()
    value = session.run(fetch, feed, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
    return value, metadata


def dense(n):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [None, n])
        w, b = tf.constant(np.eye(n, dtype=np.float32)), tf.constant(np.arange(n, dtype=np.float32))
        return x, tf.nn.relu(tf.nn.bias_add(tf.matmul(x, w), b))


@pytest.mark.parametrize(("limit", "ops"), [
    (3, {"_FusedMatMul"}), (2, {"_FusedMatMul", "Relu"}), (1, {"MatMul", "BiasAdd", "Relu"})])
def test_a_fused_step_that_a_device_refuses_by_its_shapes_runs_there_in_parts(limit, ops):
    def refuses(op):
        parts = len(op.attrs.get("fused_ops", "").split(",")) + 1 if op.op_type == "_FusedMatMul" else 0
        return "the product is too large" if parts > limit and op.in_shapes[0][0] > 2 else None
    with delayed_device.registered(refuses=refuses), tf.Session() as session:
        x, y = dense(4)
        value, metadata = traced(session, y, {x: np.ones([8, 4])})
        assert value.tolist() == [[1, 2, 3, 4]] * 8
        assert ops_of(metadata) == {(op, DEVICE) for op in ops} and not metadata.fallbacks
        assert ops_of(traced(session, y, {x: np.ones([2, 4])})[1]) == {("_FusedMatMul", DEVICE)}


def test_a_region_that_a_device_refuses_by_its_shapes_runs_there_in_parts():
    def refuses(op):
        return "too large" if op.op_type == "_Region" and op.in_shapes[0][0] > 100 else None
    with delayed_device.registered(refuses=refuses), tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [None])
            y = tf.exp(-x) * 2.0
        value, metadata = traced(session, y, {x: np.zeros(200)})
        assert value.tolist() == [2] * 200
        assert ops_of(metadata) == {("Neg", DEVICE), ("Exp", DEVICE), ("Mul", DEVICE)}
        assert ops_of(traced(session, y, {x: np.zeros(20)})[1]) == {("_Region", DEVICE)}


def batch_norm_gradient():
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [None, 4, 4, 2])
        scale, offset = tf.constant([1.0, 2.0]), tf.constant([0.5, -0.5])
        y = tf.nn.relu(tf.nn.fused_batch_norm(x, scale, offset, epsilon=0.01)[0])
        return x, tf.gradients(tf.reduce_sum(y * y), x)[0]


@pytest.mark.parametrize("op_type", ["_FusedBatchNormEx", "_FusedBatchNormGradEx"])
def test_a_normalisation_that_a_device_refuses_to_fuse_by_its_shapes_runs_there_in_parts(op_type):
    def refuses(op):
        return "too large" if op.op_type == op_type and op.in_shapes[0][0] > 1 else None
    values = []
    for function in None, refuses:
        with tf.Graph().as_default(), delayed_device.registered(refuses=function), tf.Session() as session:
            x, dx = batch_norm_gradient()
            feed = np.random.default_rng(3).normal(size=(3, 4, 4, 2))
            value, metadata = traced(session, dx, {x: feed})
            values.append(value)
            assert not metadata.fallbacks and ((op_type, DEVICE) in ops_of(metadata)) == (function is None)
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4, atol=1e-5)


# --- several devices --------------------------------------------------------------------------------------

def test_what_runs_elsewhere_is_counted_with_what_is_copied_for_it(caplog, monkeypatch):
    caplog.set_level("INFO", "thalweg")
    monkeypatch.setattr(placement, "_reported", set())
    with delayed_device.registered(missing={"Cumprod"}), tf.Session() as session:
        with tf.device(DEVICE):
            x = tf.placeholder(tf.float32, [256])
            y = tf.cumsum(tf.cumprod(tf.cumsum(tf.cumprod(tf.cumsum(x)))))
        _, metadata = run(session, y, {x: np.ones(256)})
        run(session, y + 1.0, {x: np.ones(256)})
    key = "Cumprod", DEVICE
    assert metadata.fallbacks == {key: 2} and metadata.fallback_bytes == {key: 4096}
    assert [r.getMessage() for r in caplog.records if "ran elsewhere" in r.getMessage()] == [
        "2 ops of type Cumprod ran elsewhere than on /device:DELAYED:0 (DELAYED was told to lack Cumprod): 4.0 KiB "
        "copied per run"]


def two_devices():
    """A value that goes from one ordinal to another and back, while the first uses its memory again."""
    with tf.device("/cpu:0"):
        v = tf.Variable(tf.ones([64]))
    with tf.device("/device:DELAYED:0"):
        a = tf.cumsum(v)
        step = v.assign_add(tf.reshape(tf.cumsum(tf.cumsum(a) * 2.0), [64]) * 0.0 + 1.0)
    with tf.device("/device:DELAYED:1"):
        b = tf.cumsum(a)
    with tf.device("/device:DELAYED:0"):
        c = tf.cumsum(b) + a
        for _ in range(3):
            c = tf.cumsum(c)
    return v, c, step


@pytest.mark.parametrize("has_peer", [True, False])
def test_values_go_from_one_ordinal_to_another(has_peer, monkeypatch):
    if not has_peer:
        monkeypatch.delattr(delayed_device.Delayed, "copy_peer")
    with delayed_device.registered(devices=2) as delayed, tf.Session() as session:
        v, c, step = two_devices()
        session.run(v.initializer)
        for k in range(4):
            value, _ = session.run([c, step.op])
            expected = np.cumsum(np.full(64, k + 1, np.float32))
            expected = np.cumsum(np.cumsum(expected)) + expected
            for _ in range(3):
                expected = np.cumsum(expected)
            np.testing.assert_allclose(value, expected, rtol=1e-6)
        assert delayed.counts["peer"] == (16 if has_peer else 0)         # two copies, each asked of both ordinals


class Recording:
    """A thread that records on one of two ordinals of DELAYED, and goes on recording until it is let go."""

    def __init__(self, delayed, ordinal):
        self.has_begun, self.may_end = threading.Event(), threading.Event()
        self.delayed, self.ordinal = delayed, ordinal
        with tf.device(f"/device:DELAYED:{ordinal}"):
            self.x = tf.placeholder(tf.float32, [4])
            self.y = chain(self.x)
        self.session = tf.Session()
        self.session.run(self.y, {self.x: np.ones(4)})
        self.thread = threading.Thread(target=self.session.run, args=(self.y, {self.x: np.ones(4)}), daemon=True)

    def record_begin(self):
        self.has_begun.set()
        assert self.may_end.wait(60)
        delayed_device.Delayed.record_begin(self.delayed, self.ordinal)


class Copy:
    """A thread whose run begins with a copy from one ordinal to the other."""

    def __init__(self, origin, target):
        with tf.device(f"/device:DELAYED:{origin}"):
            source = tf.Variable(tf.ones([4]))
        with tf.device(f"/device:DELAYED:{target}"):
            place = tf.Variable(tf.zeros([4]))
        step = place.assign(tf.identity(source)).op
        self.session = tf.Session()
        self.session.run([source.initializer, place.initializer])
        self.session.run(step)           # makes room for it, which is asked of the devices, too
        self.thread = threading.Thread(target=self.session.run, args=(step,), daemon=True)


def is_kept_out(delayed, busy, origin, target):
    """Whether a copy that waits, as ordinal `busy` is recorded, keeps others from recording the other ordinal."""
    recordings, copy = [Recording(delayed, 0), Recording(delayed, 1)], Copy(origin, target)
    delayed.record_begin = lambda i: recordings[i].record_begin()
    here, there = recordings[busy], recordings[1 - busy]
    there.may_end.set()
    here.thread.start()
    assert here.has_begun.wait(30)
    copy.thread.start()
    time.sleep(0.5)                      # it comes to the gates
    there.thread.start()
    answer = not there.has_begun.wait(0.5)
    here.may_end.set()
    for one in (here, there, copy):
        one.thread.join(30)
        assert not one.thread.is_alive(), "they wait for each other"
        one.session.close()
    return answer


def test_copies_in_opposite_directions_stand_in_the_same_gate_while_they_wait_at_the_other():
    """They enter one gate first: who waits there stands in none, who waits at the other stands in that one."""
    with delayed_device.registered(devices=2) as delayed:
        answers = {(busy, origin): is_kept_out(delayed, busy, origin, 1 - origin)
                   for busy in (0, 1) for origin in (0, 1)}
        assert [answers[busy, 0] for busy in (0, 1)] == [answers[busy, 1] for busy in (0, 1)]
        assert sorted(answers.values()) == [False, False, True, True]
        assert delayed.counts["peer"] == 16 and delayed.counts["record"] == 8


def cut(x):
    return (np.float32(x).view(np.uint32) & 0xFFFF0000).view(np.float32)


LOSSY = tf.ConfigProto(graph_options=tf.GraphOptions(enable_bfloat16_sendrecv=True))


@pytest.mark.parametrize("config", [None, LOSSY])
def test_float32_values_may_travel_as_bfloat16(config, delayed):
    n = 1000
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [n])
        a = tf.cumsum(x)
    with tf.device("/cpu:0"):
        b = tf.cumprod(a)
    with tf.device(DEVICE):
        c = tf.negative(b)
    feed = np.random.default_rng(5).normal(0, 1e-5, n).astype(np.float32) + np.eye(1, n, dtype=np.float32)[0]
    with tf.Session(config=config) as session:
        value = session.run(c, {x: feed})
        first = session.run(a, {x: feed})
        counts = delayed.counts.copy()
    if config is None:
        assert counts["bytes_h2d"] - counts["bytes_d2h"] < 100 and counts["bytes_d2h"] == 3 * 4 * n
        np.testing.assert_allclose(value, -np.cumprod(first), rtol=2e-6)
    else:
        assert counts["bytes_d2h"] == 2 * n + 4 * n + 4 * n                  # to the host's step, and two fetches
        np.testing.assert_allclose(value, -cut(np.cumprod(cut(first))), rtol=2 ** -7)
        assert not np.any(value.view(np.uint32) & 0xFFFF) and np.any(first.view(np.uint32) & 0xFFFF)


def test_what_is_fetched_and_taken_on_another_device_is_fetched_whole(delayed):
    with tf.device(DEVICE):
        x = tf.placeholder(tf.float32, [2])
        a = tf.cumsum(x)
    with tf.device("/cpu:0"):
        b = tf.cumsum(a)
    with tf.Session(config=LOSSY) as session:
        values = session.run([b, a, b], {x: [0.1, 0.2]})
    np.testing.assert_array_equal(values[1], np.cumsum(np.float32([0.1, 0.2])))
    np.testing.assert_array_equal(values[0], np.cumsum(cut(values[1])))


def test_integers_and_what_a_device_cannot_cast_travel_whole(caplog, monkeypatch):
    caplog.set_level("INFO", "thalweg")
    monkeypatch.setattr(placement, "_reported", set())
    with delayed_device.registered(missing={"Cast"}), tf.Session(config=LOSSY) as session:
        with tf.device(DEVICE):
            x, n = tf.placeholder(tf.float32, [2]), tf.placeholder(tf.int32, [2])
            a, k = tf.cumsum(x), tf.cumsum(n)
        with tf.device("/cpu:0"):
            fetches = [tf.cumprod(a), tf.negative(k)]
        values = session.run(fetches, {x: [0.1, 0.2], n: [1000001, 2]})
    np.testing.assert_array_equal(values[0], np.cumprod(np.cumsum(np.float32([0.1, 0.2]))))
    assert values[1].tolist() == [-1000001, -1000003]
    assert "float32 values travel whole to and from /device:DELAYED:0: DELAYED was told to lack Cast" in caplog.text
