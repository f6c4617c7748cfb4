"""How a gamma variate moves with its shape parameter while its rank in the distribution stays, in NumPy.

With P(a, x) the distribution function and p its density, dx/da = -(dP/da) / p (implicit reparameterisation,
arXiv:1805.08498). Both expansions of P (NIST DLMF 8.7.1 and 8.9.2) have the factor x**a * exp(-x) / Gamma(a), which
is x * p, so that the ratio needs no power and no gamma function, and all its terms have one sign.
"""
import numpy as np

_EPSILON = 1e-16                  # relative size of the first term of a series that is left out
_SETTLED = 1e-12                  # relative change of a convergent that ends the fraction; rounding moves it later


def sample_derivative(alpha, sample):
    """d sample / d alpha of gamma variates with rate 1: float64, of the broadcast shape of the two."""
    a, x = (v.astype(np.float64) for v in np.broadcast_arrays(alpha, sample))
    is_low = (x <= 1) | (x <= a)
    result = np.empty_like(a)
    with np.errstate(all="ignore"):                     # a = 0 and infinities give NaN
        result[is_low] = _by_series(a[is_low], x[is_low])
        result[~is_low] = _by_fraction(a[~is_low], x[~is_low])
    result[a < 0] = np.nan
    result[x == 0] = 0
    return result


def _by_series(a, x):
    """P = x**a exp(-x) / Gamma(a + 1) * S with S = sum over n of x**n / ((a + 1) ... (a + n))."""
    term, d_term = np.ones_like(a), np.zeros_like(a)
    total, d_total = term.copy(), d_term.copy()
    n = 0
    while np.any((np.abs(d_term) > _EPSILON * np.abs(d_total)) | (term > _EPSILON * total)):
        n += 1
        ratio = x / (a + n)
        term, d_term = term * ratio, d_term * ratio - term * ratio / (a + n)
        total, d_total = total + term, d_total + d_term
    return -x / a * (total * (np.log(x) - digamma(a + 1)) + d_total)


def _by_fraction(a, x):
    """1 - P = x**a exp(-x) / Gamma(a) * F with F = 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - 2 (2 - a) / ...)).

    F is p / q of successive convergents; all are scaled down together before they overflow.
    """
    fraction, slope = np.empty_like(a), np.empty_like(a)
    going = np.arange(a.size)
    one, zero = np.ones_like(a), np.zeros_like(a)
    state = np.stack([one, zero, x, zero, x + 1, zero, (x + 2 - a) * x, -x])      # p0 dp0 q0 dq0 p1 dp1 q1 dq1
    n = 0
    while going.size:
        old_slope = _slope(state)
        n += 1
        state = _next_convergent(state, n, a[going], x[going])
        fraction[going], slope[going] = state[4] / state[6], _slope(state)
        moves = np.abs(slope[going] - old_slope) > _SETTLED * np.abs(slope[going])
        going, state = going[moves], state[:, moves]
        state = state * np.where(np.abs(state[4]) > 1e100, 1e-100, 1.0)
    return x * (fraction * (np.log(x) - digamma(a)) + slope)


def _slope(state):
    """d (p / q) / d a of the newest convergent."""
    p, dp, q, dq = state[4:]
    return (dp - p / q * dq) / q


def _next_convergent(state, n, a, x):
    """Values and derivatives with respect to a of convergents n and n + 1 from those of n - 1 and n."""
    old, new = state[:4], state[4:]
    z, factor = x + 2 + 2 * n - a, n * (n + 1 - a)
    following = new * z - old * factor
    following[1::2] += n * old[::2] - new[::2]                     # dz / da = -1, d factor / da = -n
    return np.concatenate([new, following])


def digamma(x):
    """Derivative of log(Gamma) for x > 0: recurrence up to 10, then the asymptotic series (DLMF 5.11.2)."""
    result = np.zeros_like(x)
    x = x.copy()
    while np.any(x < 10):
        is_small = x < 10
        result[is_small] -= 1 / x[is_small]
        x[is_small] += 1
    y = 1 / (x * x)
    tail = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * (691 / 32760 - y / 12))))))
    return result + np.log(x) - 0.5 / x - tail
