"""Sessions on devices of every kind: the same values, copies where they must be, and errors that say what failed."""
import logging
import re

import numpy as np
import pytest

import thalweg as tf
from thalweg import devices
from thalweg.devices import DevicePlugin, placement
from thalweg.devices.reference import ReferenceDevice
from thalweg.ops import training
from thalweg.testing import delayed_device, fake_device

DEVICES = ["/device:CPU:0", "/device:FAKE:0", "/device:REFERENCE:0"]


@pytest.fixture(autouse=True)
def graph():
    with fake_device.registered(), tf.Graph().as_default():
        yield


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_the_same_values_everywhere(device, dtype):
    with tf.device(device):
        x = tf.placeholder(dtype, [None, 3])
        weights = tf.Variable(tf.ones([3, 2], dtype))
        step = weights.assign_add(tf.ones([3, 2], dtype) * 0.5)
        y = tf.reduce_sum(tf.square(tf.matmul(x, weights)), axis=1)
    with tf.Session() as session:
        session.run(weights.initializer)
        session.run(step)
        assert session.run(y, {x: np.arange(6).reshape(2, 3)}).tolist() == [40.5, 648.0]
        assert session.run(weights).tolist() == [[1.5, 1.5]] * 3


@pytest.mark.parametrize("device", DEVICES)
def test_a_variable_is_written_by_an_op_that_its_device_has_no_kernel_for(device):
    with tf.device(device):
        v = tf.Variable(np.complex64([1, 2j]))
        total = tf.reduce_sum(tf.real(v))
        step = v.assign_add(np.complex64([1, 1]))
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run(total) == 1
        assert session.run(step).tolist() == [2, 1 + 2j]
        assert session.run(step).tolist() == [3, 2 + 2j]
        assert session.run(total) == 5


@pytest.mark.parametrize("device", DEVICES)
def test_branches_and_bodies_find_variables_on_any_device(device):
    with tf.device(device):
        v, flag = tf.Variable([1.0, 2.0]), tf.Variable(True)
    n = tf.placeholder(tf.int32, [])
    branch = tf.cond(tf.logical_and(flag, n > 0), lambda: v.assign_add([1.0, 1.0]), lambda: v * 3.0)
    body = tf.while_loop(lambda i, total: i < n, lambda i, total: (i + 1, total + v), [0, v * 0.0])[1]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(branch, {n: 1}).tolist() == [2, 3]
        assert session.run(branch, {n: 0}).tolist() == [6, 9]
        assert session.run(body, {n: 2}).tolist() == [4, 6]


@pytest.mark.parametrize("device", DEVICES)
def test_a_variable_of_unknown_shape_on_any_device(device):
    value = tf.placeholder(tf.float32)
    with tf.device(device):
        v = tf.Variable(value, validate_shape=False)
    with tf.Session() as session:
        for array in [1.0, 2.0], np.ones(300), [[3.0]]:
            session.run(v.initializer, {value: array})
            np.testing.assert_array_equal(session.run(v + 1.0), np.add(array, 1))


def test_random_numbers_do_not_depend_on_the_device():
    draws = []
    for device in DEVICES:
        with tf.Graph().as_default(), tf.device(device):
            values = [tf.random_uniform([5], seed=3), tf.random_normal([5], seed=3)]
            with tf.Session() as session:
                draws.append([session.run(values), session.run(values)])
    cpu, *others = draws
    assert cpu[0][0].tobytes() != cpu[1][0].tobytes()
    for other in others:
        for run, expected in zip(other, cpu):
            assert run[0].tobytes() == expected[0].tobytes()
            np.testing.assert_allclose(run[1], expected[1], rtol=1e-6)      # logarithms differ in the last bits


def test_a_missing_kernel_falls_back():
    fake_device.set_faults(missing=["Exp"])
    with tf.device("/device:FAKE:0"):
        x = tf.placeholder(tf.float32, [3])
        y = tf.exp(x * 2.0) + 1.0
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(y, {x: [0, 1, 2]}), np.exp([0, 2, 4]) + 1, rtol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_a_variable_is_changed_by_ops_that_its_device_lacks(device):
    with tf.device(device):
        v = tf.Variable(np.complex64([1, 2j]))
        added = v.assign_add(np.complex64([1, 1]))
    with tf.Session() as session:
        session.run(v.initializer)
        for k in 1, 2:
            assert session.run(added).tolist() == [1 + k, 2j + k]


@pytest.mark.parametrize("device", DEVICES)
def test_steps_in_python_ask_about_variables_on_any_device(device):
    with tf.device(device):
        v, count = tf.Variable([1.0, 2.0]), tf.Variable(0)
        upper = count.count_up_to(2)
    with tf.Session() as session:
        assert not session.run(tf.is_variable_initialized(v))
        assert session.run(v.initialized_value()).tolist() == [1, 2]
        session.run([v.initializer, count.initializer])
        assert session.run(tf.is_variable_initialized(v))
        assert [session.run(upper), session.run(upper), session.run(count)] == [0, 1, 2]


