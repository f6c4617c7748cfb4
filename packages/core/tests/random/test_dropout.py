"""tf.nn.dropout: what it keeps, scales and refuses; data/tf1_random.json holds the masks of TensorFlow 1.15.5."""
import numpy as np
import pytest

import thalweg as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_kept_elements_are_scaled(dtype, evaluate):
    value = evaluate(tf.nn.dropout(tf.ones([1000], dtype), rate=0.75, seed=1))
    assert value.dtype == dtype.as_numpy_dtype and set(value.tolist()) == {0.0, 4.0}
    assert 0.2 < np.mean(value != 0) < 0.3


def test_keep_prob_and_rate_say_the_same(evaluate):
    first, second = (tf.nn.dropout(tf.ones([50]), seed=1, **how) for how in (dict(keep_prob=0.25), dict(rate=0.75)))
    np.testing.assert_array_equal(evaluate(first), evaluate(second))


@pytest.mark.parametrize("noise_shape", [[8, 1], [None, 1], tf.TensorShape([None, 1])])
def test_noise_shape_drops_whole_rows(noise_shape, evaluate):
    value = evaluate(tf.nn.dropout(tf.ones([8, 20]), rate=0.5, noise_shape=noise_shape, seed=1))
    assert np.all(value == value[:, :1]) and set(value[:, 0]) == {0.0, 2.0}


def test_noise_shape_as_a_tensor(evaluate):
    value = evaluate(tf.nn.dropout(tf.ones([8, 20]), rate=0.5, noise_shape=tf.constant([1, 20]), seed=1))
    assert np.all(value == value[:1])


def test_rate_as_a_tensor(evaluate):
    value = evaluate(tf.nn.dropout(tf.ones([1000]), rate=tf.constant(0.5) / 2, seed=1))
    assert 0.7 < np.mean(value != 0) < 0.8


@pytest.mark.parametrize("how", [dict(rate=0), dict(rate=0.0), dict(keep_prob=1.0), dict(keep_prob=1)])
def test_nothing_is_dropped_without_a_node(how, graph):
    x = tf.ones([3])
    assert tf.nn.dropout(x, **how) is x and len(graph.get_operations()) == 1


def test_a_rate_known_to_be_zero():
    x = tf.ones([3])
    assert tf.nn.dropout(x, rate=tf.constant(0.0)) is x


def test_static_shape():
    x = tf.placeholder(tf.float32, [None, 3])
    assert tf.nn.dropout(x, rate=0.5).shape.as_list() == [None, 3]


@pytest.mark.parametrize("build, message", [
    (lambda: tf.nn.dropout([1.0, 2.0]), "You must provide a rate to dropout"),
    (lambda: tf.nn.dropout([1.0], rate=0.5, keep_prob=0.5), "Cannot specify both 'keep_prob' and 'rate'"),
    (lambda: tf.nn.dropout([1.0], rate=1.5), r"a float in the range \[0, 1\), got 1.5"),
    (lambda: tf.nn.dropout([1.0], keep_prob=0), r"a float in the range \[0, 1\), got 1"),
    (lambda: tf.nn.dropout([1.0], keep_prob="a"), "keep_prob must be a floating point number or Tensor .got 'a'"),
    (lambda: tf.nn.dropout([1, 2], rate=0.5), "x has to be a floating point tensor .* Got a <dtype: 'int32'> tensor"),
    (lambda: tf.nn.dropout([1.0], rate=[0.5]), "must have rank 0")])
def test_messages(build, message):
    with pytest.raises(ValueError, match=message):
        build()
