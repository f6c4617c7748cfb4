"""Arithmetic on two tensors, sums of many."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import math
from thalweg.testing.samples import exactly, positives, reals
from thalweg.testing.table import Bad, Row, table_test

SMOOTH = ["float32", "float64", "float16", "complex64", "complex128"]
REAL = ["float32", "float64", "float16"]

ROWS = [
    Row(tf.add, reals(3, 4), reals(3, 4), against=np.add, dtypes=[*SMOOTH, "int32", "int64", "uint8"]),
    Row(tf.add, reals(3, 1), reals(4)),
    Row(tf.add, reals(), reals(2, 3)),
    Row(tf.add, reals(2, 1, 3), reals(4, 1)),
    Row(tf.add, reals(0, 3), reals(1, 3), gradient=False),
    Row(math.add_v2, reals(3, 4), reals(3, 4), against=np.add),
    Row(tf.subtract, reals(3, 4), reals(4), against=np.subtract),
    Row(tf.subtract, reals(3, 4), reals(3, 4)),
    Row(tf.multiply, reals(3, 4), reals(3, 1), against=np.multiply),
    Row(tf.multiply, reals(3, 4), reals(3, 4)),
    Row(tf.realdiv, reals(3, 4), positives(4), against=np.divide, dtypes=SMOOTH),
    Row(math.div_op, reals(3, 4), positives(3, 4), dtypes=SMOOTH),
    Row(math.div_op, exactly(7, -7, 7, -7), exactly(2, 2, -2, -2), dtypes=["int32", "int64"],
        against=lambda x, y: np.trunc(x / y)),
    Row(tf.truncatediv, exactly(7, -7, 7, -7), exactly(2, 2, -2, -2), dtypes=["int32", "int64"],
        against=lambda x, y: np.trunc(x / y)),
    Row(math.floor_div, exactly(7, -7, 7, -7), exactly(2, 2, -2, -2), dtypes=[*REAL, "int32", "int64"],
        gradient=False, against=lambda x, y: np.floor(x / y)),
    Row(tf.floormod, exactly(7, -7, 7, -7), exactly(2, 2, -2, -2), dtypes=["int32", "int64"],
        against=lambda x, y: x - y * np.floor(x / y)),
    Row(tf.floormod, reals(3, 4), exactly(0.7, -0.9, 1.1, 2.3), dtypes=REAL, against=np.mod),
    Row(tf.truncatemod, reals(3, 4), exactly(0.7, -0.9, 1.1, 2.3), dtypes=[*REAL], against=np.fmod),
    Row(math.mod_op, exactly(7, -7, 7, -7), exactly(2, 2, -2, -2), dtypes=["int32", "int64"], against=np.fmod),
    Row(math.mod_op, reals(3, 4), exactly(0.7, -0.9, 1.1, 2.3), dtypes=REAL),
    Row(math.div_no_nan_op, reals(3), exactly(2.0, 0.0, -1.0), gradient=False, dtypes=SMOOTH,
        against=lambda x, y: np.divide(x, y, out=np.zeros_like(x), where=y != 0)),
    Row(math.div_no_nan_op, reals(3, 4), positives(4), dtypes=SMOOTH),
    Row(math.mul_no_nan, exactly(2.0, float("inf"), float("nan")), exactly(2.0, 0.0, 0.0), gradient=False,
        dtypes=REAL, against=lambda x, y: np.array([4.0, 0.0, 0.0])),
    Row(math.mul_no_nan, reals(3, 4), reals(3, 4), second=False, dtypes=REAL),
    Row(tf.squared_difference, reals(3, 4), reals(4), dtypes=[*REAL, "int32"],
        against=lambda x, y: (x - y) ** 2),
    Row(tf.pow, positives(3, 4), reals(4), against=np.power, dtypes=SMOOTH),
    Row(tf.pow, exactly(-2.0, 0.0, 3.0), exactly(2.0, 2.0, 2.0), gradient=False, dtypes=REAL),
    Row(tf.pow, exactly(-2, 0, 3), exactly(3, 2, 2), dtypes=["int32", "int64"], against=np.power),
    Row(tf.maximum, reals(3, 4), reals(3, 1), keep_apart=1e-2, against=np.maximum, dtypes=[*REAL, "int64"]),
    Row(tf.maximum, exactly(1.0, float("nan"), 1.0), exactly(1.0, 1.0, float("nan")), gradient=False, dtypes=REAL,
        against=lambda x, y: np.array([1.0, float("nan"), 1.0])),
    Row(tf.minimum, reals(3, 4), reals(4), keep_apart=1e-2, against=np.minimum, dtypes=[*REAL, "int32"]),
    Row(tf.atan2, reals(3, 4), positives(4), against=np.arctan2),
    Row(math.xlogy, reals(3, 4), positives(4), dtypes=SMOOTH, against=lambda x, y: x * np.log(y)),
    Row(math.xlogy, exactly(0.0, 0.0), exactly(0.0, -1.0), gradient=False, dtypes=REAL,
        against=lambda x, y: np.zeros(2)),
    Row(math.xdivy, reals(3, 4), positives(4), dtypes=SMOOTH, against=np.divide),
    Row(math.nextafter, reals(3), reals(3), against=np.nextafter, gradient=False),
    Row(tf.add_n, [1.0, 2.0], label="constants"),
    Row(lambda *xs: tf.add_n(xs), reals(2, 3), reals(2, 3), reals(2, 3), against=lambda *xs: sum(xs), label="add_n"),
    Row(lambda *xs: tf.accumulate_n(xs), reals(2, 3), reals(2, 3), against=lambda *xs: sum(xs), unknown=False,
        label="accumulate_n"),
    Row(lambda x: tf.scalar_mul(2, x), reals(2, 3), label="scalar_mul"),
    Row(lambda x, y: x / y, exactly(7, -7), exactly(2, 2), dtypes=["int32", "uint8"], gradient=False,
        against=lambda x, y: (x / y).astype(np.float64 if x.dtype == np.int32 else np.float32), label="truediv"),
    Row(lambda x, y: (x + 1) * (2 - y) / (y ** 2) - (-x) // y, reals(3), positives(3), dtypes=["float32"],
        gradient=False, label="operators"),
    Row(lambda x, y: math.nextafter(x, y), reals(3), reals(3), gradient=False, label="nextafter"),
    Bad(tf.add, reals(3), reals(4), match=r"Add .*shapes \(3,\) and \(4,\) do not broadcast"),
    Bad(tf.add, reals(3), 1.5, dtype="int32", match="Expected int32, got 1.5"),
    Bad(tf.truediv, reals(3), 2, match="x and y must have the same dtype"),
    Bad(tf.scalar_mul, reals(2), reals(2), match="Only scalar multiply works"),
    Bad(tf.add_n, [], match="at least one Tensor"),
    Bad(lambda x, y: tf.add_n([x, y]), reals(2), reals(3), match="Shapes must be equal"),
    Bad(tf.multiply, reals(3), reals(3), dtype="bool", match="not in list of allowed values"),
]
test_math = table_test(ROWS)


@pytest.mark.parametrize("divide", [tf.floordiv, tf.floormod, tf.truncatediv, tf.realdiv])
def test_an_integer_division_by_zero_is_an_error(divide):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.int32, [2])
        y = divide(x, x)
        with tf.Session(graph=graph) as session, pytest.raises(tf.errors.InvalidArgumentError, match="by zero"):
            session.run(y, {x: [1, 0]})


def test_ties_of_maximum_go_to_the_first():
    with tf.Graph().as_default() as graph:
        x = tf.constant([1.0, 2.0])
        y = tf.constant([1.0, 1.0])
        grads = tf.gradients(tf.maximum(x, y), [x, y]) + tf.gradients(tf.minimum(x, y), [x, y])
        with tf.Session(graph=graph) as session:
            assert [g.tolist() for g in session.run(grads)] == [[1, 1], [0, 0], [1, 0], [0, 1]]


def test_negative_integer_powers_are_an_error():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.int32, [1])
        with tf.Session(graph=graph) as session, pytest.raises(tf.errors.InvalidArgumentError, match="negative"):
            session.run(tf.pow(x, x), {x: [-1]})
