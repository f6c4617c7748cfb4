"""Casts: every pair of types, what is out of range, rounding to half types, Truncate."""
import numpy as np
import pytest
from emulation.check import check
from emulation.direct import run

import thalweg as tf
from thalweg.framework import packed

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
EDGES = [0.0, -0.0, 0.5, -0.5, 1.5, -1.99, 127.9, 128.0, -129.0, 255.5, 256.0, 32768.0, 65535.9, 65536.0,
         2.0 ** 31, 2.0 ** 31 - 1, -2.0 ** 31 - 1, 2.0 ** 32 + 5, 2.0 ** 62, 2.0 ** 63, -2.0 ** 63, 2.0 ** 64, 1e30,
         -1e30, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("source", ["float32", "float64", "float16", "complex64"])
def test_reals_to_integers_as_the_processor_does_it(source):
    with np.errstate(over="ignore"):
        x = np.array(EDGES).astype(source)
    for target in [*INTEGERS, "bool"]:
        got = _cast_on("/device:EMULATED:0", x, target)
        want = _cast_on("/cpu:0", x, target) if source != "complex64" or target == "bool" else \
            _cast_on("/cpu:0", x.real.copy(), target)
        np.testing.assert_array_equal(got, want, f"{source} to {target}")


def _cast_on(device, x, target):
    with tf.Graph().as_default() as graph, tf.device(device):
        feed = tf.placeholder(x.dtype, x.shape)
        y = tf.cast(feed, target)
        with tf.Session(graph=graph) as session:
            return session.run(y, {feed: x})


@pytest.mark.parametrize("source", [*INTEGERS, "bool", "complex128"])
def test_what_is_held_exactly_or_wraps(source):
    x = np.random.default_rng(0).integers(0, 2 if source == "bool" else 100, 37).astype(source)
    if source not in ("bool", "complex128"):
        x[:2] = np.iinfo(source).min, np.iinfo(source).max
    if source == "complex128":
        x += 2j
    for target in ("int8", "uint32", "int64", "bool", "float16", "float64", "complex64"):
        if source in ("uint64", "int64", "uint32", "int32") and target == "float16":
            continue                                     # NumPy warns of infinity; tested below
        if source != target:
            check(lambda v: tf.cast(v, target), x, rtol=1e-6)  # noqa: B023 - called at once


def test_half_types_are_rounded_to_the_nearest_even():
    edges = [65519.9, 65520.0, 2049.0, 2051.0, 5.9604645e-8, 2.9802322e-8, np.inf, -0.0]
    drawn = np.random.default_rng(1).normal(size=200) * 10.0 ** np.arange(-10, 10).repeat(10)
    x = np.concatenate([drawn, edges]).astype(np.float32)
    with np.errstate(over="ignore"):
        want = x.astype(np.float16)
    got, = run("Cast", [x], [(x.shape, "float16")], orders=("forward",))
    assert got.tobytes() == want.tobytes()
    got, = run("Cast", [x], [(x.shape, tf.bfloat16)], orders=("forward",))
    assert got.tobytes() == packed.to_packed(x, tf.bfloat16).tobytes()
    back, = run("Cast", [want], [(x.shape, "float32")], orders=("forward",))
    np.testing.assert_array_equal(back, want.astype(np.float32))


def test_truncate_drops_bits():
    x = np.array([1.999, -1.999, 3.14159, np.nan, 1e-40], np.float32)
    got, = run("Cast", [x], [(x.shape, tf.bfloat16)], {"Truncate": True}, orders=("forward",))
    bits = np.frombuffer(got.tobytes(), np.uint16)
    np.testing.assert_array_equal(bits, x.view(np.uint32) >> 16)
