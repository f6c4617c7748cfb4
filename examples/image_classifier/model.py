"""The slides' network: convolution, bias, relu, pool, residual block, batch norm, convolution, pool, dense,
dropout.
"""
import thalweg as tf


class Classifier:
    """The network with its placeholders, loss and measures.

    Attributes
    ----------
    images : Tensor [None, size, size, channels]    pixels in [0, 1]
    labels : Tensor [None]
    training : Tensor []                            bool: dropout and batch statistics on or off
    logits, probabilities : Tensor [None, classes]
    feature_maps : Tensor [None, size, size, 32]    what the first layer sees
    loss, accuracy : Tensor []
    """

    def __init__(self, size, channels, classes):
        self.images = tf.placeholder(tf.float32, [None, size, size, channels], name="images")
        self.labels = tf.placeholder(tf.int32, [None], name="labels")
        self.training = tf.placeholder(tf.bool, [], name="training")
        with tf.variable_scope("first"):
            self.feature_maps = first_layer(self.images, 32)
        h = tf.nn.max_pool(self.feature_maps, [1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
        h = self._residual_block(h, 32)
        h = tf.layers.conv2d(h, filters=64, kernel_size=[3, 3], padding="same", activation=tf.nn.relu)
        h = tf.layers.max_pooling2d(h, pool_size=[2, 2], strides=2)
        h = tf.layers.flatten(h)
        h = tf.layers.dense(h, 128, activation=tf.nn.relu)
        h = tf.layers.dropout(h, rate=0.4, training=self.training)
        self.logits = tf.layers.dense(h, classes, name="logits")
        self.probabilities = tf.nn.softmax(self.logits)
        one_hot = tf.one_hot(self.labels, classes)
        self.loss = tf.losses.softmax_cross_entropy(onehot_labels=one_hot, logits=self.logits)
        right = tf.equal(tf.cast(tf.argmax(self.logits, 1), tf.int32), self.labels)
        self.accuracy = tf.reduce_mean(tf.cast(right, tf.float32))

    def _residual_block(self, x, filters):
        """y = f(x) + x, each convolution followed by batch norm."""
        h = tf.layers.conv2d(x, filters=filters, kernel_size=[3, 3], padding="same", use_bias=False)
        h = tf.nn.relu(tf.layers.batch_normalization(h, momentum=0.9, training=self.training))
        h = tf.layers.conv2d(h, filters=filters, kernel_size=[3, 3], padding="same", use_bias=False)
        h = tf.layers.batch_normalization(h, momentum=0.9, training=self.training)
        return tf.nn.relu(h + x)


def first_layer(x, filters):
    """Convolution, bias and relu from their parts, as the slides write them."""
    channels = int(x.get_shape()[3])
    w = tf.get_variable("filter", [5, 5, channels, filters], initializer=tf.truncated_normal_initializer(stddev=0.1))
    b = tf.get_variable("bias", [filters], initializer=tf.zeros_initializer())
    return tf.nn.relu(tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="SAME") + b)


def train_op(loss, global_step, learning_rate):
    """One step of Adam; batch norm's running averages are updated with it."""
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        return tf.train.AdamOptimizer(learning_rate).minimize(loss, global_step=global_step)
