"""What is minimized, and by whom: loss functions, and five optimizers on one small problem.

    python examples/slides/losses_and_optimizers.py
"""
import numpy as np

import thalweg as tf

# --- loss functions -------------------------------------------------------------------------------------
logits = tf.constant([[2.0, 1.0, 0.1], [0.5, 2.5, 0.3]])
labels = tf.constant([0, 2])
onehot_labels = tf.one_hot(indices=tf.cast(labels, tf.int32), depth=3)
targets = tf.constant([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
losses = {
    "softmax_cross_entropy_with_logits": tf.nn.softmax_cross_entropy_with_logits_v2(labels=onehot_labels,
                                                                                    logits=logits),
    "l2_loss": tf.nn.l2_loss(tf.constant([3.0, 4.0])),
    "losses.softmax_cross_entropy": tf.losses.softmax_cross_entropy(onehot_labels=onehot_labels, logits=logits),
    "losses.sigmoid_cross_entropy": tf.losses.sigmoid_cross_entropy(targets, logits),
    "losses.mean_squared_error": tf.losses.mean_squared_error(targets, logits),
    "losses.huber_loss": tf.losses.huber_loss(targets, logits),
}
with tf.Session() as sess:
    for name, loss in losses.items():
        print(f"{name:34}", " ".join(f"{v:.6f}" for v in np.ravel(sess.run(loss))))
    print(f"{'all of tf.losses together':34} {sess.run(tf.losses.get_total_loss()):.6f}")

# --- optimizers: the parameters are updated when train_op runs ------------------------------------------
random = np.random.RandomState(0)
inputs = random.rand(64, 6)
classes = np.argmax(inputs @ random.rand(6, 10), axis=1)
OPTIMIZERS = [
    ("gradient descent", lambda: tf.train.GradientDescentOptimizer(0.5)),
    ("momentum", lambda: tf.train.MomentumOptimizer(0.1, 0.9)),
    ("AdaGrad", lambda: tf.train.AdagradOptimizer(0.5)),
    ("RMSProp", lambda: tf.train.RMSPropOptimizer(0.05)),
    ("Adam", lambda: tf.train.AdamOptimizer(0.05)),
]
for name, make in OPTIMIZERS:
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(1)                            # the same start for all
        x = tf.placeholder(tf.float32, [None, 6])
        y = tf.placeholder(tf.int64, [None])
        logits = tf.layers.dense(x, 10)
        loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
        train_op = make().minimize(loss)
        sess.run(tf.global_variables_initializer())
        feed = {x: inputs, y: classes}
        start = sess.run(loss, feed)
        for _ in range(60):
            sess.run(train_op, feed)
        print(f"{name:17} loss {start:.4f} -> {sess.run(loss, feed):.4f}")
