"""TensorFlow's TensorList ops."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import tensor_list as ops

COVERED = ("TensorListReserve", "EmptyTensorList", "TensorListLength", "TensorListResize", "TensorListGetItem",
           "TensorListSetItem", "TensorListGather", "TensorListScatterIntoExistingList", "TensorListStack",
           "TensorListFromTensor", "TensorListConcatV2", "TensorListSplit", "TensorListPushBack", "TensorListPopBack",
           "TensorListElementShape")
ANY = np.int32(-1)
X = np.float32([[1, 2], [3, 4], [5, 6]])


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def stacked(handle, shape=ANY):
    return ops.tensor_list_stack(handle, shape, element_dtype=tf.float32)


def test_items_are_set_and_got(session):
    handle = ops.tensor_list_reserve(ANY, 3, element_dtype=tf.float32)
    for i in (2, 0, 0):                                  # an element can be replaced
        handle = ops.tensor_list_set_item(handle, i, [i, 7.0])
    assert session.run(stacked(handle, [2])).tolist() == [[0, 7], [0, 0], [2, 7]]
    item = ops.tensor_list_get_item(handle, 2, [2], element_dtype=tf.float32)
    assert item.shape == [2] and session.run(item).tolist() == [2, 7]
    assert session.run(ops.tensor_list_length(ops.tensor_list_resize(handle, 5))) == 5
    with pytest.raises(tf.errors.InvalidArgumentError, match="write to index 3 but array size is: 3"):
        session.run(ops.tensor_list_set_item(handle, 3, [1.0]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="TensorListResize: the size is -1"):
        session.run(ops.tensor_list_resize(handle, -1))


def test_lists_of_rows_and_of_parts(session):
    handle = ops.tensor_list_from_tensor(X, ANY)
    some = ops.tensor_list_gather(handle, [2, 0], [2], element_dtype=tf.float32)
    assert some.shape == [2, 2] and session.run(some).tolist() == [[5, 6], [1, 2]]
    handle = ops.tensor_list_scatter_into(handle, [[8.0, 9.0]], [1])
    whole, lengths = ops.tensor_list_concat_v2(handle, ANY, np.zeros(0, np.int64), element_dtype=tf.float32)
    assert session.run(whole).tolist() == [1, 2, 8, 9, 5, 6] and session.run(lengths).tolist() == [2, 2, 2]
    parts = ops.tensor_list_split(X, ANY, np.int64([1, 2]))
    last = ops.tensor_list_get_item(parts, 1, ANY, element_dtype=tf.float32)
    assert session.run(last).tolist() == [[3, 4], [5, 6]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="the lengths add up to 4, the tensor has 3"):
        session.run(ops.tensor_list_length(ops.tensor_list_split(X, ANY, np.int64([2, 2]))))
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected 2 elements, the list has 3"):
        session.run(ops.tensor_list_stack(handle, ANY, element_dtype=tf.float32, num_elements=2))


def test_pushing_and_popping(session):
    handle = ops.empty_tensor_list(ANY, -1, element_dtype=tf.float32)
    handle = ops.tensor_list_push_back(ops.tensor_list_push_back(handle, [1.0]), [2.0])
    rest, last = ops.tensor_list_pop_back(handle, ANY, element_dtype=tf.float32)
    assert session.run(last).tolist() == [2] and session.run(stacked(rest)).tolist() == [[1]]
    empty = ops.empty_tensor_list(ANY, -1, element_dtype=tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="TensorListPopBack: the list is empty"):
        session.run(ops.tensor_list_pop_back(empty, ANY, element_dtype=tf.float32)[1])


def test_what_a_list_knows_of_its_elements(session):
    def shape_of(handle):
        return session.run(ops.tensor_list_element_shape(handle, shape_type=tf.int64)).tolist()
    reserved = ops.tensor_list_reserve([-1, 2], 2, element_dtype=tf.float32)
    for handle in (reserved, ops.tensor_list_resize(reserved, 3), ops.tensor_list_set_item(reserved, 0, [[1.0, 2.0]])):
        assert shape_of(handle) == [-1, 2]
    assert shape_of(ops.tensor_list_reserve(ANY, 2, element_dtype=tf.float32)) == -1
    assert shape_of(ops.tensor_list_split(X, [-1, 2], np.int64([1, 2]))) == [-1, 2]
    item = ops.tensor_list_get_item(reserved, 1, [3, -1], element_dtype=tf.float32)      # zeros of what both know
    assert session.run(item).shape == (3, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"elements of a list of \[-1, 2\] are read as \[3, 4\]"):
        session.run(ops.tensor_list_get_item(reserved, 1, [3, 4], element_dtype=tf.float32))


def test_a_list_that_grows(session):
    handle = ops.tensor_list_reserve([1], 0, element_dtype=tf.float32)
    handle = ops.tensor_list_set_item(handle, 2, [7.0], resize_if_index_out_of_bounds=True)
    assert session.run(stacked(handle)).tolist() == [[0], [0], [7]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="write to index -1"):
        session.run(ops.tensor_list_set_item(handle, -1, [7.0], resize_if_index_out_of_bounds=True))


def through(name, x):
    handle = ops.tensor_list_from_tensor(x, ANY)
    if name == "items":
        item = ops.tensor_list_get_item(handle, 1, ANY, element_dtype=tf.float32)
        return stacked(ops.tensor_list_set_item(handle, 0, item * item))
    if name == "rows":
        rows = ops.tensor_list_gather(handle, [1, 1, 2], ANY, element_dtype=tf.float32)
        return stacked(ops.tensor_list_scatter_into(handle, rows * rows, [0, 2, 1]))
    if name == "parts":
        parts = ops.tensor_list_split(x, ANY, np.int64([1, 2]))
        return ops.tensor_list_concat_v2(parts, ANY, np.zeros(0, np.int64), element_dtype=tf.float32)[0] ** 2
    rest, last = ops.tensor_list_pop_back(handle, ANY, element_dtype=tf.float32)
    return stacked(ops.tensor_list_push_back(ops.tensor_list_resize(rest, 2), last * last))


@pytest.mark.parametrize("name", ["items", "rows", "parts", "ends"])
def test_gradients(session, name):
    x = tf.placeholder(tf.float32, [3, 2])
    weights = np.float32([[1, -2], [3, 4], [-5, 6]])
    y = tf.reduce_sum(through(name, x) * weights)
    dx = session.run(tf.gradients(y, x)[0], {x: X})
    step = 1e-2
    for i, j in np.ndindex(3, 2):
        change = np.zeros_like(X)
        change[i, j] = step
        slope = (session.run(y, {x: X + change}) - session.run(y, {x: X - change})) / (2 * step)
        np.testing.assert_allclose(dx[i, j], slope, rtol=1e-2, atol=1e-2)
