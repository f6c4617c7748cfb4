"""TensorFlow 1.x's TensorArray ops behind handles; whole programs: packages/io/tests/test_raising.py."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import tensor_array_v3 as ops

COVERED = ("TensorArrayV3", "TensorArrayGradV3", "TensorArrayGradWithShape", "TensorArrayWriteV3", "TensorArrayReadV3",
           "TensorArrayGatherV3", "TensorArrayScatterV3", "TensorArrayConcatV3", "TensorArraySplitV3",
           "TensorArraySizeV3", "TensorArrayCloseV3")


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def array(size, dtype=tf.float32, **attrs):
    return ops.tensor_array_v3(size, dtype=dtype, **attrs)


def test_written_elements_are_read_stacked_and_counted(session):
    handle, flow = array(3, clear_after_read=False)
    for i in (2, 0, 1):
        flow = ops.tensor_array_write_v3(handle, i, [i, 10.0], flow)
    one = ops.tensor_array_read_v3(handle, 1, flow, dtype=tf.float32)
    some = ops.tensor_array_gather_v3(handle, [2, 1], flow, dtype=tf.float32, element_shape=[2])
    whole, lengths = ops.tensor_array_concat_v3(handle, flow, dtype=tf.float32)
    assert some.shape == [2, 2] and one.shape.ndims is None
    assert [v.tolist() for v in session.run([one, some, whole, lengths])] == [
        [1, 10], [[2, 10], [1, 10]], [0, 10, 1, 10, 2, 10], [2, 2, 2]]
    assert session.run(ops.tensor_array_size_v3(handle, flow)) == 3


def test_rows_and_parts_are_scattered_and_split(session):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    handle, flow = array(2)
    flow = ops.tensor_array_scatter_v3(handle, [1, 0], x, flow)
    assert session.run(ops.tensor_array_gather_v3(handle, [0, 1], flow, dtype=tf.float32)).tolist() == [[3, 4], [1, 2]]
    handle, flow = array(2)
    flow = ops.tensor_array_split_v3(handle, [1.0, 2.0, 3.0], np.int64([1, 2]), flow)
    assert session.run(ops.tensor_array_read_v3(handle, 1, flow, dtype=tf.float32)).tolist() == [2, 3]


def test_gradients_add_up_in_an_array_of_their_own(session):
    x = tf.placeholder(tf.float32, [2])
    handle, flow = array(2, clear_after_read=False)
    flow = ops.tensor_array_write_v3(handle, 0, tf.sin(x), flow)
    flow = ops.tensor_array_write_v3(handle, 1, x * x, flow)
    rows = ops.tensor_array_gather_v3(handle, [0, 1], flow, dtype=tf.float32)
    again = ops.tensor_array_read_v3(handle, 0, flow, dtype=tf.float32)
    dx, = tf.gradients(tf.reduce_sum(rows * [[1.0], [2.0]]) + 3 * tf.reduce_sum(again), x)
    value = np.float32([0.3, -0.4])
    np.testing.assert_allclose(session.run(dx, {x: value}), 4 * np.cos(value) + 4 * value, 1e-6)


@pytest.mark.parametrize("through", ["scatter", "split"])
def test_gradients_of_many_elements(session, through):
    x = tf.placeholder(tf.float32, [2, 2])
    handle, flow = array(2)
    if through == "scatter":
        flow = ops.tensor_array_scatter_v3(handle, [1, 0], x, flow)
        y = ops.tensor_array_gather_v3(handle, [0, 1], flow, dtype=tf.float32)
    else:
        flow = ops.tensor_array_split_v3(handle, x, np.int64([1, 1]), flow)
        y, _ = ops.tensor_array_concat_v3(handle, flow, dtype=tf.float32)
    weights = np.float32([[1, 2], [3, 4]])
    dx, = tf.gradients(tf.reduce_sum(y * y * weights), x)
    value = np.float32([[0.5, -1], [2, 3]])
    wanted = 2 * value * (weights[::-1] if through == "scatter" else weights)
    np.testing.assert_allclose(session.run(dx, {x: value}), wanted, 1e-6)


def test_a_gradient_that_was_not_written_is_zeros(session):
    handle, flow = array(2)
    flow = ops.tensor_array_write_v3(handle, 1, [1.0, 2.0], flow)
    grad, grad_flow = ops.tensor_array_grad_v3(handle, flow, source="g")
    assert session.run(ops.tensor_array_read_v3(grad, 1, grad_flow, dtype=tf.float32)).tolist() == [0, 0]
    wide, wide_flow = ops.tensor_array_grad_with_shape(handle, flow, [3], source="h")
    assert session.run(ops.tensor_array_read_v3(wide, 1, wide_flow, dtype=tf.float32)).shape == (3, 2)


def test_strings_and_arrays_without_elements(session):
    handle, flow = array(1, tf.string, element_shape=[])
    assert session.run(ops.tensor_array_read_v3(handle, 0, flow, dtype=tf.string)) == b""
    handle, flow = array(0, element_shape=[2])
    empty = ops.tensor_array_gather_v3(handle, np.zeros(0, np.int32), flow, dtype=tf.float32)
    assert session.run(empty).shape == (0, 2)
    whole, _ = ops.tensor_array_concat_v3(handle, flow, dtype=tf.float32, element_shape_except0=[3])
    assert session.run(whole).shape == (0, 3)


def failing(name):
    """The op whose run fails, for each message."""
    handle, flow = array(2, identical_element_shapes=True)
    written = ops.tensor_array_write_v3(handle, 0, [1.0], flow)
    read = ops.tensor_array_read_v3(handle, 0, written, dtype=tf.float32)
    with tf.control_dependencies([read]):
        after = tf.identity(written)
    open_handle, open_flow = array(0)
    return {
        "size": lambda: array(-1)[1],
        "twice": lambda: ops.tensor_array_write_v3(handle, 0, [2.0], written),
        "after a read": lambda: ops.tensor_array_write_v3(handle, 0, [2.0], after),
        "read twice": lambda: ops.tensor_array_read_v3(handle, 0, after, dtype=tf.float32),
        "beyond": lambda: ops.tensor_array_write_v3(handle, 2, [2.0], flow),
        "read beyond": lambda: ops.tensor_array_read_v3(handle, 2, flow, dtype=tf.float32),
        "never": lambda: ops.tensor_array_read_v3(array(1)[0], 0, flow, dtype=tf.float32),
        "dtype": lambda: ops.tensor_array_read_v3(handle, 0, written, dtype=tf.int32),
        "shape": lambda: ops.tensor_array_write_v3(handle, 1, [[2.0, 3.0]], written),
        "no rows": lambda: ops.tensor_array_gather_v3(open_handle, np.zeros(0, np.int32), open_flow, dtype=tf.float32),
        "no parts": lambda: ops.tensor_array_concat_v3(open_handle, open_flow, dtype=tf.float32)[0],
        "rows": lambda: ops.tensor_array_scatter_v3(handle, [0, 1], [[1.0]], flow),
        "sum": lambda: ops.tensor_array_split_v3(handle, [1.0, 2.0], np.int64([1, 2]), flow),
        "parts": lambda: ops.tensor_array_split_v3(handle, [1.0, 2.0], np.int64([2]), flow),
    }[name]()


@pytest.mark.parametrize("name, message", [
    ("size", "Size should be >= 0, got -1"), ("twice", "index 0 because it has already been written to"),
    ("after a read", "index 0 because it has already been read"), ("read twice", "Could not read index 0 twice"),
    ("beyond", "write to index 2 but array is not resizeable and size is: 2"),
    ("read beyond", "read from index 2 but array size is: 2"), ("never", "element shape is not fully defined"),
    ("dtype", "dtype is float32 but Op is trying to use dtype int32"), ("shape", "incompatible with the TensorArray"),
    ("no rows", "has size zero, but element shape"), ("no parts", "has size zero, but the element shape except"),
    ("rows", "expected 2 rows, one for each index"), ("sum", "sum of lengths is 3"),
    ("parts", r"size of lengths \(2 vs. 1\)")])
def test_messages(session, name, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        session.run(failing(name))


def test_shapes_that_differ(session):
    handle, flow = array(2)
    for i in range(2):
        flow = ops.tensor_array_write_v3(handle, i, np.zeros(i + 1, np.float32), flow)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Index 0 has shape: .1,?. but index 1 has shape"):
        session.run(ops.tensor_array_gather_v3(handle, [0, 1], flow, dtype=tf.float32))
    grad, at = ops.tensor_array_grad_v3(handle, flow, source="g")
    for shape in (1, 2):
        at = ops.tensor_array_write_v3(grad, 0, np.zeros(shape, np.float32), at)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not aggregate to TensorArray index 0"):
        session.run(at)


def test_a_closed_array_is_empty(session):
    handle, flow = array(1, element_shape=[1])
    flow = ops.tensor_array_write_v3(handle, 0, [1.0], flow)
    with tf.control_dependencies([flow]):
        closed = ops.tensor_array_close_v3(handle)
    with tf.control_dependencies([closed]):
        flow = tf.identity(flow)
    assert session.run(ops.tensor_array_read_v3(handle, 0, flow, dtype=tf.float32)) == [0]
