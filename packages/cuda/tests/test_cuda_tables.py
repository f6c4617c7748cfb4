"""Core's op tables on the device EMULATED: what a row gives there against the reference bodies."""
import pytest
from emulation.emulated import Emulated

import thalweg as tf
from thalweg.framework.graph import Graph, device
from thalweg.testing import table, tables

_DEVICE = "/device:EMULATED:0"
FAMILIES = ("activation", "array", "bitwise", "cast", "checks", "comparison", "complex", "indexing", "math", "nn",
            "reduction", "slicing", "sparse", "special", "unary")
ROWS = [(family, row) for family in FAMILIES for row in tables.families()[family] if isinstance(row, table.Row)]


@pytest.mark.parametrize("family, row", ROWS, ids=[f"{i}: {f} {r.name}"[:120] for i, (f, r) in enumerate(ROWS)])
def test_row(family, row, monkeypatch):
    monkeypatch.setattr(table, "device_names", lambda: [_DEVICE])
    for dtype in row.dtypes_of():
        arrays = row.draw(dtype)
        expected = row._check_reference(dtype, arrays)
        row._check_devices(dtype, arrays, expected)
    row._check_empty()


def test_training_a_perceptron_falls_back_for_nothing():
    """Forward, gradients and loss of a small network; what its step needs has a kernel."""
    Emulated.refused.clear()
    with Graph().as_default() as graph, device(_DEVICE):
        x, labels = tf.placeholder(tf.float32, [8, 6]), tf.placeholder(tf.int64, [8])
        w, b = tf.Variable(tf.ones([6, 3]) * 0.1), tf.Variable(tf.zeros([3]))
        logits = tf.nn.bias_add(tf.matmul(x, w), b)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))
        step = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
        with tf.Session(graph=graph) as session:
            session.run(tf.global_variables_initializer())
            feeds = {x: [[float(i == j % 3) for i in range(6)] for j in range(8)], labels: [j % 3 for j in range(8)]}
            for _ in range(5):
                session.run(step, feeds)
            assert not Emulated.refused
            assert session.run([loss, accuracy], feeds)[1] == 1.0
