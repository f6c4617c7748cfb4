"""What a user reads when a run fails: the op and the user's line, whatever raised."""
import inspect

import numpy as np
import pytest

import thalweg as tf


def line():
    return inspect.currentframe().f_back.f_lineno


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def test_an_error_that_a_body_raises_names_the_op_and_the_line(session):
    index = tf.placeholder(tf.int32, [None])
    row, at = tf.gather(tf.ones([3]), index, name="row"), line()
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(row, {index: [5]})
    assert str(caught.value).splitlines() == ["indices[0] = 5 is not in [0, 3)", "\t [[GatherV2 'row']]",
                                              f"  built at  {__file__}:{at} in {inspect.stack()[0].function}"]
    assert caught.value.op is row.op


def test_an_assertion_names_the_op_and_the_line(session):
    x = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([tf.assert_equal(x, 3.0)]):
        same = tf.identity(x)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"did not hold(.|\n)*\[\[Assert '.*'\]\]\n.*test_mes"):
        session.run(same, {x: 1.0})


def test_an_error_of_a_python_function_names_the_op_and_the_line(session):
    y = tf.py_func(lambda x: 1 // int(x), [np.int64(0)], tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"ZeroDivisionE.*\n\t \[\[PyFunc .*\n.*test_messages"):
        session.run(y)


def test_none_is_no_feed(session):
    x = tf.placeholder(tf.float32, [], name="x")
    with pytest.raises(ValueError, match="Cannot feed None for Tensor 'x:0', which has dtype float32"):
        session.run(x, {x: None})


def test_long_labels_keep_their_distance(session):
    tf.get_variable("w", [2])
    with pytest.raises(ValueError, match="made again at [^ ]*test_messages.py"):
        tf.get_variable("w", [2])


# --- while the graph is built -------------------------------------------------------------------------

def reused(name, shape):
    with tf.variable_scope("a", reuse=True):
        return tf.get_variable(name, shape)


BUILDING = {
    "two dtypes": (lambda: tf.add(tf.ones([2]), tf.ones([2], tf.int32), name="sum"), TypeError,
                   ["Input 'y' of 'Add' Op has type int32", "got       y int32 (2,), ", "expected  y float32",
                    "node      'sum'", "try       tf.cast(y, tf.float32)"]),
    "dtype not taken": (lambda: tf.sqrt(tf.ones([2], tf.int32)), TypeError,
                        ["'Sqrt' Op has DataType int32 not in list of allowed values: ", "got       x int32 (2,), ",
                         "try       tf.cast(x, tf.float32)"]),
    "dtype of a value": (lambda: tf.convert_to_tensor(tf.ones([2]), tf.int32), TypeError,
                         ["requested dtype int32", "try       tf.cast(x, tf.int32)"]),
    "set_shape": (lambda: tf.zeros([2], name="z").set_shape([3]), ValueError,
                  ["set_shape of z:0: ", "got       (3,)", "expected  a shape compatible with (2,)",
                   "try       tf.reshape"]),
    "branches": (lambda: tf.cond(tf.constant(True), lambda: tf.ones([]), lambda: tf.ones([], tf.int32)), ValueError,
                 ["true_fn and false_fn must have the same type: float32, int32", "expected  float32 or int32",
                  "try       tf.cast(..., tf.float32) in false_fn"]),
    "loop": (lambda: tf.while_loop(lambda i: i < 3, lambda i: tf.cast(i, tf.float32), [0]), TypeError,
             ["enters the loop as int32, but the body gives float32", "try       tf.cast(x, tf.int32)"]),
    "no variable": (lambda: reused("nope", [2]), ValueError, ["Variable a/nope does not exist", "try       reuse="]),
    "no initializer": (lambda: tf.get_variable("q"), ValueError, ["Variable q: ", "try       tf.get_variable('q'"]),
    "unfit initializer": (lambda: tf.get_variable("q", [2], initializer=tf.orthogonal_initializer()), ValueError,
                          ["Variable q: its initializer Orthogonal gives no value of shape (2,) and dtype float32: "
                           "The tensor to initialize must be", "try       another initializer"]),
    "initializer of another dtype": (lambda: tf.get_variable("q", initializer="a", dtype=tf.int32), ValueError,
                                     ["and explicit dtype", "variable  q"]),
    "iteration": (lambda: list(tf.placeholder(tf.float32, [None])), TypeError, ["try       tf.unstack"]),
    "truth": (lambda: bool(tf.constant(1, name="c")), TypeError, ["Python bool is not allowed (c:0)"]),
    "MatMul": (lambda: tf.matmul(tf.zeros([2, 3]), tf.zeros([4, 5]), name="m"), ValueError,
               ['MatMul "m": Dimensions must be equal, but are 3 and 4', "got       a float32 (2, 3), b float32 (4, 5)",
                "expected  a [M, K], b [K, N]", "try       tf.transpose or tf.reshape"]),
    "MatMul, transposed": (lambda: tf.matmul(tf.zeros([2, 3]), tf.zeros([3, 4]), transpose_b=True), ValueError,
                           ["expected  a [M, K], b [N, K]", "try       without transpose_b=True"]),
    "MatMul, ranks": (lambda: tf.matmul(tf.zeros([3]), tf.zeros([3, 4])), ValueError, ["try  "]),
    "Conv2D, channels": (lambda: tf.nn.conv2d(tf.zeros([2, 8, 8, 3]), tf.zeros([5, 5, 1, 64]), [1] * 4, "SAME"),
                         ValueError, ["Conv2D \"", "got       input float32 (2, 8, 8, 3), filter float32 (5, 5, 1, 64)",
                                      "expected  input [N, H, W, C], filter [KH, KW, C, F]",
                                      "try       filters of shape (5, 5, 3, 64)"]),
    "Conv2D, small": (lambda: tf.nn.conv2d(tf.zeros([2, 2, 2, 3]), tf.zeros([5, 5, 3, 4]), [1] * 4, "VALID"),
                      ValueError, ["Negative dimension size", "expected  input [N, H, W, C]",
                                   'try       padding "SAME"']),
    "Conv2D, channels first": (lambda: tf.nn.conv2d(tf.zeros([2, 3]), tf.zeros([5, 5, 3, 4]), [1] * 4, "SAME",
                                                    data_format="NCHW"),
                               ValueError, ["expected  input [N, C, H, W], filter [KH, KW, C, F]"]),
}


@pytest.mark.parametrize(("build", "kind", "parts"), BUILDING.values(), ids=BUILDING)
def test_a_wrong_graph_is_an_error_with_the_line(session, build, kind, parts):
    with pytest.raises(kind) as caught:
        build()
    for part in [*parts, f"built at  {__file__}:"]:
        assert part in str(caught.value)
