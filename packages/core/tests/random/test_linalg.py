"""QR, triangular systems, diagonals and bands: against NumPy, and their gradients against differences."""
import json
from pathlib import Path

import numpy as np
import pytest

import thalweg as tf

RECORDED = json.loads((Path(__file__).parent / "data" / "tf1_qr.json").read_text())["cases"]
RNG = np.random.default_rng(0)
FLOATS = ["float32", "float64", "complex64", "complex128"]


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default():
        yield


def _random(shape, dtype="float64"):
    value = RNG.normal(size=shape)
    return (value + 1j * RNG.normal(size=shape) if dtype.startswith("complex") else value).astype(dtype)


def _check_gradient(evaluate, build, *arrays):
    """d sum(w * build(arrays)) along a random direction, against the central difference with step 1e-6."""
    inputs = [tf.constant(a) for a in arrays]
    outputs = build(*inputs)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    weights = [_random(evaluate(y).shape) for y in outputs]
    gradients = tf.gradients([y * w for y, w in zip(outputs, weights)], inputs)
    directions = [_random(a.shape) for a in arrays]
    slope = sum(np.sum(evaluate(g) * d) for g, d in zip(gradients, directions))

    def value(step):
        moved = build(*[tf.constant(a + step * d) for a, d in zip(arrays, directions)])
        moved = moved if isinstance(moved, (list, tuple)) else [moved]
        return sum(np.sum(evaluate(y) * w) for y, w in zip(moved, weights))
    np.testing.assert_allclose(slope, (value(1e-6) - value(-1e-6)) / 2e-6, rtol=1e-6, atol=1e-8)


# --- QR ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5), (2, 4, 3), (0, 3), (3, 0), (0, 2, 2)])
def test_qr(shape, full, dtype, evaluate):
    a = _random(shape, dtype)
    q, r = tf.qr(a, full_matrices=full)
    static = q.shape.as_list(), r.shape.as_list()
    q, r = evaluate(q), evaluate(r)
    assert (list(q.shape), list(r.shape)) == static and q.dtype == r.dtype == dtype
    bound = 1e-5 if dtype in ("float32", "complex64") else 1e-13
    np.testing.assert_allclose(q @ r, a, atol=bound)
    np.testing.assert_allclose(np.conj(np.swapaxes(q, -1, -2)) @ q, np.broadcast_to(np.eye(q.shape[-1]), (
        *q.shape[:-2], q.shape[-1], q.shape[-1])), atol=bound)
    np.testing.assert_array_equal(np.tril(r, -1), 0)


def test_signs_are_tensorflows(evaluate):
    """Recorded from TensorFlow 1.15.5: a diagonal element has the sign opposite to what its reflection met."""
    q, r = (evaluate(t) for t in tf.qr([[1.0, 2.0], [3.0, 4.0], [-5.0, 6.0]]))
    np.testing.assert_allclose(r, [[-5.916079998, 2.704493761], [0.0, -6.977514744]], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(q, [[-0.169030786, -0.352151573], [-0.507092476, -0.769819677],
                                   [0.845154226, -0.532322109]], rtol=1e-6)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case["shape"]))
def test_few_columns_have_tensorflows_bits(case, evaluate):
    """Seeded orthogonal weights are then TensorFlow's to the last bit."""
    rows, columns = case["shape"]
    i, j = np.arange(rows)[:, None], np.arange(columns)
    q, r = tf.qr((((37 * i + 101 * j + 13 * i * j) % 997 - 498) / 499).astype(np.float32))
    np.testing.assert_array_equal(evaluate(q).ravel(), np.array(case["q"], np.float32))
    np.testing.assert_array_equal(evaluate(r).ravel(), np.array(case["r"], np.float32))


@pytest.mark.parametrize("shape, full", [((3, 3), False), ((3, 3), True), ((5, 3), False), ((2, 4, 3), False)])
def test_qr_gradient(shape, full, evaluate):
    _check_gradient(evaluate, lambda a: tf.qr(a, full_matrices=full), _random(shape))


def test_qr_has_no_gradient_for_wide_matrices():
    a = tf.constant(_random((2, 3)))
    with pytest.raises(NotImplementedError, match="r is known to be square: .* r is .2, 3."):
        tf.gradients(tf.qr(a)[0], a)


# --- triangular systems -----------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("adjoint", [False, True])
def test_triangular_solve(lower, adjoint, dtype, evaluate):
    a = _random((2, 4, 4), dtype) + 4 * np.eye(4).astype(dtype)
    rhs = _random((2, 4, 3), dtype)
    triangle = np.tril(a) if lower else np.triu(a)
    triangle = np.conj(np.swapaxes(triangle, -1, -2)) if adjoint else triangle
    x = evaluate(tf.matrix_triangular_solve(a, rhs, lower=lower, adjoint=adjoint))
    assert x.dtype == dtype
    np.testing.assert_allclose(triangle @ x, rhs, atol=1e-5 if dtype in ("float32", "complex64") else 1e-13)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("adjoint", [False, True])
