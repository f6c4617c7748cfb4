"""Comparisons, logic, and choosing by them."""
import numpy as np

import thalweg as tf
from thalweg.ops import comparison, select
from thalweg.testing.samples import bools, exactly, integers, reals, strings
from thalweg.testing.table import Bad, Row

PAIR = (exactly(1, 2, 3), exactly(3, 2, 1))
NAN = (exactly(float("nan"), 1.0), exactly(float("nan"), float("nan")))
FLOATS = ["float32", "float64", "float16"]

ROWS = [
    Row(tf.equal, *PAIR, against=np.equal),
    Row(tf.equal, *NAN, dtypes=FLOATS, against=np.equal),
    Row(tf.equal, bools(5), bools(5), against=np.equal),
    Row(tf.equal, strings("a", "b"), strings("a", "c"), against=np.equal),
    Row(tf.not_equal, *PAIR, against=np.not_equal),
    Row(tf.not_equal, *NAN, dtypes=FLOATS, against=np.not_equal),
    Row(tf.less, *PAIR, against=np.less),
    Row(tf.less_equal, *PAIR, against=np.less_equal),
    Row(tf.greater, *PAIR, against=np.greater),
    Row(tf.greater_equal, *PAIR, against=np.greater_equal),
    Row(tf.greater, reals(3, 1), reals(4)),
    Row(tf.less, *NAN, dtypes=FLOATS, against=np.less),
    Row(tf.approximate_equal, exactly(1.0, 2.0), exactly(1.0, 2.5), tolerance=0.1,
        against=lambda x, y: np.array([True, False])),
    Row(tf.logical_and, bools(8), bools(8), against=np.logical_and),
    Row(tf.logical_or, bools(8), bools(8), against=np.logical_or),
    Row(tf.logical_xor, bools(8), bools(8), against=np.logical_xor),
    Row(tf.logical_not, bools(8), against=np.logical_not),
    Row(tf.logical_and, bools(3, 1), bools(4), against=np.logical_and),
    Row(tf.where, bools(2, 3), reals(2, 3), reals(2, 3), against=np.where),
    Row(tf.where, bools(2), reals(2, 3), reals(2, 3), against=lambda c, x, y: np.where(c[:, None], x, y)),
    Row(select.select, bools(), reals(2, 3), reals(2, 3), against=np.where),
    Row(tf.where, bools(2), strings("a", "b"), strings("c", "d"), against=np.where),
    Row(tf.where_v2, bools(3, 1), reals(4), reals(), against=np.where),
    Row(tf.where, bools(2, 3), gradient=False, against=np.argwhere),
    Row(tf.where, integers(4, low=0, high=2), gradient=False, against=np.argwhere),
    Row(tf.where, bools(), gradient=False),
    Row(lambda x: (x > 0) & (x < 2) | ~(x >= -1), reals(9), gradient=False, label="operators",
        dtypes=["float32", "int32"]),
    Row(lambda x, y: comparison.equal(x, y, incompatible_shape_error=False), exactly(1, 2), exactly(1, 2, 3),
        gradient=False, against=lambda x, y: np.array(False), label="shapes that do not broadcast"),
    Bad(tf.where, bools(2), reals(3, 4), reals(3, 4), match="condition has shape"),
    Bad(tf.where, bools(2), reals(2), match="both be non-None"),
    Bad(select.select, bools(2), reals(2), reals(3), match="must have one shape"),
    Bad(tf.logical_and, reals(2), reals(2), match="bool"),
    Bad(tf.less, reals(2), reals(2), dtype="complex64", match="not in list of allowed values"),
]
