"""Whole programs on a card give what they give on the CPU: training, mixed graphs, checkpoints, several cards."""
import numpy as np
import pytest
import training_programs as programs

import thalweg as tf
from thalweg import devices

RUNS = 8


def losses_on(device, build, runs=RUNS):
    """The losses, and what fell back."""
    with tf.Graph().as_default() as graph, tf.device(device):
        program = build()
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            metadata = tf.RunMetadata()
            session.run([program.loss], program.feeds(0), run_metadata=metadata)
            return program.losses(session, runs), metadata.fallbacks


@pytest.mark.parametrize("build", [programs.mlp, programs.lenet, programs.rnn], ids=lambda f: f.__name__)
def test_training_goes_as_on_the_cpu(build):
    want, _ = losses_on("/cpu:0", build)
    got, fallbacks = losses_on("/gpu:0", build)
    assert not fallbacks
    assert want[-1] < 0.9 * want[0]
    np.testing.assert_allclose(got, want, rtol=2e-4)


def test_a_card_is_the_default_device():
    x = tf.placeholder(tf.float32, [3])
    with tf.Session() as session:
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        assert session.run(tf.exp(x) * 2, {x: [0, 1, 2]}, options, metadata)[0] == 2
    assert {device for _, op, device, *_ in metadata.step_stats if op in ("Exp", "_Region")} == {"/device:CUDA:0"}


def test_cpu_and_card_in_one_graph():
    x = tf.placeholder(tf.float32, [4, 5])
    with tf.device("/gpu:0"):
        a = tf.matmul(x, tf.constant(np.eye(5, dtype=np.float32) * 3))
    with tf.device("/cpu:0"):
        b = tf.cumsum(a, axis=1) + 1
    with tf.device("/gpu:0"):
        c = tf.reduce_sum(b * a, axis=0)
    value = np.random.RandomState(0).rand(4, 5).astype(np.float32)
    want = ((np.cumsum(3 * value, 1) + 1) * 3 * value).sum(0)
    with tf.Session() as session:
        for _ in range(4):
            np.testing.assert_allclose(session.run(c, {x: value}), want, rtol=1e-5)
            np.testing.assert_allclose(session.run([c, b, a], {x: value})[1], np.cumsum(3 * value, 1) + 1, rtol=1e-5)


def test_python_in_the_midst():
    x = tf.placeholder(tf.float32, [4])
    with tf.device("/gpu:0"):
        y = tf.py_func(lambda a: a[::-1].copy(), [x * 2], tf.float32)
        y.set_shape([4])
        z = y + 1
    with tf.Session() as session:
        for k in range(3):
            assert session.run(z, {x: np.arange(4) + k}).tolist() == [7 + 2 * k, 5 + 2 * k, 3 + 2 * k, 1 + 2 * k]


def test_feeds_and_fetches_of_all_kinds():
    with tf.device("/gpu:0"):
        x, y = tf.placeholder(tf.float32, [None]), tf.placeholder(tf.int64, [])
        s, t = x + tf.cast(y, tf.float32), y * 2
        empty = x[:0]
    with tf.Session() as session:
        for n in (1, 5, 5, 5, 100_000, 1, 5):
            values = session.run({"s": s, "t": t, "x": x, "empty": empty}, {x: np.arange(n), y: n})
            np.testing.assert_array_equal(values["s"], np.arange(n, dtype=np.float32) + n)
            np.testing.assert_array_equal(values["x"], np.arange(n))
            assert values["t"] == 2 * n and values["empty"].shape == (0,)
        assert session.run(s, {s: [1.0, 2.0]}).tolist() == [1, 2]        # a fed tensor is not computed


def test_a_variable_can_be_read_and_written():
    with tf.device("/gpu:0"):
        v = tf.Variable(np.arange(6, dtype=np.float32).reshape(2, 3))
        add = tf.assign_add(v, tf.ones([2, 3]))
    with tf.Session() as session:
        session.run(v.initializer)
        for k in range(1, 4):
            session.run(add)
            np.testing.assert_array_equal(session.run(v), np.arange(6).reshape(2, 3) + k)
        v.load(np.zeros((2, 3), np.float32), session)
        np.testing.assert_array_equal(session.run(add), np.ones((2, 3)))


