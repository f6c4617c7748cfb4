"""A network that is trained with Winograd convolutions learns as one with direct sums does."""
import numpy as np

import thalweg as tf


def trained(algorithm, steps=30):
    """The losses of a small residual network that learns noise by heart."""
    random = np.random.default_rng(0)
    images, labels = random.standard_normal((16, 16, 16, 16)).astype(np.float32), random.integers(0, 10, 16)
    with tf.Graph().as_default():
        weights = [tf.Variable(random.standard_normal((3, 3, 16, 16)).astype(np.float32) / 12) for _ in range(4)]
        h = tf.constant(images)
        for i in (0, 2):
            inner = tf.nn.relu(tf.nn.conv2d(h, weights[i], [1, 1, 1, 1], "SAME"))
            h = tf.nn.relu(h + tf.nn.conv2d(inner, weights[i + 1], [1, 1, 1, 1], "SAME"))
        logits = tf.matmul(tf.reduce_mean(h, [1, 2]),
                           tf.Variable(random.standard_normal((16, 10)).astype(np.float32)))
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        step = tf.train.MomentumOptimizer(0.05, 0.9).minimize(loss)
        with tf.Session(config=tf.ConfigProto(convolution_algorithm=algorithm)) as session:
            session.run(tf.global_variables_initializer())
            return [session.run([loss, step])[0] for _ in range(steps)]


def test_training_follows_the_exact_loss_curve():
    exact, tiled = trained("exact"), trained("4x4")
    assert exact[-1] < exact[0] / 2 and exact != tiled
    np.testing.assert_allclose(tiled, exact, rtol=5e-3)
