"""Pinning variables and ops to devices, and what a narrower format costs on the way between two of them.

    python examples/slides/devices.py
"""
import numpy as np

import thalweg as tf

# --- device placement -----------------------------------------------------------------------------------
with tf.device("/cpu:0"):
    a = tf.Variable(3, name="a")
    b = tf.Variable(2, name="b")
    x = tf.multiply(a, b, name="x")
with tf.device("/gpu:0"):
    c = tf.Variable(1, name="c")
    y = tf.add(x, c, name="y")
for tensor in (a, b, x, c, y):
    print(f"{tensor.op.name}: {tensor.device}")

# Without such a device soft placement takes one that is there.
with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as sess:
    sess.run(tf.global_variables_initializer())
    print("y =", sess.run(y))

# --- a device as a function of the op -------------------------------------------------------------------
with tf.Graph().as_default():
    with tf.device(lambda op: "/device:CPU:0" if op.type in ("VariableV2", "Assign", "Identity") else "/device:GPU:0"):
        w = tf.get_variable("w", [2], initializer=tf.zeros_initializer())
        z = tf.exp(w, name="z")
    print(f"{w.op.name}: {w.device}\n{z.op.name}: {z.device}")

# --- lossy compression: 32 -> 16 -> 32 bits -------------------------------------------------------------
tf.reset_default_graph()
sent = tf.constant([1.0, 1 / 3, 0.1, 1000.3, 70000.0])
as_half = tf.cast(tf.cast(sent, tf.float16), tf.float32)           # a 10-bit mantissa, at most 65504
as_bfloat = tf.cast(tf.cast(sent, tf.bfloat16), tf.float32)        # a 7-bit mantissa, float32's range
with tf.Session() as sess:
    for name, got in (("sent", sent), ("float16", as_half), ("bfloat16", as_bfloat)):
        print(f"{name:9}", " ".join(f"{v:>12.6g}" for v in sess.run(got)))
    lost = np.abs(sess.run(as_half - sent)[:4]) / sess.run(sent)[:4]
    print(f"float16 loses at most {lost.max():.6f} of a number in its range")
