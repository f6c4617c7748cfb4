"""Gamma and Poisson variates, and how a gamma variate changes with its shape parameter."""
import numpy as np

from thalweg.framework import errors
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.declaration import INDEX_TYPES, define_op, elementwise
from thalweg.framework.dtypes import FLOATS, DType, as_dtype, float32, float64, int32, int64
from thalweg.framework.graph import name_scope

from . import _incomplete_gamma, _rejection, array, constant, math, reduction, sequence
from .random import reserve, seeds, size_of

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
    values = _rejection.gammas(reserve(rng, size * alpha.size), _per_output(size, alpha))
    return _in_shape(values, size, shape, alpha).astype(alpha.dtype)


random_gamma_op.shape(_samples_shape)


@random_gamma_op.gradient
def random_gamma_grad(node, dy):
    partial = random_gamma_grad_op(node.alpha, node.output)             # alpha's dimensions are the sample's last
    rank = node.shape._shape
    known = rank is not None and rank[0] is not None
    axes = list(range(rank[0])) if known else sequence.range(array.size(node.shape))
    return None, reduction.reduce_sum(dy * partial, axis=axes)


@elementwise("RandomGammaGrad", "alpha: T, sample: T -> output: T", T=(float32, float64))
def random_gamma_grad_op(alpha, sample):
    """How a gamma variate moves with alpha while its rank in the distribution stays (implicit differentiation)."""
    return _incomplete_gamma.sample_derivative(alpha, sample).astype(alpha.dtype)


random_gamma_grad_op.no_gradient("the second derivative of a variate has no use yet, in TensorFlow 1.x neither",
                                 refuses=True)


@define_op("RandomPoissonV2", "shape: S[D], rate: R -> output: dtype", S=INDEX_TYPES, R=_MEANS, dtype=_MEANS,
           stateful=True, cpu="random:poisson")
def random_poisson_op(shape, rate, *, seed: int = 0, seed2: int = 0, R: DType = float64, dtype: DType = int64, rng):
    """Poisson variates of mean `rate`, `shape` samples for each rate; a negative rate gives 0.

    InvalidArgumentError for a rate that is not finite or above what the dtype holds: the draws would never end.
    """
    size = size_of(shape)
    for i, mean in enumerate(rate.ravel()):
        if not np.isfinite(mean) or mean > dtype.max:
            raise errors.InvalidArgumentError(
                None, None, f"rate {i} is {mean:g}: a finite rate in the range of the result is needed")
    values = _rejection.poissons(reserve(rng, size * rate.size), _per_output(size, rate), float(dtype.max))
    return _in_shape(values, size, shape, rate).astype(dtype.np)


random_poisson_op.shape(_samples_shape)
random_poisson_op.no_gradient("a count does not change smoothly with the rate", refuses=True)


def random_gamma(shape, alpha, beta=None, dtype=float32, seed=None, name=None):
    """Gamma variates: `shape` samples for each pair of `alpha` (shape parameter) and `beta` (rate, 1 for None).

    Differentiable in alpha and beta. Returns a Tensor [*shape, *broadcast(alpha, beta).shape] of `dtype`, at least the
    smallest normal number of that dtype.
    """
    with name_scope(name, "random_gamma", [shape, alpha, beta]):
        shape = convert_to_tensor(shape, int32, "shape")
        alpha = convert_to_tensor(alpha, as_dtype(dtype), "alpha")
        beta = convert_to_tensor(1 if beta is None else beta, as_dtype(dtype), "beta")
        broadcast = alpha + constant.zeros_like(beta)
        tiny = np.finfo(alpha.dtype.base_dtype.np).tiny
        return math.maximum(tiny, random_gamma_op(shape, broadcast, **seeds(seed)) / beta)


def random_poisson(lam, shape, dtype=float32, seed=None, name=None):
    """Poisson variates: `shape` samples for each mean in `lam`; Tensor [*shape, *lam.shape] of `dtype`."""
    with name_scope(name, "random_poisson", [lam, shape]):
        shape = convert_to_tensor(shape, int32, "shape")
        return random_poisson_op(shape, lam, dtype=as_dtype(dtype), **seeds(seed))
