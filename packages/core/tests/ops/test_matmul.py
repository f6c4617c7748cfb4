"""Products of matrices, and what is made of them."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.testing.table import table_test
from thalweg.testing.tables.matmul import ROWS

test_matmul = table_test(ROWS)


@pytest.mark.parametrize("a_batch, b_batch", [([2], [None]), ([None], [2]), ([None], [1]), ([2, None], [2]),
                                              ([1, 2], [None, 2]), ([None, 1], [2, 3]), ([2], [None, 1])])
def test_gradients_where_a_batch_size_is_known_on_one_side_only(a_batch, b_batch):
    rng = np.random.default_rng(1)
    actual = [rng.standard_normal([d or 2 for d in batch] + sizes)
              for batch, sizes in ((a_batch, [4, 3]), (b_batch, [3, 5]))]
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        sides = [tf.placeholder(tf.float64, batch + sizes)
                 for batch, sizes in ((a_batch, [None, 3]), (b_batch, [3, 5]))]
        found = session.run(tf.gradients(tf.matmul(*sides), sides), dict(zip(sides, actual)))
        known = [tf.constant(a) for a in actual]
        want = session.run(tf.gradients(tf.matmul(*known), known))
    for got, expected, side in zip(found, want, actual):
        assert got.shape == side.shape and np.allclose(got, expected)
