"""Elementwise functions of one tensor."""
import numpy as np
import pytest
from scipy import special

import thalweg as tf
from thalweg.ops import unary
from thalweg.testing.samples import exactly, positives, reals
from thalweg.testing.table import Row, table_test

ROWS = [
    Row(tf.abs, reals(3, 4), against=np.abs, dtypes=["float32", "float64", "float16", "int32", "int64"]),
    Row(unary.abs_op, exactly(-1.0, 0.0, 2.0), gradient=False),
    Row(tf.negative, reals(3, 4), against=np.negative),
    Row(tf.sign, reals(3, 4), against=np.sign, gradient=False),
    Row(tf.sign, reals(3, 4), dtypes=["float32", "float64", "int32"]),
    Row(tf.sign, exactly(-2.0, 0.0, 3.0), gradient=False),
    Row(tf.sign, exactly(-2.0, np.nan, -np.inf), against=lambda x: np.array([-1, 0, -1], x.dtype), gradient=False,
        dtypes=["float32", "float64", "float16"]),
    Row(tf.square, reals(3, 4), against=np.square),
    Row(tf.sqrt, positives(3, 4), against=np.sqrt),
    Row(tf.rsqrt, positives(3, 4), against=lambda x: x ** -0.5),
    Row(tf.reciprocal, positives(3, 4), against=np.reciprocal, dtypes=["float32", "float64", "float16", "complex64"]),
    Row(unary.inv, positives(3, 4), dtypes=["float32", "float64"]),
    Row(unary.inv_grad_op, reals(3), reals(3)),
    Row(unary.reciprocal_grad_op, reals(3), reals(3)),
    Row(unary.sqrt_grad_op, positives(3), reals(3)),
    Row(unary.rsqrt_grad_op, positives(3), reals(3)),
    Row(unary.sigmoid_grad_op, reals(3), reals(3)),
    Row(unary.tanh_grad_op, reals(3), reals(3)),
    Row(tf.exp, reals(3, 4), against=np.exp),
    Row(tf.exp, exactly(-1e4, 0.0, 1e4), gradient=False, dtypes=["float32", "float64"]),
    Row(tf.expm1, reals(3, 4), against=np.expm1),
    Row(tf.expm1, exactly(-1e-5, 0.0, 1e-5), gradient=False, dtypes=["float32", "float64"]),
    Row(tf.log, positives(3, 4), against=np.log),
    Row(tf.log, exactly(0.0, 1.0, float("inf")), gradient=False, dtypes=["float32", "float64"]),
    Row(tf.log1p, positives(3, 4), against=np.log1p),
    Row(tf.sigmoid, reals(3, 4), against=special.expit),
    Row(tf.sigmoid, exactly(-1e4, 0.0, 1e4), gradient=False, dtypes=["float32", "float64", "float16"]),
    Row(tf.sin, reals(3, 4), against=np.sin),
    Row(tf.cos, reals(3, 4), against=np.cos),
    Row(tf.tan, reals(3, 4, low=-1.2, high=1.2), against=np.tan, dtypes=["float32", "float64", "float16"]),
    Row(tf.asin, reals(3, 4, low=-0.9, high=0.9), against=np.arcsin, dtypes=["float32", "float64", "float16"]),
    Row(tf.acos, reals(3, 4, low=-0.9, high=0.9), against=np.arccos, dtypes=["float32", "float64", "float16"]),
    Row(tf.atan, reals(3, 4), against=np.arctan, dtypes=["float32", "float64", "float16"]),
    Row(tf.sinh, reals(3, 4), against=np.sinh),
    Row(tf.cosh, reals(3, 4), against=np.cosh),
    Row(tf.tanh, reals(3, 4), against=np.tanh),
    Row(tf.asinh, reals(3, 4), against=np.arcsinh, dtypes=["float32", "float64", "float16"]),
    Row(tf.acosh, positives(3, 4, low=1.2), against=np.arccosh, dtypes=["float32", "float64", "float16"]),
    Row(tf.atanh, reals(3, 4, low=-0.9, high=0.9), against=np.arctanh, dtypes=["float32", "float64", "float16"]),
    Row(tf.floor, reals(3, 4), against=np.floor),
    Row(tf.ceil, reals(3, 4), against=np.ceil),
    Row(tf.rint, exactly(-2.5, -1.5, 0.5, 1.5, 2.4), against=np.rint, gradient=False),
    Row(tf.round, exactly(-2.5, -1.5, 0.5, 1.5, 2.4), against=np.rint, gradient=False),
    Row(unary.round_op, exactly(1, 2), gradient=False, dtypes=["int32", "int64"]),
    Row(tf.is_nan, exactly(float("nan"), 0.0, float("inf")), against=np.isnan),
    Row(tf.is_inf, exactly(float("nan"), 0.0, -float("inf")), against=np.isinf),
    Row(tf.is_finite, exactly(float("nan"), 0.0, float("inf")), against=np.isfinite),
    Row(tf.sqrt, reals(), gradient=False, label="scalar"),
]
test_unary = table_test(ROWS)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("known", [[], [11]])
def test_only_minus_zero_rounds_to_minus_zero(dtype, known):                # recorded from TensorFlow 1.15.5
    values = [0.5, 1.5, 2.5, -0.5, -0.3, 0.3, -0.0, 0.0, -1.5, -2.5, -0.51]
    expected = [0.0, 2.0, 2.0, 0.0, 0.0, 0.0, -0.0, 0.0, -2.0, -2.0, -1.0]
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(dtype, known or None)
        assert list(map(repr, session.run(tf.round(x), {x: values}).tolist())) == list(map(repr, expected))
