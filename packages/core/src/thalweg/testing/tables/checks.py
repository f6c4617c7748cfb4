"""Checks of values, ranks and dtypes."""
import thalweg as tf
from thalweg.testing.samples import exactly
from thalweg.testing.table import Row

ROWS = [
    Row(tf.check_numerics, exactly(1.0, 2.0), "bad", dtypes=["float32", "float64", "float16"]),
    Row(tf.verify_tensor_all_finite, exactly(1.0, 2.0), "bad", dtypes=["float32", "float64"]),
]
