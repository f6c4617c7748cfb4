"""How gamma variates move with alpha, against differences of SciPy's quantiles and values of TensorFlow 1.15.5."""
import numpy as np
import pytest
from scipy import special

import thalweg as tf
from thalweg.ops._incomplete_gamma import digamma, sample_derivative

RECORDED = [6.865379784941029e-28, 8.495649227426865, 0.0073344562448837865, 3.1394484478284514,
            1.0358995499169661e-297, 2.448048686742916, 0.951410192211624, 1.048586678561644]


@pytest.mark.parametrize("rank", [1e-6, 0.01, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 1.5, 10.0, 300.0, 1e4])
def test_derivative_is_that_of_the_quantile(alpha, rank):
    step = 1e-5 * alpha
    low, sample, high = special.gammaincinv(alpha + np.array([-step, 0, step]), rank)
    found = sample_derivative(np.array(alpha), np.array(sample))
    np.testing.assert_allclose(found, (high - low) / (2 * step), rtol=1e-4)


def test_derivative_is_tensorflows():
    """Recorded from TensorFlow 1.15.5, tf.raw_ops.RandomGammaGrad in float64; far tails included."""
    alpha = np.array([0.1, 0.1, 1.0, 1.0, 2.0, 5.0, 50.0, 1000.0])
    sample = np.array([1e-30, 2.0, 1e-3, 12.0, 3e-300, 40.0, 45.0, 1100.0])
    np.testing.assert_allclose(sample_derivative(alpha, sample), RECORDED, rtol=1e-9)


def test_edges():
    nan = float("nan")
    found = sample_derivative(np.array([nan, 1.0, -1.0, 2.0]), np.array([1.0, nan, 1.0, 0.0]))
    np.testing.assert_array_equal(found, [nan, nan, nan, 0.0])
    assert sample_derivative(np.zeros((0, 3)), np.zeros((2, 0, 3))).shape == (2, 0, 3)


def test_digamma():
    x = np.exp(np.linspace(-5, 10, 301))
    np.testing.assert_allclose(digamma(x), special.digamma(x), rtol=2e-14, atol=1e-15)


def test_gradient_reaches_alpha_and_beta(evaluate):
    with tf.Graph().as_default():
        alpha, beta = tf.constant([0.5, 3.0], tf.float64), tf.constant([1.0, 2.0], tf.float64)
        sample = tf.random_gamma([7], alpha, beta, dtype=tf.float64, seed=4)
        d_alpha, d_beta = tf.gradients(sample, [alpha, beta])
        values, found_alpha, found_beta = (np.asarray(v) for v in _together(evaluate, sample, d_alpha, d_beta))
    rates = np.array([1.0, 2.0])
    slopes = sample_derivative(np.array([0.5, 3.0]), values * rates) / rates            # [7, 2]
    np.testing.assert_allclose(found_alpha, slopes.sum(0), rtol=1e-12)
    np.testing.assert_allclose(found_beta, -(values / rates).sum(0), rtol=1e-12)


def _together(evaluate, *tensors):
    """Values of one run: the random ops draw once."""
    parts = [tf.reshape(t, [-1]) for t in tensors]
    flat = evaluate(tf.concat(parts, 0))
    sizes = [int(np.prod(t.shape.as_list())) for t in tensors]
    return [part.reshape(t.shape.as_list())
            for part, t in zip(np.split(flat, np.cumsum(sizes)[:-1]), tensors)]