@pytest.mark.parametrize("device", DEVICES)
def test_a_variable_of_unknown_shape_is_fetched_from_any_device(device):
    with tf.device(device):
        value = tf.placeholder(tf.float32)
        v = tf.Variable(value, validate_shape=False)
    with tf.Session() as session:
        for array in [[1.0, 2.0], [[3.0]]]:
            session.run(v.initializer, {value: array})
            assert session.run(v).tolist() == array and session.run(tf.shape(v)).tolist() == list(np.shape(array))


@pytest.mark.parametrize("device", DEVICES)
def test_the_host_reads_a_variable_of_a_device_anew_after_a_write(device):
    x = tf.placeholder(tf.float32, [4])
    with tf.device(device):
        v = tf.Variable(tf.ones([4]))
    with tf.device("/cpu:0"):
        before = tf.cumsum(v)
    with tf.device(device):
        step = v.assign_add(tf.cumsum(tf.cumsum(x)))
    with tf.device("/cpu:0"), tf.control_dependencies([step]):
        after = tf.cumsum(v)
    with tf.Session() as session:
        session.run(v.initializer)
        for k in range(3):
            old = 1 + k * np.float32([1, 3, 6, 10])
            values = session.run([before, after], {x: np.ones(4)})
            np.testing.assert_array_equal(values, np.cumsum([old, old + [1, 3, 6, 10]], axis=1))


@pytest.mark.parametrize("device", DEVICES)
def test_slots_on_a_device_are_changed_by_an_update_whose_shape_the_run_decides(device):
    rows = tf.placeholder(tf.int32, [None])
    with tf.device(device):
        v, accumulator = tf.Variable(tf.zeros([3, 2])), tf.Variable(tf.ones([3, 2]))
        found, _ = tf.unique(rows)
        step = training.sparse_apply_adagrad(v, accumulator, 0.5, tf.ones_like(tf.gather(v, found)), found)
    with tf.Session() as session:
        session.run([v.initializer, accumulator.initializer])
        for k in 1, 2:
            session.run(step, {rows: [2, 0, 2]})
            assert session.run(accumulator).tolist() == [[1 + k] * 2, [1] * 2, [1 + k] * 2]


def test_no_memory_on_the_device_leaves_the_session_usable():
    with tf.device("/device:FAKE:0"):
        x = tf.placeholder(tf.float32, [5])
        y = tf.exp(x) + 1.0
    with tf.Session() as session:
        fake_device.set_faults(oom_at=1)
        with pytest.raises(tf.errors.ResourceExhaustedError, match="/device:FAKE:0: an allocation of .* an injected"):
            session.run(y, {x: np.zeros(5)})
        fake_device.set_faults()
        assert session.run(y, {x: np.zeros(5)}).tolist() == [2] * 5


class Unplugged:
    """A device in Python whose copies fail."""

    def count(self):
        return 1

    def alloc(self, i, nbytes, align):
        return bytearray(nbytes)

    def free(self, i, buf):
        pass

    def h2d(self, i, buf, src, stream=None):
        raise OSError("the cable is unplugged")

    def d2h(self, i, dst, buf, stream=None):
        dst[:] = buf

    def kernel(self, i, op):
        return lambda inputs, outputs: None


def test_a_copy_that_fails_says_why():
    devices.register(DevicePlugin("UNPLUGGED", Unplugged))
    try:
        with tf.device("/device:UNPLUGGED:0"):
            x = tf.placeholder(tf.float32, [5])
            y = tf.square(x)
        with tf.Session() as session, pytest.raises(tf.errors.OpError, match="OSError: the cable is unplugged"):
            session.run(y, {x: np.zeros(5)})
    finally:
        devices.unregister("UNPLUGGED")


def test_a_device_that_is_not_there_without_soft_placement():
    with tf.device("/device:ACME:0"):
        y = tf.constant(1.0) + 1.0
    config = tf.ConfigProto(allow_soft_placement=False)
    devices.find_device("FAKE")
    with tf.Session(config=config) as session, pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(y)
    assert "no installed package provides a device ACME" in str(caught.value)
    available, = re.findall("available +(.*)", str(caught.value))
    assert {"/device:CPU:0", "/device:FAKE:0"} <= set(available.split(", "))      # it has used one


