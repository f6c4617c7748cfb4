"""Softmax and losses, biases, batch norm, local response norm."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.testing.table import table_test
from thalweg.testing.tables.nn import ROWS

test_nn = table_test(ROWS)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_is_an_error(label):
    with tf.Graph().as_default() as graph:
        i = tf.placeholder(tf.int32, [1])
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=i, logits=tf.zeros([1, 3]))
        with tf.Session(graph=graph) as session, pytest.raises(tf.errors.InvalidArgumentError,
                                                               match=f"label value of {label} which is outside"):
            session.run(loss, {i: [label]})


def test_labels_of_unknown_rank_are_checked_when_the_graph_runs():
    with tf.Graph().as_default() as graph:
        i, x = tf.placeholder(tf.int32, None), tf.placeholder(tf.float32, None)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=i, logits=x)
        with tf.Session(graph=graph) as session:
            assert session.run(loss, {i: [[1]], x: np.zeros([1, 1, 2])}).shape == (1, 1)
            with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match="did not hold|dimension N"):
                session.run(loss, {i: [[1, 1]], x: np.zeros([1, 1, 2])})


def test_no_gradient_flows_into_labels_of_the_older_cross_entropy():
    with tf.Graph().as_default():
        labels, logits = tf.constant([[0.5, 0.5]]), tf.constant([[1.0, 2.0]])
        old = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        new = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)
        assert tf.gradients(old, labels) == [None] and tf.gradients(new, labels)[0] is not None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("data_format", ["NHWC", "NCHW"])
@pytest.mark.parametrize("on", ["/cpu:0", "/device:REFERENCE:0"])
def test_an_empty_batch_is_normalised_without_a_warning(data_format, on):      # as TensorFlow 1.15.5: NaN statistics
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session, tf.device(on):
        x = tf.placeholder(tf.float32, [None, 2, 2, 2])
        y, mean, variance = tf.nn.fused_batch_norm(x, tf.ones([2]), tf.ones([2]), data_format=data_format)
        dx, = tf.gradients(y, x)
        found = session.run([y, mean, variance, dx], {x: np.zeros((0, 2, 2, 2))})
        assert [v.shape for v in found] == [(0, 2, 2, 2), (2,), (2,), (0, 2, 2, 2)]
        assert np.isnan(found[1]).all() and np.isnan(found[2]).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("on", ["/cpu:0", "/device:REFERENCE:0"])
def test_the_mean_of_nothing_is_nan_without_a_warning(dtype, on):
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session, tf.device(on):
        x = tf.placeholder(dtype)
        assert np.isnan(session.run(tf.reduce_mean(x, 1), {x: np.zeros((2, 0))})).all()
