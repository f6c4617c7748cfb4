"""Operations on bits."""
import numpy as np

import thalweg as tf
from thalweg.testing.samples import exactly, of
from thalweg.testing.table import Bad, Row

INTS = ["int32", "int64", "uint8", "int8", "uint16"]
X, Y = exactly(0, 5, 12, 100), exactly(1, 3, 10, 7)

ROWS = [
    Row(tf.bitwise.bitwise_and, X, Y, dtypes=INTS, against=np.bitwise_and),
    Row(tf.bitwise.bitwise_or, X, Y, dtypes=INTS, against=np.bitwise_or),
    Row(tf.bitwise.bitwise_xor, X, Y, dtypes=INTS, against=np.bitwise_xor),
    Row(tf.bitwise.invert, X, dtypes=INTS, against=np.invert),
    Row(tf.bitwise.left_shift, X, exactly(0, 1, 2, 3), dtypes=INTS, against=np.left_shift),
    Row(tf.bitwise.right_shift, X, exactly(0, 1, 2, 3), dtypes=INTS, against=np.right_shift),
    Row(tf.bitwise.left_shift, exactly(1, 1), exactly(-1, 40), dtypes=["int32"],
        against=lambda x, y: np.array([1, -2**31], np.int32), label="clamped"),
    Row(tf.bitcast, of("float32", 1.0, -2.5), type=tf.int32, gradient=False, against=lambda x: x.view(np.int32)),
    Row(tf.bitcast, of("float64", 1.0, -2.5), type=tf.float32, gradient=False, unknown=True,
        against=lambda x: x.view(np.float32).reshape(2, 2)),
    Row(tf.bitcast, of("uint8", [1, 2, 3, 4]), type=tf.int32, against=lambda x: x.view(np.int32).reshape(1)),
    Bad(tf.bitcast, of("uint8", 1, 2, 3), type=tf.int32, match="the last dimension must be 4"),
    Bad(tf.bitwise.invert, exactly(1.0), match="not in list of allowed values"),
]
