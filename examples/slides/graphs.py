"""A program describes a graph; a session computes what a fetch needs of it.

    python examples/slides/graphs.py
"""
import numpy as np

import thalweg as tf

# --- a graph of variables: nothing is computed yet ------------------------------------------------------
a = tf.Variable(3)
b = tf.Variable(2)
c = tf.Variable(1)
x = a * b
y = x + c
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print("a * b + c =", sess.run(y))


# --- partial flow: e and d are not needed to compute f --------------------------------------------------
def tell(name):
    """A function that says when it runs, and passes its value on."""
    def run(value):
        print("  computes", name)
        return value
    return run


a = tf.constant(1.0)
b = tf.constant(2.0)
c = tf.py_func(tell("c"), [a + b], tf.float32)
d = tf.py_func(tell("d"), [c], tf.float32)
e = tf.py_func(tell("e"), [d], tf.float32)
f = tf.py_func(tell("f"), [c * b], tf.float32)
with tf.Session() as sess:
    print("fetch f:")
    print("  f =", sess.run(f))
    print("fetch e:")
    print("  e =", sess.run(e))

# --- sess.run() may feed any tensor ---------------------------------------------------------------------
a = tf.constant(5.0)
b = tf.constant(6.0)
c = a * b
with tf.Session() as sess:
    print("c =", sess.run(c))
    print("c with b = 3:", sess.run(c, {b: 3.0}))
    print("c with a = 1 and b = 2:", sess.run(c, {a: 1.0, b: 2.0}))
    print("c with c = 100:", sess.run(c, {c: 100.0}))

# --- a placeholder must be fed --------------------------------------------------------------------------
a = tf.placeholder(tf.float32, shape=(), name="a")
c = a * tf.constant(6.0)
with tf.Session() as sess:
    try:
        sess.run(c)
    except tf.errors.InvalidArgumentError as error:
        print("without a:", error.message.partition(" with dtype")[0])
    print("with a = 2:", sess.run(c, {a: 2.0}))

# --- equal expressions are computed once: common subexpression elimination ------------------------------
x = tf.placeholder(tf.float32, [3])
twice = tf.square(x) + tf.square(x)
with tf.Session() as sess:
    print("x^2 + x^2 =", sess.run(twice, {x: np.arange(3)}))
