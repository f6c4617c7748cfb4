"""The works in thalweg: each program gives a step and how many units one call of it is worth.

Data lie on the card, as variables; the step runs operations and fetches nothing, and returns when the card is done.
"""
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

from networks import tf_networks
from networks.architectures import NETWORKS
from networks.tf_layers import Layers

import thalweg as tf

VERSION = tf.__version__


def resnet50(batch, side, width, precision):
    """ResNet-50, momentum, one step of training: (step, images)."""
    about, random = NETWORKS["resnet50"], np.random.RandomState(1)
    with tf.Graph().as_default() as graph, tf.device("/gpu:0"):
        x = _kept(random.rand(batch, side, side, 3).astype(np.float32))
        labels = _kept(random.randint(0, about.classes, batch).astype(np.int32))
        layers = Layers(True, width)
        logits = tf_networks.resnet50(layers, x, about.classes)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        train = tf.group(tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss), *layers.updates)
        return _step(graph, train, precision), batch


def matmul(rows):
    """A product of two bfloat16 matrices: (step, TFLOP)."""
    with tf.Graph().as_default() as graph, tf.device("/gpu:0"):
        a, b = (tf.Variable(tf.cast(tf.random_normal([rows, rows], seed=k), tf.bfloat16)) for k in (1, 2))
        return _step(graph, tf.matmul(a, b).op), 2e-12 * rows ** 3


def elementwise(elements):
    """y = relu(x * a + b) in float32, read once and written once: (step, GB)."""
    with tf.Graph().as_default() as graph, tf.device("/gpu:0"):
        x = tf.Variable(tf.random_normal([elements], seed=1))
        return _step(graph, tf.nn.relu(x * 1.5 + 0.25).op), 8e-9 * elements


def mlp(batch):
    """784-128-10, one step of gradient descent: (step, 1)."""
    random = np.random.RandomState(1)
    with tf.Graph().as_default() as graph, tf.device("/gpu:0"):
        x = _kept(random.rand(batch, 784).astype(np.float32))
        labels = _kept(random.randint(0, 10, batch).astype(np.int32))
        hidden = tf.nn.relu(_dense(x, 784, 128))
        loss = tf.losses.sparse_softmax_cross_entropy(labels, _dense(hidden, 128, 10))
        return _step(graph, tf.train.GradientDescentOptimizer(0.1).minimize(loss)), 1


def statistics():
    """Counts of bytes and allocations of the first card."""
    from thalweg import devices
    return devices.find_device("CUDA")[0].mem_stats()


def _kept(array):
    return tf.Variable(tf.constant(array), trainable=False)


def _dense(x, n_in, n_out):
    w = tf.Variable(tf.truncated_normal([n_in, n_out], stddev=0.05, seed=n_out))
    return tf.matmul(x, w) + tf.Variable(tf.zeros([n_out]))


def _step(graph, fetch, precision="float32"):
    config = tf.ConfigProto(allow_tf32=precision == "tf32",
                            compute_type=precision if precision == "bfloat16" else "")
    session = tf.Session(graph=graph, config=config)
    session.run(tf.variables_initializer(graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)))
    return session.make_callable(fetch)
