"""Pooling, against loops over windows."""
import numpy as np

import thalweg as tf
from thalweg.ops import pooling
from thalweg.testing.samples import distinct, exactly, of, reals
from thalweg.testing.table import Bad, Row

F = ["float32", "float64", "float16"]
D = ["float32", "float64"]


def pooled(function, ksize, strides, padding):
    """Channels-last pooling, one window at a time."""
    def source(x):
        n = x.ndim - 2
        sizes, k, s = x.shape[1:-1], np.broadcast_to(ksize, n), np.broadcast_to(strides, n)
        if padding == "SAME":
            out = [-(-size // step) for size, step in zip(sizes, s)]
            before = [max((o - 1) * step + w - size, 0) // 2 for o, step, w, size in zip(out, s, k, sizes)]
        else:
            out, before = [(size - w) // step + 1 for size, w, step in zip(sizes, k, s)], [0] * n
        result = np.zeros((x.shape[0], *out, x.shape[-1]), x.dtype)
        for place in np.ndindex(*out):
            window = tuple(np.s_[max(p * step - b, 0):p * step - b + w] for p, step, b, w in zip(place, s, before, k))
            result[(np.s_[:], *place)] = function(x[(np.s_[:], *window)], tuple(range(1, n + 1)))
        return result
    return source


ROWS = [
    Row(tf.nn.max_pool, distinct(2, 5, 6, 2), 2, 2, "VALID", against=pooled(np.max, 2, 2, "VALID"),
        dtypes=[*F, "int32", "uint8"]),
    Row(tf.nn.max_pool, distinct(2, 5, 6, 2), [1, 3, 2, 1], [1, 2, 1, 1], "SAME", dtypes=D,
        against=pooled(np.max, [3, 2], [2, 1], "SAME")),
    Row(tf.nn.max_pool, distinct(2, 2, 5, 6), 3, 2, "SAME", data_format="NCHW", dtypes=D),
    Row(tf.nn.max_pool, distinct(1, 3, 3, 4), [1, 1, 1, 2], [1, 1, 1, 2], "VALID", dtypes=D, label="over channels"),
    Row(tf.nn.max_pool, distinct(0, 4, 4, 2), 2, 2, "SAME", dtypes=D),
    Row(tf.nn.max_pool2d, distinct(1, 4, 4, 1), 3, 1, "SAME", dtypes=D, against=pooled(np.max, 3, 1, "SAME")),
    Row(tf.nn.max_pool1d, distinct(2, 7, 2), 3, 2, "SAME", dtypes=D, against=pooled(np.max, 3, 2, "SAME")),
    Row(tf.nn.max_pool3d, distinct(1, 4, 5, 3, 2), 2, 2, "SAME", dtypes=["float32"],
        against=pooled(np.max, 2, 2, "SAME")),
    Row(tf.nn.avg_pool, reals(2, 5, 6, 2), 2, 2, "VALID", dtypes=F, against=pooled(np.mean, 2, 2, "VALID")),
    Row(tf.nn.avg_pool, reals(2, 5, 6, 2), [1, 3, 2, 1], [1, 2, 1, 1], "SAME", dtypes=D,
        against=pooled(np.mean, [3, 2], [2, 1], "SAME")),
    Row(tf.nn.avg_pool, reals(2, 2, 5, 6), 3, 2, "SAME", data_format="NCHW", dtypes=D),
    Row(tf.nn.avg_pool1d, reals(2, 7, 2), 3, 2, "VALID", dtypes=D, against=pooled(np.mean, 3, 2, "VALID")),
    Row(tf.nn.avg_pool3d, reals(1, 4, 5, 3, 2), 2, 2, "SAME", dtypes=D, against=pooled(np.mean, 2, 2, "SAME")),
    Row(tf.nn.pool, distinct(1, 5, 5, 1), [2, 2], "MAX", "VALID", dilation_rate=[2, 2], dtypes=D,
        unknown="dimensions", against=lambda x: np.maximum(np.maximum(x[:, :-2, :-2], x[:, 2:, :-2]),
                                                           np.maximum(x[:, :-2, 2:], x[:, 2:, 2:]))),
    Row(tf.nn.pool, reals(1, 6, 2), [2], "AVG", "SAME", strides=[2], dtypes=D, unknown="dimensions",
        against=pooled(np.mean, 2, 2, "SAME")),
    Row(tf.nn.max_pool_with_argmax, distinct(2, 4, 5, 2), 2, 2, "SAME", dtypes=[*D, "int32"]),
    Row(tf.nn.max_pool_with_argmax, exactly([[[1.0], [3.0]], [[2.0], [0.0]]], shape=(1, 2, 2, 1)), 2, 2, "VALID",
        gradient=False, dtypes=D, against=lambda x: [np.full((1, 1, 1, 1), 3.0), np.full((1, 1, 1, 1), 1)]),
    Row(tf.nn.max_pool_with_argmax, distinct(2, 4, 4, 2), 2, 2, "VALID", include_batch_in_index=True, dtypes=D),
    Row(pooling.max_pool_grad_op, of("float32", *([1.0] * 4), shape=(1, 2, 2, 1)),
        of("float32", 1.0, shape=(1, 1, 1, 1)), of("float32", 5.0, shape=(1, 1, 1, 1)),
        ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID", gradient=False, label="ties go to the first",
        against=lambda *a: np.array([5.0, 0, 0, 0]).reshape(1, 2, 2, 1)),
    Row(lambda x, dy, **o: pooling.max_pool_grad_op(x, tf.nn.max_pool(x, **o), dy, **o), distinct(2, 5, 5, 2),
        reals(2, 3, 3, 2), ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME", dtypes=D, label="max_pool_grad"),
    Row(lambda x, dy, **o: pooling.max_pool3d_grad_op(x, tf.nn.max_pool3d(x, **o), dy, **o), distinct(1, 3, 4, 5, 2),
        reals(1, 2, 2, 3, 2), ksize=[1, 2, 2, 2, 1], strides=[1, 2, 2, 2, 1], padding="SAME", dtypes=["float32"],
        label="max_pool3d_grad"),
    Row(lambda x, dy, **o: pooling.max_pool_grad_grad_op(x, tf.nn.max_pool(x, **o), dy, **o), distinct(1, 4, 4, 1),
        reals(1, 4, 4, 1), ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID", dtypes=D,
        label="max_pool_grad_grad"),
    Row(lambda x, dy, **o: pooling.max_pool3d_grad_grad_op(x, tf.nn.max_pool3d(x, **o), dy, **o),
        distinct(1, 2, 4, 4, 1), reals(1, 2, 4, 4, 1), ksize=[1, 2, 2, 2, 1], strides=[1, 2, 2, 2, 1], padding="VALID",
        dtypes=["float32"], label="max_pool3d_grad_grad"),
    Row(pooling.avg_pool_grad_op, [1, 5, 5, 1], reals(1, 3, 3, 1), ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1],
        padding="SAME", dtypes=D),
    Row(pooling.avg_pool3d_grad_op, [1, 4, 4, 4, 1], reals(1, 2, 2, 2, 1), ksize=[1, 2, 2, 2, 1],
        strides=[1, 2, 2, 2, 1], padding="SAME", dtypes=D),
    Bad(tf.nn.max_pool, reals(1, 2, 2, 1), 3, 1, "VALID", match="Negative dimension size"),
    Bad(tf.nn.avg_pool, reals(1, 4, 4, 1), [1, 2**62, 2**62, 1], 1, "SAME", match="must be smaller than 2..31"),
    Bad(tf.nn.max_pool, reals(1, 4, 4, 1), 2, 2**40, "SAME", match="must be smaller than 2..31"),
    Bad(tf.nn.max_pool, reals(1, 2, 2, 1), 2, 2, "FULL", match="padding must be"),
    Bad(tf.nn.max_pool, reals(2, 2, 2, 1), [2, 1, 1, 1], [1, 1, 1, 1], "SAME", match="batch dimension"),
    Bad(tf.nn.max_pool, reals(1, 2, 2, 1), [1, 0, 1, 1], [1, 1, 1, 1], "SAME",
        match=r"ksize must be positive: ksize \[1, 0"),
    Bad(tf.nn.avg_pool, reals(1, 2, 2, 1), [1, 1, 1, -1], [1, 1, 1, 1], "SAME", match="ksize must be positive"),
    Bad(tf.nn.max_pool, reals(2, 2, 1), 2, 2, "SAME", match="must have rank 4"),
    Bad(tf.nn.pool, reals(1, 5, 5, 1), [2, 2], "MEDIAN", "SAME", match="2-D MEDIAN pooling is not supported"),
    Bad(tf.nn.pool, reals(1, 5, 5, 1), [2, 2], "MAX", "SAME", dilation_rate=[2, 2], match="not implemented"),
    Bad(tf.nn.pool, reals(1, 5, 5, 1), [2, 2], "MAX", "SAME", strides=[3, 3], match="strides"),
]
