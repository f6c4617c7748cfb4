"""Random ops: seeds, shapes, dtypes, what is drawn, and every message."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.declaration import REGISTRY
from thalweg.ops._philox import Generator, blocks_at, seeded_state


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


# --- the generator ----------------------------------------------------------------------------------

@pytest.mark.parametrize("key, counter, block", [
    ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0xA4093822, 0x299F31D0), (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
     (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1))])
def test_blocks_are_philox_4x32_10(key, counter, block):
    """Known answers of the authors' library (Random123, kat_vectors)."""
    assert tuple(blocks_at((key, counter), 0).tolist()) == block


def test_reserve_carries_over_all_words():
    generator = Generator((1, 2), (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 5))
    assert generator.reserve(2) == (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 5)
    assert generator.counter == (1, 0, 0, 6)


def test_blocks_carry_as_reserve_does():
    """Block 3 is the first after the lower half of the counter has run over."""
    blocks = blocks_at(((1, 2), (0xFFFFFFFD, 0xFFFFFFFF, 7, 0)), np.arange(4))
    np.testing.assert_array_equal(blocks[3], blocks_at(((1, 2), (0, 0, 8, 0)), 0))


def test_no_seed_is_entropy():
    assert seeded_state(0, 0) != seeded_state(0, 0)
    assert seeded_state(0, 1) == ((0, 0), (0, 0, 1, 0))


# --- seeds ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("graph_seed, op_seed, expected", [      # recorded from TensorFlow 1.15.5
    (None, None, (None, None)), (None, 5, (87654321, 5)), (None, -3, (87654321, 2147483644)),
    (None, 2**31 - 1, (87654321, 0)), (None, 2**40, (87654321, 512)), (0, 0, (0, 2147483647)),
    (1, None, (1, 0)), (-1, 0, (2147483646, 0)), (2**31 - 1, 5, (0, 5)), (2**31 - 1, 2**31 - 1, (0, 2147483647)),
    (2**33 + 5, None, (9, 0))])
def test_seeds_are_tensorflows(graph_seed, op_seed, expected):
    tf.set_random_seed(graph_seed)
    assert tf.get_seed(op_seed) == expected


def test_the_default_seed_counts_the_ops_before(graph):
    tf.set_random_seed(1)
    tf.constant(0.0), tf.constant(0.0)
    assert tf.get_seed(None) == (1, 2)


def test_an_op_goes_on_and_two_ops_differ(evaluate):
    first, second = tf.random_uniform([4], seed=1), tf.random_uniform([4], seed=2)
    again = tf.random_uniform([4], seed=1)
    one, two = evaluate(first), evaluate(first)
    assert not np.array_equal(one, two) and not np.array_equal(one, evaluate(second))
    np.testing.assert_array_equal(one, evaluate(again))


# --- shapes -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("shape", [[], [0], [3, 0, 2], [5], (2, 3), tf.TensorShape([2, 1])])
@pytest.mark.parametrize("draw", [tf.random_uniform, tf.random_normal, tf.truncated_normal])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_shape_and_dtype(draw, shape, dtype, evaluate):
    tensor = draw(shape, dtype=dtype, seed=1)
    value = evaluate(tensor)
    assert tensor.shape.as_list() == list(shape if not isinstance(shape, tf.TensorShape) else shape.as_list())
    assert value.shape == tuple(tensor.shape.as_list()) and value.dtype == dtype == tensor.dtype.name


def test_a_partly_known_shape_stays_partly_known():
    x = tf.placeholder(tf.float32, [None, 3])
    assert tf.random_normal(tf.shape(x)).shape.as_list() == [None, 3]
    assert tf.random_uniform([-1, 2]).shape.as_list() == [None, 2]
    assert tf.random_gamma([2], tf.placeholder(tf.float32, [None, 3])).shape.as_list() == [2, None, 3]
    assert tf.multinomial(tf.placeholder(tf.float32, [None, 3]), 4).shape.as_list() == [None, 4]
    assert tf.random_shuffle(x).shape.as_list() == [None, 3]


