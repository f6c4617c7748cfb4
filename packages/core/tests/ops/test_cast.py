"""Conversions between dtypes."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import cast
from thalweg.testing.table import table_test
from thalweg.testing.tables.cast import ROWS

test_cast = table_test(ROWS)


@pytest.mark.parametrize("value", [1.0, -2.5, 3.140625, 1e30, float("inf")])
def test_bfloat16_keeps_the_upper_half(value):
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        x = tf.constant([value])
        there = tf.cast(x, tf.bfloat16)
        assert there.dtype is tf.bfloat16
        back = session.run(tf.cast(there, tf.float32))[0]
        assert back == value or abs(back - np.float32(value)) <= abs(np.float32(value)) * 2**-8
        assert session.run(tf.cast(tf.constant([1.00390625]), tf.bfloat16))[0] == 1       # to even


def test_truncation_drops_bits():
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        x = tf.constant([1.9999])
        assert session.run(cast.cast_op(cast.cast_op(x, DstT=tf.bfloat16, Truncate=True), DstT=tf.float32)) < 1.9999


def test_a_tensor_of_the_dtype_comes_back_itself():
    with tf.Graph().as_default():
        x = tf.constant(1.0)
        assert tf.cast(x, tf.float32) is x
        slices = tf.IndexedSlices(x, tf.constant([0]))
        assert tf.cast(slices, tf.float64).values.dtype is tf.float64
