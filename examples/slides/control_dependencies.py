"""Order: an op waits for its inputs, and for what control_dependencies names.

    python examples/slides/control_dependencies.py
"""
import thalweg as tf

# --- a read after an update -----------------------------------------------------------------------------
x = tf.Variable(1.0)
double = x.assign(x * 2)
with tf.control_dependencies([double]):
    after = tf.identity(x)                               # x itself would be no op of this block
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print("after each update:", *[sess.run(after) for _ in range(3)])

# --- several updates as one op --------------------------------------------------------------------------
hits, total = tf.Variable(0), tf.Variable(0)
hit = tf.placeholder(tf.int32, [])
update = tf.group(hits.assign_add(hit), total.assign_add(1))
with tf.control_dependencies([update]):
    share = tf.cast(hits.read_value(), tf.float32) / tf.cast(total.read_value(), tf.float32)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print("share of hits:", " ".join(f"{sess.run(share, {hit: h}):.4f}" for h in (1, 0, 1, 1)))

# --- a check that must hold first -----------------------------------------------------------------------
value = tf.placeholder(tf.float32, [])
with tf.control_dependencies([tf.assert_positive(value, message="the logarithm needs a number above 0")]):
    logarithm = tf.log(value)
with tf.Session() as sess:
    print(f"log 10 = {sess.run(logarithm, {value: 10.0}):.6f}")
    try:
        sess.run(logarithm, {value: -1.0})
    except tf.errors.InvalidArgumentError as error:
        print("log -1:", "the logarithm needs a number above 0" in error.message)

# --- a training step that counts itself: the moving statistics first ------------------------------------
mean = tf.Variable(0.0, trainable=False)
w = tf.Variable(4.0)
loss = tf.square(w - 1.0)
follow = mean.assign(0.5 * mean + 0.5 * w)
with tf.control_dependencies([follow]):
    train = tf.train.GradientDescentOptimizer(0.25).minimize(loss)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for _ in range(4):
        sess.run(train)
        print("w = {:.4f}, mean = {:.4f}".format(*sess.run([w, mean])))
