"""Complex numbers and their parts."""
import numpy as np

import thalweg as tf
from thalweg.testing.samples import reals
from thalweg.testing.table import Bad, Row

C = ["complex64", "complex128"]
F = ["float32", "float64"]

ROWS = [
    Row(tf.complex, reals(2, 3), reals(2, 3), dtypes=F, against=lambda x, y: x + 1j * y),
    Row(tf.complex, reals(2, 3), reals(3), dtypes=F, against=lambda x, y: x + 1j * y),
    Row(tf.real, reals(2, 3), dtypes=[*C, *F], against=np.real),
    Row(tf.imag, reals(2, 3), dtypes=C, against=np.imag),
    Row(tf.imag, reals(2, 3), dtypes=F, against=np.zeros_like, gradient=False),
    Row(tf.conj, reals(2, 3), dtypes=[*C, *F, "int32"], against=np.conj),
    Row(tf.angle, reals(2, 3), dtypes=C, against=np.angle),
    Row(tf.angle, reals(2, 3), dtypes=F, gradient=False, against=np.zeros_like),
    Row(tf.abs, reals(2, 3), dtypes=C, against=np.abs),
    Bad(tf.complex, reals(2), reals(2), dtype="int32", match="incorrect types: int32 int32"),
    Bad(lambda x, y: tf.complex(x, tf.cast(y, tf.float64)), reals(2), reals(2), match="two float32 or two float64"),
    Bad(tf.conj, reals(2), dtype="bool", match="Expected numeric tensor"),
]
