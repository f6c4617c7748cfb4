"""Functions that CUDA's library lacks, in CUDA C; a text gets those that it names, and what they need.

`name@` is `namef` for T = float and `name` for T = double. The special functions are double: they do what the
reference bodies of core's ops/_special.py and ops/_incomplete_gamma.py do, and numbers in brackets are those of the
NIST Digital Library of Mathematical Functions (DLMF).
"""
import functools
import re

from ._complex import COMPLEX, COMPLEX_FUNCTIONS
from ._conversions import TO_INTEGERS

_OF_T = {
    "sigmoid@": """
__device__ inline T sigmoid@(T x) {
  T decay = exp@(-fabs@(x));                                  /* in (0, 1]: never overflows */
  return (x < 0 ? decay : (T)1) / (1 + decay);
}""",
    "softplus@": """
__device__ inline T softplus@(T x) { return (x > 0 ? x : x == x ? (T)0 : x) + log1p@(exp@(-fabs@(x))); }""",
    "floor_mod@": """
/* The remainder with the sign of the divisor. */
__device__ inline T floor_mod@(T a, T b) {
  T rest = fmod@(a, b);
  return (a < 0) == (b < 0) ? rest : fmod@(rest + b, b);
}""",
}

_OTHERS = {
    "infinity": """
__device__ inline float infinity() { return float_of(0x7f800000u); }""",
    "not_a_number": """
__device__ inline float not_a_number() { return float_of(0x7fc00000u); }""",
    "within_bits": """
template <class T> __device__ inline uint32 within_bits(T distance, int most) {
  return distance < 0 ? 0 : distance > (T)most ? most : (uint32)distance;
}""",
    "examined": """
template <class T> __device__ inline T examined(T x, int64* flag) {
  if (!(fabs(x) < (T)infinity())) {
    claim(flag, 1);
    flag[x != x ? 1 : 2] = 1;                                 /* whoever comes writes the same */
  }
  return x;
}""",
    "divide": """
/* Divisors are not 0; -1 goes apart, since the smallest integer has no quotient by it. */
template <class T> __device__ inline T divide(T a, T b) {
  return (T)-1 < (T)0 && b == (T)-1 ? (T)(0 - (uint64)a) : (T)(a / b);
}""",
    "modulo": """
template <class T> __device__ inline T modulo(T a, T b) {
  return (T)-1 < (T)0 && b == (T)-1 ? (T)0 : (T)(a % b);
}""",
    "floor_divide": """
template <class T> __device__ inline T floor_divide(T a, T b) {
  T quotient = divide(a, b);
  return (T)(quotient - (T)(modulo(a, b) != 0 && (a < 0) != (b < 0)));
}""",
    "floor_modulo": """
template <class T> __device__ inline T floor_modulo(T a, T b) {
  T rest = modulo(a, b);
  return (T)(rest + (rest != 0 && (a < 0) != (b < 0) ? b : (T)0));
}""",
    "power": """
template <class T> __device__ inline T power(T a, T exponent) {
  uint64 result = 1, square = (uint64)a;
  for (; exponent > 0; exponent /= 2, square *= square)
    if (exponent % 2) result *= square;
  return (T)result;
}""",
    "distance": """
template <class T> __device__ inline double distance(T a, T b) {
  T d = (T)((uint64)a - (uint64)b);
  return (double)(d < 0 ? (T)(0 - (uint64)d) : d);
}""",
    "digamma": """
/* Recurrence up to 10, then the asymptotic series [5.11.2]; below 0 by reflection [5.5.4]; NaN at 0, -1, -2, ... */
__device__ inline double digamma(double at) {
  if (at <= 0 && at == floor(at)) return not_a_number();
  const bool low = at <= 0;
  double x = low ? 1 - at : at, result = 0;
  if (x == (double)infinity()) return low ? (double)not_a_number() : x;
  for (; x < 10; x += 1) result -= 1 / x;
  const double y = 1 / (x * x), rest = 1.0 / 240 - y * (1.0 / 132 - y * (691.0 / 32760 - y / 12));
  const double tail = y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - y * rest)));
  result += log(x) - 0.5 / x - tail;
  const double pi = 3.141592653589793238;
  return low ? result - pi / tan(pi * at) : result;
}""",
    "zeta": """
/* Hurwitz's zeta function: a head of 12 terms, then Euler and Maclaurin's expansion of the tail [25.11.28, 2.10.1]. */
__device__ inline double zeta(double x, double q) {
  const double bernoulli[9] = {1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160,
                               -691.0 / 1307674368000.0, 1.0 / 74724249600.0, -3617.0 / 10670622842880000.0,
                               43867.0 / 5109094217170944000.0};
  const bool pole = q <= 0 && q == floor(q);
  if (x != x || q != q || x < 1 || (q <= 0 && !pole && x != floor(x))) return not_a_number();
  if (x == 1 || pole) return infinity();
  double total = 0;
  for (int k = 0; k < 12; k++) total += pow(q + k, -x);
  const double end = q + 12;
  total += pow(end, 1 - x) / (x - 1) + pow(end, -x) / 2;
  double factor = x, power_of_end = pow(end, -x - 1);
  for (int k = 0; k < 9; k++) {
    total += bernoulli[k] * factor * power_of_end;
    factor *= (x + 2 * k + 1) * (x + 2 * k + 2);
    power_of_end /= end * end;
  }
  return total;
}""",
    "polygamma": """
__device__ inline double polygamma(double order, double x) {
  if (order == 0) return digamma(x);
  if (!(order > 0) || order != floor(order)) return not_a_number();
  const double value = exp(lgamma(order + 1)) * zeta(order + 1, x);                              /* [25.11.12] */
  return fmod(order, 2.0) == 0 ? -value : value;
}""",
    "gamma_series": """
/* The sum of x^n / (a (a + 1) ... (a + n)) [8.7.1]. */
__device__ inline double gamma_series(double a, double x) {
  double term = 1 / a, total = term;
  for (int n = 1; n < 10000 && term > 1.1102230246251565e-16 * total; n++) {
    term *= x / (a + n);
    total += term;
  }
  return total;
}""",
    "away_from_0": """
__device__ inline double away_from_0(double x) { return fabs(x) < 1e-300 ? 1e-300 : x; }""",
    "gamma_fraction": """
/* 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - ...)) [8.9.2], by Lentz's method from below. */
__device__ inline double gamma_fraction(double a, double x) {
  double b = x + 1 - a, c = 1e300, d = 1 / b, value = d;
  for (int n = 1; n < 10000; n++) {
    const double step = -n * (n - a), old = value;
    b += 2;
    d = 1 / away_from_0(step * d + b);
    c = away_from_0(b + step / c);
    value *= d * c;
    if (!(fabs(value - old) > 1.1102230246251565e-16 * fabs(value))) break;
  }
  return value;
}""",
    "gamma_part": """
/* P or Q = 1 - P of the regularised incomplete gamma function, each exact where the other is nearly 1. */
__device__ inline double gamma_part(double a, double x, bool upper) {
  if (!(a > 0) || !(x >= 0)) return not_a_number();
  if (x == 0 || x == (double)infinity()) return (x == 0) == upper;
  const bool low = x <= 1 || x <= a;
  const double factor = exp(a * log(x) - x - lgamma(a));
  const double part = factor * (low ? gamma_series(a, x) : gamma_fraction(a, x));
  return low == upper ? 1 - part : part;
}""",
    "igamma": """
__device__ inline double igamma(double a, double x) { return gamma_part(a, x, false); }""",
    "igammac": """
__device__ inline double igammac(double a, double x) { return gamma_part(a, x, true); }""",
    "shift_by_series": """
/* d sample / d a of gamma variates by P = x^a exp(-x) / Gamma(a + 1) * (sum of x^n / ((a + 1) ... (a + n))). */
__device__ inline double shift_by_series(double a, double x) {
  double term = 1, slope = 0, total = 1, d_total = 0;
  for (int n = 1; n < 100000 && (fabs(slope) > 1e-16 * fabs(d_total) || term > 1e-16 * total); n++) {
    const double ratio = x / (a + n);
    slope = slope * ratio - term * ratio / (a + n);
    term *= ratio;
    total += term, d_total += slope;
  }
  return -x / a * (total * (log(x) - digamma(a + 1)) + d_total);
}""",
    "shift_by_fraction": """
/* The same by 1 - P = x^a exp(-x) / Gamma(a) * p / q of successive convergents, scaled down before they overflow. */
__device__ inline double shift_by_fraction(double a, double x) {
  double p0 = 1, dp0 = 0, q0 = x, dq0 = 0, p1 = x + 1, dp1 = 0, q1 = (x + 2 - a) * x, dq1 = -x;
  double slope = (dp1 - p1 / q1 * dq1) / q1;
  for (int n = 1; n < 100000; n++) {
    const double z = x + 2 + 2 * n - a, factor = n * (n + 1 - a), old = slope;
    const double p2 = p1 * z - p0 * factor, dp2 = dp1 * z - dp0 * factor + (n * p0 - p1);
    const double q2 = q1 * z - q0 * factor, dq2 = dq1 * z - dq0 * factor + (n * q0 - q1);
    const double scale = fabs(p2) > 1e100 ? 1e-100 : 1;
    p0 = p1 * scale, dp0 = dp1 * scale, q0 = q1 * scale, dq0 = dq1 * scale;
    p1 = p2 * scale, dp1 = dp2 * scale, q1 = q2 * scale, dq1 = dq2 * scale;
    slope = (dp1 - p1 / q1 * dq1) / q1;
    if (!(fabs(slope - old) > 1e-12 * fabs(slope))) break;
  }
  return x * (p1 / q1 * (log(x) - digamma(a)) + slope);
}""",
    "variate_shift": """
__device__ inline double variate_shift(double a, double x) {
  if (x == 0) return 0;
  if (!(a >= 0) || x != x) return not_a_number();
  return x <= 1 || x <= a ? shift_by_series(a, x) : shift_by_fraction(a, x);
}""",
    "igamma_grad_a": """
/* d P / d a: minus the density times how a variate of one rank moves with a (arXiv:1805.08498). */
__device__ inline double igamma_grad_a(double a, double x) {
  if (x == 0) return 0;
  if (!(a >= 0) || !(x > 0)) return not_a_number();
  const double density = exp((a - 1) * log(x) - x - lgamma(a));
  return -density * variate_shift(a, x);
}""",
    "beta_fraction": """
__device__ inline double beta_fraction(double a, double b, double x) {                              /* [8.17.22] */
  double c = 1, d = 1 / away_from_0(1 - (a + b) * x / (a + 1)), value = d;
  for (int m = 1; m < 10000; m++) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), old = value;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_0(1 + even * d), c = away_from_0(1 + even / c);
    value *= d * c;
    d = 1 / away_from_0(1 + odd * d), c = away_from_0(1 + odd / c);
    value *= d * c;
    if (!(fabs(value - old) > 1.1102230246251565e-16 * fabs(value))) break;
  }
  return value;
}""",
    "betainc": """
/* The regularised incomplete beta function, mirrored where its continued fraction is quicker there. */
__device__ inline double betainc(double a, double b, double x) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1)) return not_a_number();
  const bool mirrored = x > (a + 1) / (a + b + 2);
  const double p = mirrored ? b : a, q = mirrored ? a : b, z = mirrored ? 1 - x : x;
  double value = 0;
  if (z != 0)
    value = exp(p * log(z) + q * log1p(-z) - lgamma(p) - lgamma(q) + lgamma(p + q)) * beta_fraction(p, q, z) / p;
  return mirrored ? 1 - value : value;
}""",
    "bessel_e": """
/* exp(-|x|) I_order(x) for order 0 and 1: the power series [10.25.2], for large x the expansion [10.40.1]. */
__device__ inline double bessel_e(int order, double x) {
  if (x != x) return x;
  const double size = fabs(x), sign = order && x < 0 ? -1 : 1, half_x = size / 2;
  if (size == (double)infinity()) return 0;
  if (size > 30) {
    double tail = 1, total = 1;
    for (int k = 1; k < 25; k++) {
      tail *= -(4 * order * order - (2 * k - 1) * (2 * k - 1)) / (k * 8 * size);
      total += tail;
    }
    return sign * total / sqrt(6.283185307179586477 * size);
  }
  double term = order ? half_x : 1, total = term;
  for (int k = 1; k < 100 && term > 1e-18 * total; k++) {
    term *= half_x * half_x / (k * (double)(k + order));
    total += term;
  }
  return sign * exp(-size) * total;
}""",
}

