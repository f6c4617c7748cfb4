"""Shapes: reshaping, transposing, joining, splitting, padding, reversing."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import array
from thalweg.testing.table import table_test
from thalweg.testing.tables.array import ROWS

test_array = table_test(ROWS)


def test_asking_for_a_prevented_gradient_is_an_error():
    with tf.Graph().as_default():
        x = tf.constant(1.0)
        with pytest.raises(LookupError, match="Reason: not here"):
            tf.gradients(array.prevent_gradient(x, message="not here"), x)


@pytest.mark.parametrize("build, feed, message", [
    (lambda x: tf.reshape(x, [-1, 5]), np.zeros([2, 6]), "Cannot reshape a tensor with 12 elements"),
    (lambda x: tf.ensure_shape(x, [3]), np.zeros(2), "not compatible"),
    (lambda x: tf.slice(x, [1], [3]), np.zeros(2), "outside"),
])
def test_what_is_known_only_at_run_time_is_checked_then(build, feed, message):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, None)
        y = build(x)
        with tf.Session(graph=graph) as session, pytest.raises((tf.errors.InvalidArgumentError, ValueError),
                                                               match=message):
            session.run(y, {x: feed})


@pytest.mark.parametrize(("build", "fed", "match"), [
    (lambda x, i: tf.transpose(x, i), [-1, 0], r"-1 is out of range \[0 .. 2\)|\[-1, 0\] is not a permutation"),
    (lambda x, i: tf.transpose(x, i), [0, 0], "repeated|permutation"),
    (lambda x, i: tf.roll(x, 1, i), 9, "axis 9 is out of range"),
    (lambda x, i: tf.roll(x, 1, i), -3, "axis -3 is out of range"),
    (lambda x, i: tf.roll(x, i, [0]), [1, 2], "shift and axis must have the same shape"),
    (lambda x, i: tf.roll(x[0, 0], 1, i), 0, "input must be 1-D or higher"),
    (lambda x, i: tf.roll(x, i, i), [[1]], "shift must be a scalar or a vector"),
])
@pytest.mark.parametrize("shape", [None, [2, 3]], ids=str)
def test_axes_that_do_not_exist_are_errors_however_they_come(build, fed, match, shape):
    with tf.Graph().as_default(), tf.Session() as session:
        x, i = tf.placeholder(tf.float32, shape), tf.placeholder(tf.int32)
        feed = {x: np.zeros((2, 3)), i: fed}
        with pytest.raises(ValueError, match=match):
            session.run(build(x, i), feed)
        with pytest.raises(ValueError, match=match):
            session.run(build(x, tf.constant(fed)), feed)


def test_axes_of_a_roll_count_from_either_end():
    with tf.Graph().as_default(), tf.Session() as session:
        assert session.run(tf.roll([[0, 1, 2], [3, 4, 5]], [1, 1], [-1, 0])).tolist() == [[5, 3, 4], [2, 0, 1]]


def test_strings_are_padded_with_empty_ones():
    with tf.Graph().as_default(), tf.Session() as session:
        assert session.run(tf.pad(tf.constant(["a"]), [[1, 2]])).tolist() == [b"", b"a", b"", b""]
