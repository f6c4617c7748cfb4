"""Comparisons, logic, and choosing by them."""
import thalweg as tf
from thalweg.testing.table import table_test
from thalweg.testing.tables.comparison import ROWS

test_comparison = table_test(ROWS)


def test_a_tensor_compared_with_equals_is_itself_or_not():
    with tf.Graph().as_default():
        x = tf.constant([1.0])
        assert x == x and not x == 1.0 and x != 1.0
