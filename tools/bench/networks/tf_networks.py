"""The networks from tf.nn: each takes images [N, H, W, C] and gives logits [N, classes]."""
from framework import tf

from . import architectures
from .tf_layers import avg_pool, flat, max_pool


def lenet(layers, x, classes):
    for filters in (32, 64):
        x = max_pool(tf.nn.relu(layers.conv(x, filters, 5, bias=True)), 2, 2)
    x = layers.dropout(tf.nn.relu(layers.dense(flat(x), 1024)), 0.6)
    return layers.dense(x, classes, scaled=False)


def resnet50(layers, x, classes):
    x = max_pool(layers.unit(x, 64, 7, 2), 3, 2)
    for stage, (filters, blocks) in enumerate(architectures.RESNET50):
        for block in range(blocks):
            x = _bottleneck(layers, x, filters, 2 if stage and block == 0 else 1, block == 0)
    return layers.dense(tf.reduce_mean(x, [1, 2]), classes, scaled=False)


def _bottleneck(layers, x, filters, stride, project):
    shortcut = layers.norm(layers.conv(x, 4 * filters, 1, stride)) if project else x
    h = layers.unit(layers.unit(x, filters, 1), filters, 3, stride)
    return tf.nn.relu(layers.norm(layers.conv(h, 4 * filters, 1)) + shortcut)


def vgg16(layers, x, classes):
    for filters, convolutions in architectures.VGG16:
        for _ in range(convolutions):
            x = tf.nn.relu(layers.conv(x, filters, 3, bias=True))
        x = max_pool(x, 2, 2)
    x = flat(x)
    for _ in range(2):
        x = layers.dropout(tf.nn.relu(layers.dense(x, 4096)), 0.5)
    return layers.dense(x, classes, scaled=False)


def inception3(layers, x, classes):
    x = tf.reduce_mean(_chain(layers, x, architectures.INCEPTION3), [1, 2])
    return layers.dense(layers.dropout(x, 0.8), classes, scaled=False)


def _chain(layers, x, chain):
    for part in chain:
        if part == architectures.POOL:
            x = avg_pool(x)
        elif part == architectures.REDUCE:
            x = max_pool(x, 3, 2, "VALID")
        elif isinstance(part, list):
            x = tf.concat([_chain(layers, x, branch) for branch in part], 3)
        else:
            x = layers.unit(x, *part, has_scale=False)
    return x


def mobilenet(layers, x, classes):
    x = layers.unit(x, 32, 3, 2, relu=tf.nn.relu6)
    for filters, stride in architectures.MOBILENET:
        x = tf.nn.relu6(layers.norm(layers.depthwise(x, stride)))
        x = layers.unit(x, filters, 1, relu=tf.nn.relu6)
    return layers.dense(layers.dropout(tf.reduce_mean(x, [1, 2]), 0.999), classes, scaled=False)


def stack(layers, x, classes, depth):
    """`depth` convolutions 3x3, 64 filters, with bias and relu."""
    for _ in range(depth):
        x = tf.nn.relu(layers.conv(x, 64, 3, bias=True))
    return layers.dense(tf.reduce_mean(x, [1, 2]), classes, scaled=False)
