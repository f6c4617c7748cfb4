"""Gamma and Poisson variates, and how a gamma variate changes with its shape parameter."""
import numpy as np

from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import FLOATS, DType, float32, float64, int32, int64

from . import _incomplete_gamma, _rejection, array
from .random import reserve, size_of

_MEANS = FLOATS + (int32, int64)


def _per_output(size, parameter):
    """The parameter of each output in stream order: all samples of one distribution before the next."""
    return np.repeat(parameter.reshape(-1).astype(np.float64), size)


def _in_shape(values, size, shape, parameter):
    """Stream order [parameters, samples] to the shape [*shape, *parameter.shape]."""
    return values.reshape(parameter.size, size).T.reshape(tuple(shape) + parameter.shape)


def _samples_shape(node, shape, parameter):
    samples = array.shape_from_input(node, 0)
    return None if samples is None or parameter is None else samples + parameter


@define_op("RandomGamma", "shape: S[D], alpha: T -> output: T", S=INDEX_TYPES, T=FLOATS, stateful=True,
           cpu="random:gamma")
def random_gamma_op(shape, alpha, *, seed: int = 0, seed2: int = 0, rng):
    """Gamma variates of shape parameter alpha and rate 1, `shape` samples for each alpha; made in float64."""
    size = size_of(shape)
    key, counter = reserve(rng, size * alpha.size)
    values = _rejection.gammas(key, counter, _per_output(size, alpha))
    return _in_shape(values, size, shape, alpha).astype(alpha.dtype)


random_gamma_op.shape(_samples_shape)


@define_op("RandomPoissonV2", "shape: S[D], rate: R -> output: dtype", S=INDEX_TYPES, R=_MEANS, dtype=_MEANS,
           stateful=True, cpu="random:poisson")
def random_poisson_op(shape, rate, *, seed: int = 0, seed2: int = 0, R: DType = float64, dtype: DType = int64, rng):
    """Poisson variates of mean `rate`, `shape` samples for each rate."""
    size = size_of(shape)
    key, counter = reserve(rng, size * rate.size)
    values = _rejection.poissons(key, counter, _per_output(size, rate), float(dtype.max))
    return _in_shape(values, size, shape, rate).astype(dtype.np)


random_poisson_op.shape(_samples_shape)
random_poisson_op.no_gradient("a count does not change smoothly with the rate")
