"""Small programs that train: each builds a graph and gives what to run, the same on every device."""
import numpy as np

import thalweg as tf


class Program:
    """A graph with a loss.

    Attributes
    ----------
    loss, step : what to run
    feeds : callable        number of the run -> feed_dict
    """

    def __init__(self, loss, optimizer, feeds):
        self.loss, self.step, self.feeds = loss, optimizer.minimize(loss), feeds

    def losses(self, session, runs):
        """The loss of each run."""
        return [session.run([self.loss, self.step], self.feeds(k))[0] for k in range(runs)]


def mlp(batch=32):
    """784 - 64 - 10, as for MNIST."""
    images, labels = tf.placeholder(tf.float32, [None, 784]), tf.placeholder(tf.int32, [None])
    hidden = tf.layers.dense(images, 64, activation=tf.nn.relu, kernel_initializer=_weights(784, 64))
    logits = tf.layers.dense(hidden, 10, kernel_initializer=_weights(64, 10))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    return Program(loss, tf.train.AdamOptimizer(3e-3),
                   lambda k: {images: _rows(k, batch, 784), labels: _labels(batch)})


def lenet(batch=4):
    """Two convolutions with pooling, two dense layers, on 16 x 16."""
    images, labels = tf.placeholder(tf.float32, [None, 16, 16, 1]), tf.placeholder(tf.int32, [None])
    x = tf.layers.conv2d(images, 4, 5, padding="same", activation=tf.nn.relu, kernel_initializer=_weights(5, 5, 1, 4))
    x = tf.layers.max_pooling2d(x, 2, 2)
    x = tf.layers.conv2d(x, 8, 5, padding="same", activation=tf.nn.relu, kernel_initializer=_weights(5, 5, 4, 8))
    x = tf.layers.flatten(tf.layers.max_pooling2d(x, 2, 2))
    x = tf.layers.dense(x, 16, activation=tf.nn.relu, kernel_initializer=_weights(128, 16))
    logits = tf.layers.dense(x, 10, kernel_initializer=_weights(16, 10))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    rows = lambda k: _rows(k, batch, 256).reshape(batch, 16, 16, 1)
    return Program(loss, tf.train.MomentumOptimizer(2e-2, 0.9), lambda k: {images: rows(k), labels: _labels(batch)})


def rnn(batch=8, steps=5, units=12):
    """A recurrent cell over a few steps, the last output against a target."""
    x, target = tf.placeholder(tf.float32, [batch, steps, 6]), tf.placeholder(tf.float32, [batch, 1])
    w = tf.get_variable("w", initializer=tf.constant(_values(18, units)))
    b = tf.get_variable("b", initializer=tf.zeros([units]))
    out = tf.get_variable("out", initializer=tf.constant(_values(units, 1)))
    state = tf.zeros([batch, units])
    for k in range(steps):
        state = tf.tanh(tf.matmul(tf.concat([x[:, k], state], 1), w) + b)
    loss = tf.reduce_mean(tf.square(tf.matmul(state, out) - target))
    return Program(loss, tf.train.GradientDescentOptimizer(0.1),
                   lambda k: {x: _rows(k, batch, steps * 6).reshape(batch, steps, 6), target: _rows(9, batch, 1)})


def _rows(seed, batch, width):
    return np.random.RandomState(seed % 2).randn(batch, width).astype(np.float32)


def _labels(batch):
    return np.arange(batch, dtype=np.int32) % 10


def _values(*shape):
    return (np.random.RandomState(7).randn(*shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)


def _weights(*shape):
    return tf.constant_initializer(_values(*shape))
