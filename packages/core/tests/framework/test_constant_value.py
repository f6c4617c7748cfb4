"""What is known of values while the graph is built."""
import thalweg as tf
from thalweg.framework.constant_value import constant_value


def test_what_follows_from_constants_is_known():
    with tf.Graph().as_default():
        assert constant_value(tf.constant(2) * 3 + 1) == 7
        assert constant_value(tf.shape(tf.placeholder(tf.float32, [4, None]))) is None
        assert constant_value(tf.shape(tf.placeholder(tf.float32, [4, 5]))).tolist() == [4, 5]


def test_a_default_may_be_fed_over():
    with tf.Graph().as_default():
        training = tf.placeholder_with_default(False, [])
        assert constant_value(training) is None and constant_value(tf.logical_not(training)) is None
        with tf.Session() as session:
            chosen = tf.cond(training, lambda: tf.constant(1), lambda: tf.constant(2))
            assert session.run(chosen) == 2 and session.run(chosen, {training: True}) == 1
