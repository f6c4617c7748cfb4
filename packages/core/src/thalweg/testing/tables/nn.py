"""Softmax and losses, biases, batch norm, local response norm."""
import numpy as np
from scipy import special

import thalweg as tf
from thalweg.ops import batch_norm, bias, lrn, softmax
from thalweg.testing.samples import exactly, of, positives, probabilities, reals
from thalweg.testing.table import Bad, Row

F = ["float32", "float64", "float16"]
D = ["float32", "float64"]


def cross_entropy(labels, logits):
    return -np.sum(labels * special.log_softmax(logits, -1), -1)


def normalised(x, scale, offset, epsilon=1e-3):
    mean, variance, count = x.mean((0, 1, 2)), x.var((0, 1, 2)), x[..., 0].size
    return [(x - mean) / np.sqrt(variance + epsilon) * scale + offset, mean, variance * count / (count - 1)]


def local_response(x, radius=5, bias=1.0, alpha=1.0, beta=0.5):
    result = np.zeros_like(x)
    for c in range(x.shape[-1]):
        result[..., c] = x[..., c] / (bias + alpha * np.sum(
            x[..., max(c - radius, 0):c + radius + 1] ** 2, -1)) ** beta
    return result


INFERENCE = {"is_training": False, "epsilon": 0.01}

