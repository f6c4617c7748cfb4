"""Initializers: objects that make the first value of a variable from its shape, as `tf.initializers`.

    tf.get_variable("w", [5, 5, 3, 64], initializer=tf.glorot_uniform_initializer(seed=1))

Calling one adds its ops to the default graph: `initializer(shape, dtype=None, partition_info=None)`, where a part of
a partitioned variable comes with the `full_shape` and `var_offset` of the whole.
"""
import math

import numpy as np

from thalweg.framework import shapes
from thalweg.framework.dtypes import as_dtype, float32
from thalweg.ops import array, constant, diagonal, linalg, random, slicing, unary

# standard deviation of a normal distribution that is cut at two deviations
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """Base of the initializers: they can be called, and made again from their configuration."""

    def __call__(self, shape, dtype=None, partition_info=None):
        """A tensor of `shape` and `dtype` (None: the initializer's own)."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, dtype, partition_info)")

    def get_config(self):
        """The arguments that make this initializer again, a dict of plain values."""
        return {}

    @classmethod
    def from_config(cls, config):
        """An initializer from what `get_config` gave."""
        return cls(**config)


def _config(initializer, *names):
    """The attributes `names` as a dict, and the dtype by its name."""
    return {**{name: getattr(initializer, name) for name in names}, "dtype": initializer.dtype.name}


def _float_dtype(dtype):
    dtype = as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"Expected floating point type, got {dtype!r}.")
    return dtype


# --- fixed values -----------------------------------------------------------------------------------

class Zeros(Initializer):
    """Zeros."""

    def __init__(self, dtype=float32):
        self.dtype = as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        return constant.zeros(shape, dtype or self.dtype)

    def get_config(self):
        return _config(self)


class Ones(Initializer):
    """Ones."""

    def __init__(self, dtype=float32):
        self.dtype = as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        return constant.ones(shape, dtype or self.dtype)

    def get_config(self):
        return _config(self)


class Constant(Initializer):
    """The elements of `value` in order, the last one repeated as often as the shape needs.

    TypeError if `value` is neither a scalar, a list, a tuple nor an array; with `verify_shape` also, when called, if
    its shape is another than the variable's.
    """

    def __init__(self, value=0, dtype=float32, verify_shape=False):
        if not (np.isscalar(value) or isinstance(value, (list, tuple, np.ndarray))):
            raise TypeError(f"Invalid type for initial value: {type(value)} (expected Python scalar, list or tuple of "
                            "values, or numpy.ndarray).")
        self.value, self.dtype, self._verify_shape = value, as_dtype(dtype), verify_shape

    def __call__(self, shape, dtype=None, partition_info=None, verify_shape=None):
        verify_shape = self._verify_shape if verify_shape is None else verify_shape
        return constant.constant(self.value, dtype or self.dtype, shape, verify_shape=verify_shape)

    def get_config(self):
        return _config(self, "value")


class Identity(Initializer):
    """`gain` on the main diagonal of a matrix, else 0; ValueError when called for another rank."""

    def __init__(self, gain=1.0, dtype=float32):
        self.gain, self.dtype = gain, _float_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        whole = shapes.plain(shape if partition_info is None else partition_info.full_shape)
        if len(whole) != 2:
            raise ValueError(f"Identity matrix initializer can only be used for 2D matrices, not for {list(whole)}.")
        matrix = diagonal.eye(*whole, dtype=dtype or self.dtype)
        if partition_info is not None:
            matrix = slicing.slice(matrix, partition_info.var_offset, shape)
        return self.gain * matrix

    def get_config(self):
        return _config(self, "gain")


# --- random values ----------------------------------------------------------------------------------

class RandomUniform(Initializer):
    """Uniform in [minval, maxval); maxval None is 1 for floats."""

    def __init__(self, minval=0, maxval=None, seed=None, dtype=float32):
        self.minval, self.maxval, self.seed, self.dtype = minval, maxval, seed, as_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        return random.random_uniform(shape, self.minval, self.maxval, dtype or self.dtype, seed=self.seed)

    def get_config(self):
        return _config(self, "minval", "maxval", "seed")


class RandomNormal(Initializer):
    """Normal with `mean` and `stddev`."""

    def __init__(self, mean=0.0, stddev=1.0, seed=None, dtype=float32):
        self.mean, self.stddev, self.seed, self.dtype = mean, stddev, seed, _float_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        return random.random_normal(shape, self.mean, self.stddev, dtype or self.dtype, seed=self.seed)

    def get_config(self):
        return _config(self, "mean", "stddev", "seed")


class TruncatedNormal(RandomNormal):
    """Normal with `mean` and `stddev`, drawn again beyond two deviations."""

    def __call__(self, shape, dtype=None, partition_info=None):
        return random.truncated_normal(shape, self.mean, self.stddev, dtype or self.dtype, seed=self.seed)


class UniformUnitScaling(Initializer):
    """Uniform in +-factor * sqrt(3 / n), n the product of all dimensions but the last: keeps the scale of a signal."""

    def __init__(self, factor=1.0, seed=None, dtype=float32):
        self.factor, self.seed, self.dtype = factor, seed, _float_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        inputs = max(1.0, float(math.prod(_whole(shape, partition_info)[:-1])))
        limit = math.sqrt(3 / inputs) * self.factor
        return random.random_uniform(shape, -limit, limit, dtype or self.dtype, seed=self.seed)

    def get_config(self):
        return _config(self, "factor", "seed")


def _whole(shape, partition_info):
    return shapes.plain(shape if partition_info is None else partition_info.full_shape)


def fans(shape):
    """(fan_in, fan_out): inputs per output and outputs per input of a weight of `shape`, [..., in, out]."""
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("normal", "uniform", "truncated_normal", "untruncated_normal")


class VarianceScaling(Initializer):
    """Random values of variance scale / n, with n the weight's fan (arXiv:1502.01852).

    Parameters
    ----------
    scale : float > 0
    mode : "fan_in", "fan_out" or "fan_avg"     what n is; fan_avg is the mean of the two
    distribution : "truncated_normal" (also called "normal"), "untruncated_normal" or "uniform"
    seed : int or None
    """

    def __init__(self, scale=1.0, mode="fan_in", distribution="truncated_normal", seed=None, dtype=float32):
        if scale <= 0.0:
            raise ValueError(f"`scale` must be positive float, not {scale!r}.")
        if mode not in _MODES:
            raise ValueError(f"Invalid `mode` argument: {mode!r}; one of {', '.join(_MODES)} is expected.")
        if distribution.lower() not in _DISTRIBUTIONS:
            raise ValueError(f"Invalid `distribution` argument: {distribution.lower()!r}; one of "
                             f"{', '.join(_DISTRIBUTIONS)} is expected.")
        self.scale, self.mode, self.distribution = scale, mode, distribution.lower()
        self.seed, self.dtype = seed, _float_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        dtype = dtype or self.dtype
        fan_in, fan_out = fans(_whole(shape, partition_info))
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.random_uniform(shape, -limit, limit, dtype, seed=self.seed)
        stddev = math.sqrt(variance)
        if self.distribution == "untruncated_normal":
            return random.random_normal(shape, 0.0, stddev, dtype, seed=self.seed)
        return random.truncated_normal(shape, 0.0, stddev / _TRUNCATED_STDDEV, dtype, seed=self.seed)

    def get_config(self):
        return _config(self, "scale", "mode", "distribution", "seed")


class _Named(VarianceScaling):
    """A variance scaling known by a name of its own."""

    def get_config(self):
        return _config(self, "seed")


class GlorotUniform(_Named):
    """Uniform with variance 2 / (fan_in + fan_out), also named after Xavier."""

    def __init__(self, seed=None, dtype=float32):
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)


class GlorotNormal(_Named):
    """Truncated normal with variance 2 / (fan_in + fan_out), also named after Xavier."""

    def __init__(self, seed=None, dtype=float32):
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)


def he_normal(seed=None):
    """Truncated normal with variance 2 / fan_in."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


