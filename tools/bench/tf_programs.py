"""The programs in TensorFlow 1.x's API: one text drives thalweg and tensorflow (`tensorflow.compat.v1`).

Each program gives (step, images per step, None), or (step, 1, seconds of the unit) for times.
"""
import sys
import time

import numpy as np

if sys.argv[1] == "thalweg":
    import thalweg as tf
    VERSION = tf.__version__
else:
    import tensorflow
    VERSION = tensorflow.__version__
    tf = tensorflow.compat.v1
    tf.disable_v2_behavior()

THREADS = int(sys.argv[2])


def _session(graph):
    config = tf.ConfigProto(intra_op_parallelism_threads=THREADS, inter_op_parallelism_threads=THREADS)
    return tf.Session(graph=graph, config=config)


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
        session = _session(graph)
    feed = {x: 1.0}
    return lambda: session.run(y, feed), 1, 1e-6


def _weights(shape, fan_in):
    return tf.Variable((np.random.RandomState(0).randn(*shape) * (2.0 / fan_in) ** 0.5).astype(np.float32))


def _conv(x, size, filters, stride=1):
    channels = int(x.get_shape()[-1])
    w = _weights([size, size, channels, filters], size * size * channels)
    return tf.nn.conv2d(x, w, strides=[1, stride, stride, 1], padding="SAME")


def _dense(x, units):
    n = int(x.get_shape()[-1])
    return tf.matmul(x, _weights([n, units], n)) + tf.Variable(tf.zeros([units]))


def lenet(batch, training):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 28, 28, 1])
        labels = tf.placeholder(tf.int32, [None])
        h = x
        for filters in (32, 64):
            h = tf.nn.relu(tf.nn.bias_add(_conv(h, 5, filters), tf.Variable(tf.zeros([filters]))))
            h = tf.nn.max_pool(h, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
        h = tf.nn.relu(_dense(tf.reshape(h, [-1, 7 * 7 * 64]), 1024))
        if training:
            h = tf.nn.dropout(h, 0.6)
        logits = _dense(h, 10)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        fetch = tf.train.AdamOptimizer(1e-3).minimize(loss) if training else tf.nn.softmax(logits)
        return _step(graph, fetch, x, labels, [batch, 28, 28, 1], 10, batch)


def resnet50(batch, training):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [batch, 224, 224, 3])
        labels = tf.placeholder(tf.int32, [batch])
        h = tf.nn.relu(_norm(_conv(x, 7, 64, 2), training))
        h = tf.nn.max_pool(h, [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
        for stage, (filters, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
            for block in range(blocks):
                h = _bottleneck(h, filters, 2 if stage and block == 0 else 1, block == 0, training)
        logits = _dense(tf.reduce_mean(h, [1, 2]), 1000)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        fetch = tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss) if training else tf.nn.softmax(logits)
        return _step(graph, fetch, x, labels, [batch, 224, 224, 3], 1000, batch)


def _norm(x, training):
    channels = int(x.get_shape()[-1])
    scale, offset = tf.Variable(tf.ones([channels])), tf.Variable(tf.zeros([channels]))
    if training:
        return tf.nn.fused_batch_norm(x, scale, offset, epsilon=1e-3)[0]
    mean, variance = tf.Variable(tf.zeros([channels])), tf.Variable(tf.ones([channels]))
    return tf.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=1e-3, is_training=False)[0]


def _bottleneck(x, filters, stride, project, training):
    shortcut = _norm(_conv(x, 1, 4 * filters, stride), training) if project else x
    h = tf.nn.relu(_norm(_conv(x, 1, filters), training))
    h = tf.nn.relu(_norm(_conv(h, 3, filters, stride), training))
    return tf.nn.relu(_norm(_conv(h, 1, 4 * filters), training) + shortcut)


def _step(graph, fetch, x, labels, shape, classes, batch):
    random = np.random.RandomState(1)
    feed = {x: random.rand(*shape).astype(np.float32), labels: random.randint(0, classes, batch).astype(np.int32)}
    session = _session(graph)
    with graph.as_default():
        session.run(tf.global_variables_initializer())
    return lambda: session.run(fetch, feed), batch, None
