"""Random numbers: the CPU's bits."""
import ctypes
import itertools
import math
import platform
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from emulation.direct import run
from emulation.emulated import Emulated
from standin import emulator

import thalweg as tf
from thalweg.ops import _philox, _rejection
from thalweg.ops.random_gamma import random_gamma_op
from thalweg_cuda.kernels._normal import FITTED, ROUNDED
from thalweg_cuda.kernels._philox import PHILOX
from thalweg_cuda.kernels.prelude import PRELUDE

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the CPU's kernels call this machine's C "
                                 "library, which is not glibc: no other device has its bits")
SIZES = [1, 3, 4, 7, 1030]


class Stream:
    """A generator that begins near the end of the counter's lower half, so that blocks carry into the upper one."""

    key = (0x12345678, 0x9abcdef0)

    def reserve(self, blocks):
        self.blocks = blocks
        return 0xffffff80, 0xffffffff, 7, 9


class Keyed(Stream):
    """Another stream for each key."""

    def __init__(self, key):
        self.key = (key, 0)


def on_both(build, seed=11):
    """What two runs give on the CPU and on EMULATED; nothing may fall back."""
    results = []
    for place in ("/device:CPU:0", "/device:EMULATED:0"):
        with tf.Graph().as_default() as graph, tf.device(place), tf.Session(graph=graph) as session:
            tf.set_random_seed(seed)
            outputs = build()
            Emulated.refused.clear()
            results.append([session.run(outputs) for _ in range(2)])
            assert not Emulated.refused
    return results


