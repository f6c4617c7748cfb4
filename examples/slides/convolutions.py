"""A convolutional network layer by layer: convolution in 1, 2 and 3 dimensions, bias, activation, pooling, dense.

    python examples/slides/convolutions.py
"""
import pathlib

import numpy as np

import thalweg as tf

DIGITS = pathlib.Path(__file__).resolve().parents[1] / "data" / "digits" / "digits.csv.gz"


def draw(image):
    """Prints an image of any range as characters, dark to light."""
    low, high = image.min(), image.max()
    for row in (image - low) / (high - low):
        print("   ", "".join(" .:-=+*#%@"[int(v * 9.999)] * 2 for v in row))


def run(tensor, feed=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(tensor, feed)


# --- an image and its edges -----------------------------------------------------------------------------
image = np.loadtxt(DIGITS, delimiter=",", max_rows=1)[:64].reshape(1, 8, 8, 1)
x = tf.placeholder(tf.float32, [1, 8, 8, 1])             # batch, height, width, channels
sobel = tf.constant([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
edges = tf.nn.conv2d(x, tf.reshape(sobel, [3, 3, 1, 1]), strides=[1, 1, 1, 1], padding="SAME")
print("an image, and the light to the left of each pixel without that to the right:")
draw(image[0, :, :, 0])
draw(run(edges, {x: image})[0, :, :, 0])

# --- padding --------------------------------------------------------------------------------------------
photo = tf.placeholder(tf.float32, [1, 224, 224, 3])
w = tf.Variable(tf.random_normal([5, 5, 3, 64], stddev=0.35))
for padding in ("VALID", "SAME"):
    for stride in (1, 2):
        y = tf.nn.conv2d(photo, w, strides=[1, stride, stride, 1], padding=padding)
        print(f"224 x 224, filter 5 x 5, stride {stride}, {padding:5}: {y.get_shape()}")

# --- 1, 2 and 3 dimensions ------------------------------------------------------------------------------
signal = tf.constant([1.0, 2, 3, 4, 5, 6])
line = tf.nn.conv1d(tf.reshape(signal, [1, 6, 1]), tf.reshape([1.0, 0, -1], [3, 1, 1]), stride=1, padding="VALID")
plane = tf.nn.conv2d(tf.reshape(tf.range(16.0), [1, 4, 4, 1]), tf.ones([3, 3, 1, 1]), [1, 1, 1, 1], "VALID")
space = tf.nn.conv3d(tf.reshape(tf.range(27.0), [1, 3, 3, 3, 1]), tf.ones([2, 2, 2, 1, 1]), [1] * 5, "VALID")
print("conv1d:", run(line).ravel().tolist())
print("conv2d:", run(plane).ravel().tolist())
print("conv3d:", run(space).ravel().tolist())

# --- bias, by broadcasting, and activations -------------------------------------------------------------
features = tf.constant([[-2.0, 0.0, 3.0]]) + tf.constant([0.5, 0.5, 0.5])
for name, activation in (("relu", tf.nn.relu), ("sigmoid", tf.nn.sigmoid), ("elu", tf.nn.elu),
                         ("softmax", tf.nn.softmax)):
    print(f"{name:8}", " ".join(f"{v:.5f}" for v in run(activation(features))[0]))

# --- pooling, in 1, 2 and 3 dimensions ------------------------------------------------------------------
table = tf.constant([[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
pooled = tf.nn.max_pool(tf.reshape(table, [1, 4, 4, 1]), [1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
average = tf.nn.avg_pool(tf.reshape(table, [1, 4, 4, 1]), [1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
print("max_pool:", run(pooled)[0, :, :, 0].tolist())
print("avg_pool:", run(average)[0, :, :, 0].tolist())
print("max_pooling1d:", run(tf.layers.max_pooling1d(tf.reshape(signal, [1, 6, 1]), 2, 2)).ravel().tolist())
cube = tf.reshape(tf.range(64.0), [1, 4, 4, 4, 1])
print("max_pooling3d:", run(tf.layers.max_pooling3d(cube, 2, 2)).ravel().tolist())

# --- the whole: convolution, bias, relu, pooling, fully connected layer, softmax ------------------------
x = tf.placeholder(tf.float32, [1, 224, 224, 3])
w = tf.Variable(tf.random_normal([5, 5, 3, 8], stddev=0.35))
b = tf.Variable(tf.random_normal([8], stddev=0.35))
c = tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="SAME") + b
c = tf.nn.relu(c)
h = tf.nn.max_pool(c, [1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
h = tf.reshape(h, [1, -1])
fc_w = tf.Variable(tf.random_normal([int(h.get_shape()[1]), 10], stddev=0.35))
fc_b = tf.Variable(tf.random_normal([10], stddev=0.35))
output = tf.nn.softmax(tf.matmul(h, fc_w) + fc_b)
p = run(output, {x: np.linspace(0, 1, 224 * 224 * 3).reshape(1, 224, 224, 3)})
print(f"conv {c.get_shape()}, flat {h.get_shape()}, classes {p.shape}, probabilities add up to {p.sum():.4f}")
