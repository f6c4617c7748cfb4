"""Symbolic partial derivatives: tf.gradients adds to the graph what computes them.

    python examples/slides/gradients.py
"""
import numpy as np

import thalweg as tf

# --- a function of one number: 2 x + cos(x) -------------------------------------------------------------
x = tf.placeholder(tf.float32, shape=())
y = x * x + tf.sin(x)
g, = tf.gradients(y, x)
h, = tf.gradients(g, x)                                  # and again: 2 - sin(x)
with tf.Session() as sess:
    for value in (0.0, np.pi):
        print("x = {:.4f}: dy/dx = {:.6f}, d2y/dx2 = {:.6f}".format(value, *sess.run([g, h], {x: value})))

# --- of a matrix: the gradient has its shape ------------------------------------------------------------
w = tf.placeholder(tf.float32, [2, 3])
v = tf.constant([[1.0], [2.0], [3.0]])
loss = tf.reduce_sum(tf.square(tf.matmul(w, v)))
dw, dv = tf.gradients(loss, [w, v])
with tf.Session() as sess:
    dw_value, dv_value = sess.run([dw, dv], {w: [[1, 0, 0], [0, 1, 0]]})
print("dw", dw_value.tolist())
print("dv", dv_value.ravel().tolist())

# --- what does not depend has none; what is stopped counts as a constant --------------------------------
a, b = tf.constant(2.0), tf.constant(3.0)
print("unconnected:", tf.gradients(a * a, [a, b])[1])
product = a * tf.stop_gradient(a * b)
with tf.Session() as sess:
    print("stopped:", sess.run(tf.gradients(product, a))[0])

# --- steepest descent by hand ---------------------------------------------------------------------------
p = tf.Variable([3.0, -2.0])
bowl = tf.reduce_sum(tf.constant([1.0, 4.0]) * tf.square(p))
step = p.assign_sub(0.1 * tf.gradients(bowl, p)[0])
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(1, 6):
        sess.run(step)
        print("step {}: p = ({:.5f}, {:.5f}), bowl = {:.5f}".format(i, *sess.run(p), sess.run(bowl)))
