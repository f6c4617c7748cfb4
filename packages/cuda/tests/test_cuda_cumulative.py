"""Running sums and products: lines of a thread, of a block, of several blocks; flags; types."""
import numpy as np
import pytest
from emulation.check import check
from emulation.direct import run

import thalweg as tf


def reals(*shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# a thread for each line; a block, with whole and partly filled tiles; parts of a line
@pytest.mark.parametrize("shape, axis", [((3, 4), 1), ((5, 100, 3), 1), ((100,), 0), ((2, 1024), 1), ((2, 1500), -1),
                                         ((300, 2), 0), ((9001,), 0), ((2, 9001, 2), 1), ((0, 3), 1), ((3, 0), 1)])
@pytest.mark.parametrize("exclusive, reverse", [(False, False), (True, False), (True, True)])
def test_sums(shape, axis, exclusive, reverse):
    x = reals(*shape)
    got, = run("Cumsum", [x, np.int32(axis)], [(shape, "float32")], {"exclusive": exclusive, "reverse": reverse}, [1])
    wide = np.flip(x, axis) if reverse else x
    want = wide.astype(np.float64).cumsum(axis)
    want = want - wide if exclusive else want
    want = np.flip(want, axis) if reverse else want
    np.testing.assert_allclose(got, want, 2e-6, 1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "int64", "uint32", "complex64"])
def test_types(dtype):
    x = (1 + 0.2 * reals(3, 50)).astype(dtype) if "int" not in dtype else (10 * reals(3, 50)).astype(dtype)
    rtol = {"float16": 2e-3, "complex64": 4e-6, "float64": 1e-12}.get(dtype, 0)
    check(lambda v: [tf.cumsum(v, 1), tf.cumprod(v, 0, reverse=True), tf.cumprod(v, 1, exclusive=True)],
          np.abs(x) if "uint" in dtype else x, rtol=rtol)


def test_gradients_run_on_the_device():
    check(lambda x: tf.gradients(tf.cumprod(x, 0) * tf.cumsum(x, 0), [x]), 1 + 0.1 * reals(20, 3), rtol=1e-5)


def test_a_wrong_axis_is_an_error():
    with pytest.raises(ValueError, match="Cumsum: axis 1 of an input with 1 dimensions"):
        run("Cumsum", [reals(3), np.int32(1)], [((3,), "float32")], constants=[1])
