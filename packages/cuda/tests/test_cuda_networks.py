"""Gradients of whole networks on the device EMULATED: nothing falls back, and errors are no larger than the CPU's."""
import sys
from pathlib import Path

import numpy as np
import pytest
from emulation.emulated import Emulated

import thalweg as tf

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools/bench"))

from networks import tf_networks
from networks.tf_layers import Layers


def gradients(name, device, side, channels, width, batch=6):
    """The gradients of all variables in one step of training, and what fell back to the CPU."""
    with tf.Graph().as_default() as graph, tf.device(device):
        tf.set_random_seed(1)
        images = np.random.default_rng(0).standard_normal((batch, side, side, channels)).astype(np.float32)
        logits = getattr(tf_networks, name)(Layers(True, width), tf.constant(images), 10)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.range(batch), logits=logits))
        found = tf.gradients(loss, tf.trainable_variables())
        Emulated.refused.clear()
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            return session.run(found), dict(Emulated.refused)


def error(values, wanted):
    """The largest relative error of a gradient, by norms."""
    return max(np.linalg.norm(v.astype(np.float64) - w) / np.linalg.norm(w) for v, w in zip(values, wanted))


@pytest.mark.parametrize("name, side, channels, width", [("lenet", 28, 1, 0.1), ("mobilenet", 48, 3, 0.1),
                                                         ("resnet50", 48, 3, 0.07)])
def test_gradients(name, side, channels, width):
    wanted, _ = gradients(name, "/device:REFERENCE:0", side, channels, width)
    cpu, _ = gradients(name, "/cpu:0", side, channels, width)
    emulated, fallbacks = gradients(name, "/device:EMULATED:0", side, channels, width)
    assert not fallbacks
    assert error(emulated, wanted) <= 3 * error(cpu, wanted) + 1e-6
