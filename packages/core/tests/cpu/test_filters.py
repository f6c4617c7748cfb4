"""Filters that are packed once and kept: they follow their variable, are shared, and go with their kernels."""
import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import thalweg as tf
from thalweg.cpu._gemm import kept_bytes

X = np.random.default_rng(0).standard_normal((2, 12, 12, 16)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((3, 3, 16, 32)).astype(np.float32)


@pytest.fixture(autouse=True)
def nothing_is_kept():
    tf.reset_default_graph()
    gc.collect()
    assert kept_bytes() == 0
    yield
    tf.reset_default_graph()


def convolution(filters, stride=1):
    x = tf.placeholder(tf.float32, [None, 12, 12, 16])
    return x, tf.nn.conv2d(x, filters, [1, stride, stride, 1], "SAME")


def three_times(session, y, feed):
    first, second, third = (session.run(y, feed) for _ in range(3))
    assert first.tobytes() == second.tobytes() == third.tobytes()
    return first


def test_a_filter_is_kept_when_it_is_met_again_and_freed_with_the_session():
    x, y = convolution(tf.Variable(W))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(y, {x: X})
        assert kept_bytes() == 0
        session.run(y, {x: X})
        assert kept_bytes() >= W.nbytes
        session.run(y, {x: X})
    del session
    gc.collect()
    assert kept_bytes() == 0


def test_the_pointwise_filter_of_a_separable_convolution_is_kept():
    x = tf.placeholder(tf.float32, [1, 30, 30, 16])
    depthwise, pointwise = tf.Variable(np.ones((3, 3, 16, 1), np.float32)), tf.Variable(W[:1, :1])
    y = tf.nn.separable_conv2d(x, depthwise, pointwise, [1, 1, 1, 1], "SAME")
    feed = {x: np.random.default_rng(2).standard_normal((1, 30, 30, 16))}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        once = three_times(session, y, feed)
        assert kept_bytes() >= W[0, 0].nbytes
        session.run(tf.assign(pointwise, 2 * pointwise))
        np.testing.assert_allclose(three_times(session, y, feed), 2 * once, rtol=1e-5, atol=1e-5)
    del session
    gc.collect()
    assert kept_bytes() == 0


@pytest.mark.parametrize("change", ["assign", "scatter", "py_func", "load", "loop", "branch"])
def test_a_changed_variable_is_packed_anew(change):
    v = tf.Variable(W)
    x, y = convolution(v)
    if change == "scatter":
        update = tf.scatter_mul(v, [0, 1, 2], tf.fill([3, 3, 16, 32], 2.0))
    elif change == "py_func":
        update = tf.assign(v, tf.py_func(lambda w: w * 2, [v], tf.float32))
    elif change == "loop":
        def body(i):
            return i + 1 + tf.cast(0 * tf.assign(v, v * 2)[0, 0, 0, 0], tf.int32)
        update = tf.while_loop(lambda i: i < 1, body, [0])
    elif change == "branch":
        yes = tf.placeholder_with_default(True, [])
        update = tf.cond(yes, lambda: tf.identity(tf.assign(v, v * 2)), lambda: v + 0)
    else:
        update = tf.assign(v, v * 2)
    with tf.Session() as session:
        session.run(v.initializer)
        once = three_times(session, y, {x: X})
        if change == "load":
            v.load(W * 2, session)
        else:
            session.run(update)
        np.testing.assert_allclose(three_times(session, y, {x: X}), 2 * once, rtol=1e-5, atol=1e-5)


def test_weights_that_every_run_changes_are_not_kept():
    v = tf.Variable(W)
    x, y = convolution(v)
    step = tf.assign_sub(v, 1e-3 * tf.gradients(tf.reduce_sum(tf.square(y)), v)[0])
    with tf.Session() as session:
        session.run(v.initializer)
        for _ in range(4):
            session.run(step, {x: X})
        assert kept_bytes() == 0


@pytest.mark.parametrize("algorithm, x_shape, w_shape", [
    ("4x4", (11, 12, 11, 300), (3, 3, 300, 304)), ("2x2", (4, 12, 11, 448), (3, 3, 448, 464)),
    ("4x4", (25, 5, 4, 300), (5, 5, 300, 304)), ("4x4", (400, 4, 3, 300), (3, 3, 300, 304)),
], ids=["4x4", "2x2", "5x5", "two blocks"])
def test_a_large_filter_in_pieces_or_whole_gives_the_same_bits(algorithm, x_shape, w_shape):
    random = np.random.default_rng(3)
    x = tf.constant(random.standard_normal(x_shape).astype(np.float32))
    w = random.standard_normal(w_shape).astype(np.float32)
    y = tf.nn.conv2d(x, tf.Variable(w), [1, 1, 1, 1], "SAME")

    def run(algorithm, threads, times):
        config = tf.ConfigProto(convolution_algorithm=algorithm, intra_op_parallelism_threads=threads)
        with tf.Session(config=config) as session:
            session.run(tf.global_variables_initializer())
            return [session.run(y) for _ in range(times)], kept_bytes()
    (in_pieces, made, kept), n_bytes = run(algorithm, 2, 3)
    assert n_bytes > 3 * w.nbytes // 2
    (alone,), n_bytes = run(algorithm, 1, 1)
    assert in_pieces.tobytes() == made.tobytes() == kept.tobytes() == alone.tobytes()
    (exact,), _ = run("exact", 2, 1)
    np.testing.assert_allclose(alone, exact, atol=4e-5 * np.sqrt(np.mean(exact ** 2)))


def test_plans_of_other_shapes_share_what_is_kept():
    x, y = convolution(tf.constant(W))
    with tf.Session(config=tf.ConfigProto(convolution_algorithm="4x4")) as session:
        whole = three_times(session, y, {x: X})
        kept = kept_bytes()
        assert kept
        np.testing.assert_array_equal(three_times(session, y, {x: X[:1]}), whole[:1])
        assert kept_bytes() == kept


def test_a_stride_of_two_and_a_gradient_have_layouts_of_their_own():
    v = tf.Variable(W)
    x, y = convolution(v)
    _, strided = convolution(v, 2)
    dy = np.random.default_rng(2).standard_normal((2, 12, 12, 32)).astype(np.float32)
    dx = tf.nn.conv2d_backprop_input([2, 12, 12, 16], v, tf.constant(dy), [1, 1, 1, 1], "SAME")
    with tf.Session() as session:
        session.run(v.initializer)
        results = three_times(session, y, {x: X}), three_times(session, dx, {})
    with tf.Session() as fresh:
        fresh.run(v.initializer)
        np.testing.assert_array_equal(results[0], fresh.run(y, {x: X}))
        np.testing.assert_array_equal(results[1], fresh.run(dx))


def test_threads_read_while_the_variable_changes():
    """A reader sees of each number the old or the new value, as in TensorFlow 1.x: sums lie between those of both."""
    v = tf.Variable(W)
    x, y = convolution(v)
    sizes, largest = convolution(tf.constant(np.abs(W)))
    double, halve = tf.assign(v, v * 2), tf.assign(v, v / 2)
    with tf.Session() as session:
        session.run(v.initializer)
        once, largest = session.run(y, {x: X}), session.run(largest, {sizes: np.abs(X)})
        wrong = []

        def read():
            for _ in range(60):
                excess = (np.abs(session.run(y, {x: X}) - once) - 1.01 * largest).max()
                if not excess <= 0:
                    wrong.append(excess)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            session.run(double)
            session.run(halve)
        for thread in threads:
            thread.join()
        assert not wrong
        np.testing.assert_array_equal(three_times(session, y, {x: X}), once)


def test_runs_that_read_what_a_variable_has_left_keep_none_of_it():
    """A large constant is not copied: the variable's memory moves while other runs hold the old address."""
    random = np.random.default_rng(4)
    image = random.standard_normal((1, 6, 6, 256)).astype(np.float32)
    v = tf.Variable(random.standard_normal((3, 3, 256, 128)).astype(np.float32))
    changes = [v.initializer, tf.assign(v, tf.constant(random.standard_normal(v.shape.as_list()), tf.float32)).op]
    x = tf.placeholder(tf.float32, image.shape)
    y = several = tf.nn.conv2d(x, v, [1, 1, 1, 1], "SAME")
    for _ in range(11):                              # which share one kept filter
        several = tf.nn.conv2d(x + 1e-3 * tf.reduce_mean(several), v, [1, 1, 1, 1], "SAME")
    with tf.Session() as session:
        truths = []
        for change in changes:
            session.run(change)
            truths.append(session.run(y, {x: image}))
        for k in range(60):
            readers = [threading.Thread(target=session.run, args=(several, {x: image})) for _ in range(2)]
            for reader in readers:
                reader.start()
            session.run(changes[k % 2])
            for reader in readers:
                reader.join()
            np.testing.assert_allclose(session.run(y, {x: image}), truths[k % 2], atol=1e-3)


# --- the budget, and forks ------------------------------------------------------------------------------------------

CONVOLUTION = """
import numpy as np
import thalweg as tf
x = tf.placeholder(tf.float32, [None, 64, 64, 16])
v = tf.Variable(np.ones([3, 3, 16, 32], np.float32))
y = tf.nn.conv2d(x, v, [1, 1, 1, 1], "SAME")
session = tf.Session()
session.run(v.initializer)
def times(n, images=1):
    for _ in range(n):
        session.run(y.op, {x: np.ones([images, 64, 64, 16])})
times(3)
from thalweg.cpu._gemm import kept_bytes, kept_reads
"""


def program(text, **environment):
    return subprocess.run([sys.executable, "-c", CONVOLUTION + text], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


@pytest.mark.parametrize("wish, is_kept", [("", True), ("1", True), ("99999999999999999999", True), ("0", False)])
def test_the_budget_is_a_number_of_megabytes(wish, is_kept):
    done = program("print(kept_bytes() > 0)", THALWEG_FILTER_CACHE_MB=wish)
    assert done.stdout == f"{is_kept}\n", done.stderr


@pytest.mark.parametrize("wish", ["abc", "-1", "1.5", " "])
def test_a_budget_that_is_no_number_is_named(wish):
    done = program("", THALWEG_FILTER_CACHE_MB=wish)
    assert done.stderr.endswith(f"ValueError: THALWEG_FILTER_CACHE_MB is {wish!r}; it must be a whole number, 0 or "
                                "more, or unset\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_of_a_fork_during_another_threads_run_keeps_filters():
    done = program("""
import os, signal, threading, time
def child():
    signal.alarm(30)
    session.run(tf.assign(v, 2 * v))
    times(3)
    before = kept_reads()
    times(1)
    os._exit(0 if kept_reads() > before else 1)
thread = threading.Thread(target=times, args=(40, 32))
thread.start()
for _ in range(5):
    time.sleep(0.02)
    assert thread.is_alive()
    pid = os.fork()
    if not pid:
        child()
    assert os.waitpid(pid, 0)[1] == 0
thread.join()
""")
    assert done.returncode == 0, done.stderr
