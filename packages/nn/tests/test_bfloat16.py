"""Variables of bfloat16, which optimizers take as TensorFlow 1.15.5 does."""
import pytest

import thalweg as tf


@pytest.mark.parametrize(("make", "expected"), [(lambda: tf.train.GradientDescentOptimizer(0.25), [0.5, -1.0]),
                                                (lambda: tf.train.MomentumOptimizer(0.25, 0.9), [0.5, -1.0])])
def test_variables_of_bfloat16_are_trained(make, expected):
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable("v", initializer=tf.constant([1.0, -2.0], tf.bfloat16))
        step = make().minimize(tf.reduce_sum(tf.square(v)))
        session.run(tf.global_variables_initializer())
        session.run(step)
        assert session.run(tf.cast(v, tf.float32)).tolist() == expected
