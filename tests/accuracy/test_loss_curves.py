"""A residual network that is trained with Winograd's convolutions follows the loss curve of one with direct sums."""
import numpy as np
import pytest

import thalweg as tf

CLASSES = 10


def images_of(templates, batch, random):
    """Images [batch, side, side, 3] and their labels: a class is a smooth pattern, somewhere, under noise."""
    labels = random.integers(0, CLASSES, batch)
    shifts = random.integers(0, templates.shape[1], (batch, 2))
    images = np.stack([np.roll(templates[label], shift, (0, 1)) for label, shift in zip(labels, shifts)])
    return (images + random.standard_normal(images.shape)).astype(np.float32), labels


def smooth_patterns(side, random):
    """[CLASSES, side, side, 3]: sums of waves of at most four periods, of variance 1."""
    spectrum = np.zeros((CLASSES, side, side, 3), np.complex128)
    spectrum[:, :5, :5] = random.standard_normal((CLASSES, 5, 5, 3)) + 1j * random.standard_normal((CLASSES, 5, 5, 3))
    patterns = np.fft.ifft2(spectrum, axes=(1, 2)).real
    return patterns / patterns.std((1, 2, 3), keepdims=True)


class ResNet:
    """Logits of `images`: a 3 x 3 convolution, then stages of blocks of two of them (arXiv:1512.03385, CIFAR's form).

    stages : list of (filters, blocks)      the first block of a later stage halves the sides
    """

    def __init__(self, images, stages, random):
        self.random, self.filters = random, []
        x = self._unit(images, stages[0][0])
        for stage, (filters, blocks) in enumerate(stages):
            for block in range(blocks):
                x = self._block(x, filters, 2 if stage and not block else 1)
        size = int(x.shape[-1])
        self.logits = tf.matmul(tf.reduce_mean(x, [1, 2]), self._weights([size, CLASSES], size))

    def _weights(self, shape, fan_in):
        return tf.Variable((self.random.standard_normal(shape) * (2 / fan_in) ** 0.5).astype(np.float32))

    def _norm(self, x, filters, size, stride):
        channels = int(x.shape[-1])
        self.filters.append(self._weights([size, size, channels, filters], size * size * channels))
        y = tf.nn.conv2d(x, self.filters[-1], [1, stride, stride, 1], "SAME")
        return tf.nn.fused_batch_norm(y, tf.Variable(tf.ones([filters])), tf.Variable(tf.zeros([filters])))[0]

    def _unit(self, x, filters, stride=1):
        return tf.nn.relu(self._norm(x, filters, 3, stride))

    def _block(self, x, filters, stride):
        shortcut = x if stride == 1 and int(x.shape[-1]) == filters else self._norm(x, filters, 1, stride)
        return tf.nn.relu(self._norm(self._unit(x, filters, stride), filters, 3, 1) + shortcut)


def trained(algorithm, stages, side, batch, steps, spoil=None):
    """The losses of a ResNet by step; `spoil` changes the gradients of the filters."""
    random = np.random.default_rng(0)
    patterns = smooth_patterns(side, random)
    with tf.Graph().as_default():
        images, labels = tf.placeholder(tf.float32, [batch, side, side, 3]), tf.placeholder(tf.int64, [batch])
        network = ResNet(images, stages, random)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=network.logits))
        optimizer = tf.train.MomentumOptimizer(0.01, 0.9)
        pairs = optimizer.compute_gradients(loss)
        if spoil:
            pairs = [(spoil(g) if v in network.filters else g, v) for g, v in pairs]
        step = optimizer.apply_gradients(pairs)
        with tf.Session(config=tf.ConfigProto(convolution_algorithm=algorithm)) as session:
            session.run(tf.global_variables_initializer())
            losses = []
            for _ in range(steps):
                fed, wanted = images_of(patterns, batch, random)
                losses.append(session.run([loss, step], {images: fed, labels: wanted})[0])
    return np.array(losses)


SMALL = {"stages": [(16, 1), (32, 1), (64, 1)], "side": 16, "batch": 32, "steps": 120}
RESNET18 = {"stages": [(32, 2), (64, 2), (128, 2), (256, 2)], "side": 32, "batch": 32, "steps": 300}    # half as wide


@pytest.fixture(scope="module")
def exact():
    return trained("exact", **SMALL)


def distances(losses, exact):
    """Largest differences in the first ten steps, where rounding has hardly grown, and in all."""
    off = np.abs(losses - exact)
    return off[:10].max(), off.max()


@pytest.mark.parametrize("algorithm", ["2x2", "4x4"])
def test_training_follows_the_exact_loss_curve(algorithm, exact):
    losses = trained(algorithm, **SMALL)
    assert exact[-10:].mean() < exact[0] / 4 and (losses != exact).any()
    early, late = distances(losses, exact)
    assert early < 2e-4 and late < 3e-2


def test_a_gradient_that_is_a_little_wrong_would_show(exact):
    early, _ = distances(trained("exact", spoil=lambda g: 0.99 * g, **SMALL), exact)
    assert early > 4e-4


def test_a_gradient_that_lacks_a_tap_would_show(exact):
    def without_corner(g):
        kept = np.ones(g.shape.as_list(), np.float32)
        kept[0, 0] = kept.shape[0] == 1
        return g * kept
    early, late = distances(trained("exact", spoil=without_corner, **SMALL), exact)
    assert early > 2e-3 and late > 6e-2


@pytest.mark.long
def test_a_resnet18_follows_the_exact_loss_curve(capsys):
    curves = {algorithm: trained(algorithm, **RESNET18) for algorithm in ("exact", "2x2", "4x4", "auto")}
    means = {algorithm: losses.reshape(-1, 25).mean(1) for algorithm, losses in curves.items()}
    with capsys.disabled():
        print("\nmean loss of 25 steps:", *means, sep="\n")
        for row in zip(*means.values()):
            print(*(f"{value:.4f}" for value in row))
    exact = means["exact"]
    assert exact[-1] < exact[0] / 4
    for algorithm, losses in means.items():                  # which part by rounding alone while they fall steeply
        assert np.abs(losses - exact).max() < exact[0] / 20, algorithm
        assert np.abs(losses - exact)[-4:].max() < 0.01, algorithm
