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
