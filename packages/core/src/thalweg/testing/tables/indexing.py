"""Gathering, scattering, segments, sets, partitions, lookups."""
import numpy as np

import thalweg as tf
from thalweg.ops import indexing, partition, sets, top_k
from thalweg.testing.samples import bools, distinct, integers, of, positives, reals, strings
from thalweg.testing.table import Bad, Row

F = ["float32", "float64"]
IDS = of("int32", 0, 0, 2, 2)
MIXED = of("int32", 2, 0, -1, 0)


def by_segment(function, ids, count, empty=0.0):
    """An independent segment reduction: Python lists."""
    def source(data, *rest):
        rows = [[row for row, i in zip(data, ids) if i == k] for k in range(count)]
        return np.stack([function(np.stack(r), 0) if r else np.full(data.shape[1:], empty) for r in rows])
    return source


def scattered(shape, indices):
    def source(updates):
        result = np.zeros(shape, updates.dtype)
        for index, update in zip(indices, updates):
            result[tuple(index)] += update
        return result
    return source


ROWS = [
    Row(tf.gather, reals(4, 3), of("int32", 2, 0, 2), against=lambda x, i: x[i]),
    Row(tf.gather, reals(4, 3), of("int64", [2, 0], [1, 1]), against=lambda x, i: x[i]),
    Row(tf.gather, reals(4, 3), of("int32", 1, shape=()), against=lambda x, i: x[1]),
    Row(tf.gather, reals(4, 3), of("int32", 2, 0), axis=1, against=lambda x, i: x[:, i]),
    Row(tf.gather, reals(2, 3, 4), of("int32", [2, 0], [1, 1]), axis=-1,
        against=lambda x, i: np.take(x, i, -1)),
    Row(tf.gather, reals(2, 3, 4), of("int32", [2, 0], [1, 1]), batch_dims=1, unknown="dimensions",
        against=lambda x, i: np.stack([a[b] for a, b in zip(x, i)])),
    Row(tf.gather, strings("a", "b"), of("int32", 1, 1, 0)),
    Row(tf.gather, reals(4, 3), integers(0), label="nothing"),
    Row(indexing.gather_op, reals(4, 3), of("int32", 2, 0), against=lambda x, i: x[i]),
    Row(tf.gather_nd, reals(3, 4), of("int32", [0, 1], [2, 3], [0, 1]), against=lambda x, i: x[i[:, 0], i[:, 1]]),
    Row(tf.gather_nd, reals(3, 4), of("int32", [2], [0]), against=lambda x, i: x[[2, 0]]),
    Row(tf.gather_nd, reals(3, 4, 2), of("int64", [[0, 1]], [[2, 3]]), against=lambda x, i: x[[[0], [2]], [[1], [3]]]),
    Row(tf.gather_nd, reals(2, 3), of("int32", [[0], [2]], [[1], [1]]), batch_dims=1, unknown="dimensions",
        against=lambda x, i: np.take_along_axis(x, i[..., 0], 1), dtypes=F),
    Row(tf.scatter_nd, [[1], [3], [1]], reals(3, 2), [4, 2], against=scattered((4, 2), [[1], [3], [1]]),
        dtypes=[*F, "int32"]),
    Row(tf.scatter_nd, of("int32", [1, 0], [0, 1]), reals(2), [2, 2], dtypes=F),
    Row(indexing.scatter_nd_non_aliasing_add, reals(4, 2), [[1], [1]], reals(2, 2), dtypes=[*F, "int32"],
        against=lambda x, u: x + scattered((4, 2), [[1], [1]])(u)),
    Row(tf.tensor_scatter_nd_update, reals(4, 2), [[1], [3]], reals(2, 2),
        against=lambda x, u: np.stack([x[0], u[0], x[2], u[1]])),
    Row(tf.tensor_scatter_nd_add, reals(4), [[1], [1]], reals(2), dtypes=F,
        against=lambda x, u: x + scattered((4,), [[1], [1]])(u)),
    Row(tf.tensor_scatter_nd_sub, reals(4), [[1], [1]], reals(2), dtypes=F,
        against=lambda x, u: x - scattered((4,), [[1], [1]])(u)),
    Row(tf.boolean_mask, reals(3, 4), of("bool", True, False, True), against=lambda x, m: x[m],
        dtypes=F,
        unknown="dimensions"),
    Row(tf.boolean_mask, reals(2, 3), bools(2, 3), against=lambda x, m: x[m], dtypes=F,
        unknown="dimensions"),
    Row(tf.boolean_mask, reals(2, 3), of("bool", True, False, True), axis=1,
        against=lambda x, m: x[:, m], dtypes=F,
        unknown="dimensions"),
    Row(tf.invert_permutation, of("int32", 2, 0, 1), against=lambda p: np.argsort(p)),

    Row(tf.segment_sum, reals(4, 2), IDS, against=by_segment(np.sum, [0, 0, 2, 2], 3), dtypes=[*F, "int32"]),
    Row(tf.segment_mean, reals(4, 2), IDS, against=by_segment(np.mean, [0, 0, 2, 2], 3), dtypes=F),
    Row(tf.segment_prod, positives(4, 2), IDS, against=by_segment(np.prod, [0, 0, 2, 2], 3, 1.0), dtypes=F),
    Row(tf.segment_max, distinct(4, 2), IDS, against=by_segment(np.max, [0, 0, 2, 2], 3), dtypes=F),
    Row(tf.segment_min, distinct(4, 2), IDS, against=by_segment(np.min, [0, 0, 2, 2], 3), dtypes=F),
    Row(tf.unsorted_segment_sum, reals(4, 2), MIXED, 4, against=by_segment(np.sum, [2, 0, -1, 0], 4),
        dtypes=[*F, "float16", "int32"]),
    Row(tf.unsorted_segment_sum, reals(2, 2, 3), of("int32", [0, 1], [1, 1]), 2, dtypes=F),
    Row(tf.unsorted_segment_prod, positives(4, 2), MIXED, 3, against=by_segment(np.prod, [2, 0, -1, 0], 3, 1.0),
        dtypes=F, second=False),
    Row(tf.unsorted_segment_max, distinct(4, 2), MIXED, 3, dtypes=F, gradient=False,
        against=by_segment(np.max, [2, 0, -1, 0], 3, np.finfo(np.float64).min)),
    Row(tf.unsorted_segment_min, distinct(4, 2), MIXED, 3, dtypes=F, gradient=False,
        against=by_segment(np.min, [2, 0, -1, 0], 3, np.finfo(np.float64).max)),
    Row(tf.unsorted_segment_max, distinct(4, 2), of("int32", 1, 0, -1, 0), 2, dtypes=F),
    Row(tf.unsorted_segment_min, distinct(4, 2), of("int32", 1, 0, -1, 0), 2, dtypes=F),

    Row(tf.unique, of("int32", 3, 1, 3, 2, 1), against=lambda x: [np.array([3, 1, 2]), np.array([0, 1, 0, 2, 1])]),
    Row(tf.unique, strings("b", "a", "b")),
    Row(tf.unique_with_counts, of("float32", 3, 1, 3), gradient=False,
        against=lambda x: [np.array([3, 1]), np.array([0, 1, 0]), np.array([2, 1])]),
    Row(tf.setdiff1d, of("int32", 1, 2, 3, 4), of("int32", 2, 4),
        against=lambda x, y: [np.array([1, 3]), np.array([0, 2])]),
    Row(sets.dense_to_dense_set_operation, of("int32", [2, 1, 2], [4, 5, 4]), of("int32", [2, 3], [6, 7]),
        set_operation="a-b",
        against=lambda a, b: [np.array([[0, 0], [1, 0], [1, 1]]), np.array([1, 4, 5]), np.array([2, 2])]),
    Row(sets.dense_to_dense_set_operation, strings("b", "a"), strings("c", "b"), set_operation="union",
        against=lambda a, b: [np.array([[0], [1], [2]]), np.array([b"a", b"b", b"c"], object), np.array([3])]),
    Row(sets.dense_to_dense_set_operation, of("int64", 2, 1), of("int64", 2, 3), set_operation="b-a",
        against=lambda a, b: [np.array([[0]]), np.array([3]), np.array([1])]),
    Row(sets.dense_to_dense_set_operation, of("int64", 2, 1), of("int64", 3, 4), set_operation="intersection",
        against=lambda a, b: [np.zeros([0, 1], np.int64), np.array([], np.int64), np.array([0])]),
    Row(tf.dynamic_partition, reals(4, 2), of("int32", 0, 2, 0, 1), 3, dtypes=F,
        against=lambda x, p: [x[[0, 2]], x[[3]], x[[1]]]),
    Row(lambda a, b: tf.dynamic_stitch([[0, 2], [1]], [a, b]), reals(2, 3), reals(1, 3), dtypes=F,
        against=lambda a, b: np.stack([a[0], b[0], a[1]]), label="stitch"),
    Row(lambda a, b: partition.parallel_dynamic_stitch([[0, 2], [1]], [a, b]), reals(2, 3), reals(1, 3), dtypes=F,
        label="parallel stitch"),
    Row(tf.nn.embedding_lookup, reals(5, 3), of("int32", 4, 0, 4), dtypes=F, against=lambda p, i: p[i]),
    Row(lambda a, b, i: tf.nn.embedding_lookup([a, b], i), reals(3, 2), reals(2, 2), of("int32", [4, 1], [0, 3]),
        dtypes=F, against=lambda a, b, i: np.stack([a[0], b[0], a[1], b[1], a[2]])[i], label="lookup, mod"),
    Row(lambda a, b, i: tf.nn.embedding_lookup([a, b], i, "div"), reals(3, 2), reals(2, 2), of("int32", 4, 1, 2),
        dtypes=F, against=lambda a, b, i: np.concatenate([a, b])[i], label="lookup, div"),
    Row(lambda p, i: tf.nn.embedding_lookup(p, i, max_norm=1.0), reals(5, 3), of("int32", 4, 0), dtypes=F,
        label="lookup, clipped"),

    Row(tf.nn.top_k, distinct(3, 5), k=2, dtypes=F + ["int32"],
        against=lambda x: [np.sort(x)[:, :-3:-1], np.argsort(x)[:, :-3:-1]]),
    Row(top_k.top_k_v1, distinct(6), k=3, dtypes=F),
    Row(top_k.top_k_v2, of("float32", 1.0, 3.0, 3.0, 1.0), 3, gradient=False,
        against=lambda x: [np.array([3.0, 3.0, 1.0]), np.array([1, 2, 0])]),
    Row(tf.nn.in_top_k, of("float32", [0.1, 0.5, 0.4], [0.9, 0.9, 0.1], [0.1, 0.2, 0.3]), of("int32", 2, 1, 0), 2,
        gradient=False, against=lambda p, t: np.array([True, True, False])),
    Row(top_k.in_top_k_v1, of("float32", [0.1, 0.5], [0.9, 0.1]), of("int64", 1, 5), k=1, gradient=False,
        against=lambda p, t: np.array([True, False])),

    Bad(tf.gather_nd, reals(3), of("int32", [0, 1]), match=r"indices.shape\[-1\] must be <= params.rank"),
    Bad(tf.scatter_nd, [[1]], reals(2, 2), [4, 2], match="updates has shape"),
    Bad(sets.dense_to_dense_set_operation, of("int32", 1), of("int32", 1), set_operation="a+b",
        match="set_operation must be one of"),
    Bad(sets.dense_to_dense_set_operation, of("int32", [1], [2]), of("int32", 1), set_operation="a-b",
        match="equal dimensions but for the last"),
    Bad(tf.boolean_mask, reals(3, 4), of("bool", True, False), match="incompatible"),
    Bad(tf.boolean_mask, reals(3), True, match="mask cannot be scalar"),
    Bad(tf.nn.top_k, reals(3), k=4, match="last dimension >= k = 4"),
    Bad(tf.segment_sum, reals(3), of("int32", 0, 1), match="segment_ids has 2 entries, data 3 rows"),
    Bad(tf.nn.embedding_lookup, [], [1], match="at least one param"),
    Bad(lambda a, i: tf.nn.embedding_lookup([a, a], i, "by hash"), reals(3, 2), of("int32", 1),
        match="Unrecognized partition strategy"),
]
