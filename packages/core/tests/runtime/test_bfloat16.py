"""bfloat16 values on their way into a run and out of it, with the package ml_dtypes and without."""
import sys

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import dtypes

X = np.float32([1.0, 1.015625, -2.5, np.inf])            # bfloat16 has them


@pytest.fixture(params=["ml_dtypes", "alone"])
def kind(request, monkeypatch):
    """NumPy's type for bfloat16, found anew in each test."""
    if request.param == "ml_dtypes":
        pytest.importorskip("ml_dtypes")
    else:
        monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    dtypes.numpy_bfloat16.cache_clear()
    yield dtypes.numpy_bfloat16()
    dtypes.numpy_bfloat16.cache_clear()


@pytest.fixture
def session():
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        yield session


@pytest.mark.parametrize("value", [X.tolist(), X, X.astype(np.float64), np.float16(X)])
def test_feeds_of_numbers_are_rounded(kind, session, value):
    x = tf.placeholder(tf.bfloat16, [4])
    assert session.run(tf.cast(x, tf.float32), {x: value}).tolist() == X.tolist()
    found = session.run(tf.cast(x, tf.float32), {x: [1.00390625, 1.01171875, 3, 1e300]})
    assert found.tolist() == [1, 1.015625, 3, np.inf]


def test_what_comes_out_computes_and_goes_in_again(kind, session):
    x = tf.placeholder(tf.bfloat16)
    found = session.run(x, {x: X})
    assert found.dtype == kind == tf.bfloat16.as_numpy_dtype and (found + found).tolist() == (X + X).tolist()
    assert session.run(tf.cast(x, tf.float32), {x: found}).tolist() == X.tolist()
    one = session.run(x, {x: 2.5})
    assert type(one) is kind and one == 2.5
    variable = tf.get_variable("v", initializer=tf.constant(X, tf.bfloat16))
    session.run(variable.initializer)
    assert session.make_callable(variable)().dtype == kind


def test_constants_of_numpy_bfloat16(session):
    kind = pytest.importorskip("ml_dtypes").bfloat16
    for value in (X.astype(kind), [kind(x) for x in X]):
        constant = tf.constant(value)
        assert constant.dtype == tf.bfloat16 and session.run(tf.cast(constant, tf.float32)).tolist() == X.tolist()
    assert tf.as_dtype(kind) is tf.as_dtype(np.dtype(kind)) is tf.bfloat16
    assert tf.constant(X.astype(kind), tf.float32).dtype == tf.float32


def test_a_python_function_gets_and_gives_it(kind, session):
    seen = []

    def double(x):
        seen.append(x.dtype)
        return x + x
    double_x = tf.py_func(double, [tf.constant(X, tf.bfloat16)], tf.bfloat16)
    assert session.run(tf.cast(double_x, tf.float32)).tolist() == (X + X).tolist() and seen == [kind]


@pytest.mark.parametrize("value", ["a", ["a"], 1 + 2j, np.zeros(2, [("f", "i4")])])
def test_what_is_no_number_is_refused(session, value):
    x = tf.placeholder(tf.bfloat16, name="x")
    with pytest.raises((TypeError, ValueError), match="Cannot feed Tensor 'x:0' of dtype bfloat16 with"):
        session.run(x, {x: value})
