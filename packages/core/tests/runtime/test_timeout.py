"""Time limits of a run: it ends between two steps, and the session stays usable."""
import time

import numpy as np
import pytest

import thalweg as tf


def slow(seconds, x):
    def body(value):
        time.sleep(seconds)
        return value
    return tf.ensure_shape(tf.py_func(body, [x], tf.float32), [])


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def endless():
    return tf.while_loop(lambda i: i >= 0.0, lambda i: i * 1.0 + 0.0, [tf.constant(1.0)])


@pytest.mark.parametrize("options", [
    {"config": tf.ConfigProto(operation_timeout_in_ms=50)}, {"run": tf.RunOptions(timeout_in_ms=50)},
    {"config": tf.ConfigProto(operation_timeout_in_ms=60_000), "run": tf.RunOptions(timeout_in_ms=50)},
    {"run": tf.RunOptions(timeout_in_ms=50, trace_level=tf.RunOptions.FULL_TRACE)},
], ids=["session", "run", "run before session", "traced"])
@pytest.mark.parametrize("build", [endless, lambda: tf.tanh(slow(0.2, tf.constant(1.0)))], ids=["loop", "steps"])
def test_a_run_that_takes_too_long_ends(options, build):
    late, quick = build(), tf.constant(1.0) + 1.0
    with tf.Session(config=options.get("config")) as session:
        began = time.perf_counter()
        with pytest.raises(tf.errors.DeadlineExceededError, match=r"longer than its timeout: \d+ of \d+ steps were "
                                                                  r"done before \w+ '(.|\n)*try +a larger RunOpt"):
            session.run(late, options=options.get("run"))
        assert time.perf_counter() - began < 20                    # 0.2 s when the machine is free
        assert session.run(quick) == 2.0
        assert session.run(quick, options=options.get("run")) == 2.0


def test_kernels_in_c_end_between_steps(graph):
    x = tf.placeholder(tf.float32, [700, 700])
    y = x
    for _ in range(400):
        y = tf.matmul(y, x)
    total = tf.reduce_sum(y)
    with tf.Session() as session:
        with pytest.raises(tf.errors.DeadlineExceededError, match="before MatMul") as caught:
            session.run(total, {x: np.zeros((700, 700))}, tf.RunOptions(timeout_in_ms=100))
        assert caught.value.op.type == "MatMul"


def test_time_that_is_left_changes_nothing():
    with tf.Session(config=tf.ConfigProto(operation_timeout_in_ms=60_000)) as session:
        assert session.run(tf.tanh(tf.constant(0.0)) + 1.0) == 1.0


def test_one_run_of_many_may_be_late():
    x = tf.placeholder(tf.float32, [])
    late = slow(0.1, x) + 1.0
    with tf.Session() as session:
        with pytest.raises(tf.errors.DeadlineExceededError):
            session.run(late, {x: 1.0}, tf.RunOptions(timeout_in_ms=20))
        assert session.run(late, {x: 1.0}) == 2.0
