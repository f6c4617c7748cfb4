"""One kernel class each, in TensorFlow 1.x's API: gives the tensors or operations to be run."""
import kernels
from framework import tf


def conv(kind, batch, rows, channels, filters, size, stride=1, fresh=False):
    """`kind` is forward, grad_input or grad_filter; `size` (rows, columns) of the filter. `fresh`: the filter is a
    new value at every run, as in training, so that nothing made of it can be kept."""
    shape, filter_shape = [batch, rows, rows, channels], [*size, channels, filters]
    strides = [1, stride, stride, 1]
    x, w = _values(shape), _values(filter_shape)
    w = w * _values([]) if fresh else w
    if kind == "forward":
        return [tf.nn.conv2d(x, w, strides=strides, padding="SAME")]
    out = -(-rows // stride)
    dy = _values([batch, out, out, filters])
    if kind == "grad_input":
        return [tf.nn.conv2d_backprop_input(shape, w, dy, strides=strides, padding="SAME")]
    return [tf.nn.conv2d_backprop_filter(x, filter_shape, dy, strides=strides, padding="SAME")]


def depthwise(batch, rows, channels, stride):
    y = tf.nn.depthwise_conv2d_native(_values([batch, rows, rows, channels]), _values([3, 3, channels, 1]),
                                      strides=[1, stride, stride, 1], padding="SAME")
    return [tf.nn.relu(tf.nn.bias_add(y, _values([channels])))]


def batch_norm(batch, rows, channels, backward):
    x, scale, offset = _values([batch, rows, rows, channels]), _values([channels]), _values([channels])
    y = tf.nn.relu(tf.nn.fused_batch_norm(x, scale, offset, epsilon=1e-3)[0])
    return tf.gradients(y, [x, scale, offset], _values([batch, rows, rows, channels])) if backward else [y]


def add_relu(batch, rows, channels):
    shape = [batch, rows, rows, channels]
    return [tf.nn.relu(_values(shape) + _values(shape))]


def max_pool(batch, rows, channels, size, backward):
    x = _values([batch, rows, rows, channels])
    y = tf.nn.max_pool(x, [1, size, size, 1], [1, 2, 2, 1], "SAME")
    return tf.gradients(y, [x], _values(y.get_shape().as_list())) if backward else [y]


def softmax_cross_entropy(batch, classes):
    logits = _values([batch, classes])
    labels = tf.Variable(tf.zeros([batch], tf.int32), trainable=False)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
    return [loss, *tf.gradients(loss, [logits])]


def optimizer(rule):
    parameters = [_values(shape) for shape in kernels.resnet50_shapes()]
    gradients = [_values(shape) for shape in kernels.resnet50_shapes()]
    rule = tf.train.AdamOptimizer(1e-3) if rule == "adam" else tf.train.MomentumOptimizer(0.01, 0.9)
    return [rule.apply_gradients(list(zip(gradients, parameters)))]


def elementwise_chain(count):
    x, y = _values([count]), _values([count])
    h = tf.sigmoid(x * y + x)
    h = tf.sqrt(h * h + 1.0)
    return [tf.maximum(h - y, x) * 0.5 + y]


def cast(count, source, target):
    x = tf.Variable(tf.cast(tf.random_normal([count], seed=1), source), trainable=False)
    return [tf.cast(x, target)]


def _values(shape):
    return tf.Variable(tf.random_normal(shape, seed=1), trainable=False)
