"""Strings, printing, Python functions."""
import numpy as np

import thalweg as tf
from thalweg.ops.regex import static_regex_full_match_op
from thalweg.testing.samples import bools, of, strings
from thalweg.testing.table import Bad, Row


def texts(*values):
    return lambda *inputs: np.array([v.encode() for v in values], object)


ROWS = [
    Row(static_regex_full_match_op, strings("s3://a", "/tmp/s3://a", "s3:/", "s3://"), pattern="^s3://.*",
        against=lambda x: np.array([True, False, False, True])),
    Row(static_regex_full_match_op, strings("a.c", "abc", "ab", "a.cc"), pattern=r"a\..", label="a point",
        against=lambda x: np.array([True, False, False, False])),
    Row(lambda a, b: tf.string_join([a, b], "-"), strings("a", "b"), strings("c", "d"), against=texts("a-c", "b-d"),
        label="join"),
    Row(lambda a, b: tf.string_join([a, b]), strings("a", "b"), strings("c", shape=()), against=texts("ac", "bc"),
        label="join with a scalar"),
    Row(tf.as_string, of("int32", 1, -20), against=texts("1", "-20")),
    Row(tf.as_string, of("float32", 1.5, -2.25), against=texts("1.500000", "-2.250000"), gradient=False),
    Row(tf.as_string, of("float64", 1.5, 1e-5), precision=2, against=texts("1.50", "0.00"), gradient=False),
    Row(tf.as_string, of("float64", 1500.0), scientific=True, precision=1, against=texts("1.5e+03"), gradient=False),
    Row(tf.as_string, of("float64", 1500.0, 1e-7), shortest=True, against=texts("1500", "1e-07"), gradient=False),
    Row(tf.as_string, of("int64", 7), width=4, fill="0", against=texts("0007")),
    Row(tf.as_string, of("complex64", 1 + 2j), precision=1, against=texts("(1.0,2.0)"), gradient=False),
    Row(tf.as_string, of("bool", True, False), against=texts("true", "false")),
    Row(tf.string_to_number, strings("1.5", "-2"), gradient=False,
        against=lambda s: np.array([1.5, -2.0], np.float32)),
    Row(tf.string_to_number, strings("15", "-2"), out_type=tf.int64, against=lambda s: np.array([15, -2])),
    Row(tf.strings.length, strings("abc", "\u00e9"), against=lambda s: np.array([3, 2], np.int32)),
    Row(tf.strings.length, strings("abc", "\u00e9"), unit="UTF8_CHAR", against=lambda s: np.array([3, 1], np.int32)),
    Row(tf.equal, strings("a"), strings("b"), against=np.equal),
    Row(tf.add, strings("a"), strings("b"), against=texts("ab")),
    Row(tf.as_string, bools(0), label="empty"),
    Bad(lambda a, b: tf.string_join([a, b]), strings("a", "b"), strings("a", "b", "c"), match="not compatible"),
]
