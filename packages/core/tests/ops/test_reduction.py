"""Reductions, running sums, norms, moments."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import reduction
from thalweg.testing.table import table_test
from thalweg.testing.tables.reduction import ROWS

test_reduction = table_test(ROWS)


@pytest.mark.parametrize("reduce, name", [(tf.argmax, "ArgMax"), (tf.argmin, "ArgMin")])
def test_the_place_of_an_extreme_of_nothing_is_an_error(reduce, name):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None])
        y = reduce(x)
        with tf.Session(graph=graph) as session, pytest.raises(tf.errors.InvalidArgumentError, match="is empty"):
            session.run(y, {x: []})


def test_equal_extremes_share_the_gradient():
    with tf.Graph().as_default() as graph:
        x = tf.constant([1.0, 3.0, 3.0])
        grad, = tf.gradients(tf.reduce_max(x), x)
        with tf.Session(graph=graph) as session:
            assert session.run(grad).tolist() == [0.0, 0.5, 0.5]


def test_float32_sums_do_not_drift():
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        x = np.full(1 << 20, 0.1, np.float32)
        fed = tf.placeholder(tf.float32, [None])
        assert session.run(reduction.reduce_sum(fed), {fed: x}) == np.float32(x.astype(np.float64).sum())
