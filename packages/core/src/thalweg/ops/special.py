"""Special functions: error function, gamma and its relatives, zeta, incomplete beta, Bessel functions.

Reference bodies compute in float64 and round once. Formulas are cited by their number in the NIST Digital Library of
Mathematical Functions (DLMF) where they are not definitions.
"""
import math as exact

import numpy as np

from thalweg.framework.declaration import elementwise
from thalweg.framework.dtypes import FLOATS, float32, float64
from thalweg.framework.graph import name_scope

from . import activation, comparison, constant, reduction, select, unary
from ._incomplete_gamma import sample_derivative
from ._special import bessel_i0e as _bessel_i0e
from ._special import bessel_i1e as _bessel_i1e
from ._special import betainc as _betainc
from ._special import digamma as _digamma
from ._special import igamma_pair, lgamma_of, zeta_of
from .broadcast import unbroadcast

_CPU = "elementwise:elementwise"
_DOUBLES = (float32, float64)


def _rounded(function, *arrays):
    """function of the arrays in float64, rounded to their dtype."""
    return np.asarray(function(*[a.astype(np.float64) for a in arrays])).astype(arrays[0].dtype)


# --- error function ---------------------------------------------------------------------------------

_erf, _erfc = np.vectorize(exact.erf, [np.float64]), np.vectorize(exact.erfc, [np.float64])


@elementwise("Erf", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="erf")
def erf(x):
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return _rounded(_erf, x)


@erf.gradient
def erf_grad(node, dy):
    return dy * (2 / exact.sqrt(exact.pi)) * unary.exp(-unary.square(node.x))


@elementwise("Erfc", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="erfc")
def erfc(x):
    """1 - erf(x), exact also where erf is nearly 1."""
    return _rounded(_erfc, x)


@erfc.gradient
def erfc_grad(node, dy):
    return dy * (-2 / exact.sqrt(exact.pi)) * unary.exp(-unary.square(node.x))


# --- gamma ------------------------------------------------------------------------------------------

@elementwise("Lgamma", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="lgamma")
def lgamma(x):
    """log |gamma(x)|; infinite at 0, -1, -2, ..."""
    return _rounded(lgamma_of, x)


@lgamma.gradient
def lgamma_grad(node, dy):
    return dy * digamma(node.x)


@elementwise("Digamma", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="digamma")
def digamma(x):
    """The derivative of log(gamma(x)); NaN at 0, -1, -2, ..."""
    return _rounded(_digamma, x)


@digamma.gradient
def digamma_grad(node, dy):
    return dy * polygamma(constant.constant(1, node.x.dtype), node.x)


@elementwise("Polygamma", "a: T, x: T -> z: T", T=_DOUBLES, cpu=_CPU, public="polygamma")
def polygamma(a, x):
    """The derivative of order a, a whole number, of digamma at x > 0 (DLMF 25.11.12); digamma itself for a = 0."""
    def body(a, x):
        sign = np.where(a % 2 == 0, -1.0, 1.0)
        higher = sign * np.exp(lgamma_of(a + 1)) * zeta_of(a + 1, x)
        return np.where(a == 0, _digamma(x), np.where((a < 0) | (a != np.floor(a)), np.nan, higher))
    return _rounded(body, *np.broadcast_arrays(a, x))


@polygamma.gradient
def polygamma_grad(node, dz):
    return None, unbroadcast(dz * polygamma(node.a + 1, node.x), node.x, node.a)


@elementwise("Zeta", "x: T, q: T -> z: T", T=_DOUBLES, cpu=_CPU, public="zeta")
def zeta(x, q):
    """Hurwitz's zeta function: the sum of (q + k)^-x over k = 0, 1, ...; for x > 1, infinite at x = 1."""
    return _rounded(zeta_of, *np.broadcast_arrays(x, q))


@zeta.gradient
def zeta_grad(node, dz):
    return None, unbroadcast(dz * -node.x * zeta(node.x + 1, node.q), node.q, node.x)


@elementwise("Igamma", "a: T, x: T -> z: T", T=_DOUBLES, cpu=_CPU, public="igamma")
def igamma(a, x):
    """The lower incomplete gamma function, divided by gamma(a); NaN unless a > 0 and x >= 0."""
    return _rounded(lambda a, x: igamma_pair(a, x)[0], *np.broadcast_arrays(a, x))


