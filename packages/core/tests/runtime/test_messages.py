"""What a user reads when a run fails: the op and the user's line, whatever raised."""
import inspect
import pickle

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import errors


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
    with pytest.raises(tf.errors.UnknownError, match=r"ZeroDivisionE.*\n\t \[\[PyFunc .*\n.*test_messages"):
        session.run(y)


@pytest.mark.parametrize("raised, kind", [
    (TypeError, tf.errors.InvalidArgumentError), (UnicodeError, tf.errors.InvalidArgumentError),
    (StopIteration, tf.errors.OutOfRangeError), (MemoryError, tf.errors.ResourceExhaustedError),
    (NotImplementedError, tf.errors.UnimplementedError), (KeyError, tf.errors.UnknownError),
    (IndexError, tf.errors.UnknownError), (OverflowError, tf.errors.UnknownError), (OSError, tf.errors.UnknownError)])
def test_what_a_python_function_raises_has_the_kind_that_tensorflow_gives_it(session, raised, kind):
    def fail(x):
        raise raised("mine")
    with pytest.raises(kind, match=f"{raised.__name__}: .*mine"):
        session.run(tf.py_func(fail, [1.0], tf.float32))


@pytest.mark.parametrize("cls", [tf.errors.OpError, *tf.errors.OpError.__subclasses__()])
def test_errors_of_a_run_can_be_sent_to_other_processes(cls):
    with tf.Graph().as_default():
        op = tf.no_op()
    error = pickle.loads(pickle.dumps(cls(None, op, "mine")))
    assert type(error) is cls and str(error) == error.message == "mine" and error.args == ("mine",)
    assert error.op is None and error.node_def is None and error.error_code == cls.error_code
    assert pickle.loads(pickle.dumps(tf.errors.OpError(None, op, "mine", 5))).error_code == 5


def test_an_error_of_a_worker_reaches_who_waits_for_it(session):
    bad = tf.check_numerics(tf.constant([1.0]) / 0.0, "too large", name="bad")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(bad)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is tf.errors.InvalidArgumentError and str(copy) == str(caught.value) and "'bad'" in str(copy)
    for cls in (errors.ShapeError, errors.DTypeError, errors.ConversionError):
        assert str(pickle.loads(pickle.dumps(cls("mine")))) == "mine"


def test_none_is_no_feed(session):
    x = tf.placeholder(tf.float32, [], name="x")
    with pytest.raises(ValueError, match="Cannot feed None for Tensor 'x:0', which has dtype float32"):
        session.run(x, {x: None})


def test_long_labels_keep_their_distance(session):
    tf.get_variable("w", [2])
    with pytest.raises(ValueError, match="made again at [^ ]*test_messages.py"):
        tf.get_variable("w", [2])
