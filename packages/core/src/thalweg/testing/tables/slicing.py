"""Parts of tensors, by slice."""
import numpy as np

import thalweg as tf
from thalweg.ops import slicing
from thalweg.testing.samples import of, reals, strings
from thalweg.testing.table import Bad, Row


def item(key, *shape, label=None):
    """A row for x[key], against NumPy's own."""
    return Row(lambda x: x[key], reals(*shape), against=lambda x: x[key], label=label or f"x[{key}]")


s = np.s_
ROWS = [
    item(0, 3, 4), item(-1, 3, 4), item(s[1:], 3, 4), item(s[:, 2], 3, 4), item(s[..., 1], 2, 3, 4),
    item(s[::2, ::-1], 3, 4), item(s[::-2], 7), item(s[5:1:-2], 7), item(s[-3:-1], 7), item(s[3:1], 7),
    item(s[10:], 7), item(s[:, None, 1], 3, 4), item(s[None], 3), item(s[..., None], 3, 4), item((), 3),
    item(s[1, ..., 2:, None], 2, 3, 4), item(s[0, 1, 2], 2, 3, 4), item(s[0:0], 3), item(s[:-1, -1:], 3, 4),
    Row(lambda x, i: x[i], reals(3, 4), of("int32", 1, shape=()), against=lambda x, i: x[1], label="x[tensor]"),
    Row(lambda x, i: x[i:, :i], reals(3, 4), of("int32", 1, shape=()), against=lambda x, i: x[1:, :1],
        label="x[tensor:, :tensor]"),
    Row(lambda x, i: x[:i], reals(3), of("int64", 2, shape=()), against=lambda x, i: x[:2], label="x[:int64]"),
    Row(lambda x: x[tf.constant([True, False, True])], reals(3, 2), against=lambda x: x[[0, 2]], label="x[mask]",
        dtypes=["float32", "float64"]),
    Row(tf.slice, reals(3, 4), [1, 0], [2, -1], against=lambda x: x[1:3]),
    Row(tf.slice, reals(3, 4), of("int32", 0, 1), [3, 2], against=lambda x, b: x[:, 1:3]),
    Row(tf.slice, strings("a", "b"), [1], [1]),
    Row(tf.strided_slice, reals(5, 4), [0, 1], [5, 3], [2, 1], against=lambda x: x[::2, 1:3]),
    Row(tf.strided_slice, reals(5, 4), of("int32", 0, 1), of("int32", 5, 3),
        against=lambda x, b, e: x[:, 1:3]),
    Row(slicing.strided_slice_grad_op, [3, 4], [0, 1], [3, 3], [2, 1], reals(2, 2), label="the gradient's own",
        dtypes=["float32", "float64"]),
    Bad(lambda x: x[0, 0, 0], reals(3, 4), match="Index out of range using input dim 2"),
    Bad(lambda x: x[3], reals(3), match="slice index 3 of dimension 0 out of bounds"),
    Bad(lambda x: x[..., ...], reals(3), match="Multiple ellipses"),
    Bad(lambda x: x[1.5], reals(3), match="Only integers, slices"),
    Bad(lambda x: x["a"], reals(3), match="Only integers, slices"),
    Bad(lambda x: x[::0], reals(3), match="must be non-zero"),
    Bad(lambda x: tf.placeholder(tf.float32, [None])[0:2:0], reals(3), match="must be non-zero"),
    Bad(tf.slice, reals(3), [1], [3], match="outside dimension 0 of size 3"),
    Bad(tf.slice, reals(3, 3), [1], [3], match="begin has 1 entries, input has 2 dimensions"),
]
