"""Special functions of float64 arrays, in NumPy; the reference bodies of ops/special.py.

Numbers in brackets are those of the NIST Digital Library of Mathematical Functions (DLMF).
"""
import math

import numpy as np

from ._incomplete_gamma import digamma as _digamma_above_0

_EPSILON = 2.0 ** -53
_TINY = 1e-300
_MOST_TERMS = 10000


def _lgamma_one(x):
    if math.isinf(x) or x <= 0 and x == math.floor(x):
        return math.inf
    return math.lgamma(x)


lgamma_of = np.vectorize(_lgamma_one, [np.float64])


def digamma(x):
    """digamma, below 0 by reflection [5.5.4]; NaN at 0, -1, -2, ..."""
    x = np.asarray(x, np.float64)
    low = x <= 0
    pole = low & (x == np.floor(x))
    mirrored = np.where(low, 1 - x, x)
    value = _digamma_above_0(np.where(np.isfinite(mirrored), mirrored, 1.0))
    value = np.where(np.isposinf(x), np.inf, value)
    reflected = value - np.pi / np.tan(np.pi * np.where(pole, 0.5, x))
    return np.where(pole | np.isnan(x) | np.isneginf(x), np.nan, np.where(low, reflected, value))


# Bernoulli numbers B_2k / (2k)! of Euler and Maclaurin's summation [2.10.1]
_BERNOULLI = [1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
              -3617 / 10670622842880000, 43867 / 5109094217170944000]
_HEAD = 12                                       # terms summed one by one before the expansion


def zeta_of(x, q):
    """Hurwitz's zeta function by summing a head and expanding the tail [25.11.28 in its finite form]."""
    x, q = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(q, np.float64))
    with np.errstate(all="ignore"):
        head = sum(np.power(q + k, -x) for k in range(_HEAD))
        end = q + _HEAD
        total = head + np.power(end, 1 - x) / (x - 1) + np.power(end, -x) / 2
        factor, power = x.copy(), np.power(end, -x - 1)
        for k, coefficient in enumerate(_BERNOULLI):
            total = total + coefficient * factor * power
            factor = factor * (x + 2 * k + 1) * (x + 2 * k + 2)
            power = power / (end * end)
        total = np.where(x == 1, np.inf, total)
        pole = (q <= 0) & (q == np.floor(q))
        bad = (x < 1) | (q <= 0) & ~pole & (x != np.floor(x))
    return np.where(bad, np.nan, np.where(pole & ~bad, np.inf, total))


def igamma_pair(a, x):
    """P and Q = 1 - P of the regularised incomplete gamma function."""
    a, x = (np.array(v, np.float64) for v in np.broadcast_arrays(a, x))
    with np.errstate(all="ignore"):
        factor = np.exp(a * np.log(x) - x - lgamma_of(np.where(a > 0, a, 1)))
        low = (x <= 1) | (x <= a)
        p = np.where(low, factor * _gamma_series(a, np.where(low, x, 0)), 0.0)
        q = np.where(low, 0.0, factor * _gamma_fraction(a, np.where(low, 1 + a + 1, x)))
    p, q = np.where(low, p, 1 - q), np.where(low, 1 - p, q)
    p, q = np.where(x == 0, 0.0, np.where(np.isposinf(x), 1.0, p)), np.where(x == 0, 1.0,
                                                                           np.where(np.isposinf(x), 0.0, q))
    bad = ~(a > 0) | ~(x >= 0)
    return np.where(bad, np.nan, p), np.where(bad, np.nan, q)


def _gamma_series(a, x):
    """The sum of x^n / (a (a + 1) ... (a + n)) [8.7.1]."""
    term = total = 1 / a
    for n in range(1, _MOST_TERMS):
        term = term * x / (a + n)
        total = total + term
        if not np.any(term > _EPSILON * total):
            break
    return total


def _gamma_fraction(a, x):
    """1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - ...)) [8.9.2], by Lentz's method from below."""
    b = x + 1 - a
    c, d = np.full_like(x, 1 / _TINY), 1 / b
    value = d
    for n in range(1, _MOST_TERMS):
        step = -n * (n - a)
        b = b + 2
        d = 1 / _away_from_0(step * d + b)
        c = _away_from_0(b + step / c)
        value, old = value * d * c, value
        if not np.any(np.abs(value - old) > _EPSILON * np.abs(value)):
            break
    return value


def _away_from_0(v):
    return np.where(np.abs(v) < _TINY, _TINY, v)


def betainc(a, b, x):
    """The regularised incomplete beta function by its continued fraction [8.17.22], mirrored where that is quicker."""
    a, b, x = (np.array(v, np.float64) for v in np.broadcast_arrays(a, b, x))
    bad = ~((a > 0) & (b > 0) & (x >= 0) & (x <= 1))
    a, b, x = np.where(bad, 1, a), np.where(bad, 1, b), np.where(bad, 0.5, x)
    mirrored = x > (a + 1) / (a + b + 2)
    p, q, z = np.where(mirrored, b, a), np.where(mirrored, a, b), np.where(mirrored, 1 - x, x)
    with np.errstate(all="ignore"):
        factor = np.exp(p * np.log(z) + q * np.log1p(-z) - lgamma_of(p) - lgamma_of(q) + lgamma_of(p + q))
        value = np.where(z == 0, 0.0, factor * _beta_fraction(p, q, z) / p)
    return np.where(bad, np.nan, np.where(mirrored, 1 - value, value))


def _beta_fraction(a, b, x):
    c, d = np.ones_like(x), 1 / _away_from_0(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1 / _away_from_0(1 + even * d), _away_from_0(1 + even / c)
        value = value * d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1 / _away_from_0(1 + odd * d), _away_from_0(1 + odd / c)
        value, old = value * d * c, value
        if not np.any(np.abs(value - old) > _EPSILON * np.abs(value)):
            break
    return value


_ASYMPTOTIC_FROM = 30.0                          # above it 25 terms of [10.40.1] fall below 2^-53


def _bessel(x, order):
    """exp(-|x|) I_order(|x|): the power series [10.25.2], or for large x the expansion [10.40.1]."""
    size = np.abs(np.asarray(x, np.float64))
    large = size > _ASYMPTOTIC_FROM
    near, far = np.where(large, 1.0, size), np.where(large, size, _ASYMPTOTIC_FROM)
    term = total = (near / 2) ** order / math.factorial(order)
    for k in range(1, 100):
        term = term * (near / 2) ** 2 / (k * (k + order))
        total = total + term
    tail = sum_far = np.ones_like(far)
    for k in range(1, 25):
        tail = -tail * (4 * order * order - (2 * k - 1) ** 2) / (k * 8 * far)
        sum_far = sum_far + tail
    return np.where(large, sum_far / np.sqrt(2 * np.pi * far), np.exp(-near) * total)


def bessel_i0e(x):
    """exp(-|x|) I_0(x)."""
    return _bessel(x, 0)


def bessel_i1e(x):
    """exp(-|x|) I_1(x), an odd function."""
    return np.sign(x) * _bessel(x, 1)
