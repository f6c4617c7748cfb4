"""Gathering, scattering, segments, sets, partitions, lookups."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import segment
from thalweg.testing.table import table_test
from thalweg.testing.tables.indexing import ROWS

# Gradients of gathered rows are sparse; the tables ask for the gradients of such gradients, which are dense.
pytestmark = pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices")
test_indexing = table_test(ROWS)


def run_error(build, match):
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=match):
            session.run(build(tf.placeholder_with_default(np.arange(6.0, dtype="f").reshape(3, 2), None)))


@pytest.mark.parametrize("build, match", [
    (lambda x: tf.gather(x, [0, 3]), r"indices\[1\] = 3 is not in \[0, 3\)"),
    (lambda x: tf.gather(x, [-1]), r"indices\[0\] = -1 is not in \[0, 3\)"),
    (lambda x: tf.gather_nd(x, [[0, 2]]), r"indices\[0\] = \[0, 2\] does not index into param shape \[3,2\]"),
    (lambda x: tf.scatter_nd([[5]], x[:1], [3, 2]), "does not index into shape"),
    (lambda x: tf.segment_sum(x, [1, 0, 0]), "segment ids are not increasing"),
    (lambda x: tf.unsorted_segment_sum(x, [0, 1, 5], 3), r"segment_ids\[2\] = 5"),
    (lambda x: tf.dynamic_partition(x, [0, 1, 2], 2), r"partitions\[2\] = 2"),
    (lambda x: tf.invert_permutation(tf.cast(x[0], tf.int32) + 1), "2 is not between 0 and 2"),
    (lambda x: tf.invert_permutation(tf.cast(x[0] * 0, tf.int32)), "0 is duplicated in the input"),
    (lambda x: tf.nn.top_k(x, 3), "last dimension >= k = 3"),
])
def test_an_index_outside_is_an_error(build, match):
    run_error(build, match)


def test_the_gradient_of_a_gather_is_sparse_and_adds_up():
    with tf.Graph().as_default() as graph:
        x = tf.constant(np.arange(6.0).reshape(3, 2))
        grad, = tf.gradients(tf.gather(x, [2, 0, 2]), x)
        assert isinstance(grad, tf.IndexedSlices)
        with tf.Session(graph=graph) as session:
            assert session.run(tf.convert_to_tensor(grad)).tolist() == [[1, 1], [0, 0], [2, 2]]


def test_zeros_in_a_segment_product_have_a_gradient():
    with tf.Graph().as_default() as graph:
        x = tf.constant([0.0, 2.0, 3.0, 0.0, 0.0])
        ids = [0, 0, 0, 1, 1]
        for y in (segment.segment_prod(x, ids), tf.unsorted_segment_prod(x, ids, 2)):
            with tf.Session(graph=graph) as session:
                assert session.run(tf.gradients(y, x)[0]).tolist() == [6, 0, 0, 0, 0]


@pytest.mark.parametrize(("batch_dims", "axis", "expected"), [        # recorded from TensorFlow 1.15.5
    (-1, None, [[[1, 0, 1], [3, 2, 3]], [[4, 4, 5], [6, 6, 7]]]),
    (-1, 1, [[[2, 3], [0, 1], [2, 3]], [[4, 5], [4, 5], [6, 7]]]),
])
def test_a_negative_count_of_batch_dimensions_counts_from_the_end_of_the_indices(batch_dims, axis, expected):
    with tf.Graph().as_default(), tf.Session() as session:
        rows = tf.gather(np.arange(8).reshape(2, 2, 2), [[1, 0, 1], [0, 0, 1]], axis=axis, batch_dims=batch_dims)
        assert session.run(rows).tolist() == expected


def test_a_negative_count_of_the_largest_is_an_error():
    with tf.Graph().as_default(), tf.Session() as session:
        k = tf.placeholder(tf.int32, [])
        with pytest.raises(ValueError, match=r"Need k >= 0, got -1(.|\n)*try "):
            tf.nn.top_k([1.0, 2.0], -1)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Need k >= 0, got -1"):
            session.run(tf.nn.top_k([1.0, 2.0], k), {k: -1})