def test_triangular_solve_gradient(lower, adjoint, evaluate):
    _check_gradient(evaluate, lambda a, b: tf.matrix_triangular_solve(a, b, lower=lower, adjoint=adjoint),
                    _random((3, 3)) + 3 * np.eye(3), _random((3, 2)))


def test_a_singular_system(evaluate):
    with pytest.raises(tf.errors.InvalidArgumentError, match="not invertible"):
        evaluate(tf.matrix_triangular_solve(np.diag([1.0, 0.0]), np.ones((2, 1))))


# --- diagonals and bands ----------------------------------------------------------------------------

def test_diagonals(evaluate):
    d, a = _random((2, 3)), _random((2, 3, 4))
    np.testing.assert_array_equal(evaluate(tf.matrix_diag(d)), np.stack([np.diag(row) for row in d]))
    np.testing.assert_array_equal(evaluate(tf.matrix_diag_part(a)), np.stack([np.diag(m) for m in a]))
    put = evaluate(tf.matrix_set_diag(a, d))
    np.testing.assert_array_equal(np.diagonal(put, axis1=1, axis2=2), d)
    np.testing.assert_array_equal(put[:, ~np.eye(3, 4, dtype=bool)], a[:, ~np.eye(3, 4, dtype=bool)])
    whole = evaluate(tf.diag(d))
    assert whole.shape == (2, 3, 2, 3)
    np.testing.assert_array_equal(whole.reshape(6, 6), np.diag(d.ravel()))
    np.testing.assert_array_equal(evaluate(tf.diag_part(whole)), d)


@pytest.mark.parametrize("lower, upper", [(0, 0), (1, -1), (-1, 2), (2, 1), (-1, -1)])
def test_band(lower, upper, evaluate):
    a = _random((2, 4, 5))
    expected = np.tril(np.triu(a, -lower if lower >= 0 else -9), upper if upper >= 0 else 9)
    np.testing.assert_array_equal(evaluate(tf.matrix_band_part(a, lower, upper)), expected)


@pytest.mark.parametrize("build, shapes", [
    (tf.matrix_diag, [(2, 3)]), (tf.matrix_diag_part, [(2, 3, 4)]), (tf.matrix_diag_part, [(3, 3)]),
    (tf.matrix_set_diag, [(2, 3, 4), (2, 3)]), (tf.diag, [(2, 3)]), (tf.diag_part, [(2, 3, 2, 3)]),
    (lambda a: tf.matrix_band_part(a, 1, 0), [(3, 4)])])
def test_diagonal_gradients(build, shapes, evaluate):
    _check_gradient(evaluate, build, *map(_random, shapes))


@pytest.mark.parametrize("args", [dict(num_rows=3), dict(num_rows=2, num_columns=4), dict(num_rows=0),
                                  dict(num_rows=3, batch_shape=[2, 1], dtype=tf.int32)])
def test_eye(args, evaluate):
    value = evaluate(tf.eye(**args))
    expected = np.eye(args["num_rows"], args.get("num_columns"))
    assert value.shape == (*args.get("batch_shape", ()), *expected.shape)
    np.testing.assert_array_equal(value, np.broadcast_to(expected, value.shape))


def test_eye_of_tensors(evaluate):
    value = evaluate(tf.eye(tf.constant(2), 3, batch_shape=tf.constant([2])))
    np.testing.assert_array_equal(value, [np.eye(2, 3)] * 2)


def test_static_shapes():
    a = tf.placeholder(tf.float32, [None, 3, 5])
    assert tf.matrix_diag_part(a).shape.as_list() == [None, 3]
    assert tf.matrix_diag(a).shape.as_list() == [None, 3, 5, 5]
    assert [t.shape.as_list() for t in tf.qr(a)] == [[None, 3, 3], [None, 3, 5]]
    assert [t.shape.as_list() for t in tf.qr(tf.placeholder(tf.float32, [4, None]), full_matrices=True)] == [
        [4, 4], [4, None]]


@pytest.mark.parametrize("build, error, message", [
    (lambda: tf.qr([1.0]), ValueError, "input has rank 1, shape .1,., but must have at least 2"),
    (lambda: tf.matrix_diag(1.0), ValueError, "diagonal has rank 0"),
    (lambda: tf.diag_part(np.zeros((2, 2, 2))), ValueError, "rank 3, .* must have an even rank"),
    (lambda: tf.eye(2.5), TypeError, "must be positive integer values, not 2.5"),
    (lambda: tf.matrix_set_diag(np.zeros((2, 3)), np.zeros(3)), ValueError, "not compatible")])
def test_messages(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_a_band_wider_than_the_matrix(evaluate):
    band = tf.matrix_band_part(np.zeros((2, 3)), 5, 0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"number of rows \(2\) got: 5"):
        evaluate(band)