# Loops in them: of one element at a time there is enough to do.
SLOW = ("digamma", "zeta", "polygamma", "igamma", "igammac", "igamma_grad_a", "variate_shift", "betainc", "bessel_e",
        *COMPLEX_FUNCTIONS)


def of_type(text, is_float):
    """A text for T = float or double: `name@` is namef or name."""
    return text.replace("@", "f" if is_float else "")


@functools.cache
def _library():
    """Name -> text, in an order in which each follows what it needs."""
    texts = {}
    for name, text in _OF_T.items():
        for is_float, kind in ((True, "float"), (False, "double")):
            texts[of_type(name, is_float)] = re.sub(r"\bT\b", kind, of_type(text, is_float))
    return texts | TO_INTEGERS | _OTHERS | COMPLEX_FUNCTIONS


def functions_for(text):
    """The functions that a text calls, and complex arithmetic if it has complex numbers."""
    library, wanted, waiting = _library(), set(), [text]
    while waiting:
        for name in set(re.findall(r"\b(\w+)\(", waiting.pop())) & library.keys() - wanted:
            wanted.add(name)
            waiting.append(library[name])
    has_complex = re.search(r"\bcomplex(64|128|_of)\b", text) is not None
    return (COMPLEX if has_complex else "") + "".join(library[name] for name in library if name in wanted) + "\n"


def is_slow(text):
    """Whether a text calls functions that take long for one element."""
    return not set(re.findall(r"\b(\w+)\(", text)).isdisjoint(SLOW)
