"""The programs in TensorFlow 1.x's API: one text drives thalweg and tensorflow (`tensorflow.compat.v1`).

Each program gives (step, images per step, None), or (step, 1, seconds of the unit) for times.
"""
import time

import numpy as np
import tf_kernels
from framework import VERSION, new_session, tf  # noqa: F401  the worker reads VERSION
from networks import tf_networks
from networks.architectures import NETWORKS
from networks.tf_layers import Layers
from tf_input import input_bound, input_training  # noqa: F401  programs, too
from tf_io import (  # noqa: F401
    io_open,
    io_parse_example,
    io_records_read,
    io_records_write,
    io_restore,
    io_save,
    io_save_and_restore,
)


def build_nodes(count):
    """Seconds to put `count` additions into a new graph."""
    with tf.Graph().as_default():
        x = y = tf.placeholder(tf.float32, [])
        start = time.perf_counter()
        for _ in range(count):
            y = tf.add(y, x)
        return time.perf_counter() - start


def run_overhead(length):
    with tf.Graph().as_default() as graph:
        x = y = tf.placeholder(tf.float32, [])
        one = tf.constant(1.0)
        for _ in range(length):
            y = tf.add(y, one)
        session = new_session(graph)
    feed = {x: 1.0}
    return lambda: session.run(y, feed), 1, 1e-6


def network(name, batch, training, side=None, width=1.0, per="image", **more):
    """Inference gives probabilities, training runs the optimizer; images are fed, as users feed them."""
    about = NETWORKS[name]
    side = side or about.side
    with tf.Graph().as_default() as graph:
        layers = Layers(training, width)
        x = tf.placeholder(tf.float32, [batch, side, side, layers.count(about.channels)
                                        if name == "stack" else about.channels])
        labels = tf.placeholder(tf.int32, [batch])
        logits = getattr(tf_networks, name)(layers, x, about.classes, **more)
        fetch = _train(about, logits, labels, layers.updates) if training else tf.nn.softmax(logits)
        session = new_session(graph)
    random = np.random.RandomState(1)
    feed = {x: random.rand(*x.get_shape().as_list()).astype(np.float32)}
    if training:
        feed[labels] = random.randint(0, about.classes, batch).astype(np.int32)
    step = lambda: session.run(fetch, feed)
    return (step, batch, None) if per == "image" else (step, 1, 1e-3)


def _train(about, logits, labels, updates):
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    optimizer = tf.train.AdamOptimizer(1e-3) if about.optimizer == "adam" else tf.train.MomentumOptimizer(0.01, 0.9)
    return tf.group(optimizer.minimize(loss), *updates)


def parameters(name, **more):
    """Trainable parameters of a network."""
    about = NETWORKS[name]
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [1, about.side, about.side, about.channels])
        getattr(tf_networks, name)(Layers(True), x, about.classes, **more)
        return sum(int(np.prod(v.get_shape().as_list())) for v in tf.trainable_variables())


def kernel(of, **arguments):
    """One kernel class on one shape: its inputs are variables and operations are fetched, so no copy is timed."""
    with tf.Graph().as_default() as graph:
        fetches = [t if isinstance(t, tf.Operation) else t.op for t in getattr(tf_kernels, of)(**arguments)]
        session = new_session(graph)
    return lambda: session.run(fetches), 1, 1e-3