def same_bits(build):
    """Checks that two runs give the CPU's bits."""
    cpu, device = on_both(build)
    for a, b in zip(cpu, device):
        for want, got in zip(a, b):
            assert got.dtype == want.dtype and got.shape == want.shape
            np.testing.assert_array_equal(got, want)
            assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_uniforms_are_the_cpus(dtype):
    same_bits(lambda: [tf.random_uniform([n, 1], dtype=dtype) for n in SIZES])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers_are_the_cpus(dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    same_bits(lambda: [tf.random_uniform([n], a, b, dtype) for n in SIZES
                       for a, b in ((-3, 4), (low, high), (5, 6))])


@pytest.mark.parametrize("dtype", [pytest.param("float16", marks=needs_glibc),
                                   pytest.param("float32", marks=needs_glibc), "float64"])
def test_normals_are_the_cpus(dtype):
    same_bits(lambda: [make([n], dtype=dtype) for n in (*SIZES, 300_001) for make in (tf.random_normal,
                                                                                      tf.truncated_normal)])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_gammas_are_the_cpus(dtype):
    alphas = np.array([[0.03, 0.4, 1.0], [1.5, 30.0, 1e4]])
    same_bits(lambda: [random_gamma_op([n], alphas.astype(dtype), seed=5, seed2=6) for n in (0, 1, 7, 1030)])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64"])
def test_poisson_variates_are_the_cpus(dtype):
    rates = np.array([-1, 0, 1, 9, 10, 30, 60000])
    same_bits(lambda: [tf.random_poisson(rates.astype(dtype), [n], dtype=dtype) for n in (0, 1, 7, 1030)]
              + [tf.random_poisson([0.3, 9.99, 1e5], [77, 2], dtype=dtype)])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32", "int64", "uint8"])
def test_categories_are_the_cpus(dtype):
    logits = [np.sin(np.arange(rows * classes)).reshape(rows, classes) * 5 + 5 for rows, classes in (
        (1, 1), (3, 7), (2, 2500))]
    same_bits(lambda: [draw(x.astype(dtype), n) for x in logits for n in (1, 4, 533) for draw in (
        tf.multinomial, lambda x, n: tf.random.stateless_multinomial(x, n, [3, 4], tf.int32))])


def test_logits_that_are_not_finite():
    nan, inf = float("nan"), float("inf")
    same_bits(lambda: [tf.multinomial([[nan, nan, nan], [nan, inf, 1.0], [-inf, 1.0, -inf], [1e38, -3e38, 3e38]], 9)])


@pytest.mark.parametrize("shape, dtype", [((0,), "float32"), ((1, 3), "float32"), ((2,), "int64"), ((3, 0), "int32"),
                                          ((257, 3), "uint8"), ((1000, 4), "float64"), ((65, 2, 2), "complex128"),
                                          ((9001,), "float16"), ((70_001,), "int32"), ((5,), "bool"), ((), "int32")])
def test_shuffles_are_the_cpus(shape, dtype):
    same_bits(lambda: [tf.random_shuffle(np.arange(math.prod(shape)).reshape(shape).astype(dtype), seed=seed)
                       for seed in (1, 2)])


def test_every_order_of_few_rows():
    """All the swaps that there can be: the links are followed as the swaps would have been made."""
    seen = {tuple(run("RandomShuffle", [np.arange(4)], [((4,), np.int64)], rng=lambda k=k: Keyed(k),
                      orders=("forward",))[0].tolist()) for k in range(200)}
    assert seen == set(itertools.permutations(range(4)))


def test_wrong_rates_are_told():
    for rate, told in ((float("nan"), "rate 1 is nan"), (3e9, r"rate 1 is 3e\+09: a finite rate in the range")):
        with tf.Graph().as_default(), tf.device("/device:EMULATED:0"), tf.Session() as session:
            with pytest.raises(tf.errors.InvalidArgumentError, match=told):
                session.run(tf.random_poisson(tf.constant([1.0, rate], tf.float64), [300], dtype=tf.int32))


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


def test_stateless_normals_of_other_types():
    same_bits(lambda: [draw([n], [7, -8], dtype=tf.float64) for n in SIZES for draw in (
        tf.random.stateless_normal, tf.random.stateless_truncated_normal)])
    seed, size = np.int64([5, 6]), np.int32([1001])
    for op_type, make in (("StatelessRandomNormal", _philox.normals),
                          ("StatelessTruncatedNormal", _rejection.truncated_normals)):
        got, = run(op_type, [size, seed], [((1001,), np.float16)], constants=[0])
        np.testing.assert_array_equal(got, make(_philox.stateless_state(seed), 1001, np.dtype("f2")))


def test_stateless_normals():
    seed = np.int64([5, 6])
    got, = run("StatelessRandomNormal", [np.int32([10_001]), seed], [((10_001,), np.float32)], constants=[0])
    np.testing.assert_array_equal(got, _philox.normals(_philox.stateless_state(seed), 10_001, np.dtype("f4")))
    got, = run("StatelessTruncatedNormal", [np.int32([10_001]), seed], [((10_001,), np.float32)], constants=[0])
    np.testing.assert_array_equal(got, _rejection.truncated_normals(_philox.stateless_state(seed), 10_001,
                                                                    np.dtype("f4")))


EACH = PRELUDE + PHILOX + """
FUNCTIONS
extern "C" __global__ void each(float* logs, float* sines, float* cosines) {
  const uint32 i = blockIdx.x * blockDim.x + threadIdx.x;
  float pair[2];
  normal_pair(1u, i, pair);                                  /* radius times sine and cosine of 2 pi i / 2^23 */
  logs[i] = log_of(unit_f32(i) < 1e-7f ? 1e-7f : unit_f32(i)), sines[i] = pair[0], cosines[i] = pair[1];
}
"""


@pytest.mark.parametrize("functions", [pytest.param(FITTED, marks=needs_glibc, id="fitted"),
                                       pytest.param(ROUNDED, id="rounded")])
def test_every_argument(functions):
    """The functions are the C library's, or rounded once, for every float that a word can give."""
    n = 2 ** 23
    got = np.empty((3, n), np.float32)
    module = emulator.load(EACH.replace("FUNCTIONS", functions), ["--fmad=false"])
    module.launch("each", (n // 256,), (256,), list(got))
    unit = np.arange(n, dtype=np.float32) / np.float32(n)
    logs, radius, sines, cosines = (of_libm if functions is FITTED else rounded_once)(unit)
    np.testing.assert_array_equal(got[0], logs)
    np.testing.assert_array_equal(got[1], sines * radius)
    np.testing.assert_array_equal(got[2], cosines * radius)


def rounded_once(unit):
    """As core's bodies compute: each function in float64."""
    logs = np.log(np.maximum(unit, np.float32(1e-7)).astype(np.float64)).astype(np.float32)
    angle = (2 * np.pi * unit.astype(np.float64)).astype(np.float32).astype(np.float64)
    return logs, np.sqrt(np.float32(-2) * logs[1]), np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)


LIBM = r"""
#include <math.h>
void each(const float* unit, long n, float* logs, float* sines, float* cosines) {
  for (long i = 0; i < n; i++) {
    logs[i] = logf(unit[i] < 1e-7f ? 1e-7f : unit[i]);
    sincosf((float)(2 * M_PI * unit[i]), &sines[i], &cosines[i]);
  }
}
"""


def of_libm(unit):
    """As the CPU's kernels compute, by this machine's C library."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "each")
        path.with_suffix(".c").write_text(LIBM)
        subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-fno-builtin", "-shared", "-fPIC", f"{path}.c", "-o",
                        f"{path}.so", "-lm"], check=True)
        found = np.empty((3, unit.size), np.float32)
        ctypes.CDLL(f"{path}.so").each(ctypes.c_void_p(unit.ctypes.data), ctypes.c_long(unit.size),
                                       *[ctypes.c_void_p(row.ctypes.data) for row in found])
    return found[0], np.sqrt(np.float32(-2) * found[0][1]), found[1], found[2]


def test_an_empty_range_is_an_error():
    with tf.Graph().as_default() as graph, tf.device("/device:EMULATED:0"), tf.Session(graph=graph) as session:
        high = tf.placeholder(tf.int32, [])
        numbers = tf.random_uniform([3], 5, high, tf.int32)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Need minval < maxval, got 5 >= 5"):
            session.run(numbers, {high: 5})
