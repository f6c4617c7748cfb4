"""Elementwise functions of one tensor."""
import pytest

import thalweg as tf
from thalweg.testing.table import table_test
from thalweg.testing.tables.unary import ROWS

test_unary = table_test(ROWS)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("known", [[], [11]])
def test_only_minus_zero_rounds_to_minus_zero(dtype, known):                # recorded from TensorFlow 1.15.5
    values = [0.5, 1.5, 2.5, -0.5, -0.3, 0.3, -0.0, 0.0, -1.5, -2.5, -0.51]
    expected = [0.0, 2.0, 2.0, 0.0, 0.0, 0.0, -0.0, 0.0, -2.0, -2.0, -1.0]
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(dtype, known or None)
        assert list(map(repr, session.run(tf.round(x), {x: values}).tolist())) == list(map(repr, expected))
