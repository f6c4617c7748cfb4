"""Reductions, running sums, norms, moments."""
import numpy as np
import pytest
from scipy import special

import thalweg as tf
from thalweg.ops import norm, reduction
from thalweg.testing.samples import bools, distinct, exactly, of, positives, reals, strings
from thalweg.testing.table import Bad, Row, table_test

F = ["float32", "float64"]
WIDE = [*F, "float16", "int32", "int64", "complex64"]
NAN = exactly(float("nan"), 2.0, 1.0)

ROWS = [
    Row(tf.reduce_sum, reals(2, 3, 4), against=np.sum, dtypes=WIDE),
    Row(tf.reduce_sum, reals(2, 3, 4), 1, against=lambda x: x.sum(1), dtypes=WIDE),
    Row(tf.reduce_sum, reals(2, 3, 4), [0, -1], keepdims=True, against=lambda x: x.sum((0, 2), keepdims=True)),
    Row(tf.reduce_sum, reals(2, 3), [], against=lambda x: x),
    Row(tf.reduce_sum, reals(2, 3), of("int32", 1), against=lambda x, a: x.sum(1), dtypes=F),
    Row(tf.reduce_sum, reals(2, 0), 1, against=lambda x: np.zeros(2), dtypes=F),
    Row(tf.reduce_sum, reals(), against=lambda x: x),
    Row(tf.reduce_mean, reals(2, 3, 4), against=np.mean, dtypes=[*F, "float16", "complex64"]),
    Row(tf.reduce_mean, reals(2, 3, 4), [1], against=lambda x: x.mean(1), dtypes=F),
    Row(tf.reduce_mean, reals(2, 3), of("int32", 0), against=lambda x, a: x.mean(0), dtypes=F),
    Row(tf.reduce_mean, exactly(1, 2, 4, -9), dtypes=["int32", "int64"], against=lambda x: np.array(0)),
    Row(tf.reduce_mean, reals(0), gradient=False, dtypes=F, against=lambda x: np.array(np.nan)),
    Row(tf.reduce_prod, reals(2, 3), against=np.prod, dtypes=[*F, "int32"]),
    Row(tf.reduce_prod, reals(2, 3, 4), [0, 2], against=lambda x: x.prod((0, 2)), dtypes=F),
    Row(tf.reduce_prod, exactly([0.0, 2.0, 3.0], [0.0, 0.0, 1.0]), 1, dtypes=F, against=lambda x: x.prod(1),
        second=False, label="zeros"),
    Row(tf.reduce_max, distinct(2, 3, 4), 1, against=lambda x: x.max(1), dtypes=[*F, "float16", "int32", "uint8"]),
    Row(tf.reduce_max, distinct(2, 3), keepdims=True, against=lambda x: x.max(keepdims=True), dtypes=F),
    Row(tf.reduce_max, NAN, gradient=False, dtypes=F, against=lambda x: np.array(2.0)),
    Row(tf.reduce_max, reals(0), gradient=False, dtypes=F, against=lambda x: np.array(-np.inf)),
    Row(tf.reduce_min, distinct(2, 3, 4), [0, 1], against=lambda x: x.min((0, 1)), dtypes=[*F, "float16", "int64"]),
    Row(tf.reduce_min, reals(0), dtypes=["int32"], against=lambda x: np.array(2**31 - 1)),
    Row(tf.reduce_all, bools(3, 4), 1, against=lambda x: x.all(1)),
    Row(tf.reduce_any, bools(3, 4), 0, against=lambda x: x.any(0)),
    Row(tf.reduce_all, bools(0), against=np.all),
    Row(tf.argmax, distinct(3, 4), 1, gradient=False, against=lambda x: x.argmax(1), dtypes=WIDE[:5]),
    Row(tf.argmax, exactly(1.0, 3.0, 3.0), output_type=tf.int32, gradient=False, against=np.argmax, dtypes=F),
    Row(tf.argmax, NAN, gradient=False, dtypes=F, against=lambda x: np.array(1)),
    Row(tf.argmin, distinct(3, 4), axis=0, gradient=False, against=lambda x: x.argmin(0), dtypes=WIDE[:5]),
    Row(tf.argmin, exactly(1.0, 1.0, 3.0), gradient=False, against=np.argmin, dtypes=F),
    Row(tf.reduce_logsumexp, reals(2, 3), against=special.logsumexp, dtypes=F),
    Row(tf.reduce_logsumexp, reals(2, 3), 1, keepdims=True, dtypes=F,
        against=lambda x: special.logsumexp(x, 1, keepdims=True)),
    Row(tf.reduce_logsumexp, exactly(-1e4, 1e4), gradient=False, dtypes=F, against=special.logsumexp),
    Row(tf.math.reduce_variance, reals(2, 3), 1, against=lambda x: x.var(1), dtypes=F),
    Row(tf.math.reduce_std, reals(2, 3), against=np.std, dtypes=F, accuracy=1e-11),
    Row(tf.count_nonzero, exactly([0.0, 1.0], [2.0, 0.0]), 1, gradient=False, dtypes=F,
        against=lambda x: np.count_nonzero(x, 1)),
    Row(tf.count_nonzero, strings("a", ""), against=lambda x: np.array(1)),
    Row(tf.nn.zero_fraction, exactly(0.0, 1.0, 0.0, 2.0), gradient=False, dtypes=F, against=lambda x: np.array(0.5)),

    Row(tf.cumsum, reals(3, 4), 1, against=lambda x: x.cumsum(1), dtypes=WIDE),
    Row(tf.cumsum, reals(3, 4), -1, exclusive=True, dtypes=F,
        against=lambda x: np.pad(x, [[0, 0], [1, 0]])[:, :-1].cumsum(1)),
    Row(tf.cumsum, reals(3, 4), reverse=True, against=lambda x: x[::-1].cumsum(0)[::-1], dtypes=F),
    Row(tf.cumsum, reals(3, 4), exclusive=True, reverse=True, dtypes=F,
        against=lambda x: np.pad(x[::-1], [[1, 0], [0, 0]])[:-1].cumsum(0)[::-1]),
    Row(tf.cumsum, reals(0, 4), exclusive=True, dtypes=F, gradient=False),
    Row(tf.cumprod, positives(3, 4), 1, against=lambda x: x.cumprod(1), dtypes=[*F, "int32"]),
    Row(tf.cumprod, positives(3, 4), exclusive=True, dtypes=F,
        against=lambda x: np.pad(x, [[1, 0], [0, 0]], constant_values=1)[:-1].cumprod(0)),

    Row(tf.nn.l2_loss, reals(2, 3), against=lambda x: np.sum(x * x) / 2),
    Row(tf.nn.l2_normalize, reals(2, 3), 1, against=lambda x: x / np.linalg.norm(x, axis=1, keepdims=True), dtypes=F),
    Row(tf.nn.l2_normalize, exactly(0.0, 0.0), 0, gradient=False, dtypes=F, against=np.zeros_like),
    Row(tf.norm, reals(2, 3), against=np.linalg.norm, dtypes=F),
    Row(tf.norm, reals(2, 3), axis=1, keepdims=True, dtypes=F,
        against=lambda x: np.linalg.norm(x, axis=1, keepdims=True)),
    Row(tf.norm, distinct(2, 3), ord=1, axis=1, dtypes=F, against=lambda x: np.linalg.norm(x, 1, axis=1)),
    Row(tf.norm, distinct(2, 3), ord=np.inf, axis=1, dtypes=F, against=lambda x: np.linalg.norm(x, np.inf, axis=1)),
    Row(tf.norm, distinct(2, 3), ord=3, axis=1, dtypes=F, against=lambda x: np.linalg.norm(x, 3, axis=1)),
    Row(tf.norm, distinct(2, 3), ord=1, axis=[0, 1], dtypes=F, against=lambda x: np.linalg.norm(x, 1)),
    Row(tf.norm, distinct(2, 3), ord=np.inf, axis=[0, 1], dtypes=F, against=lambda x: np.linalg.norm(x, np.inf)),
    Row(tf.norm, reals(2, 3), ord="fro", axis=[0, 1], dtypes=F, against=np.linalg.norm),
    Row(tf.clip_by_value, reals(3, 4), -1.0, 1.0, against=lambda x: np.clip(x, -1, 1), dtypes=[*F, "float16"]),
    Row(tf.clip_by_norm, reals(2, 3), 1.0, against=lambda x: x / max(np.linalg.norm(x), 1), dtypes=F),
    Row(tf.clip_by_norm, reals(2, 3), 1.0, axes=[1], dtypes=F,
        against=lambda x: x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1)),
    Row(tf.clip_by_norm, exactly(0.0, 0.0), 1.0, dtypes=F, gradient=False, against=np.zeros_like),
    Row(tf.clip_by_average_norm, reals(2, 3), 0.1, dtypes=["float32"], second=False, accuracy=1e-5,
        against=lambda x: x * 0.1 * min(6 / np.linalg.norm(x), 10)),
    Row(lambda x, y: tf.clip_by_global_norm([x, None, y], 1.0)[0][::2], reals(2), reals(3), dtypes=F,
        against=lambda x, y: [v / max(1, np.sqrt((x ** 2).sum() + (y ** 2).sum())) for v in (x, y)],
        label="clip_by_global_norm"),
    Row(lambda x, y: tf.global_norm([x, y]), reals(2), reals(3), dtypes=F, label="global_norm",
        against=lambda x, y: np.sqrt((x ** 2).sum() + (y ** 2).sum())),

    Row(tf.nn.moments, reals(4, 3), [0], dtypes=F, second=False, against=lambda x: [x.mean(0), x.var(0)]),
    Row(tf.nn.moments, reals(2, 3, 3, 2), [0, 1, 2], keep_dims=True, dtypes=F, second=False,
        against=lambda x: [x.mean((0, 1, 2), keepdims=True), x.var((0, 1, 2), keepdims=True)]),
    Row(tf.nn.moments, reals(4, 3), [0], dtypes=["float16"]),
    Row(tf.nn.weighted_moments, reals(4, 3), [0], positives(4, 1), dtypes=F,
        against=lambda x, w: [np.average(x, 0, w[:, 0]),
                              np.average((x - np.average(x, 0, w[:, 0])) ** 2, 0, w[:, 0])]),
    Row(lambda x: tf.nn.sufficient_statistics(x, [0])[:3], reals(4, 3), dtypes=F, label="sufficient_statistics",
        against=lambda x: [np.array(4.0), x.sum(0), (x * x).sum(0)]),
    Row(lambda x: tf.nn.normalize_moments(*tf.nn.sufficient_statistics(x, [0], shift=tf.constant(0.5, x.dtype))),
        reals(4, 3), dtypes=F, label="normalize_moments", against=lambda x: [x.mean(0), x.var(0)]),

    Bad(tf.reduce_sum, reals(2, 3), 2, match="invalid reduction dimension 2 for input with 2 dimensions"),
    Bad(tf.reduce_sum, reals(2), axis=0, reduction_indices=0, match="Cannot specify both"),
    Bad(tf.argmax, reals(2), 1, match="not in"),
    Bad(tf.cumsum, reals(2), 3, match="not in"),
    Bad(tf.reduce_all, reals(2), match="bool"),
    Bad(tf.norm, reals(2), ord="fro", axis=0, match="supported vector norm"),
    Bad(tf.norm, reals(2, 2), ord=3, axis=[0, 1], match="supported matrix norm"),
    Bad(tf.clip_by_value, reals(1), reals(3), 4.0, match="clipping must not broadcast"),
    Bad(norm.global_norm, "x", match="should be a sequence"),
]
test_reduction = table_test(ROWS)


@pytest.mark.parametrize("reduce, name", [(tf.argmax, "ArgMax"), (tf.argmin, "ArgMin")])
def test_the_place_of_an_extreme_of_nothing_is_an_error(reduce, name):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None])
        y = reduce(x)
        with tf.Session(graph=graph) as session, pytest.raises(tf.errors.InvalidArgumentError, match="is empty"):
            session.run(y, {x: []})


def test_equal_extremes_share_the_gradient():
    with tf.Graph().as_default() as graph:
        x = tf.constant([1.0, 3.0, 3.0])
        grad, = tf.gradients(tf.reduce_max(x), x)
        with tf.Session(graph=graph) as session:
            assert session.run(grad).tolist() == [0.0, 0.5, 0.5]


def test_float32_sums_do_not_drift():
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        x = np.full(1 << 20, 0.1, np.float32)
        fed = tf.placeholder(tf.float32, [None])
        assert session.run(reduction.reduce_sum(fed), {fed: x}) == np.float32(x.astype(np.float64).sum())
