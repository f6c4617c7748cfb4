"""The BLAS looked up at run time, and plain C where there is none."""
import os
import subprocess
import sys

import numpy as np
import pytest

from thalweg.cpu import _blas


@pytest.fixture(params=["library", "plain C"])
def product(request):
    _blas.use(_blas.find() if request.param == "library" else None)
    yield _blas.matmul
    _blas.use(_blas.find())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("a_is_transposed", [False, True])
@pytest.mark.parametrize("b_is_transposed", [False, True])
@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (5, 77, 130), (64, 64, 64), (3, 200, 1), (0, 3, 4), (3, 0, 4),
                                           (3, 4, 0)])
def test_products(product, dtype, a_is_transposed, b_is_transposed, m, n, k):
    random = np.random.default_rng(7)
    a, b = random.normal(size=(m, k)).astype(dtype), random.normal(size=(k, n)).astype(dtype)
    c = product(a.T if a_is_transposed else a, b.T if b_is_transposed else b, a_is_transposed, b_is_transposed)
    assert c.dtype == dtype
    np.testing.assert_allclose(c, a.astype(float) @ b.astype(float), rtol=0,
                               atol=64 * np.finfo(dtype).eps * max(k, 1) ** 0.5)


def test_the_library_is_the_declared_one():
    assert "scipy_openblas32" in _blas.library()


def test_a_size_that_blas_cannot_take():
    with pytest.raises(OverflowError, match=r"a matrix dimension of 2147483648 is above 2\*\*31 - 1"):
        _blas.matmul(np.empty((0, 2**31), np.float32), np.empty((2**31, 0), np.float32))


def test_the_library_starts_no_threads():
    program = """
import os
import numpy
before = len(os.listdir("/proc/self/task"))
from thalweg.cpu import _blas
assert _blas.library()
_blas.matmul(numpy.ones((300, 300)), numpy.ones((300, 300)))
assert len(os.listdir("/proc/self/task")) == before and "OPENBLAS_NUM_THREADS" not in os.environ
"""
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=environment)


def test_without_the_package_plain_c_stands_in():
    program = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "scipy_openblas32" else find(name, *rest)
import numpy
from thalweg.cpu import _blas
assert _blas.library() == "" and _blas.matmul(numpy.ones((2, 3)), numpy.ones((3, 2))).tolist() == [[3, 3], [3, 3]]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
