"""Shapes: reshaping, transposing, joining, splitting, padding, reversing."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.ops import array, broadcast, constant, padding, reversal, sequence
from thalweg.testing.samples import bools, exactly, integers, of, reals, strings
from thalweg.testing.table import Bad, Row, table_test

F = ["float32", "float64"]


def split_source(*counts):
    return lambda x: np.split(x, np.cumsum(counts)[:-1], 1)


ROWS = [
    Row(tf.identity, reals(2, 3), against=lambda x: x),
    Row(tf.identity, strings("a", "b")),
    Row(lambda x, y: tf.identity_n([x, y]), reals(2, 3), bools(4), label="identity_n"),
    Row(tf.stop_gradient, reals(2), gradient=False, against=lambda x: x),
    Row(tf.ensure_shape, reals(2, 3), [None, 3]),
    Row(array.prevent_gradient, reals(2), gradient=False),
    Row(lambda x: tf.placeholder_with_default(x, [None, 3]), reals(2, 3), label="placeholder_with_default"),

    Row(array.shape_op, reals(2, 3), gradient=False, against=lambda x: np.array([2, 3])),
    Row(array.shape_op, reals(), gradient=False, out_type=tf.int64, against=lambda x: np.zeros(0)),
    Row(array.shape_n_op, [1.0, [2.0, 3.0]], label="constants"),
    Row(lambda x, y: tf.shape_n([x, y]), reals(2, 3), reals(4), gradient=False, label="shape_n"),
    Row(array.size_op, reals(2, 3), gradient=False, against=lambda x: np.array(6)),
    Row(array.rank_op, reals(2, 3), gradient=False, against=lambda x: np.array(2)),
    Row(tf.shape, reals(2, 0), gradient=False, against=lambda x: np.array([2, 0])),

    Row(tf.reshape, reals(2, 6), [3, 4], against=lambda x: x.reshape(3, 4)),
    Row(tf.reshape, reals(2, 6), [-1], against=lambda x: x.reshape(-1)),
    Row(tf.reshape, reals(0, 6), [-1, 3], against=lambda x: x.reshape(-1, 3)),
    *[Row(tf.reshape, reals(*shape), sizes, against=lambda x, shape=result: x.reshape(shape))      # as TensorFlow
      for shape, sizes, result in (((0, 4, 3), [0, -1], (0, 12)), ((0, 4, 3), [0, 5, -1], (0, 5, 2)),
                                   ((0, 4, 3), [-1, 0], (12, 0)), ((0, 3), [4, -1, 0], (4, 0, 0)),
                                   ((0,), [0, -1], (0, 1)), ((0, 3), [2, -1], (2, 0)))],
    Row(tf.reshape, reals(1), [], against=lambda x: x.reshape(())),
    Row(tf.reshape, reals(2, 6), of("int64", 4, 3), against=lambda x, s: x.reshape(4, 3)),
    Row(tf.reshape, strings("a", "b"), [2, 1]),
    Row(tf.expand_dims, reals(2, 3), 1, against=lambda x: x[:, None]),
    Row(tf.expand_dims, reals(2, 3), axis=-1, against=lambda x: x[..., None]),
    Row(tf.squeeze, reals(1, 2, 1), against=lambda x: x[0, :, 0]),
    Row(tf.squeeze, reals(1, 2, 1), axis=[-1], against=lambda x: x[..., 0]),
    Row(tf.transpose, reals(2, 3, 4), against=np.transpose),
    Row(tf.transpose, reals(2, 3, 4), [1, 2, 0], against=lambda x: x.transpose(1, 2, 0)),
    Row(tf.transpose, reals(2, 3, 4, 5), [0, 3, 1, 2], against=lambda x: x.transpose(0, 3, 1, 2)),
    Row(tf.transpose, reals(2, 3), of("int32", 1, 0), against=lambda x, p: x.T),
    Row(tf.transpose, reals(2, 3), conjugate=True, against=lambda x: np.conj(x).T),
    Row(tf.transpose, reals(0, 3), against=np.transpose),
    Row(tf.transpose, reals()),
    Row(tf.matrix_transpose, reals(2, 3, 4), against=lambda x: x.swapaxes(1, 2)),

    Row(lambda *xs: tf.concat(xs, 1), reals(2, 3), reals(2, 1), reals(2, 2),
        against=lambda *xs: np.concatenate(xs, 1), label="concat"),
    Row(lambda *xs: tf.concat(xs, -2), reals(2, 3), reals(0, 3), against=lambda *xs: np.concatenate(xs, 0),
        label="concat with empty"),
    Row(lambda *xs: tf.concat(xs, 0), strings("a"), strings("b", "c"), label="concat strings"),
    Row(lambda x, y, axis: tf.concat([x, y], axis), reals(2, 3), reals(2, 3), of("int32", 1, shape=()),
        label="concat along a computed axis", against=lambda x, y, a: np.concatenate([x, y], 1)),
    Row(array.concat_offset, 1, [[2, 3], [2, 5]], against=lambda: [np.array([0, 0]), np.array([0, 3])]),
    Row(lambda *xs: tf.stack(xs), reals(2, 3), reals(2, 3), against=lambda *xs: np.stack(xs), label="stack"),
    Row(lambda *xs: tf.stack(xs, -1), reals(2, 3), reals(2, 3), against=lambda *xs: np.stack(xs, -1),
        label="stack along the last"),
    Row(lambda x: tf.stack([x, 2 * x[0] + x], 1), reals(3), label="stack of computed", dtypes=F),
    Row(tf.unstack, reals(2, 3), num=2, against=list),
    Row(tf.unstack, reals(2, 3), num=3, axis=-1, against=lambda x: list(x.T)),
    Row(tf.split, reals(2, 6), 3, 1, against=split_source(2, 2, 2)),
    Row(tf.split, reals(2, 6), [1, 3, 2], axis=1, against=split_source(1, 3, 2)),
    Row(tf.split, reals(2, 6), [4, -1], axis=-1, against=split_source(4, 2)),
    Row(tf.split, reals(2, 6), of("int64", 4, 2), axis=-1, num=2,
        against=lambda x, s: np.split(x, [4], 1)),

    Row(tf.pad, reals(2, 3), [[1, 0], [0, 2]], against=lambda x: np.pad(x, [[1, 0], [0, 2]])),
    Row(tf.pad, reals(2, 3), of("int32", [1, 1], [0, 2]), against=lambda x, p: np.pad(x, p)),
    Row(padding.pad_v2, reals(2, 3), [[1, 1], [0, 2]], reals(), against=lambda x, c: np.pad(
        x, [[1, 1], [0, 2]], constant_values=c)),
    Row(tf.pad, reals(2, 3), [[1, 1], [0, 0]], constant_values=7, dtypes=[*F, "int32"],
        against=lambda x: np.pad(x, [[1, 1], [0, 0]], constant_values=7)),
    Row(tf.pad, reals(3, 4), [[1, 2], [0, 3]], "REFLECT", against=lambda x: np.pad(
        x, [[1, 2], [0, 3]], mode="reflect")),
    Row(tf.pad, reals(3, 4), [[3, 2], [0, 4]], "SYMMETRIC", against=lambda x: np.pad(
        x, [[3, 2], [0, 4]], mode="symmetric")),
    Row(tf.pad, reals(0, 2), [[1, 1], [0, 0]]),
    Row(tf.tile, reals(2, 3), [2, 1], against=lambda x: np.tile(x, [2, 1])),
    Row(tf.tile, reals(2, 3), of("int32", 0, 2), against=lambda x, m: np.tile(x, [0, 2])),
    Row(tf.broadcast_to, reals(3, 1), [2, 3, 4], against=lambda x: np.broadcast_to(x, [2, 3, 4])),
    Row(tf.broadcast_to, reals(), [2], against=lambda x: np.broadcast_to(x, [2])),
    Row(tf.broadcast_dynamic_shape, of("int32", 2, 1), of("int32", 3), against=lambda a, b: np.array([2, 3])),
    Row(broadcast.broadcast_gradient_args, of("int32", 2, 1), of("int32", 3),
        against=lambda a, b: [np.array([1]), np.array([0])]),
    Row(tf.reverse, reals(2, 3, 4), [0, -1], against=lambda x: x[::-1, :, ::-1]),
    Row(tf.reverse, strings("a", "b"), [0]),
    Row(tf.reverse_sequence, reals(3, 4), [1, 4, 0], seq_axis=1, batch_axis=0, against=lambda x: np.stack(
        [x[0], x[1][::-1], x[2]])),
    Row(reversal.roll, reals(3, 4), [1, -1], [0, 1], against=lambda x: np.roll(x, (1, -1), (0, 1))),

    Row(tf.zeros_like, reals(2, 3), gradient=False, against=np.zeros_like),
    Row(constant.zeros_like_op, reals(2), gradient=False),
    Row(constant.zeros_like_op, strings("a")),
    Row(tf.ones_like, reals(2, 3), gradient=False, against=np.ones_like, dtypes=[*F, "int32", "bool"]),
    Row(constant.ones_like_op, reals(2, 3), gradient=False),
    Row(tf.fill, [2, 3], reals(), against=lambda v: np.full([2, 3], v)),
    Row(tf.fill, integers(2, low=1, high=4), 1.5),
    Row(tf.zeros, [2, 3], against=lambda: np.zeros([2, 3])),
    Row(tf.ones, [40, 50], against=lambda: np.ones([40, 50])),
    Row(tf.range, 5, against=lambda: np.arange(5)),
    Row(tf.range, 10, 1, -3, against=lambda: np.arange(10, 1, -3)),
    Row(tf.range, 0.5, 3.0, 0.5, against=lambda: np.arange(0.5, 3.0, 0.5)),
    Row(sequence.range_op, exactly(1, shape=()), exactly(9, shape=()), exactly(2, shape=()), gradient=False,
        against=lambda a, b, d: np.arange(1, 9, 2), dtypes=["int32", "int64", *F]),
    Row(tf.linspace, exactly(0.0, shape=()), exactly(1.0, shape=()), 5, gradient=False,
        against=lambda a, b: np.linspace(0, 1, 5), dtypes=F),
    Row(tf.meshgrid, of("float32", 1.0, 2.0), of("float32", 3.0, 4.0, 5.0), gradient=False, against=np.meshgrid),
    Row(tf.meshgrid, of("int32", 1, 2), of("int32", 3, 4, 5), indexing="ij",
        against=lambda a, b: np.meshgrid(a, b, indexing="ij")),
    Row(tf.sequence_mask, of("int32", 1, 3, 0), against=lambda n: np.arange(3) < n[:, None]),
    Row(tf.sequence_mask, of("int32", 1, 3), 4, tf.float32, against=lambda n: (np.arange(4) < n[:, None]) * 1.0),
    Row(tf.one_hot, of("int32", 0, 2, -1, 5), 3, against=lambda i: np.eye(3)[[0, 2, 0, 0]] * [[1], [1], [0], [0]]),
    Row(tf.one_hot, of("int64", [0, 1]), 2, 5, -1, axis=0, against=lambda i: np.array([[[5, -1]], [[-1, 5]]])),
    Row(tf.one_hot, of("uint8", 1), 2, dtype=tf.bool, on_value=True, off_value=False,
        against=lambda i: np.array([[False, True]])),

    Bad(tf.reshape, reals(2, 6), [5, -1], match="Cannot reshape a tensor with 12 elements to shape"),
    Bad(tf.reshape, reals(2, 6), [0, -1], match="Cannot reshape a tensor with 12 elements to shape"),
    Bad(tf.reshape, reals(2, 6), [5, 2], match="Cannot reshape a tensor with 12 elements to shape"),
    Bad(tf.expand_dims, reals(2), 3, match="not in"),
    Bad(tf.expand_dims, reals(2), match="Must specify an axis"),
    Bad(tf.squeeze, reals(2), axis=[0], match=r"Can not squeeze dim\[0\], expected a dimension of 1, got 2"),
    Bad(tf.transpose, reals(2, 3), [0, 0], match="not a permutation"),
    Bad(tf.transpose, reals(2, 3), [0], match="has 1 entries, x has 2 dimensions"),
    Bad(lambda x, y: tf.concat([x, y], 0), reals(2, 3), reals(2, 4), match="Dimensions besides axis 0 must be equal"),
    Bad(lambda x, y: tf.concat([x, y], 0), reals(), reals(), match="Can't concatenate scalars"),
    Bad(lambda x, y: tf.stack([x, y]), reals(2), reals(3), match="Shapes must be equal"),
    Bad(lambda x: tf.stack([x, x], 3), reals(2), match="axis = 3 not in"),
    Bad(tf.split, reals(2, 5), 2, 1, match="evenly divisible by 2 but is 5"),
    Bad(tf.split, reals(2, 5), [1, 2], 1, match="add up to 3, the dimension is 5"),
    Bad(tf.unstack, reals(2, 5), num=3, match="must be 3 but is 2"),
    Bad(tf.pad, reals(2, 3), [[1, 1]], match="1 rows, the input 2 dimensions"),
    Bad(tf.pad, reals(2), [[-1, 0]], match="must not be negative"),
    Bad(tf.pad, reals(2), [[1, 1]], "WRAP", match="Unknown padding mode"),
    Bad(tf.pad, reals(2), [[2, 0]], "REFLECT", match="at most the dimension - 1"),
    Bad(tf.tile, reals(2, 3), [2], match="1 entries, the input 2 dimensions"),
    Bad(tf.broadcast_to, reals(3), [2], match="does not broadcast"),
    Bad(tf.ensure_shape, reals(3), [2], match="not compatible"),
    Bad(tf.range, 0, 3, -1, match="start >= limit when delta < 0"),
    Bad(tf.one_hot, of("int32", 1), 2, on_value=1, off_value=0.5, match="does not match"),
    Bad(lambda: tf.placeholder_with_default([1.0, 2.0], [3]), match="not compatible"),
    Bad(tf.meshgrid, reals(2), indexing="yx", match="must be either"),
    Bad(lambda x: tf.meshgrid(), reals(2), match="meshgrid got no vectors, expected one"),
    Bad(lambda x: tf.concat([], 0), reals(2), match="values is an empty list, expected one Tensor"),
    Bad(lambda x: tf.reshape(x, [-2, -1]), reals(2), match="Invalid value in tensor used for shape: -2"),
]
test_array = table_test(ROWS)


def test_asking_for_a_prevented_gradient_is_an_error():
    with tf.Graph().as_default():
        x = tf.constant(1.0)
        with pytest.raises(LookupError, match="Reason: not here"):
            tf.gradients(array.prevent_gradient(x, message="not here"), x)


@pytest.mark.parametrize("build, feed, message", [
    (lambda x: tf.reshape(x, [-1, 5]), np.zeros([2, 6]), "Cannot reshape a tensor with 12 elements"),
    (lambda x: tf.ensure_shape(x, [3]), np.zeros(2), "not compatible"),
    (lambda x: tf.slice(x, [1], [3]), np.zeros(2), "outside"),
])
def test_what_is_known_only_at_run_time_is_checked_then(build, feed, message):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, None)
        y = build(x)
        with tf.Session(graph=graph) as session, pytest.raises((tf.errors.InvalidArgumentError, ValueError),
                                                               match=message):
            session.run(y, {x: feed})


@pytest.mark.parametrize(("build", "fed", "match"), [
    (lambda x, i: tf.transpose(x, i), [-1, 0], r"-1 is out of range \[0 .. 2\)|\[-1, 0\] is not a permutation"),
    (lambda x, i: tf.transpose(x, i), [0, 0], "repeated|permutation"),
    (lambda x, i: tf.roll(x, 1, i), 9, "axis 9 is out of range"),
    (lambda x, i: tf.roll(x, 1, i), -3, "axis -3 is out of range"),
    (lambda x, i: tf.roll(x, i, [0]), [1, 2], "shift and axis must have the same shape"),
    (lambda x, i: tf.roll(x[0, 0], 1, i), 0, "input must be 1-D or higher"),
    (lambda x, i: tf.roll(x, i, i), [[1]], "shift must be a scalar or a vector"),
])
@pytest.mark.parametrize("shape", [None, [2, 3]], ids=str)
def test_axes_that_do_not_exist_are_errors_however_they_come(build, fed, match, shape):
    with tf.Graph().as_default(), tf.Session() as session:
        x, i = tf.placeholder(tf.float32, shape), tf.placeholder(tf.int32)
        feed = {x: np.zeros((2, 3)), i: fed}
        with pytest.raises(ValueError, match=match):
            session.run(build(x, i), feed)
        with pytest.raises(ValueError, match=match):
            session.run(build(x, tf.constant(fed)), feed)


def test_axes_of_a_roll_count_from_either_end():
    with tf.Graph().as_default(), tf.Session() as session:
        assert session.run(tf.roll([[0, 1, 2], [3, 4, 5]], [1, 1], [-1, 0])).tolist() == [[5, 3, 4], [2, 0, 1]]


def test_strings_are_padded_with_empty_ones():
    with tf.Graph().as_default(), tf.Session() as session:
        assert session.run(tf.pad(tf.constant(["a"]), [[1, 2]])).tolist() == [b"", b"a", b"", b""]
