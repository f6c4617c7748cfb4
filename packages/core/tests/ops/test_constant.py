"""Python and NumPy values as tensors."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import values


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(tensor):
    with tf.Session(graph=tensor.graph) as session:
        return session.run(tensor)


@pytest.mark.parametrize("value, dtype", [
    (1.5, "float32"), (3, "int32"), (2**40, "int64"), (True, "bool"), (1 + 2j, "complex128"), ("text", "string"),
    (b"bytes", "string"), ([1, 2.5], "float32"), ([1, True], "int32"), ([], "float32"), ([[], []], "float32"),
    (np.float64(1), "float64"), ([np.float64(1)], "float32"), (np.int8(1), "int8"), (np.arange(3), "int64"),
    (np.array(["a", "bc"]), "string"), (np.array([1.0], ">f4"), "float32"), (range(3), "int32"),
    ([np.array([1.0]), [2.0]], "float32"), ((1, 2), "int32"), (np.array([True]), "bool"), (2**63, "uint64"),
])
def test_the_dtype_of_a_value(value, dtype):
    tensor = tf.constant(value)
    assert tensor.dtype.name == dtype
    got = run(tensor)
    if dtype != "string":
        assert np.array_equal(got, np.array(list(value) if isinstance(value, range) else value))


def test_strings_are_bytes():
    assert run(tf.constant("h\u00e9")) == "h\u00e9".encode()
    assert run(tf.constant([["a"], [b"b"]])).tolist() == [[b"a"], [b"b"]]
    assert run(tf.constant(np.array(["a", b"b"], object))).tolist() == [b"a", b"b"]


@pytest.mark.parametrize("value, dtype, want", [
    (1, "float16", 1.0), ([1, 2], "int64", [1, 2]), (np.array([1.7]), "int32", [1]), (True, "float32", 1.0),
    (1e300, "float32", np.inf), ([1.0, 2.0], "complex64", [1, 2]), (True, "int32", 1),
])
def test_a_dtype_that_is_asked_for(value, dtype, want):
    tensor = tf.constant(value, dtype)
    assert tensor.dtype.name == dtype and np.array_equal(run(tensor), want)


@pytest.mark.parametrize("value, dtype, error, match", [
    (1.5, "int32", TypeError, "Expected int32, got 1.5 of type 'float' instead"),
    ("a", "float32", TypeError, "Expected float32, got 'a' of type 'str' instead"),
    (1, "string", TypeError, "Expected string, got 1 of type 'int' instead"),
    (1, "bool", TypeError, "Expected bool, got 1"),
    (300, "uint8", TypeError, r"300 does not fit uint8 \(0 to 255\)"),
    ([2**40], "int32", TypeError, "does not fit int32"),
    (2**70, None, TypeError, "Failed to convert object of type <class 'int'>"),
    (None, None, ValueError, "None values not supported"),
    ([None], None, TypeError, "Failed to convert"),
    (object(), None, TypeError, "Failed to convert object of type <class 'object'>"),
    (["a", 1], None, TypeError, "mixes strings and numbers"),
    ([[1, 2], [3]], None, ValueError, "must be a dense tensor: lists of one level differ in length"),
    ([[1], 2], None, ValueError, "stands where a list was wanted"),
    (np.array(["a"]), "int32", TypeError, "got an array of"),
    (np.array([1]), "string", TypeError, "Expected string, got an array of int64"),
])
def test_values_that_do_not_fit(value, dtype, error, match):
    with pytest.raises(error, match=match):
        tf.constant(value, dtype)


def test_shapes():
    assert run(tf.constant(7, shape=[2, 2])).tolist() == [[7, 7], [7, 7]]
    assert run(tf.constant([1, 2], shape=[2, 2])).tolist() == [[1, 2], [2, 2]]
    assert run(tf.constant([1, 2, 3, 4], shape=[2, 2])).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match="Needed at most 2, but received 3"):
        tf.constant([1, 2, 3], shape=[2])
    with pytest.raises(TypeError, match=r"Expected Tensor's shape: \(2, 2\), got \(4,\)"):
        tf.constant([1, 2, 3, 4], shape=[2, 2], verify_shape=True)
    with pytest.raises(ValueError, match="needs a known shape"):
        tf.constant(1, shape=[None])
    with pytest.raises(ValueError, match="needs at least one element"):
        tf.constant([], shape=[2])


def test_a_constant_of_tensors_is_refused():
    with pytest.raises(TypeError, match="Try tf.convert_to_tensor, or tf.stack"):
        tf.constant([tf.constant(1)])


def test_lists_with_tensors_are_packed():
    x = tf.constant(1.0)
    packed = tf.convert_to_tensor([[x, 2.0], [3.0, 4.0]])
    assert packed.op.type == "Pack" and run(packed).tolist() == [[1, 2], [3, 4]]
    assert run(tf.convert_to_tensor([x, 2.0], tf.float64)).dtype == np.float64
    with pytest.raises(TypeError, match="list containing a tensor of dtype int32 to float32"):
        tf.convert_to_tensor([x, tf.constant(1)])


def test_shapes_and_dimensions_are_values():
    assert run(tf.convert_to_tensor(tf.TensorShape([1, 2]))).tolist() == [1, 2]
    assert run(tf.convert_to_tensor(tf.Dimension(3))) == 3
    assert tf.convert_to_tensor(tf.TensorShape([2**33])).dtype is tf.int64
    u = tf.placeholder(tf.float32, [None, 3])
    assert tf.reshape(u, [-1, u.shape[1]]).shape.as_list() == [None, 3]
    with pytest.raises(ValueError, match="partially known TensorShape"):
        tf.convert_to_tensor(u.shape)
    with pytest.raises(TypeError, match="to dtype: float32"):
        tf.convert_to_tensor(tf.TensorShape([1]), tf.float32)
    with pytest.raises(TypeError):
        tf.reshape(u, [u.shape[0], 3])


@pytest.mark.parametrize("shape", [[2, 3], (2, 3), np.array([2, 3]), 6, [40, 50]])
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "string"])
def test_fills(shape, dtype):
    zeros = run(tf.zeros(shape, dtype))
    assert zeros.shape == tuple(np.ravel(shape)) and set(zeros.ravel().tolist()) == {b"" if dtype == "string" else 0}
    if dtype != "string":
        assert set(run(tf.ones(shape, dtype)).ravel().tolist()) == {1}


def test_fills_of_a_size_that_the_graph_computes():
    n = tf.placeholder_with_default(3, [])
    assert run(tf.zeros([2, n])).shape == (2, 3) and run(tf.ones(tf.stack([n]))).tolist() == [1, 1, 1]
    assert run(tf.zeros_like(tf.zeros([n, 2]), tf.int32)).dtype == np.int32


def test_quantized_numbers_are_records():
    array = values.array_of([1, -2], tf.qint8)
    assert array.dtype.names == ("qint8",) and array["qint8"].tolist() == [1, -2]


def test_an_unfed_placeholder_is_an_error():
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="feed"):
        session.run(tf.placeholder(tf.float32, [2], name="p") + 1.0)


@pytest.mark.parametrize("make", [tf.zeros, tf.ones, lambda shape: tf.fill(shape, 1.0)])
@pytest.mark.parametrize("shape", [[-2], [2, -1]])
def test_sizes_of_fills_are_positive(make, shape):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=r"Fill .*dimensions must be >= 0, .*\[(2, )?-\d\]"):
        make(shape)


@pytest.mark.parametrize("shape, kind, match", [([2.5], ValueError, "2.5 is no whole number"),
                                                ([-3], ValueError, "Dimension -3 must be >= 0"),
                                                (["a"], ValueError, "'a'"), ([[2]], TypeError, "list")])
def test_sizes_of_placeholders_are_sizes(shape, kind, match):
    with tf.Graph().as_default():
        with pytest.raises(kind, match=f"is not a shape: .*{match}.*Expected a list of sizes"):
            tf.placeholder(tf.float32, shape)
        assert tf.placeholder(tf.float32, [2.0, np.float32(3)]).shape.as_list() == [2, 3]
