"""Activation functions, against SciPy and formulas of their papers."""
import pytest

import thalweg as tf
from thalweg.testing.table import table_test
from thalweg.testing.tables.activation import ROWS

test_activation = table_test(ROWS)


@pytest.mark.parametrize("function, at_zero", [(tf.nn.relu, 0.0), (tf.nn.relu6, 0.0), (tf.nn.elu, 1.0),
                                               (tf.abs, 0.0), (tf.nn.leaky_relu, pytest.approx(0.2))])
def test_the_gradient_at_the_kink_is_tensorflows(function, at_zero):
    with tf.Graph().as_default() as graph:
        x = tf.constant([0.0])
        grad, = tf.gradients(function(x), x)
        with tf.Session(graph=graph) as session:
            assert session.run(grad)[0] == at_zero
