"""Initializers: values, configurations and messages; data/tf1_random.json holds the numbers of TensorFlow 1.15.5."""
import math

import numpy as np
import pytest

import thalweg as tf
from thalweg.variables import initializers


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


ALL = [tf.zeros_initializer(), tf.ones_initializer(), tf.constant_initializer(2.5), tf.initializers.identity(gain=3.0),
       tf.random_uniform_initializer(-1, 1, seed=1), tf.random_normal_initializer(1.0, 2.0, seed=1),
       tf.truncated_normal_initializer(1.0, 2.0, seed=1), tf.uniform_unit_scaling_initializer(2.0, seed=1),
       tf.variance_scaling_initializer(3.0, "fan_out", "untruncated_normal", seed=1),
       tf.glorot_uniform_initializer(seed=1), tf.glorot_normal_initializer(seed=1), tf.initializers.he_normal(seed=1),
       tf.initializers.he_uniform(seed=1), tf.initializers.lecun_normal(seed=1), tf.initializers.lecun_uniform(seed=1),
       tf.orthogonal_initializer(2.0, seed=1), tf.keras.initializers.RandomNormal(seed=1),
       tf.keras.initializers.RandomUniform(seed=1), tf.keras.initializers.TruncatedNormal(seed=1)]


@pytest.mark.parametrize("initializer", ALL, ids=lambda i: type(i).__name__)
def test_a_configuration_makes_it_again(initializer, evaluate):
    copy = type(initializer).from_config(initializer.get_config())
    value = evaluate(initializer([4, 6]))
    assert value.shape == (4, 6) and value.dtype == np.float32
    np.testing.assert_array_equal(value, evaluate(copy([4, 6])))
    assert evaluate(initializer([4, 6], tf.float64)).dtype == np.float64


@pytest.mark.parametrize("initializer, variance", [
    (tf.initializers.he_normal(1), 2 / 3600), (tf.initializers.he_uniform(1), 2 / 3600),
    (tf.initializers.lecun_normal(1), 1 / 3600), (tf.initializers.lecun_uniform(1), 1 / 3600),
    (tf.glorot_normal_initializer(1), 2 / 5400), (tf.glorot_uniform_initializer(1), 2 / 5400),
    (tf.variance_scaling_initializer(3.0, "fan_out", "untruncated_normal", 1), 3 / 1800),
    (tf.contrib.layers.variance_scaling_initializer(seed=1), 1.3 * 0.87962566**2 * 2 / 3600),
    (tf.contrib.layers.xavier_initializer(seed=1), 2 / 5400), (tf.random_normal_initializer(stddev=0.1, seed=1), 0.01),
    (tf.uniform_unit_scaling_initializer(2.0, seed=1), 4 / 3600)])
def test_variance(initializer, variance, evaluate):
    value = evaluate(initializer([6, 6, 100, 50], dtype=tf.float64))
    assert abs(value.var() / variance - 1) < 0.02 and abs(value.mean()) < 0.02 * math.sqrt(variance)


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (2, 2, 3, 5), (5, 2, 20)])
def test_orthogonal(shape, evaluate):
    matrix = evaluate(tf.orthogonal_initializer(2.0, seed=1)(shape, tf.float64)).reshape(-1, shape[-1])
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-13)


def test_constant_values(evaluate):
    make = tf.constant_initializer([1, 2, 3])
    np.testing.assert_array_equal(evaluate(make([2, 3])), [[1, 2, 3], [3, 3, 3]])
    assert evaluate(make([3], tf.int32)).dtype == np.int32
    with pytest.raises(TypeError, match="Expected Tensor's shape"):
        tf.constant_initializer([1, 2, 3], verify_shape=True)([2, 3])


class _Part:
    """Rows 2 and 3 of a [10, 6] variable."""

    full_shape, var_offset = [10, 6], [2, 0]


def test_a_part_of_a_variable_scales_as_the_whole(evaluate):
    whole = tf.initializers.lecun_uniform(seed=1)
    assert np.abs(evaluate(whole([2, 6], partition_info=_Part))).max() < math.sqrt(3 / 10)
    assert np.abs(evaluate(whole([2, 6]))).max() > math.sqrt(3 / 10)
    np.testing.assert_array_equal(evaluate(tf.initializers.identity()([2, 6], partition_info=_Part)),
                                  np.eye(10, 6)[2:4])


@pytest.mark.parametrize("shape, expected", [((), (1, 1)), ((5,), (5, 5)), ((3, 4), (3, 4)), ((2, 3, 4, 5), (24, 30))])
def test_fans(shape, expected):
    assert initializers.fans(shape) == expected


@pytest.mark.parametrize("build, error, message", [
    (lambda: tf.variance_scaling_initializer(scale=0.0), ValueError, "`scale` must be positive float, not 0.0"),
    (lambda: tf.variance_scaling_initializer(mode="fan"), ValueError, "Invalid `mode` argument: 'fan'"),
    (lambda: tf.variance_scaling_initializer(distribution="Beta"), ValueError, "Invalid `distribution` .*: 'beta'"),
    (lambda: tf.glorot_uniform_initializer(dtype=tf.int32), ValueError, "Expected floating point type, got tf.int32"),
    (lambda: tf.constant_initializer(object()), TypeError, "Invalid type for initial value: <class 'object'>"),
    (lambda: tf.orthogonal_initializer()([3]), ValueError, r"at least two-dimensional, not of shape \[3\]"),
    (lambda: tf.initializers.identity()([3]), ValueError, r"only be used for 2D matrices, not for \[3\]"),
    (lambda: tf.contrib.layers.xavier_initializer(dtype=tf.int32), TypeError, "non-floating point type tf.int32"),
    (lambda: tf.contrib.layers.xavier_initializer()([3], tf.int32), TypeError, "non-floating point type tf.int32"),
    (lambda: tf.contrib.layers.variance_scaling_initializer(mode="fan_in"), TypeError, "Unknown mode 'fan_in'"),
    (lambda: tf.keras.initializers.Initializer()([3]), NotImplementedError, "Initializer must define __call__")])
def test_messages(build, error, message):
    with pytest.raises(error, match=message):
        build()
