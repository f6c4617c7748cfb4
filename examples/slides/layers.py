"""tf.layers makes the variables itself: convolution and pooling, batch normalization, residuals, transposes.

    python examples/slides/layers.py
"""
import numpy as np

import thalweg as tf

# --- convolution and pooling ----------------------------------------------------------------------------
input_layer = tf.placeholder(tf.float32, [None, 28, 28, 1])
conv1 = tf.layers.conv2d(inputs=input_layer, filters=32, kernel_size=[5, 5], padding="same", activation=tf.nn.relu)
pool1 = tf.layers.max_pooling2d(inputs=conv1, pool_size=[2, 2], strides=2)
dense = tf.layers.dense(tf.layers.flatten(pool1), units=10)
print("conv1", conv1.get_shape(), "pool1", pool1.get_shape(), "dense", dense.get_shape())
for variable in tf.trainable_variables():
    print(f"  {variable.name:16} {variable.get_shape()}")

# --- batch normalization: statistics of the batch in training, moving ones in inference -----------------
x = tf.placeholder(tf.float32, shape=(3, 1), name="x")
tr = tf.placeholder(tf.bool, shape=())
y = tf.layers.batch_normalization(x, axis=1, momentum=0.9, training=tr)
update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
with tf.Session() as sess:
    tf.global_variables_initializer().run()
    batch_x = np.arange(3).reshape([3, 1]).astype(np.float32)
    for i in range(10):
        [_y, _] = sess.run([y, update_ops], {x: batch_x, tr: True})
        if i == 0:
            print("[" + " ".join(f"{v:10.6f}" for v in _y.flatten()) + "]")
            print("=" * 50)
        _y = sess.run(y, {x: batch_x, tr: False})
        print("[" + " ".join(f"{v:10.6f}" for v in _y.flatten()) + "]")

# --- residual connection: y = f(x) + x ------------------------------------------------------------------
x = tf.placeholder(tf.float32, [1, 224, 224, 3])
h = tf.layers.conv2d(x, filters=64, kernel_size=[11, 11], strides=[4, 4], padding="SAME")
h2 = tf.layers.conv2d(h, filters=64, kernel_size=[3, 3], strides=[1, 1], padding="SAME")
h3 = tf.layers.conv2d(h2, filters=64, kernel_size=[3, 3], strides=[1, 1], padding="SAME")
y = h3 + h
print("residual", y.get_shape(), "its gradient", tf.gradients(y, x)[0].get_shape())

# --- transposed convolution -----------------------------------------------------------------------------
x = tf.constant(np.arange(1, 5).reshape(1, 2, 2, 1), tf.float32)
y = tf.layers.conv2d_transpose(x, filters=1, kernel_size=[3, 3], strides=[2, 2], padding="same",
                               kernel_initializer=tf.ones_initializer())
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print("transposed", y.get_shape())
    for row in sess.run(y)[0, :, :, 0]:
        print("   ", row.tolist())