def he_uniform(seed=None):
    """Uniform with variance 2 / fan_in."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


def lecun_normal(seed=None):
    """Truncated normal with variance 1 / fan_in."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


def lecun_uniform(seed=None):
    """Uniform with variance 1 / fan_in."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


class Orthogonal(Initializer):
    """A weight whose matrix [product of the other dimensions, last dimension] has orthonormal rows or columns.

    It is the q of a normal random matrix, with the signs that make it uniform over all such q (arXiv:math-ph/0609050),
    times `gain`. ValueError when called for less than two dimensions.
    """

    def __init__(self, gain=1.0, seed=None, dtype=float32):
        self.gain, self.seed, self.dtype = gain, seed, _float_dtype(dtype)

    def __call__(self, shape, dtype=None, partition_info=None):
        plain = shapes.plain(shape)
        if len(plain) < 2:
            raise ValueError(f"The tensor to initialize must be at least two-dimensional, not of shape {list(plain)}.")
        rows, columns = math.prod(plain[:-1]), plain[-1]
        tall = (columns, rows) if rows < columns else (rows, columns)
        q, r = linalg.qr_op(random.random_normal(tall, dtype=dtype or self.dtype, seed=self.seed))
        q *= unary.sign(diagonal.diag_part(r))
        if rows < columns:
            q = array.matrix_transpose(q)
        return self.gain * array.reshape(q, shape)

    def get_config(self):
        return _config(self, "gain", "seed")


# --- tf.contrib.layers ------------------------------------------------------------------------------

_FANS = ("FAN_IN", "FAN_OUT", "FAN_AVG")


def contrib_variance_scaling(factor=2.0, mode="FAN_IN", uniform=False, seed=None, dtype=float32):
    """An initializer with variance factor / n, as `tf.contrib.layers.variance_scaling_initializer`.

    `mode` says what n is: FAN_IN, FAN_OUT or FAN_AVG. Where `uniform` is False the normal distribution is cut at two
    deviations, and 1.3 stands for what the cut takes from the variance.
    """
    if not as_dtype(dtype).is_floating:
        raise TypeError(f"Cannot create initializer for non-floating point type {as_dtype(dtype)!r}.")
    if mode not in _FANS:
        raise TypeError(f"Unknown mode {mode!r} {list(_FANS)}")

    def initializer(shape, dtype=dtype, partition_info=None):
        if not as_dtype(dtype).is_floating:
            raise TypeError(f"Cannot create initializer for non-floating point type {as_dtype(dtype)!r}.")
        fan_in, fan_out = _contrib_fans(shapes.plain(shape))
        n = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2.0}[mode]
        if uniform:
            limit = math.sqrt(3.0 * factor / n)
            return random.random_uniform(shape, -limit, limit, dtype, seed=seed)
        return random.truncated_normal(shape, 0.0, math.sqrt(1.3 * factor / n), dtype, seed=seed)
    return initializer


def _contrib_fans(shape):
    """As `fans`, of the part alone where a variable is partitioned."""
    return tuple(map(float, fans(shape)))


def xavier_initializer(uniform=True, seed=None, dtype=float32):
    """Variance 2 / (fan_in + fan_out), as `tf.contrib.layers.xavier_initializer`."""
    return contrib_variance_scaling(1.0, "FAN_AVG", uniform, seed, dtype)


# --- tf.keras.initializers --------------------------------------------------------------------------

class KerasRandomUniform(RandomUniform):
    """Uniform in [-0.05, 0.05) unless told otherwise."""

    def __init__(self, minval=-0.05, maxval=0.05, seed=None, dtype=float32):
        super().__init__(minval, maxval, seed, dtype)


class KerasRandomNormal(RandomNormal):
    """Normal with standard deviation 0.05 unless told otherwise."""

    def __init__(self, mean=0.0, stddev=0.05, seed=None, dtype=float32):
        super().__init__(mean, stddev, seed, dtype)


class KerasTruncatedNormal(TruncatedNormal):
    """Normal, cut at two deviations, with standard deviation 0.05 unless told otherwise."""

    def __init__(self, mean=0.0, stddev=0.05, seed=None, dtype=float32):
        super().__init__(mean, stddev, seed, dtype)
