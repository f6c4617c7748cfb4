"""Layers from tf.nn and tf.Variable alone, for thalweg and TensorFlow."""
from framework import tf

from .architectures import DECAY, EPSILON


class Layers:
    """Builds the layers of one network.

    Attributes
    ----------
    training : bool         batch norm by the batch's statistics, dropout
    width : float           multiplies every count of filters or units, for tests
    updates : list          operations that move the averages of batch norm; a training step runs them
    """

    def __init__(self, training, width=1.0):
        self.training, self.width, self.updates = training, width, []

    def count(self, units):
        """`units` by the width."""
        return max(1, round(units * self.width))

    def conv(self, x, filters, size, stride=1, padding="SAME", bias=False):
        """Convolution; `size` is (rows, columns) or one number for both."""
        rows, columns = size if isinstance(size, tuple) else (size, size)
        channels, filters = _channels(x), self.count(filters)
        w = _weights([rows, columns, channels, filters], rows * columns * channels)
        y = tf.nn.conv2d(x, w, strides=[1, stride, stride, 1], padding=padding)
        return tf.nn.bias_add(y, tf.Variable(tf.zeros([filters]))) if bias else y

    def depthwise(self, x, stride):
        """3x3 convolution of each channel by itself."""
        w = _weights([3, 3, _channels(x), 1], 9)
        return tf.nn.depthwise_conv2d_native(x, w, strides=[1, stride, stride, 1], padding="SAME")

    def norm(self, x, has_scale=True):
        """Batch norm; in training it moves its averages, as users have it."""
        size = [_channels(x)]
        scale = tf.Variable(tf.ones(size)) if has_scale else tf.constant(1.0, tf.float32, size)
        offset = tf.Variable(tf.zeros(size))
        mean = tf.Variable(tf.zeros(size), trainable=False)
        variance = tf.Variable(tf.ones(size), trainable=False)
        if not self.training:
            return tf.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=EPSILON, is_training=False)[0]
        y, batch_mean, batch_variance = tf.nn.fused_batch_norm(x, scale, offset, epsilon=EPSILON)
        self.updates += [tf.assign_sub(average, (average - now) * (1 - DECAY))
                         for average, now in ((mean, batch_mean), (variance, batch_variance))]
        return y

    def unit(self, x, filters, size, stride=1, padding="SAME", relu=tf.nn.relu, has_scale=True):
        """Convolution, batch norm, relu."""
        return relu(self.norm(self.conv(x, filters, size, stride, padding), has_scale))

    def dense(self, x, units, scaled=True):
        """x w + b; `scaled=False` for the classes, which the width leaves alone."""
        units = self.count(units) if scaled else units
        return tf.matmul(x, _weights([_channels(x), units], _channels(x))) + tf.Variable(tf.zeros([units]))

    def dropout(self, x, keep):
        return tf.nn.dropout(x, keep) if self.training else x


def max_pool(x, size, stride, padding="SAME"):
    return tf.nn.max_pool(x, [1, size, size, 1], [1, stride, stride, 1], padding)


def avg_pool(x):
    """3x3, stride 1; the border counts only what is there."""
    return tf.nn.avg_pool(x, [1, 3, 3, 1], [1, 1, 1, 1], "SAME")


def flat(x):
    """[N, H, W, C] -> [N, H*W*C]"""
    _, rows, columns, channels = (int(n) if n else -1 for n in x.get_shape().as_list())
    return tf.reshape(x, [-1, rows * columns * channels])


def _channels(x):
    return int(x.get_shape()[-1])


def _weights(shape, fan_in):
    return tf.Variable(tf.random_normal(shape, stddev=(2.0 / fan_in) ** 0.5, seed=1))
