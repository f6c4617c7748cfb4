"""Finds the device and lets it add; prints what the test compares."""
import numpy as np
import thalweg_outsider._native as native

import thalweg as tf

row, = [row for row in tf.list_devices() if "OUTSIDER" in row.name]
print(row.name)
x = tf.placeholder(tf.float32, [3])
n = tf.placeholder(tf.float32, [None, None])
with tf.device("/device:OUTSIDER:0"):
    total = x + tf.constant([10.0, 20.0, 30.0])
    large = n + n
    alone = tf.constant(1.0) + x
with tf.Session(config=tf.ConfigProto(allow_soft_placement=False)) as session:
    print(session.run(total, {x: [1, 2, 3]}).tolist(), native.count_of_calls())
    image = np.arange(600_000, dtype=np.float32).reshape(600, 1000)
    print(np.array_equal(session.run(large, {n: image}), 2 * image), native.count_of_calls())
    try:
        session.run(alone, {x: [1, 2, 3]})
    except tf.errors.InvalidArgumentError as error:
        print(error)
with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as session:
    print(session.run(alone, {x: [1, 2, 3]}).tolist(), native.count_of_calls())
