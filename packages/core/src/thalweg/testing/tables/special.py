"""Special functions, against SciPy."""
import numpy as np
from scipy import special as scipy_special

import thalweg as tf
from thalweg.ops import special
from thalweg.testing.samples import exactly, positives, reals
from thalweg.testing.table import Row

BOTH = ["float32", "float64"]

ROWS = [
    Row(tf.erf, reals(3, 4), against=scipy_special.erf),
    Row(tf.erfc, exactly(-3.0, 0.0, 0.5, 5.0, 20.0), against=scipy_special.erfc),
    Row(tf.lgamma, positives(3, 4, high=50.0), against=scipy_special.gammaln),
    Row(tf.lgamma, exactly(-2.5, -1.0, 0.0, 0.5, 1e5), against=scipy_special.gammaln, gradient=False, dtypes=BOTH),
    Row(tf.digamma, positives(3, 4, high=20.0), against=scipy_special.digamma),
    Row(tf.digamma, exactly(-2.5, -0.3, 1e5), against=scipy_special.digamma, gradient=False, dtypes=BOTH),
    Row(tf.polygamma, exactly(1.0, 2.0, 3.0, 0.0), positives(4), against=scipy_special.polygamma, accuracy=1e-11,
        gradient=False),
    Row(lambda x: tf.polygamma(2 * tf.ones_like(x), x), positives(4), label="polygamma", tolerance=10),
    Row(tf.zeta, positives(3, 4, low=1.2, high=5.0), positives(4), against=scipy_special.zeta, gradient=False,
        accuracy=1e-11),
    Row(lambda q: tf.zeta(3 * tf.ones_like(q), q), positives(4), label="zeta"),
    Row(tf.zeta, exactly(1.0, 0.5, 2.0), exactly(2.0, 2.0, 0.0), gradient=False,
        against=lambda x, q: np.array([np.inf, np.nan, np.inf])),
    Row(tf.igamma, positives(3, 4), positives(4, high=6.0), against=scipy_special.gammainc, second=False),
    Row(tf.igamma, exactly(30.0, 100.0, 1.0, -1.0, 1.0), exactly(25.0, 140.0, 0.0, 1.0, float("inf")),
        against=scipy_special.gammainc, gradient=False, accuracy=1e-11, tolerance=10),
    Row(tf.igammac, positives(3, 4), positives(4, high=6.0), against=scipy_special.gammaincc, second=False),
    Row(tf.igammac, exactly(3.0, 100.0), exactly(40.0, 140.0), against=scipy_special.gammaincc, gradient=False,
        accuracy=1e-11, tolerance=10),
    Row(special.igamma_grad_a, positives(3), positives(3), gradient=False, tolerance=10, accuracy=1e-6,
        against=lambda a, x: (scipy_special.gammainc(a + 1e-6, x) - scipy_special.gammainc(a - 1e-6, x)) / 2e-6),
    Row(tf.betainc, positives(3, 4), positives(3, 4), positives(3, 4, low=0.05, high=0.95), gradient=False,
        against=scipy_special.betainc),
    Row(tf.betainc, exactly(2.0, 2.0, -1.0, 50.0), exactly(3.0, 3.0, 1.0, 60.0), exactly(0.0, 1.0, 0.5, 0.4),
        against=lambda a, b, x: np.array([0.0, 1.0, np.nan, scipy_special.betainc(50, 60, 0.4)]), gradient=False,
        accuracy=1e-10, tolerance=10),
    Row(lambda x: tf.betainc(2 * tf.ones_like(x), 3 * tf.ones_like(x), x), positives(4, low=0.1, high=0.9),
        label="betainc"),
    Row(tf.math.bessel_i0e, exactly(-40.0, -3.0, 0.0, 1.0, 29.0, 31.0, 500.0), against=scipy_special.i0e,
        gradient=False),
    Row(tf.math.bessel_i0e, reals(3, 4), against=scipy_special.i0e),
    Row(tf.math.bessel_i1e, exactly(-40.0, -3.0, 0.0, 1.0, 29.0, 31.0, 500.0), against=scipy_special.i1e,
        gradient=False),
    Row(tf.math.bessel_i1e, reals(3, 4), against=scipy_special.i1e),
    Row(tf.lbeta, positives(3, 2), against=lambda x: scipy_special.betaln(x[:, 0], x[:, 1])),
    Row(tf.log_sigmoid, reals(3, 4), dtypes=[*BOTH, "float16"], against=scipy_special.log_expit),
]
