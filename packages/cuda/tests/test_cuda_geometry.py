"""Launch sizes and index decomposition."""
import numpy as np
import pytest

from thalweg_cuda.kernels import _geometry as geometry
from thalweg_cuda.work import Target


def quotient(n, d):
    """quotient() of the kernels, in Python."""
    multiplier, shift = geometry.multiplier_of(d)
    assert multiplier < 2 ** 32
    total = (n * multiplier >> 32) + n
    assert total < 2 ** 32
    return total >> shift


@pytest.mark.parametrize("d", [1, 2, 3, 5, 7, 64, 641, 1000, 2 ** 16 + 1, 2 ** 30, 2 ** 31 - 1])
def test_division_by_multiplication(d):
    rng = np.random.default_rng(d)
    numbers = {0, 1, d - 1, d, d + 1, 2 * d - 1, 2 ** 31 - 1, *map(int, rng.integers(0, 2 ** 31, 1000))}
    for n in numbers:
        if n < 2 ** 31:
            assert quotient(n, d) == n // d, (n, d)


@pytest.mark.parametrize("shape, strides, collapsed", [
    ((), [()], ((), ())),
    ((1, 1), [(1, 1)], ((), ())),
    ((2, 3, 4), [(12, 4, 1)], ((24,), (1,))),
    ((2, 3, 4), [(12, 4, 1), (0, 0, 1)], ((6, 4), (4, 1), (0, 1))),
    ((2, 3, 4), [(12, 4, 1), (4, 0, 1)], ((2, 3, 4), (12, 4, 1), (4, 0, 1))),
    ((2, 3, 4), [(12, 4, 1), (0, 0, 0)], ((24,), (1,), (0,))),
    ((5, 1, 3), [(3, 3, 1), (1, 7, 0)], ((5, 3), (3, 1), (1, 0))),
    ((2, 3), [(-3, -1)], ((6,), (-1,))),
])
def test_collapse(shape, strides, collapsed):
    assert geometry.collapse(shape, *strides) == collapsed


def test_broadcast_strides():
    assert geometry.broadcast_strides((3, 1), (2, 3, 4)) == (0, 1, 0)
    assert geometry.broadcast_strides((), (2, 3)) == (0, 0)


def test_a_grid_is_bounded_and_never_empty():
    target = Target(multiprocessors=4)
    assert geometry.grid_stride(1, target) == ((1,), (256,))
    assert geometry.grid_stride(1025, target, per_thread=4) == ((2,), (256,))
    assert geometry.grid_stride(10 ** 9, target) == ((32,), (256,))


def test_index_types():
    assert geometry.index_for(2 ** 31 - 1).name == "uint32"
    assert geometry.index_for(5, 2 ** 31).name == "uint64"


def test_a_walk_has_arguments_for_its_parameters():
    walk = geometry.Walk((2, 3, 4), [(12, 4, 1), (-4, 0, 1)], geometry.INDEX32)
    names = [p.split()[1] for p in walk.parameters.split(", ")]
    assert len(names) == len(walk.args) == len(set(names))
    assert dict(zip(names, walk.args))["step1_0"] == 2 ** 32 - 4
    assert all(isinstance(a, np.uint32) for a in walk.args)