def test_mean_and_deviation_broadcast(evaluate):
    value = evaluate(tf.random_normal([1000, 2], mean=[0.0, 100.0], stddev=[1.0, 10.0], seed=1))
    np.testing.assert_allclose(value.mean(0) / [1, 10], [0, 10], atol=0.2)
    np.testing.assert_allclose(value.std(0), [1, 10], rtol=0.1)


# --- what is drawn ----------------------------------------------------------------------------------

def test_moments(evaluate):
    uniform, normal, cut = (evaluate(draw([200000], dtype=tf.float64, seed=3)) for draw in (
        tf.random_uniform, tf.random_normal, tf.truncated_normal))
    assert 0 <= uniform.min() and uniform.max() < 1
    assert abs(uniform.mean() - 1 / 2) < 3e-3 and abs(uniform.var() - 1 / 12) < 1e-3
    assert abs(normal.mean()) < 1e-2 and abs(normal.var() - 1) < 2e-2
    assert np.abs(cut).max() < 2 and abs(cut.std() - 0.87962566) < 1e-2


@pytest.mark.parametrize("alpha", [0.1, 0.9, 1.0, 1.1, 30.0])
def test_gamma_moments(alpha, evaluate):
    value = evaluate(tf.random_gamma([100000], alpha, beta=2.0, dtype=tf.float64, seed=3))
    assert abs(value.mean() / (alpha / 2) - 1) < 0.03 and abs(value.var() / (alpha / 4) - 1) < 0.06


@pytest.mark.parametrize("rate", [0.3, 9.9, 10.0, 200.0])
def test_poisson_moments(rate, evaluate):
    value = evaluate(tf.random_poisson(rate, [100000], seed=3))
    assert value.dtype == np.float32 and np.all(value == np.floor(value))
    assert abs(value.mean() / rate - 1) < 0.02 and abs(value.var() / rate - 1) < 0.04


def test_categories_follow_the_logits(evaluate):
    logits = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 1e-30]]))
    value = evaluate(tf.random.categorical(logits, 20000, dtype=tf.int32, seed=2))
    assert value.dtype == np.int32
    shares = np.stack([np.bincount(row, minlength=3) for row in value]) / 20000
    np.testing.assert_allclose(shares, np.exp(logits), atol=0.02)


def test_logits_that_are_not_finite_have_no_share(evaluate):
    """Recorded from TensorFlow 1.15.5; a row without a finite logit gives the number of classes."""
    nan, inf = float("nan"), float("inf")
    tf.set_random_seed(3)
    logits = tf.constant([[nan, nan, nan], [nan, inf, 1.0], [-inf, 1.0, -inf]])
    assert evaluate(tf.multinomial(logits, 2)).tolist() == [[3, 3], [2, 2], [1, 1]]


def test_a_shuffle_keeps_rows_whole(evaluate):
    rows = np.arange(60).reshape(20, 3)
    value = evaluate(tf.random_shuffle(rows, seed=1))
    assert not np.array_equal(value, rows)
    np.testing.assert_array_equal(value[np.argsort(value[:, 0])], rows)


def test_shuffled_strings(evaluate):
    assert sorted(evaluate(tf.random_shuffle(["a", "b", "c"], seed=1)).tolist()) == [b"a", b"b", b"c"]


def test_a_crop_is_a_window_of_its_image(evaluate):
    image = np.arange(35).reshape(5, 7)
    windows = {tuple(image[i:i + 4, j:j + 5].ravel()) for i in range(2) for j in range(3)}
    crop = tf.random_crop(image, [4, 5], seed=1)
    assert {tuple(evaluate(crop).ravel()) for _ in range(60)} == windows


def test_stateless_numbers_come_again(evaluate):
    tensor = tf.random.stateless_normal([5], seed=[1, 2])
    np.testing.assert_array_equal(evaluate(tensor), evaluate(tensor))
    whole = evaluate(tf.random.stateless_uniform([1000], [3, 4], minval=-2, maxval=3, dtype=tf.int32))
    assert set(whole.tolist()) == {-2, -1, 0, 1, 2}


