"""A user's program, checked by mypy against the generated stubs; it need not run."""
from typing import assert_type

import thalweg as tf
import thalweg.compat.v1 as v1
import thalweg.train
from thalweg.errors import OutOfRangeError

assert_type(tf.float32, tf.DType)
assert_type(tf.Graph(), tf.Graph)
assert_type(v1.float32, tf.DType)
assert_type(tf.errors.OUT_OF_RANGE, int)
assert_type(tf.__version__, str)

x = tf.placeholder(tf.float32, shape=[None, 4], name="x")
y = tf.layers.dense(tf.nn.relu(x), units=3)
optimizer = thalweg.train.AdamOptimizer(learning_rate=0.1)
train = optimizer.minimize(tf.reduce_mean(y))
with tf.Session() as session:
    try:
        session.run(train, feed_dict={x: [[1.0, 2.0, 3.0, 4.0]]})
    except OutOfRangeError as error:
        print(error.message)

tf.no_such_name                          # type: ignore[attr-defined]
tf.layers.dens(x, 3)                     # type: ignore[attr-defined]
