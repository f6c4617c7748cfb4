"""Activation functions, against SciPy and formulas of their papers."""
import numpy as np
from scipy import special

import thalweg as tf
from thalweg.ops import activation
from thalweg.testing.samples import distinct, exactly, reals
from thalweg.testing.table import Row

KINKS = exactly(-2.0, -0.5, 0.0, 0.5, 6.0, 7.0)
SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772            # arXiv:1706.02515

ROWS = [
    Row(tf.nn.relu, distinct(3, 4), against=lambda x: np.maximum(x, 0)),
    Row(tf.nn.relu, exactly(float("nan"), -0.0, 1.0), gradient=False, dtypes=["float32", "float64", "float16"]),
    Row(tf.nn.relu6, reals(3, 8, low=-3, high=9), against=lambda x: np.clip(x, 0, 6)),
    Row(tf.nn.relu6, KINKS, gradient=False, dtypes=["float32", "float16"]),
    Row(tf.nn.leaky_relu, reals(3, 4), against=lambda x: np.where(x > 0, x, 0.2 * x)),
    Row(tf.nn.leaky_relu, reals(3, 4), alpha=0.5, against=lambda x: np.where(x > 0, x, 0.5 * x)),
    Row(tf.nn.leaky_relu, exactly(-3, 2), dtypes=["int32"], gradient=False,
        against=lambda x: np.where(x > 0, x, np.float32(0.2) * x).astype(np.float32), accuracy=1e-6),
    Row(tf.nn.elu, reals(3, 4), against=lambda x: np.where(x > 0, x, np.expm1(x))),
    Row(tf.nn.selu, reals(3, 4), against=lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(x))),
    Row(tf.nn.softplus, reals(3, 4), against=special.softplus if hasattr(special, "softplus")
        else lambda x: np.log1p(np.exp(x))),
    Row(tf.nn.softplus, exactly(-1e4, 0.0, 1e4), gradient=False, against=lambda x: np.logaddexp(x, 0),
        dtypes=["float32", "float64", "float16"]),
    Row(tf.nn.softsign, reals(3, 4), against=lambda x: x / (1 + np.abs(x))),
    Row(tf.nn.swish, reals(3, 4), against=lambda x: x * special.expit(x), dtypes=["float32", "float64"]),
    Row(tf.nn.crelu, reals(3, 4), against=lambda x: np.maximum(np.concatenate([x, -x], -1), 0),
        dtypes=["float32", "float64"]),
    Row(activation.relu_grad_op, reals(5), distinct(5)),
    Row(activation.relu6_grad_op, reals(5), reals(5)),
    Row(activation.relu6_grad_op, reals(6), KINKS, gradient=False, dtypes=["float32", "float16"]),
    Row(activation.leaky_relu_grad_op, reals(5), distinct(5), alpha=0.3),
    Row(activation.elu_grad_op, reals(5), reals(5, low=-0.9, high=2.0)),
    Row(activation.selu_grad_op, reals(5), reals(5, low=-0.9, high=2.0)),
    Row(activation.softplus_grad_op, reals(5), reals(5)),
    Row(activation.softsign_grad_op, reals(5), distinct(5)),
    Row(tf.nn.relu_layer, reals(2, 3), reals(3, 4), reals(4), dtypes=["float32", "float64"],
        against=lambda x, w, b: np.maximum(x @ w + b, 0)),
    Row(tf.nn.xw_plus_b, reals(2, 3), reals(3, 4), reals(4), dtypes=["float32", "float64"],
        against=lambda x, w, b: x @ w + b),
]