# --- messages ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("build, error, message", [
    (lambda: tf.random_uniform([2], dtype=tf.int32), ValueError, "Must specify maxval for integer dtype tf.int32"),
    (lambda: tf.random_uniform([2], dtype=tf.int8), ValueError, "Invalid dtype tf.int8 of random_uniform"),
    (lambda: tf.random_uniform(5), ValueError, "RandomUniform .*shape has rank 0"),
    (lambda: tf.random_uniform([2.5]), TypeError, "'shape' of 'RandomUniform' Op has DataType float32"),
    (lambda: tf.random_normal([2], dtype=tf.int32), TypeError, "Expected int32, got 0.0"),
    (lambda: tf.multinomial([1.0, 2.0], 3), ValueError, "Multinomial .*logits has rank 1"),
    (lambda: tf.multinomial([[1.0, 2.0]], -3), ValueError, "num_samples should be nonnegative, got -3"),
    (lambda: tf.random.stateless_uniform([2], [1, 2, 3]), ValueError, "dimension 2 is 2 elsewhere but 3 in seed")])
def test_messages_while_building(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize("op, inputs, attrs, message", [
    ("RandomUniformInt", [[3], 5, 5], {}, "Need minval < maxval, got 5 >= 5"),
    ("RandomUniform", [[3, -1]], {"dtype": tf.float32}, r"Dimension -1 must be >= 0 in the shape \[3, -1\]"),
    ("Multinomial", [np.zeros((2, 0)), 3], {"output_dtype": tf.int64}, "num_classes should be positive, got 0"),
    ("Multinomial", [np.zeros((2, 2)), -1], {"output_dtype": tf.int64}, "num_samples should be nonnegative, got -1"),
    ("RandomPoissonV2", [[3], np.array([1.0, np.nan])], {"dtype": tf.float32, "R": tf.float64}, "rate 1 is nan"),
    ("RandomPoissonV2", [[3], np.array(3e9)], {"dtype": tf.int32, "R": tf.float64}, r"rate 0 is 3e\+09: a finite"),
    ("StatelessRandomUniformInt", [[3], [1, 2], 6, 5], {"Tseed": tf.int64}, "Need minval < maxval, got 6 >= 5")])
def test_messages_while_running(op, inputs, attrs, message):
    arrays, attrs = [np.asarray(x) for x in inputs], {"seed": 1, "seed2": 2, **attrs}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        REGISTRY[op].reference(arrays, attrs, Generator((1, 2), (0, 0, 0, 0)))


@pytest.mark.parametrize("op, inputs, out, message", [
    ("RandomUniformInt", [np.array([3], np.int32), np.int32(5), np.int32(5)], ((3,), "int32"),
     "Need minval < maxval, got 5 >= 5"),
    ("RandomPoissonV2", [np.array([3], np.int32), np.array([1.0, np.nan])], ((3, 2), "float32"),
     "rate 1 is nan: a finite rate")])
def test_kernels_say_the_same(op, inputs, out, message):
    from thalweg.cpu import random
    from thalweg.testing.kernel_call import call_kernel
    prepare = {"RandomUniformInt": random.uniform_int, "RandomPoissonV2": random.poisson}[op]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call_kernel(prepare, op, inputs, [out], {"seed": 1, "seed2": 2}, rng=seeded_state(1, 2))


def test_kernels_give_empty_results():
    from thalweg.cpu import random
    from thalweg.testing.kernel_call import call_kernel
    state, none = {"rng": seeded_state(1, 2)}, np.array([0], np.int32)
    for prepare in (random.uniform, random.standard_normal, random.truncated_normal):
        value, = call_kernel(prepare, "RandomUniform", [none], [((0,), "float32")], **state)
        assert value.shape == (0,)
    value, = call_kernel(random.gamma, "RandomGamma", [np.array([3], np.int32), np.zeros(0, np.float32)],
                         [((3, 0), "float32")], **state)
    assert value.shape == (3, 0)
    value, = call_kernel(random.multinomial, "Multinomial", [np.zeros((0, 3), np.float32), np.int32(2)],
                         [((0, 2), "int64")], **state)
    assert value.shape == (0, 2)
