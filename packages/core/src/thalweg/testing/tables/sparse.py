"""Sparse tensors: as values, becoming dense, in order, fed and fetched. Numbers and texts are TensorFlow 1.15's."""
import numpy as np

import thalweg as tf
from thalweg.testing.samples import of, strings
from thalweg.testing.table import Row

PLACES = of("int64", [0, 1], [2, 0])


def dense(values, places, shape, default=0):
    result = np.full(shape, default, values.dtype)
    for value, place in zip(values, places):
        result[tuple(place)] = value
    return result


def to_dense(places, values, default=None, shape=(3, 2), validate=True):
    return tf.sparse.to_dense(tf.SparseTensor(places, values, list(shape)), default, validate)


ROWS = [
    Row(to_dense, PLACES, of("int32", 5, 6), against=lambda p, v: dense(v, p, (3, 2))),
    Row(to_dense, PLACES, of("float32", 5, 6), default=-1, against=lambda p, v: dense(v, p, (3, 2), -1),
        gradient=False, label="default"),
    Row(to_dense, PLACES, strings("a", "b"), against=lambda p, v: dense(v, p, (3, 2), b""), label="strings"),
    Row(to_dense, of("int64", [0, 1], [0, 1]), of("int32", 5, 6), validate=False,
        against=lambda p, v: np.array([[0, 6], [0, 0], [0, 0]], np.int32), label="the last of a place"),
    Row(to_dense, of("int64", shape=(0, 2)), of("int32", shape=(0,)), against=lambda p, v: np.zeros((3, 2), np.int32),
        label="empty"),
    Row(lambda places: tf.sparse_to_dense(places, [5], 9), of("int32", 1, 3), against=lambda p: np.array(
        [0, 9, 0, 9, 0], np.int32), label="one value for all"),
    Row(lambda place: tf.sparse_to_dense(place, [5], 9), of("int32", 2, shape=()), against=lambda p: np.array(
        [0, 0, 9, 0, 0], np.int32), label="one place"),
    Row(lambda p, v: tf.sparse.reorder(tf.SparseTensor(p, v, [3, 2])).values, of("int64", [2, 0], [0, 1], [2, 1]),
        of("int32", 1, 2, 3), against=lambda p, v: np.array([2, 1, 3], np.int32)),
    Row(lambda p, v: tf.sparse.reorder(tf.SparseTensor(p, v, [3, 2])).indices, of("int64", [2, 1], [0, 1]),
        of("int32", 1, 2), against=lambda p, v: np.array([[0, 1], [2, 1]])),
]