ROWS = [
    Row(tf.nn.softmax, reals(3, 5), against=lambda x: special.softmax(x, -1), dtypes=F),
    Row(tf.nn.softmax, exactly(1e4, -1e4, 1e4), gradient=False, dtypes=F, against=lambda x: np.array([0.5, 0, 0.5])),
    Row(tf.nn.softmax, reals(2, 3, 4), axis=1, dtypes=D, unknown="dimensions",
        against=lambda x: special.softmax(x, 1)),
    Row(tf.nn.softmax, reals(2, 3, 4), axis=-2, dtypes=D, unknown="dimensions",
        against=lambda x: special.softmax(x, 1)),
    Row(tf.nn.softmax, reals(0, 4), dtypes=D),
    Row(tf.nn.log_softmax, reals(3, 5), against=lambda x: special.log_softmax(x, -1), dtypes=F),
    Row(tf.nn.log_softmax, exactly(1e4, 0.0), gradient=False, dtypes=D, against=lambda x: np.array([0, -1e4])),
    Row(lambda p, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=p, logits=x), probabilities(3, 5), reals(3, 5),
        against=cross_entropy, dtypes=F, label="cross entropy"),
    Row(lambda p, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=p, logits=x), probabilities(2, 3, 5),
        reals(2, 3, 5), against=cross_entropy, dtypes=D, label="cross entropy of rank 3"),
    Row(lambda p, x: tf.nn.softmax_cross_entropy_with_logits_v2(labels=p, logits=x, axis=0), reals(5, 3), reals(5, 3),
        against=lambda p, x: cross_entropy(p.T, x.T), dtypes=["float64"], label="cross entropy, axis 0",
        gradient=False, unknown="dimensions"),
    Row(lambda p, x: tf.nn.softmax_cross_entropy_with_logits(labels=p, logits=x), probabilities(3, 5), reals(3, 5),
        against=cross_entropy, dtypes=D, gradient=False, label="cross entropy, no gradient to labels"),
    Row(softmax.softmax_cross_entropy_op, reals(3, 5), probabilities(3, 5), second=False, gradient=False, dtypes=D,
        against=lambda x, p: [cross_entropy(p, x), special.softmax(x, -1) - p]),
    Row(softmax.softmax_cross_entropy_op, reals(0, 5), reals(0, 5), dtypes=D, gradient=False),
    Row(lambda x, i: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=i, logits=x), reals(3, 5),
        of("int32", 4, 0, 2), dtypes=F, against=lambda x, i: -special.log_softmax(x, -1)[range(3), i],
        label="sparse cross entropy"),
    Row(lambda x, i: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=i, logits=x), reals(2, 2, 5),
        of("int64", [4, 0], [2, 2]), dtypes=D, label="sparse cross entropy of rank 3",
        against=lambda x, i: -np.take_along_axis(special.log_softmax(x, -1), i[..., None], -1)[..., 0]),
    Row(softmax.sparse_softmax_cross_entropy_op, reals(3, 5), of("int32", 4, 0, 2), dtypes=D, gradient=False,
        against=lambda x, i: [-special.log_softmax(x, -1)[range(3), i], special.softmax(x, -1) - np.eye(5)[i]]),
    Row(lambda z, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x), positives(3, 4, high=1.0),
        reals(3, 4), dtypes=D, label="logistic loss",
        against=lambda z, x: -z * special.log_expit(x) - (1 - z) * special.log_expit(-x)),
    Row(tf.nn.weighted_cross_entropy_with_logits, positives(3, 4, high=1.0), reals(3, 4), 2.5, dtypes=D,
        against=lambda z, x: -2.5 * z * special.log_expit(x) - (1 - z) * special.log_expit(-x)),
    Row(tf.nn.log_poisson_loss, positives(3, 4), reals(3, 4), dtypes=D, against=lambda z, x: np.exp(x) - x * z),
    Row(tf.nn.log_poisson_loss, positives(3, 4, low=1.1), reals(3, 4), True, dtypes=D, against=lambda z, x: np.exp(x)
        - x * z + z * np.log(z) - z + 0.5 * np.log(2 * np.pi * z)),

    Row(tf.nn.bias_add, reals(2, 3, 4), reals(4), against=np.add, dtypes=[*F, "int32", "complex64"]),
    Row(tf.nn.bias_add, reals(2, 3, 4, 5), reals(3), data_format="NCHW", dtypes=D,
        against=lambda x, b: x + b[:, None, None]),
    Row(bias.bias_add_v1, reals(2, 4), reals(4), against=np.add, dtypes=D),
    Row(bias.bias_add_grad_op, reals(2, 3, 4), against=lambda x: x.sum((0, 1)), dtypes=[*F, "int32"]),
    Row(bias.bias_add_grad_op, reals(2, 3, 4, 5), data_format="NCHW", against=lambda x: x.sum((0, 2, 3)), dtypes=D),

    Row(lambda x, s, o: batch_norm.fused_batch_norm_v3(x, s, o, [], [], epsilon=1e-3)[:3], reals(2, 3, 4, 2),
        positives(2), reals(2), against=normalised, gradient=False, tolerance=4, label="fused batch norm V3"),
    Row(lambda x, s, o: tf.nn.fused_batch_norm(x, s, o)[0], reals(2, 3, 4, 2), positives(2), reals(2),
        against=lambda *a: normalised(*a)[0], tolerance=4, label="fused batch norm"),
    Row(lambda x, s, o: tf.nn.fused_batch_norm(x, s, o, data_format="NCHW")[0], reals(2, 2, 3, 4), positives(2),
        reals(2), tolerance=4, label="fused batch norm, NCHW", unknown="dimensions",
        against=lambda x, s, o: normalised(x.transpose(0, 2, 3, 1), s, o)[0].transpose(0, 3, 1, 2)),
    Row(lambda x, s, o, m, v: tf.nn.fused_batch_norm(x, s, o, m, v, is_training=False, epsilon=0.01)[0],
        reals(2, 3, 4, 2), positives(2), reals(2), of("float32", 0.1, -0.2), of("float32", 0.5, 2.0), tolerance=4,
        label="fused batch norm, inference",
        against=lambda x, s, o, m, v: (x - m) / np.sqrt(v + 0.01) * s + o),
    Row(lambda x, s, o: batch_norm.fused_batch_norm_v2(x, s, o, [], [])[0], reals(2, 3, 4, 2), of("float32", 1.0, 2.0),
        of("float32", 0.0, 1.0), dtypes=["float32", "float16"], tolerance=4, label="fused batch norm V2"),
    Row(lambda x, s, o: batch_norm.fused_batch_norm_op(x, s, o, [], [])[0], reals(2, 3, 4, 2), positives(2), reals(2),
        tolerance=4, label="fused batch norm V1"),
    Row(lambda *a: batch_norm.fused_batch_norm_grad_op(*a, **INFERENCE)[:3], reals(2, 3, 4, 2), reals(2, 3, 4, 2),
        positives(2), of("float32", 0.1, -0.2), of("float32", 0.5, 2.0), tolerance=4, second=False,
        label="gradient, inference"),
    Row(lambda *a: batch_norm.fused_batch_norm_grad_v2(*a, **INFERENCE)[:3], reals(2, 3, 4, 2), reals(2, 3, 4, 2),
        of("float32", 0.5, 2.0), of("float32", 0.1, -0.2), of("float32", 0.5, 2.0), dtypes=["float32", "float16"],
        tolerance=4, second=False, label="gradient V2, inference"),
    Row(tf.nn.batch_normalization, reals(3, 2), reals(2), positives(2), reals(2), positives(2), 1e-3, dtypes=D,
        against=lambda x, m, v, o, s: (x - m) / np.sqrt(v + 1e-3) * s + o),
    Row(tf.nn.batch_normalization, reals(3, 2), reals(2), positives(2), None, None, 1e-3, dtypes=D,
        against=lambda x, m, v: (x - m) / np.sqrt(v + 1e-3)),
    Row(tf.nn.batch_norm_with_global_normalization, reals(1, 2, 2, 2), reals(2), positives(2), reals(2), positives(2),
        1e-3, True, dtypes=D),
    Row(tf.nn.local_response_normalization, reals(2, 2, 2, 7), against=local_response, second=False, tolerance=4,
        accuracy=1e-5),
    Row(tf.nn.lrn, reals(1, 2, 2, 5), depth_radius=1, bias=2.0, alpha=0.5, beta=0.75, second=False, tolerance=4,
        against=lambda x: local_response(x, 1, 2.0, 0.5, 0.75), accuracy=1e-5),
    Row(lrn.lrn_grad_op, reals(1, 1, 2, 5), reals(1, 1, 2, 5), reals(1, 1, 2, 5), gradient=False, tolerance=4),

    Bad(tf.nn.softmax, reals(), match="must be in the range", error=tf.errors.InvalidArgumentError),
    Bad(tf.nn.softmax, reals(2, 3), axis=2, match=r"must be in the range \[-2, 2\)",
        error=tf.errors.InvalidArgumentError),
    Bad(lambda p, x: tf.nn.softmax_cross_entropy_with_logits(p, x), reals(2, 3), reals(2, 3),
        match="with named arguments"),
    Bad(lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[[0]], logits=x), reals(2, 3),
        match="Rank mismatch"),
    Bad(lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0], logits=x), reals(2, 3),
        match="Shape mismatch"),
    Bad(lambda z, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x), reals(2), reals(3),
        match="must have the same shape"),
    Bad(tf.nn.bias_add, reals(2, 3), reals(4), match="Dimensions must be equal, but are 3 and 4"),
    Bad(tf.nn.bias_add, reals(3), reals(3), match="at least rank 2"),
    Bad(tf.nn.bias_add, reals(2, 3), reals(3), data_format="CHWN", match="of the form"),
    Bad(tf.nn.fused_batch_norm, reals(1, 2, 2, 3), reals(2), reals(3), match="scale has shape"),
    Bad(tf.nn.fused_batch_norm, reals(1, 2, 2, 3), reals(3), reals(3), reals(3), reals(3), match="must be None"),
    Bad(tf.nn.lrn, reals(2, 3), match="must have rank 4"),
]
