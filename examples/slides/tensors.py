"""Tensors: shapes, and what rearranges, joins, reduces and multiplies them.

    python examples/slides/tensors.py
"""
import numpy as np

import thalweg as tf


def show(title, tensor):
    """Computes a tensor and prints it as rows of lists."""
    with tf.Session() as sess:
        print(f"{title}: {np.asarray(sess.run(tensor)).tolist()}")


# --- shape and reshape ----------------------------------------------------------------------------------
V = tf.Variable(tf.zeros([4, 5, 2]))
W = tf.reshape(V, [4, 10])
print("V", V.get_shape(), " W", W.get_shape())

# --- transpose permutes the dimensions ------------------------------------------------------------------
a = np.arange(2 * 3 * 4)
x = tf.reshape(tf.constant(a), [2, 3, 4])
y1 = tf.transpose(x, [0, 2, 1])
y2 = tf.transpose(x, [2, 0, 1])
y3 = tf.transpose(x, [1, 2, 0])
print(y1.get_shape(), y2.get_shape(), y3.get_shape())
show("y3", y3)

# --- concatenation --------------------------------------------------------------------------------------
t1 = tf.constant([[1, 2, 3], [4, 5, 6]])
t2 = tf.constant([[7, 8, 9], [10, 11, 12]])
show("one below the other", tf.concat([t1, t2], 0))
show("side by side", tf.concat([t1, t2], 1))

# --- reduce operations ----------------------------------------------------------------------------------
x = tf.constant([[1, 1, 1], [1, 1, 1]])
show("sum of all", tf.reduce_sum(x))
show("sum of columns", tf.reduce_sum(x, 0))
show("sum of rows", tf.reduce_sum(x, 1))
show("sum of rows, kept as a column", tf.reduce_sum(x, 1, keepdims=True))
show("sum over both", tf.reduce_sum(x, [0, 1]))
show("product, largest, smallest", [tf.reduce_prod(t1), tf.reduce_max(t1), tf.reduce_min(t1)])

# --- matrix multiplication ------------------------------------------------------------------------------
show("t1 t2^T", tf.matmul(t1, t2, transpose_b=True))

# --- broadcasting ---------------------------------------------------------------------------------------
show("matrix + vector", t1 + tf.constant([7, 8, 9]))
show("matrix + scalar", t1 + 7)
