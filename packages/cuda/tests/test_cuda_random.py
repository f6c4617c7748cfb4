"""Random numbers: the CPU's bits."""
import numpy as np
import pytest
from emulation.direct import run

import thalweg as tf
from thalweg.ops import _philox

SIZES = [1, 3, 4, 7, 1030]


class Stream:
    """A generator that begins near the end of the counter's lower half, so that blocks carry into the upper one."""

    key = (0x12345678, 0x9abcdef0)

    def reserve(self, blocks):
        self.blocks = blocks
        return 0xffffff80, 0xffffffff, 7, 9


def on_both(build, seed=11):
    """What two runs give on the CPU and on EMULATED; nothing may fall back."""
    results = []
    for place in ("/device:CPU:0", "/device:EMULATED:0"):
        with tf.Graph().as_default() as graph, tf.device(place), tf.Session(graph=graph) as session:
            tf.set_random_seed(seed)
            outputs = build()
            metadata = tf.RunMetadata()
            results.append([session.run(outputs, run_metadata=metadata) for _ in range(2)])
            assert not metadata.fallbacks, metadata.fallbacks
    return results


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_uniforms_are_the_cpus(dtype):
    cpu, device = on_both(lambda: [tf.random_uniform([n, 1], dtype=dtype) for n in SIZES])
    for a, b in zip(cpu, device):
        for want, got in zip(a, b):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers_are_the_cpus(dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    cpu, device = on_both(lambda: [tf.random_uniform([n], a, b, dtype) for n in SIZES
                                   for a, b in ((-3, 4), (low, high), (5, 6))])
    for a, b in zip(cpu, device):
        for want, got in zip(a, b):
            np.testing.assert_array_equal(got, want)


def test_a_carry_of_the_counter():
    for dtype, words in ((np.float32, 1), (np.float64, 2)):
        got, = run("RandomUniform", [np.int32([1500])], [((1500,), dtype)], constants=[0], rng=Stream)
        bits = _philox.words((Stream.key, Stream().reserve(0)), 1500 * words)
        want = _philox.uniform32(bits) if words == 1 else _philox.uniform64(bits.reshape(-1, 2))
        np.testing.assert_array_equal(got, want)


def test_what_a_run_reserves():
    stream = Stream()
    run("RandomUniform", [np.int32([10])], [((10,), np.float32)], constants=[0], rng=lambda: stream)
    assert stream.blocks == 2560


@pytest.mark.parametrize("seed", [np.int32([3, -4]), np.int64([2 ** 40 + 1, -(2 ** 35)])])
def test_stateless_uniforms(seed):
    for dtype in (np.float16, np.float32, np.float64):
        got, = run("StatelessRandomUniform", [np.int32([77]), seed], [((77,), dtype)], constants=[0])
        np.testing.assert_array_equal(got, _philox.uniforms(_philox.stateless_state(seed), 77, np.dtype(dtype)))
    low, high = np.int32(-5), np.int32(2 ** 31 - 1)
    got, = run("StatelessRandomUniformInt", [np.int32([77]), seed, low, high], [((77,), np.int32)], constants=[0])
    np.testing.assert_array_equal(got, _philox.integers(_philox.stateless_state(seed), 77, low, high))


def test_an_empty_range_is_an_error():
    with tf.Graph().as_default() as graph, tf.device("/device:EMULATED:0"), tf.Session(graph=graph) as session:
        high = tf.placeholder(tf.int32, [])
        numbers = tf.random_uniform([3], 5, high, tf.int32)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Need minval < maxval, got 5 >= 5"):
            session.run(numbers, {high: 5})
