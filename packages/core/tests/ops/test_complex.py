"""Complex numbers and their parts."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import unary
from thalweg.testing.table import table_test
from thalweg.testing.tables.complex import ROWS

test_complex = table_test(ROWS)

Y, DY, DZ = (np.array(v, np.complex128) for v in ([1 + 2j, 0.5 - 1j], [0.3 + 1j, 2 - 0.5j], [1 - 1j, 0.25 + 3j]))
GRADIENT_OPS = [                        # op, z, dy of z, d(dy) of z
    (unary.sigmoid_grad_op, [3.2 + 3.4j, 2.5 - 0.625j], [5.9 - 1.5j, 12.25 + 2j], [6 - 2j, 0.3125 + 3.75j]),
    (unary.tanh_grad_op, [5.2 + 2.8j, 4 + 1.125j], [6.6 - 0.2j, 13.25 - 4.125j], [8, 3.4375 + 5j])]
FUNCTIONS = [                           # function, its gradient, the second one
    (tf.sigmoid, [-0.3784516374343391 + 0.2671042914815379j, 0.5390530202334919 - 0.3022307426450713j],
     [-0.5301664675053513 - 0.35431316942193974j, -0.5530091350435958 - 0.5155024491329234j]),
    (tf.tanh, [0.4775025414212918 - 0.472432504503585j, 0.2856739011488908 - 3.647523852782455j],
     [0.4666221871774444 + 1.6052455248424864j, -16.537302656130226 + 11.05197042233572j])]


@pytest.mark.parametrize("op, z, dy, d_dy", GRADIENT_OPS)
def test_gradient_ops(op, z, dy, d_dy):
    """They take y as it is; TensorFlow 1.15's numbers."""
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = [tf.constant(Y), tf.constant(DY)]
        result = op(*inputs)
        np.testing.assert_allclose(session.run(result), z, rtol=1e-12)
        for found, want in zip(session.run(tf.gradients(result, inputs, tf.constant(DZ))), (dy, d_dy)):
            np.testing.assert_allclose(found, want, rtol=1e-12)


@pytest.mark.parametrize("function, first, second", FUNCTIONS)
def test_gradients(function, first, second):
    """What calls them conjugates y."""
    with tf.Graph().as_default(), tf.Session() as session:
        x, dy = tf.constant(Y), tf.constant(DY)
        dx, = tf.gradients(function(x), x, dy)
        np.testing.assert_allclose(session.run(dx), first, rtol=1e-12)
        np.testing.assert_allclose(session.run(tf.gradients(dx, x, dy)[0]), second, rtol=1e-12)
