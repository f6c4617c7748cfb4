"""Convolutions, against SciPy's correlate and sums written out."""
import numpy as np
from scipy import signal

import thalweg as tf
from thalweg.ops import conv, depthwise
from thalweg.testing.samples import reals
from thalweg.testing.table import Bad, Row

F = ["float32", "float64", "float16"]
D = ["float32", "float64"]


def correlated(x, w, strides=1, padding="VALID", dilations=1):
    """Channels-last cross-correlation by SciPy, one pair of channels at a time."""
    n = x.ndim - 2
    strides, dilations = np.broadcast_to(strides, n), np.broadcast_to(dilations, n)
    wide = np.zeros(tuple((k - 1) * d + 1 for k, d in zip(w.shape, dilations)) + w.shape[-2:])
    wide[tuple(np.s_[::d] for d in dilations)] = w
    if padding == "SAME":
        pads = []
        for size, k, s in zip(x.shape[1:], wide.shape, strides):
            need = max((-(-size // s) - 1) * s + k - size, 0)
            pads.append((need // 2, need - need // 2))
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    elif padding != "VALID":
        x = np.pad(x, padding)
    images = []
    for image in x:
        maps = [sum(signal.correlate(image[..., c], wide[..., c, f], "valid") for c in range(x.shape[-1]))
                for f in range(w.shape[-1])]
        images.append(np.stack(maps, -1)[tuple(np.s_[::s] for s in strides)])
    return np.stack(images)


def source(**options):
    return lambda x, w: correlated(x, w, **options)


EXPLICIT = [[0, 0], [1, 2], [0, 1], [0, 0]]

ROWS = [
    Row(tf.nn.conv2d, reals(2, 6, 5, 3), reals(3, 2, 3, 4), 1, "VALID", against=source(), dtypes=F, tolerance=4),
    Row(tf.nn.conv2d, reals(2, 6, 5, 3), reals(3, 2, 3, 4), 1, "SAME", against=source(padding="SAME"), dtypes=D,
        tolerance=4),
    Row(tf.nn.conv2d, reals(2, 7, 6, 2), reals(3, 3, 2, 3), [1, 2, 3, 1], "SAME", dtypes=D, tolerance=4,
        against=source(strides=[2, 3], padding="SAME")),
    Row(tf.nn.conv2d, reals(2, 7, 6, 2), reals(3, 3, 2, 3), [2, 3], "VALID", dtypes=D, tolerance=4,
        against=source(strides=[2, 3])),
    Row(tf.nn.conv2d, reals(1, 8, 9, 2), reals(3, 2, 2, 3), 1, "SAME", dilations=[1, 2, 3, 1], dtypes=D, tolerance=4,
        against=source(padding="SAME", dilations=[2, 3])),
    Row(tf.nn.conv2d, reals(2, 5, 4, 2), reals(2, 3, 2, 3), 1, EXPLICIT, dtypes=D, tolerance=4,
        against=source(padding=EXPLICIT)),
    Row(tf.nn.conv2d, reals(2, 3, 6, 5), reals(3, 2, 3, 4), 1, "SAME", data_format="NCHW", dtypes=D, tolerance=4,
        against=lambda x, w: correlated(x.transpose(0, 2, 3, 1), w, padding="SAME").transpose(0, 3, 1, 2)),
    Row(tf.nn.conv2d, reals(1, 5, 5, 4), reals(3, 3, 2, 6), 1, "SAME", dtypes=D, label="two groups", tolerance=4,
        against=lambda x, w: np.concatenate([correlated(x[..., :2], w[..., :3], padding="SAME"),
                                             correlated(x[..., 2:], w[..., 3:], padding="SAME")], -1)),
    Row(tf.nn.conv2d, reals(2, 4, 4, 3), reals(1, 1, 3, 5), 1, "VALID", against=source(), dtypes=D, label="1x1"),
    Row(tf.nn.conv2d, reals(0, 5, 5, 2), reals(3, 3, 2, 3), 1, "SAME", dtypes=D, label="no images"),
    Row(tf.nn.conv2d, reals(1, 23, 21, 9), reals(5, 5, 9, 17), 1, "SAME", against=source(padding="SAME"), dtypes=D,
        gradient=False, tolerance=20, label="larger than a tile"),
    Row(conv.conv2d_backprop_input_op, [2, 6, 5, 3], reals(3, 2, 3, 4), reals(2, 4, 4, 4), strides=[1, 1, 1, 1],
        padding="VALID", dtypes=D, tolerance=4),
    Row(conv.conv2d_backprop_filter_op, reals(2, 6, 5, 3), [3, 2, 3, 4], reals(2, 3, 3, 4), strides=[1, 2, 2, 1],
        padding="SAME", dtypes=D, tolerance=4),
    Row(tf.nn.conv2d_transpose, reals(2, 3, 3, 4), reals(3, 3, 2, 4), [2, 6, 6, 2], [1, 2, 2, 1], dtypes=D,
        tolerance=4),
    Row(tf.nn.conv2d_transpose, reals(1, 3, 3, 2), reals(3, 3, 2, 2), [1, 7, 7, 2], 2, "VALID", dtypes=D, tolerance=4),
    Row(tf.nn.conv2d_transpose, reals(1, 2, 3, 3), reals(3, 3, 2, 2), [1, 2, 6, 6], 2, data_format="NCHW", dtypes=D,
        tolerance=4),

    Row(tf.nn.conv1d, reals(2, 7, 3), reals(3, 3, 4), 1, "SAME", against=source(padding="SAME"), dtypes=D,
        tolerance=4),
    Row(tf.nn.conv1d, reals(2, 7, 3), reals(3, 3, 4), 2, "VALID", against=source(strides=2), dtypes=D, tolerance=4),
    Row(tf.nn.conv1d, reals(2, 3, 7), reals(3, 3, 4), 1, "SAME", data_format="NCW", dtypes=D, tolerance=4,
        against=lambda x, w: correlated(x.swapaxes(1, 2), w, padding="SAME").swapaxes(1, 2)),
    Row(tf.nn.conv1d_transpose, reals(2, 4, 3), reals(3, 2, 3), [2, 8, 2], 2, dtypes=D, tolerance=4),

    Row(tf.nn.conv3d, reals(1, 4, 5, 3, 2), reals(2, 3, 2, 2, 3), [1, 1, 1, 1, 1], "SAME", dtypes=D, tolerance=4,
        against=source(padding="SAME")),
    Row(tf.nn.conv3d, reals(1, 5, 5, 4, 2), reals(3, 2, 2, 2, 3), [1, 2, 1, 2, 1], "VALID", dtypes=D, tolerance=4,
        against=source(strides=[2, 1, 2]), second=False),
    Row(conv.conv3d_backprop_input_v2, [1, 4, 4, 3, 2], reals(2, 2, 2, 2, 3), reals(1, 2, 2, 2, 3),
        strides=[1, 2, 2, 2, 1], padding="SAME", dtypes=D, tolerance=4),
    Row(conv.conv3d_backprop_filter_v2, reals(1, 4, 4, 3, 2), [2, 2, 2, 2, 3], reals(1, 2, 2, 2, 3),
        strides=[1, 2, 2, 2, 1], padding="SAME", dtypes=D, tolerance=4),
    Row(tf.nn.conv3d_transpose, reals(1, 2, 2, 2, 3), reals(2, 2, 2, 2, 3), [1, 4, 4, 4, 2], [1, 2, 2, 2, 1],
        dtypes=D, tolerance=4, second=False),

    Row(tf.nn.depthwise_conv2d, reals(2, 5, 6, 3), reals(3, 2, 3, 2), [1, 1, 1, 1], "SAME", dtypes=D, tolerance=4,
        unknown="dimensions", against=lambda x, w: np.concatenate(
            [correlated(x[..., c:c + 1], w[:, :, c:c + 1], padding="SAME") for c in range(3)], -1)),
    Row(tf.nn.depthwise_conv2d_native, reals(2, 5, 6, 3), reals(3, 2, 3, 2), [1, 2, 2, 1], "VALID", dtypes=F,
        tolerance=4, against=lambda x, w: np.concatenate(
            [correlated(x[..., c:c + 1], w[:, :, c:c + 1], strides=2) for c in range(3)], -1)),
    Row(depthwise.depthwise_backprop_input, [2, 5, 6, 3], reals(3, 2, 3, 2), reals(2, 5, 6, 6),
        strides=[1, 1, 1, 1], padding="SAME", dtypes=D, tolerance=4),
    Row(depthwise.depthwise_backprop_filter, reals(2, 5, 6, 3), [3, 2, 3, 2], reals(2, 5, 6, 6),
        strides=[1, 1, 1, 1], padding="SAME", dtypes=D, tolerance=4),
    Row(tf.nn.separable_conv2d, reals(1, 5, 5, 2), reals(3, 3, 2, 2), reals(1, 1, 4, 3), [1, 1, 1, 1], "SAME",
        dtypes=D, tolerance=10, second=False, unknown="dimensions", against=lambda x, w, p: correlated(np.concatenate(
            [correlated(x[..., c:c + 1], w[:, :, c:c + 1], padding="SAME") for c in range(2)], -1), p)),

    Row(tf.nn.convolution, reals(1, 6, 5, 2), reals(3, 3, 2, 2), "SAME", dtypes=D, tolerance=4, unknown=False,
        against=source(padding="SAME")),
    Row(tf.nn.convolution, reals(1, 7, 8, 2), reals(3, 2, 2, 2), "SAME", dilation_rate=[2, 3], dtypes=D, tolerance=4,
        unknown="dimensions", against=source(padding="SAME", dilations=[2, 3])),
    Row(tf.nn.convolution, reals(1, 7, 8, 2), reals(3, 2, 2, 2), "VALID", dilation_rate=[2, 3], dtypes=D,
        unknown="dimensions", tolerance=4, against=source(dilations=[2, 3])),
    Row(tf.nn.convolution, reals(1, 9, 2), reals(3, 2, 2), "SAME", dilation_rate=[2], dtypes=D, tolerance=4,
        unknown="dimensions", against=source(padding="SAME", dilations=2)),
    Row(tf.nn.convolution, reals(1, 2, 7, 8), reals(3, 2, 2, 2), "SAME", dilation_rate=[2, 2], data_format="NCHW",
        dtypes=D, tolerance=4, unknown=False, second=False, against=lambda x, w: correlated(
            x.transpose(0, 2, 3, 1), w, padding="SAME", dilations=2).transpose(0, 3, 1, 2)),
    Row(tf.nn.convolution, reals(1, 4, 4, 3, 2), reals(2, 2, 2, 2, 2), "VALID", strides=[2, 1, 1], dtypes=D,
        unknown="dimensions", tolerance=4, against=source(strides=[2, 1, 1]), second=False),
    Row(tf.nn.atrous_conv2d, reals(1, 7, 7, 2), reals(3, 3, 2, 2), 2, "SAME", dtypes=D, tolerance=4,
        unknown="dimensions", against=source(padding="SAME", dilations=2)),
    Row(tf.nn.atrous_conv2d_transpose, reals(1, 6, 6, 2), reals(3, 3, 3, 2), [1, 6, 6, 3], 2, "SAME", dtypes=D,
        tolerance=4, unknown="dimensions"),
    Row(tf.space_to_batch_nd, reals(2, 3, 5, 2), [2, 2], [[0, 1], [1, 0]]),
    Row(tf.batch_to_space_nd, reals(8, 2, 3, 2), [2, 2], [[0, 1], [1, 0]]),
    Row(tf.space_to_batch, reals(1, 4, 4, 1), [[0, 0], [0, 0]], 2,
        against=lambda x: np.stack([x[0, i::2, j::2] for i in (0, 1) for j in (0, 1)])),
    Row(tf.batch_to_space, reals(4, 2, 2, 1), [[0, 0], [0, 0]], 2),
    Row(tf.space_to_depth, reals(1, 4, 6, 2), 2,
        against=lambda x: np.concatenate([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1)),
    Row(tf.depth_to_space, reals(1, 2, 3, 8), 2),
    Row(tf.space_to_depth, reals(1, 2, 4, 6), 2, data_format="NCHW"),

    Bad(tf.space_to_batch_nd, reals(2, 3, 4, 1), [2, 2], [[-1, 0], [0, 0]],
        match=r"paddings cannot be neg.*\[-1, 0\]"),
    Bad(tf.space_to_batch_nd, reals(2, 4, 4, 1), [0, 2], [[0, 0], [0, 0]], match="block_shape must be positive, not"),
    Bad(tf.batch_to_space_nd, reals(4, 2, 2, 1), [2, 2], [[-1, 0], [0, 0]], match="crops cannot be negative"),
    Bad(lambda x: tf.space_to_batch_nd(tf.placeholder(tf.float32), [2, 2], [[-1, 0], [0, 0]]), reals(2, 3, 4, 1),
        match="paddings cannot be negative"),
    Bad(tf.nn.conv2d, reals(2, 8, 8, 3), reals(3, 3, 4, 4), 1, "SAME",
        match=r"Depth of input \(3\) is not a multiple of input depth of filter \(4\)"),
    Bad(tf.nn.conv2d, reals(2, 8, 8, 3), reals(9, 9, 3, 4), 1, "VALID",
        match="Negative dimension size caused by subtracting 9 from 8"),
    Bad(tf.nn.conv2d, reals(2, 8, 8), reals(3, 3, 3, 4), 1, "SAME", match="the input must have rank 4"),
    Bad(tf.nn.conv2d, reals(2, 8, 8, 3), reals(3, 3, 3), 1, "SAME", match="the filter must have rank 4"),
    Bad(tf.nn.conv2d, reals(2, 8, 8, 3), reals(3, 3, 3, 4), 1, "FULL", match="padding must be"),
    Bad(tf.nn.conv2d, reals(2, 8, 8, 3), reals(3, 3, 3, 4), [2, 1, 1, 1], "SAME", match="must be 1"),
    Bad(tf.nn.conv2d, reals(2, 8, 8, 3), reals(3, 3, 3, 4), [1, 1, 1], "SAME", match="strides should be of length"),
    Bad(tf.nn.conv2d, reals(2, 8, 8, 3), reals(3, 3, 3, 4), 1, [[0, 0], [1, 1]], match="When padding is a list"),
    Bad(tf.nn.conv2d_transpose, reals(2, 8, 8, 3), reals(3, 3, 2, 3), [2, 17, 16, 2], 2,
        match="out_backprop has shape"),
    Bad(tf.nn.conv1d, reals(2, 8, 3), reals(3, 3, 4), 1, "SAME", data_format="NDHWC", match="data_format must be"),
    Bad(tf.nn.convolution, reals(2, 8, 8, 3), reals(3, 3, 3, 4), "SAME", strides=[2, 2], dilation_rate=[2, 2],
        match="strides > 1 not supported in conjunction with dilation_rate > 1"),
    Bad(tf.nn.depthwise_conv2d_native, reals(1, 5, 5, 3), reals(3, 3, 2, 1), [1, 1, 1, 1], "SAME",
        match="the input has 3 channels, the filter is for 2"),
    Bad(tf.space_to_depth, reals(1, 3, 4, 1), 2, match="not divisible by 2"),
    Bad(tf.batch_to_space_nd, reals(3, 2, 2, 1), [2, 2], [[0, 0], [0, 0]], match="the batch 3 is not divisible by 4"),
]
