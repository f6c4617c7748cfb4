"""Conversions between dtypes."""
import itertools

import numpy as np

import thalweg as tf
from thalweg.ops import cast
from thalweg.testing.samples import exactly, of, reals, strings
from thalweg.testing.table import Bad, Row

KINDS = ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool", "complex64"]


def converted(target):
    def source(x):
        x = x.real if np.iscomplexobj(x) and target not in ("complex64", "bool") else x
        return x.astype(target)
    return source


ROWS = [
    *[Row(tf.cast, of(a, 0, 1, 2, 3), dtype=b, gradient=False, against=converted(b), label=f"{a} to {b}")
      for a, b in itertools.permutations(KINDS, 2)],
    Row(tf.cast, reals(2, 3), dtype="float64", dtypes=["float64", "float32"], label="gradient"),
    *[Row(tf.cast, of(a, -0.0, 0.0, -1.0), dtype=b, gradient=False, signs=True, label=f"{a} to {b}, signs of zeros")
      for a, b in itertools.permutations(["float16", "float32", "float64"], 2)],
    Row(lambda x: tf.cast(tf.cast(x, tf.float32), tf.float64), reals(2, 3), dtypes=["float64"], gradient=False,
        label="back and forth", against=lambda x: x.astype(np.float32)),
    Row(tf.cast, of("float32", 2.7, -2.7), dtype="int32", gradient=False, against=np.trunc),
    Row(tf.cast, of("complex64", 1 + 2j), dtype="complex128", gradient=False, against=lambda x: x),
    Row(tf.saturate_cast, of("float32", -5.0, 300.0, 7.9), dtype="uint8", gradient=False,
        against=lambda x: np.array([0, 255, 7])),
    Row(tf.saturate_cast, of("int32", -500, 500), dtype="int8", against=lambda x: np.array([-128, 127])),
    Row(tf.to_float, of("int32", 1, 2), against=np.float32),
    Row(tf.to_int32, of("float32", 1.5), gradient=False, against=np.int32),
    Row(cast.cast_op, of("bool", True, False), DstT=tf.bool, against=lambda x: x),
    Bad(tf.cast, strings("1"), "int32", match="not in list of allowed values"),
    Bad(tf.cast, exactly(1.0), "no dtype", match="Cannot convert value 'no dtype'"),
]
