"""Arithmetic on two tensors, sums of many."""
import pytest

import thalweg as tf
from thalweg.testing.table import table_test
from thalweg.testing.tables.math import ROWS

test_math = table_test(ROWS)


@pytest.mark.parametrize("divide", [tf.floordiv, tf.floormod, tf.truncatediv, tf.realdiv])
def test_an_integer_division_by_zero_is_an_error(divide):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.int32, [2])
        y = divide(x, x)
        with tf.Session(graph=graph) as session, pytest.raises(tf.errors.InvalidArgumentError, match="by zero"):
            session.run(y, {x: [1, 0]})


def test_ties_of_maximum_go_to_the_first():
    with tf.Graph().as_default() as graph:
        x = tf.constant([1.0, 2.0])
        y = tf.constant([1.0, 1.0])
        grads = tf.gradients(tf.maximum(x, y), [x, y]) + tf.gradients(tf.minimum(x, y), [x, y])
        with tf.Session(graph=graph) as session:
            assert [g.tolist() for g in session.run(grads)] == [[1, 1], [0, 0], [1, 0], [0, 1]]


def test_negative_integer_powers_are_an_error():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.int32, [1])
        with tf.Session(graph=graph) as session, pytest.raises(tf.errors.InvalidArgumentError, match="negative"):
            session.run(tf.pow(x, x), {x: [-1]})
