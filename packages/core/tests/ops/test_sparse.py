"""Sparse tensors: as values, becoming dense, in order, fed and fetched. Numbers and texts are TensorFlow 1.15's."""
import pytest

import thalweg as tf
from thalweg.framework import nest
from thalweg.testing.table import table_test
from thalweg.testing.tables.sparse import ROWS

test_sparse = table_test(ROWS)


def test_a_sparse_tensor_is_fetched_and_fed():
    sparse = tf.SparseTensor([[0, 1], [2, 0]], [5, 6], [3, 2])
    assert sparse.shape == (3, 2) and sparse.dtype == tf.int32 and sparse.values.name == "SparseTensor/values:0"
    open_ended = tf.sparse_placeholder(tf.float32, [None, 2], name="given")
    assert open_ended.indices.shape.as_list() == [None, 2] and open_ended.values.name == "given/values:0"
    value = tf.SparseTensorValue([[0, 0]], [1.0], [2, 2])
    with tf.Session() as session:
        found = session.run({"s": sparse})["s"]
        assert type(found) is tf.SparseTensorValue
        assert [part.tolist() for part in found] == [[[0, 1], [2, 0]], [5, 6], [3, 2]]
        assert [part.tolist() for part in sparse.eval()] == [part.tolist() for part in found]
        for fed in (value, tuple(value)):
            assert session.run(tf.sparse.to_dense(open_ended), {open_ended: fed}).tolist() == [[1, 0], [0, 0]]
        known = tf.sparse_placeholder(tf.float32, [2, 2])
        assert session.run(tf.sparse.to_dense(known), {known: value}).tolist() == [[1, 0], [0, 0]]
    assert tf.sparse_placeholder(tf.int64).shape.ndims is None
    assert nest.flatten([sparse], expand_composites=True) == [sparse.indices, sparse.values, sparse.dense_shape]


def test_sparse_tensors_from_values():
    value = tf.SparseTensorValue([[0, 0]], [1.0], [2, 2])
    with tf.Session() as session:
        assert session.run(tf.SparseTensor.from_value(value)).values.tolist() == [1.0]
        assert session.run(tf.sparse.to_dense(value)).tolist() == [[1, 0], [0, 0]]
    for call in (tf.SparseTensor.from_value, tf.sparse.to_dense):
        with pytest.raises(TypeError, match="SparseTensor"):
            call([1, 2])


def test_a_sparse_tensor_is_no_tensor():
    with pytest.raises(TypeError, match="a SparseTensor is no Tensor; tf.sparse.to_dense makes one of it"):
        tf.convert_to_tensor(tf.SparseTensor([[0]], [1], [2]))


@pytest.mark.parametrize("parts, said", [
    (([1, 2], [5], [3]), "must have rank 2"), (([[1, 2]], [5], [3]), "Dimensions 2 and 1 are not compatible"),
    (([[1, 2]], [5, 6], [3, 2]), "Dimensions 1 and 2 are not compatible")])
def test_parts_that_do_not_fit(parts, said):
    with pytest.raises(ValueError, match=said):
        tf.SparseTensor(*parts)


@pytest.mark.parametrize("places, values, said", [
    ([[0, 1], [0, 1]], [5, 6], r"indices\[1\] = \[0,1\] is repeated"),
    ([[2, 1], [0, 1]], [5, 6], r"indices\[1\] = \[0,1\] is out of order"),
    ([[3, 1]], [5], r"indices\[0\] = \[3,1\] is out of bounds: need 0 <= index < \[3,2\]"),
    ([[0, 1], [1, 1]], [9, 8, 7], r"sparse_values has incorrect shape"),
    ([0, 1], [9, 8], r"output_shape has incorrect number of elements: 2 should be: 1")])
def test_places_that_do_not_fit(places, values, said):
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=said):
        session.run(tf.sparse_to_dense(places, [3, 2], values))


def test_a_dense_tensor_that_no_memory_holds():
    shape = tf.placeholder(tf.int64, [1])
    dense = tf.sparse_to_dense(tf.constant([0], tf.int64), shape, 1)
    with tf.Session() as session, pytest.raises(tf.errors.OpError, match="1152921504606846976|memory"):
        session.run(dense, {shape: [1 << 60]})
