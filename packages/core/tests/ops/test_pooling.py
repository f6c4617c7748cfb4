"""Pooling, against loops over windows."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.testing.table import device_names, table_test
from thalweg.testing.tables.pooling import ROWS

test_pooling = table_test(ROWS)


@pytest.mark.parametrize("place", [*device_names(), "/device:REFERENCE:0"])
@pytest.mark.parametrize("window, maximum", [([np.nan, 1, 2, 3], 3), ([1, np.nan, 2, 0], 2),
                                             ([np.nan] * 4, np.finfo(np.float32).min)])
def test_a_nan_is_no_maximum(place, window, maximum):
    x = np.float32(window).reshape(1, 2, 2, 1)
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session, tf.device(place):
        assert session.run(tf.nn.max_pool(tf.placeholder_with_default(x, x.shape), 2, 2, "VALID")) == maximum
        if maximum > 0:
            volume = tf.placeholder_with_default(x[..., None], [1, 2, 2, 1, 1])
            assert session.run(tf.nn.max_pool3d(volume, [2, 2, 1], [2, 2, 1], "VALID")) == maximum
