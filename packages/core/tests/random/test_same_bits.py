"""What random ops make in float64 needs no C library (include/thalweg_random.h): every processor has these bits."""
import hashlib
import importlib

import numpy as np
import pytest

import thalweg.ops  # noqa: F401  (declares the ops)
from thalweg.framework.declaration import REGISTRY
from thalweg.ops import _philox
from thalweg.testing.kernel_call import KernelCall

N = 5000
SHAPE, SEED, KEY = np.array([N], np.int32), np.array([3, -4], np.int32), ((1, 2), (0xffffff80, 0xffffffff, 7, 9))
ALPHAS = np.array([0.03, 0.4, 1.0, 1.5, 30.0, 1e5])
RATES = np.array([-1.0, 0.3, 9.9, 10.0, 30.0, 1e6, 1e12])
LOGITS = np.sin(np.arange(90.0)).reshape(3, 30) * 8


def drawn(op_type, inputs, shape, dtype):
    """What the CPU's kernel gives."""
    module, _, function = REGISTRY[op_type].kernels["cpu"].partition(":")
    prepare = getattr(importlib.import_module(f"thalweg.cpu.{module}"), function)
    return KernelCall(prepare, op_type, inputs, [(shape, dtype)], {"seed": 1, "seed2": 2}, rng=KEY).run()[0]


@pytest.mark.parametrize("op_type, inputs, shape, dtype, digest", [
    ("RandomStandardNormal", [SHAPE], (N,), "float64", "42418e7094c7b661"),
    ("TruncatedNormal", [SHAPE], (N,), "float64", "dac06d241369d059"),
    ("StatelessRandomNormal", [SHAPE, SEED], (N,), "float64", "4954200c18599152"),
    ("StatelessTruncatedNormal", [SHAPE, SEED], (N,), "float64", "8aa34c4f76d360fb"),
    ("RandomGamma", [SHAPE, ALPHAS], (N, 6), "float64", "2543d6371119d245"),
    ("RandomPoissonV2", [SHAPE, RATES], (N, 7), "float64", "f5644c682e86af11"),
    ("Multinomial", [LOGITS, np.int32(N)], (3, N), "int64", "216f02231d662734"),
    ("StatelessMultinomial", [LOGITS, np.int32(N), SEED], (3, N), "int32", "41217d7b063b2da8"),
])
def test_recorded_bits(op_type, inputs, shape, dtype, digest):
    values = drawn(op_type, inputs, shape, dtype)
    assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("op_type, cut", [("RandomStandardNormal", np.inf), ("TruncatedNormal", 2)])
def test_normals_are_close_to_numpys(op_type, cut):
    values = drawn(op_type, [np.array([200_000], np.int32)], (200_000,), "float64")
    bits = _philox.blocks_at(KEY, np.arange(100_000, dtype=np.uint64) * np.uint64(1 if cut > 2 else 128))
    first = _philox.normal64(bits)[:, 0]
    kept = np.abs(first) < cut
    np.testing.assert_array_max_ulp(values[::2][kept], first[kept], 4)


@pytest.mark.parametrize("dtype", ["float32", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))])
def test_logits_of_every_type(dtype):
    logits = np.array([[3, 5, 0], [1, 1, 9]], dtype)
    values = drawn("Multinomial", [logits, np.int32(N)], (2, N), "int64")
    np.testing.assert_array_equal(values, drawn("Multinomial", [logits.astype(float), np.int32(N)], (2, N), "int64"))
    weights = np.exp([-2.0, 0.0, -5.0])
    np.testing.assert_allclose(np.bincount(values[0], minlength=3) / N, weights / weights.sum(), atol=0.03)
