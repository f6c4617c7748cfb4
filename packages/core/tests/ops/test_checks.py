"""Checks of values, ranks and dtypes."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.testing.table import table_test
from thalweg.testing.tables.checks import ROWS

COVERED = ("Assert",)
test_checks = table_test(ROWS)

HOLDS = {tf.assert_equal: (2, 2), tf.assert_none_equal: (1, 2), tf.assert_less: (1, 2), tf.assert_less_equal: (2, 2),
         tf.assert_greater: (2, 1), tf.assert_greater_equal: (2, 2)}
FAILS = {tf.assert_equal: (2, 1), tf.assert_none_equal: (2, 2), tf.assert_less: (2, 2), tf.assert_less_equal: (3, 2),
         tf.assert_greater: (2, 2), tf.assert_greater_equal: (1, 2)}
SIGNS = {tf.assert_negative: (-1, 0), tf.assert_positive: (1, 0), tf.assert_non_negative: (0, -1),
         tf.assert_non_positive: (0, 1)}


@pytest.fixture
def session():
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        yield session


@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("check", HOLDS, ids=lambda f: f.__name__)
def test_comparisons(session, check, dtype):
    x, y = tf.placeholder(dtype, [2]), tf.placeholder(dtype, [])
    checked = check(x, y, message="look here")
    session.run(checked, {x: [HOLDS[check][0]] * 2, y: HOLDS[check][1]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="assertion failed: .look here. .Condition x"):
        session.run(checked, {x: [HOLDS[check][0], FAILS[check][0]], y: FAILS[check][1]})


@pytest.mark.parametrize("check", SIGNS, ids=lambda f: f.__name__)
def test_signs(session, check):
    x = tf.placeholder(tf.int32, [1])
    checked = check(x)
    good, bad = SIGNS[check]
    session.run(checked, {x: [good]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="0 did not hold"):
        session.run(checked, {x: [bad]})


def test_constants_are_compared_while_the_graph_is_built():
    with tf.Graph().as_default(), pytest.raises(tf.errors.InvalidArgumentError, match="Condition x == y did not hold"):
        tf.assert_equal(1, 2)


def test_near(session):
    x, y = tf.placeholder(tf.float64, [1]), tf.constant([1.0], tf.float64)
    checked = tf.assert_near(x, y, atol=0.1)
    session.run(checked, {x: [1.05]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="not equal to tolerance"):
        session.run(checked, {x: [1.2]})


def test_assert_prints_as_much_as_it_is_told(session):
    ok = tf.placeholder(tf.bool, [])
    checked = tf.Assert(ok, ["values", tf.constant([1, 2, 3, 4])], summarize=2)
    session.run(checked, {ok: True})
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"assertion failed: \[values\] \[1 2\.\.\.\]"):
        session.run(checked, {ok: False})


@pytest.mark.parametrize("check, rank, match", [
    (tf.assert_rank, 3, "must have rank 3.  Received rank 2"),
    (tf.assert_rank_at_least, 3, "must have rank at least 3.  Received rank 2"),
    (tf.assert_rank_in, [1, 3], "must have rank in 1, 3.  Received rank 2"),
])
def test_known_ranks_are_checked_while_the_graph_is_built(check, rank, match):
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 2])
        assert check(x, [2] if isinstance(rank, list) else 2).type == "NoOp"
        with pytest.raises(ValueError, match=match):
            check(x, rank)


@pytest.mark.parametrize("check, rank", [(tf.assert_rank, 1), (tf.assert_rank_at_least, 3),
                                         (tf.assert_rank_in, [1, 3])])
def test_unknown_ranks_are_checked_when_the_graph_runs(session, check, rank):
    x = tf.placeholder(tf.float32, None)
    checked = check(x, rank)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have rank"):
        session.run(checked, {x: np.zeros([2, 2])})


def test_dtypes():
    with tf.Graph().as_default():
        x = tf.constant([1.0])
        assert tf.assert_type(x, tf.float32).type == tf.assert_integer(tf.constant(1)).type == "NoOp"
        with pytest.raises(TypeError, match="must be of type"):
            tf.assert_type(x, tf.int32)
        with pytest.raises(TypeError, match="to be integer type"):
            tf.assert_integer(x)
        assert tf.assert_scalar(tf.constant(1)) is not None
        with pytest.raises(ValueError, match="Expected scalar shape"):
            tf.assert_scalar(x)
        assert tf.is_numeric_tensor(x) and not tf.is_numeric_tensor(tf.constant("a"))
        assert tf.assert_same_float_dtype([x, x]) == tf.float32
        with pytest.raises(ValueError, match="expected float32"):
            tf.assert_same_float_dtype([x, tf.constant(1.0, tf.float64)])
        with pytest.raises(ValueError, match="Expected floating point type"):
            tf.assert_same_float_dtype([tf.constant(1)])
        tf.assert_proper_iterable([1])
        for bad in (x, "text", 5):
            with pytest.raises(TypeError, match="proper iterable"):
                tf.assert_proper_iterable(bad)


@pytest.mark.parametrize("value, found", [([np.nan], "NaN"), ([np.inf], "Inf"), ([np.nan, np.inf], "Inf and NaN")])
def test_numbers_that_are_none(session, value, found):
    x = tf.placeholder(tf.float32, [None])
    for checked in (tf.check_numerics(x, "in x"), tf.verify_tensor_all_finite(x, "in x")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"in x : Tensor had {found} values"):
            session.run(checked, {x: value})
