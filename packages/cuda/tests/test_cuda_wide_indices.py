"""The variants with indices of 64 bits, which tensors of more than 2^31 elements get, on small ones."""
import numpy as np
import pytest
from emulation.direct import run

from thalweg.framework.declaration import REGISTRY
from thalweg_cuda.kernels import _geometry

RNG = np.random.default_rng(0)
X = RNG.integers(1, 100, (7, 10, 12)).astype(np.float32)
IDS = np.int32([3, 0, 3, 6, 5, 0, 2, 2, 1, 0])
F = np.float32


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setattr(_geometry, "_LARGEST_32", -1)


def ints(*values):
    return np.int32(values)


@pytest.mark.parametrize("op_type, inputs, shape, attrs, constants", [
    ("Transpose", [X, ints(0, 2, 1)], (7, 12, 10), {}, [1]),
    ("ReverseV2", [X, ints(0, 2)], X.shape, {}, [1]),
    ("Fill", [ints(5, 7), F(3)], (5, 7), {}, [0]),
    ("Pack", [X, X], (7, 10, 2, 12), {"axis": 2}, []),
    ("Pad", [X, ints([1, 2], [0, 0], [3, 1])], (10, 10, 16), {}, [1]),
    ("MirrorPad", [X, ints([1, 2], [0, 0], [3, 1])], (10, 10, 16), {"mode": "REFLECT"}, [1]),
    ("MirrorPadGrad", [X, ints([1, 2], [0, 0], [3, 1])], (4, 10, 8), {"mode": "SYMMETRIC"}, [1]),
    ("Roll", [X, ints(3), ints(1)], X.shape, {}, [1, 2]),
    ("GatherV2", [X, IDS, np.int32(0)], (10, 10, 12), {"batch_dims": 0}, [2]),
    ("OneHot", [IDS, np.int32(8), F(2), F(-1)], (10, 8), {"axis": -1}, [1]),
    ("UnsortedSegmentSum", [X[0, :, :5], IDS, np.int32(8)], (8, 5), {}, [2]),
    ("SegmentSum", [X[0, :, :5], np.sort(IDS)], (7, 5), {}, []),
    ("TensorScatterUpdate", [X[:, 0], IDS[:, None], X[0]], (7, 12), {}, []),
    ("MatrixBandPart", [X, np.int64(2), np.int64(3)], X.shape, {}, []),
    ("ReverseSequence", [X, ints(3, 4, 0, 9, 1, 10, 2)], X.shape, {"seq_dim": 1, "batch_dim": 0}, []),
    ("ApplyMomentum", [X[0], X[1], F(0.5), X[2], F(0.25)], (10, 12), {"use_nesterov": False}, []),
])
def test_wide_indices(op_type, inputs, shape, attrs, constants):
    want = REGISTRY[op_type].body(*_grouped(op_type, [np.array(a) for a in inputs]), **attrs)
    got, *_ = run(op_type, inputs, [(shape, F)], attrs, constants, orders=["forward"])
    np.testing.assert_allclose(got, want, 1e-6)


def _grouped(op_type, arrays):
    return [arrays] if op_type == "Pack" else arrays