def test_random_numbers_are_the_cpus():
    drawn = []
    for device in ("/cpu:0", "/gpu:0"):
        with tf.Graph().as_default() as graph, tf.device(device), tf.Session(graph=graph) as session:
            tf.set_random_seed(3)
            numbers = tf.random_uniform([1000]) + tf.random_uniform([1000], seed=8)
            double = tf.random_normal([1000], dtype=tf.float64) + tf.random_gamma([1000], 0.7, dtype=tf.float64)
            rows, categories = tf.random_shuffle(tf.range(9000)), tf.multinomial([[0.0, 1.0, 2.0]], 1000)
            counts = tf.random_poisson(30.0, [1000])
            outputs = [numbers * 2, numbers + 1, double, rows * 3, categories, counts]
            drawn.append([session.run(outputs) for _ in range(5)])               # the third on are replayed
    for cpu, gpu in zip(*drawn):
        for want, got in zip(cpu, gpu):
            np.testing.assert_array_equal(want, got)
    assert all(len({float(run[k].flat[0]) for run in drawn[0]}) > 1 for k in (0, 2, 3, 5))


def test_an_op_without_a_kernel_runs_on_the_cpu_and_is_counted():
    with tf.device("/gpu:0"):
        x = tf.placeholder(tf.float32, [6])
        y = tf.unique(x)[0] * 2
    metadata = tf.RunMetadata()
    with tf.Session() as session:
        value = session.run(y, {x: np.arange(6)}, run_metadata=metadata)
    assert sorted(value) == [0, 2, 4, 6, 8, 10] and ("Unique", "/device:CUDA:0") in metadata.fallbacks


def test_saved_on_a_card_restored_on_the_cpu(tmp_path):
    def build(device):
        with tf.device(device):
            program = programs.mlp()
        return program, tf.train.Saver()
    with tf.Graph().as_default(), tf.Session() as session:
        program, saver = build("/gpu:0")
        session.run(tf.global_variables_initializer())
        program.losses(session, 4)
        path = saver.save(session, str(tmp_path / "model"))
        want = program.losses(session, 3)
    for device in ("/cpu:0", "/gpu:0"):
        with tf.Graph().as_default(), tf.Session() as session:
            program, saver = build(device)
            saver.restore(session, path)
            np.testing.assert_allclose(program.losses(session, 3), want, rtol=1e-4)


@pytest.fixture
def two():
    if devices.find_device("CUDA", 1)[0] is None:
        pytest.skip("there is one GPU; this wants two")


def test_two_cards(two):
    x = tf.placeholder(tf.float32, [1000])
    with tf.device("/gpu:0"):
        a = tf.exp(x)
    with tf.device("/gpu:1"):
        v = tf.Variable(tf.zeros([1000]))
        b = tf.assign_add(v, a * 2)
    with tf.device("/gpu:0"):
        c = a + b
    value = np.random.RandomState(0).rand(1000).astype(np.float32)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for k in range(1, 6):
            np.testing.assert_allclose(session.run(c, {x: value}), (1 + 2 * k) * np.exp(value), rtol=1e-5)


def test_towers_on_two_cards(two):
    """Gradients of two halves of a batch, averaged on the CPU."""
    x = tf.placeholder(tf.float32, [8, 3])
    with tf.device("/cpu:0"):
        w = tf.Variable(np.ones((3, 1), np.float32))
    gradients = []
    for k in range(2):
        with tf.device(f"/gpu:{k}"):
            part = x[4 * k:4 * k + 4]
            gradients.append(tf.gradients(tf.reduce_mean(tf.square(tf.matmul(part, w))), w)[0])
    with tf.device("/cpu:0"):
        step = tf.assign_sub(w, 0.1 * (gradients[0] + gradients[1]) / 2)
    value = np.random.RandomState(0).rand(8, 3).astype(np.float32)
    want = np.ones((3, 1))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(4):
            want = want - 0.1 * (2 * value.T @ (value @ want) / 8)
            np.testing.assert_allclose(session.run(step, {x: value}), want, rtol=1e-4)