@pytest.mark.parametrize("build, reason", [
    (lambda x: tf.where(x), "only the values of a run tell the shape of "),
    (lambda x: tf.as_string(x), "has elements of type string"),
    (lambda x: tf.py_func(np.sum, [x], tf.float32), "such steps run in Python"),
])
def test_without_soft_placement_an_error_says_why_there_is_no_kernel(build, reason):
    with tf.device("/device:FAKE:0"):
        x = tf.placeholder(tf.float32, [2])
        y = build(x)
    with tf.Session(config=tf.ConfigProto(allow_soft_placement=False)) as session, \
            pytest.raises(tf.errors.InvalidArgumentError, match=f"cannot place .*\n +reason +.*{reason}"):
        session.run(y, {x: [1, 0]})


@pytest.mark.parametrize("name, full", [("/foo:0", "/device:FOO:0"), ("/cpu:7", "/device:CPU:7")])
def test_a_device_that_is_not_there_is_reported_once(name, full, caplog, monkeypatch):
    monkeypatch.setattr(placement, "_reported", set())
    with tf.Graph().as_default(), tf.Session() as session, caplog.at_level(logging.WARNING, "thalweg"):
        x = tf.placeholder(tf.float32)
        with tf.device(name):
            y = tf.add(x, x, name="here")
            z = x * x
        session.run(y, {x: 1.0})
        session.run([y, z], {x: 1.0})
    (record,) = caplog.records
    for text in (f"there is no device {full} (", "operation 'here'", "run on /device:CPU:0",
                 "allow_soft_placement=False"):
        assert text in record.getMessage()


@pytest.mark.parametrize("count, names", [
    (0, {"/device:CPU:0"}), (1, {"/device:FAST:0", "/device:CPU:0"}), (2, {"/device:FAST:0", "/device:FAST:1"})])
def test_a_session_uses_as_many_devices_as_its_config_allows(count, names):
    opened = []

    class Two(ReferenceDevice):
        def count(self):
            return 2
    devices.register(DevicePlugin("FAST", lambda: opened.append(1) or Two(), aliases=("GPU",), priority=900))
    try:
        x = tf.placeholder(tf.float32, [2])
        values = [tf.negative(x)]
        for device in ("/gpu:0", "/device:FAST:0", "/gpu:1"):
            with tf.device(device):
                values.append(tf.negative(x))
        config, metadata = tf.ConfigProto(device_count={"GPU": count}), tf.RunMetadata()
        with tf.Session(config=config) as session:
            session.run(values, {x: [1, 2]}, tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), metadata)
            listed = {row.name for row in session.list_devices() if row.device_type == "FAST"}
        assert {device for _, op, device, *_ in metadata.step_stats if op == "Neg"} == names
        assert listed == {f"/device:FAST:{i}" for i in range(count)} and len(opened) == (count > 0)
    finally:
        devices.unregister("FAST")


class Objects:
    """The device of docs/devices.md whose memory is objects; its kernels fail."""

    def count(self):
        return 1

    def alloc(self, i, nbytes, align):
        return bytearray(nbytes)

    def free(self, i, buffer):
        pass

    def h2d(self, i, buffer, source, stream=None):
        buffer[:] = source

    def d2h(self, i, target, buffer, stream=None):
        target[:] = buffer

    def kernel(self, i, op):
        def fail(inputs, outputs):
            raise RuntimeError("told to fail in Exp")
        return fail if op.op_type == "Exp" else None


@pytest.fixture
def failing(request):
    if request.param == "DELAYED":
        with delayed_device.registered(fail_in={"Exp"}, synchronous={"Exp"}):
            yield "/device:DELAYED:0"
        return
    devices.register(DevicePlugin("OBJECTS", Objects, priority=20))
    yield "/device:OBJECTS:0"
    devices.unregister("OBJECTS")


@pytest.mark.parametrize("failing", ["OBJECTS", "DELAYED"], indirect=True)
def test_what_a_kernel_in_python_raises_is_the_cause_of_the_error(failing):
    with tf.device(failing):
        x = tf.placeholder(tf.float32, [4])
        y = tf.exp(x)
    with tf.Session() as session, pytest.raises(tf.errors.UnknownError) as caught:
        session.run(y, {x: np.ones(4)})
    assert caught.value.op is y.op and "told to fail in Exp\n\t [[Exp 'Exp']]\n  built at" in str(caught.value)
    assert type(caught.value.__cause__) is RuntimeError


def test_an_error_that_a_body_has_told_is_not_its_own_cause():
    def body(k):
        with tf.device("/cpu:0"):
            return tf.gather(tf.constant([1, 2]), k)
    wrong = tf.while_loop(lambda k: k < 9, body, [tf.constant(7)])
    with tf.Session() as session:
        with pytest.raises(tf.errors.InvalidArgumentError, match="7 is not in") as caught:
            session.run(wrong)
    assert caught.value.op.type == "GatherV2" and caught.value.__cause__ is None
