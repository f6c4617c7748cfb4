"""What the kit does not know of: that these kernels run, and what is said where there is none."""
import acme_thalweg._native as native
import numpy as np
import pytest

import thalweg as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default(), tf.device("/device:ACME:0"):
        yield


def session(soft):
    return tf.Session(config=tf.ConfigProto(allow_soft_placement=soft))


def test_it_is_found_by_its_entry_point():
    row, = [row for row in tf.list_devices() if row.device_type == "ACME"]
    assert (row.name, row.state, row.build_tag) == ("/device:ACME:0", "open", "acme 1.0")


def test_its_own_kernels_run():
    x = tf.placeholder(tf.float32, [3])
    n = tf.placeholder(tf.float32, [None, None])
    total, large = x + tf.constant([10.0, 20.0, 30.0]), n + n
    image = np.arange(600_000, dtype=np.float32).reshape(600, 1000)
    with session(soft=False) as run:
        before = native.count_of_calls()
        assert run.run(total, {x: [1, 2, 3]}).tolist() == [11, 22, 33]
        assert native.count_of_calls() == before + 1
        assert np.array_equal(run.run(large, {n: image}), 2 * image)
        assert native.count_of_calls() == before + 2


@pytest.mark.parametrize("build, reason", [
    (lambda x: tf.exp(x), "ACME has kernels for Add, Sub, Mul, Neg, Square, Relu and MatMul"),
    (lambda x: tf.cast(x, tf.int32) + 1, "ACME"),
])
def test_what_it_lacks_is_told_or_runs_elsewhere(build, reason):
    x = tf.placeholder(tf.float32, [2])
    y = build(x)
    with session(soft=False) as run, pytest.raises(tf.errors.InvalidArgumentError, match=reason):
        run.run(y, {x: [0, 0]})
    with session(soft=True) as run:
        assert run.run(y, {x: [0, 0]}).tolist() == [1, 1]
