"""Diagonals, bands, reversed sequences, folded margins, sparse values."""
import numpy as np
import pytest
from emulation.check import check
from emulation.direct import run

import thalweg as tf
from thalweg.framework.declaration import REGISTRY

RNG = np.random.default_rng(0)
TYPES = ["uint8", "float32", "complex128"]


def numbers(shape, dtype="float32"):
    return RNG.integers(1, 120, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "int32", "float64", "complex128"])
def test_diagonals_of_tensors(dtype):
    check(lambda x: [tf.diag(x), tf.diag_part(tf.diag(x)), tf.diag(x[0]), tf.matrix_diag(x)], numbers((7, 3), dtype))
    check(lambda x: [tf.diag(x), tf.matrix_diag(x)], numbers((0,), dtype))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 2, 3, 9), (40, 40), (2, 0, 3)])
def test_matrices(dtype, shape):
    least = min(shape[-2:])
    check(lambda x, d: [tf.matrix_diag_part(x), tf.matrix_set_diag(x, d)], numbers(shape, dtype),
          numbers((*shape[:-2], least), dtype))
    check(lambda x: [tf.matrix_band_part(x, low, high) for low in (-1, 0, least) for high in (-1, 0, least)],
          numbers(shape, dtype))


def test_a_band_wider_than_the_matrix_is_an_error():
    for low, high, match in ((4, 0, r"num_lower must be .* number of rows \(3\) got: 4"),
                             (0, 6, r"num_upper must be .* number of columns \(5\) got: 6")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=match):
            run("MatrixBandPart", [numbers((3, 5)), np.int64(low), np.int64(high)], [((3, 5), np.float32)])


@pytest.mark.parametrize("batch, sequence", [(0, 1), (1, 0), (0, 2), (2, 1), (1, 2)])
def test_reversed_sequences(batch, sequence):
    for dtype, index_type in (("float32", "int32"), ("complex128", "int64"), ("int16", "int64")):
        x = numbers((5, 6, 4), dtype)
        lengths = RNG.integers(0, x.shape[sequence] + 1, x.shape[batch]).astype(index_type)
        got, = run("ReverseSequence", [x, lengths], [(x.shape, dtype)], {"seq_dim": sequence, "batch_dim": batch})
        want = REGISTRY["ReverseSequence"].body(x, lengths, seq_dim=sequence, batch_dim=batch)
        np.testing.assert_array_equal(got, want)


def test_a_sequence_too_long_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"seq_lengths: 7 is not in \[0, 6\]"):
        run("ReverseSequence", [numbers((2, 6)), np.int32([1, 7])], [((2, 6), np.float32)], {"seq_dim": 1})


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "complex64"])
@pytest.mark.parametrize("mode", ["REFLECT", "SYMMETRIC"])
def test_folded_margins(dtype, mode):
    for shape, paddings in (((4, 6, 8), [[1, 2], [0, 3], [2, 0]]), ((4, 6, 8), [[0, 0], [1, 1], [0, 0]]),
                            ((4, 5), [[3, 3], [4, 4]]), ((7,), [[0, 0]]), ((3, 1, 2), [[2, 1], [0, 0], [0, 0]])):
        padded = tuple(n + a + b for n, (a, b) in zip(shape, paddings))
        dy, paddings = RNG.integers(1, 9, padded).astype(dtype), np.int32(paddings)
        got, = run("MirrorPadGrad", [dy, paddings], [(shape, dtype)], {"mode": mode}, constants=[1])
        np.testing.assert_array_equal(got, REGISTRY["MirrorPadGrad"].body(dy, paddings, mode=mode))


def dense(indices, shape, values, **attrs):
    got, = run("SparseToDense", [indices, np.array(shape, indices.dtype), values, values.dtype.type(3)],
               [(shape, values.dtype)], attrs, constants=[1])
    return got


@pytest.mark.parametrize("index_type", ["int32", "int64"])
def test_sparse_values(index_type):
    indices = np.array([[0, 1], [0, 3], [2, 0]], index_type)
    for values in (numbers((3,)), np.float32(7), numbers((3,), "complex128")):
        want = REGISTRY["SparseToDense"].body(indices, np.array([3, 4]), values, np.array(3, values.dtype))
        np.testing.assert_array_equal(dense(indices, (3, 4), values), want)
    repeated = np.array([4, 1, 4], index_type)
    assert dense(repeated, (5,), np.float32([1, 2, 5]), validate_indices=False).tolist() == [3, 2, 3, 3, 5]
    assert dense(np.zeros((0, 2), index_type), (2, 1), numbers((0,))).tolist() == [[3], [3]]


@pytest.mark.parametrize("indices, match", [
    ([[0, 1], [0, 4]], r"indices\[1\] = \[0,4\] is out of bounds: need 0 <= index < \[3,4\]"),
    ([[0, 1], [0, 1]], r"indices\[1\] = \[0,1\] is repeated"),
    ([[0, 1], [0, 0]], r"indices\[1\] = \[0,0\] is out of order")])
def test_wrong_places_of_sparse_values(indices, match):
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        dense(np.int32(indices), (3, 4), np.float32([1, 2]))