@elementwise("Igammac", "a: T, x: T -> z: T", T=_DOUBLES, cpu=_CPU, public="igammac")
def igammac(a, x):
    """The upper incomplete gamma function, divided by gamma(a): 1 - igamma, exact also where that is nearly 1."""
    return _rounded(lambda a, x: igamma_pair(a, x)[1], *np.broadcast_arrays(a, x))


def _igamma_density(node):
    """d igamma / d x = x^(a - 1) exp(-x) / gamma(a)."""
    a, x = node.a, node.x
    return unary.exp((a - 1) * unary.log(x) - x - lgamma(a))


@igamma.gradient
def igamma_grad(node, dz):
    da = unbroadcast(dz * igamma_grad_a(node.a, node.x), node.a, node.x)
    return da, unbroadcast(dz * _igamma_density(node), node.x, node.a)


@igammac.gradient
def igammac_grad(node, dz):
    da = unbroadcast(-dz * igamma_grad_a(node.a, node.x), node.a, node.x)
    return da, unbroadcast(-dz * _igamma_density(node), node.x, node.a)


@elementwise("IgammaGradA", "a: T, x: T -> z: T", T=_DOUBLES, cpu=_CPU)
def igamma_grad_a(a, x):
    """The derivative of igamma with respect to a: minus its density times the shift of a gamma variate of one rank."""
    def body(a, x):
        density = np.exp((a - 1) * np.log(x) - x - lgamma_of(a))
        return np.where(x == 0, 0.0, -density * sample_derivative(a, x))
    return _rounded(body, *np.broadcast_arrays(a, x))


igamma_grad_a.no_gradient("TensorFlow has none either; the second derivative in a has no closed form here")


# --- beta, Bessel -----------------------------------------------------------------------------------

@elementwise("Betainc", "a: T, b: T, x: T -> z: T", T=_DOUBLES, cpu=_CPU, public="betainc")
def betainc(a, b, x):
    """The regularised incomplete beta function; NaN unless a > 0, b > 0 and 0 <= x <= 1."""
    return _rounded(_betainc, *np.broadcast_arrays(a, b, x))


@betainc.gradient
def betainc_grad(node, dz):
    """With respect to x only, as in TensorFlow: the density of the beta distribution."""
    a, b, x = node.a, node.b, node.x
    log_beta = lgamma(a) + lgamma(b) - lgamma(a + b)
    density = unary.exp((b - 1) * unary.log1p(-x) + (a - 1) * unary.log(x) - log_beta)
    return None, None, unbroadcast(dz * density, x, a, b)


@elementwise("BesselI0e", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="math.bessel_i0e")
def bessel_i0e(x):
    """exp(-|x|) times the modified Bessel function of the first kind of order 0."""
    return _rounded(_bessel_i0e, x)


@bessel_i0e.gradient
def bessel_i0e_grad(node, dy):
    return dy * (bessel_i1e(node.x) - unary.sign(node.x) * node.y)


@elementwise("BesselI1e", "x: T -> y: T", T=FLOATS, cpu=_CPU, public="math.bessel_i1e")
def bessel_i1e(x):
    """exp(-|x|) times the modified Bessel function of the first kind of order 1."""
    return _rounded(_bessel_i1e, x)


@bessel_i1e.gradient
def bessel_i1e_grad(node, dy):
    """I1' = I0 - I1 / x (DLMF 10.29.2); its limit at 0 is 1/2."""
    x = node.x
    is_zero = comparison.equal(x, constant.zeros_like(x))
    safe = select.where(is_zero, constant.ones_like(x), x)
    slope = bessel_i0e(safe) - node.y * (unary.sign(safe) + unary.reciprocal(safe))
    return dy * select.where(is_zero, 0.5 * constant.ones_like(x), slope)


# --- functions of several ops -----------------------------------------------------------------------

def lbeta(x, name=None):
    """log |gamma(x_1) ... gamma(x_n) / gamma(x_1 + ... + x_n)| along the last dimension."""
    with name_scope(name, "lbeta", [x]):
        total = reduction.reduce_sum(lgamma(x), axis=[-1])
        return total - lgamma(reduction.reduce_sum(x, axis=[-1]))


def log_sigmoid(x, name=None):
    """log(sigmoid(x)), without overflow."""
    with name_scope(name, "LogSigmoid", [x]) as scope:
        return unary.negative(activation.softplus(-x), name=scope)
