"""The elementwise generator: ways of broadcasting, packs and what is left of them, dtypes, fused regions."""
import numpy as np
import pytest
from emulation.check import check

import thalweg as tf


def reals(*shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# the sizes: nothing, one, less than a pack, packs and a rest, more than one block
@pytest.mark.parametrize("size", [0, 1, 3, 4, 37, 1030])
def test_sizes(size):
    check(tf.add, reals(size), reals(size, seed=1))


@pytest.mark.parametrize("left, right", [
    ((), (37,)), ((37,), ()), ((1,), (37,)), ((5, 8), (8,)), ((5, 8), (5, 1)), ((5, 7), (7,)), ((5, 6), (5, 1)),
    ((5, 1), (1, 8)), ((2, 3, 4), (3, 1)), ((2, 1, 4, 1, 3, 1, 2), (1, 3, 1, 5, 1, 4, 1)), ((0, 3), (3,)), ((), ())])
def test_broadcasting(left, right):
    check(tf.subtract, reals(*left), reals(*right, seed=1))


def test_small():
    check(tf.sigmoid, reals(1000))
    check(tf.less, reals(37), reals(37, seed=1))
    check(tf.nn.leaky_relu, reals(100))
