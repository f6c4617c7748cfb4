"""Every op has a row in a table of this folder, or a test of its own."""
import importlib
import pathlib
import re
import runpy

import numpy as np
import pytest

from thalweg import devices
from thalweg.framework import dtypes
from thalweg.framework.declaration import REGISTRY
from thalweg.framework.packed import to_packed
from thalweg.ops import unary as unary_ops
from thalweg.testing.table import check_close, table_test
from thalweg.testing.tables import unary

HERE = pathlib.Path(__file__).parent
# Ops whose tests are elsewhere: file -> ops. The file names them, by op type or public name.
ELSEWHERE = {
    "random/data/tf1_layouts.json": (                    # cases of random/test_layouts.py
        "Multinomial", "RandomGamma", "RandomPoissonV2", "RandomShuffle", "RandomStandardNormal", "RandomUniform",
        "RandomUniformInt", "StatelessMultinomial", "StatelessRandomNormal", "StatelessRandomUniform",
        "StatelessRandomUniformInt", "StatelessTruncatedNormal", "TruncatedNormal"),
    "random/test_gamma_gradient.py": ("RandomGammaGrad",),
    "random/test_linalg.py": ("Diag", "DiagPart", "MatrixBandPart", "MatrixSetDiag", "MatrixTriangularSolve", "Qr"),
    "plan/test_passes.py": ("_FusedBatchNormInference", "_FusedConv2D", "_FusedDepthwiseConv2dNative", "_FusedMatMul",
                            "_FusedSeparableConv2D", "_Region"),
    "plan/test_fuse_training.py": ("_FusedBatchNormEx", "_FusedBatchNormGradEx", "_FusedBiasAddGrad"),
}
# Gradients of gathered rows are sparse; the tables ask for the gradients of such gradients, which are dense.
pytestmark = pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices")
FILES = sorted(p.name for p in HERE.glob("test_*.py") if p.name not in ("test_tables.py", "test_tf1.py"))


@pytest.fixture(scope="module")
def covered():
    found = set()
    for name in FILES:
        for value in runpy.run_path(str(HERE / name)).values():
            for row in getattr(value, "rows", ()):
                found |= row.op_types()
            if isinstance(value, tuple) and value and all(isinstance(v, str) and v in REGISTRY for v in value):
                found |= set(value)
    return found


def test_tables_are_complete(covered):
    exempt = {op for ops in ELSEWHERE.values() for op in ops}
    missing = {name: d.__module__ for name, d in REGISTRY.items()
               if name not in covered | exempt and d.__module__.startswith("thalweg.")}
    assert not missing, "ops without a row: " + ", ".join(f"{k} ({v})" for k, v in sorted(missing.items()))


def stale_exemptions(covered, elsewhere):
    """Exemptions of ops that are no more, that have a row here by now, or that the file does not name."""
    for place, ops in elsewhere.items():
        path = HERE.parent / place
        text = path.read_text() if path.exists() else ""
        for op in ops:
            public = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", op).lower()
            if op not in REGISTRY or op in covered or not re.search(rf"\b({op}|{public})\b", text):
                yield op


def test_exemptions_are_not_stale(covered):
    assert not list(stale_exemptions(covered, ELSEWHERE))
    stale = {"random/test_linalg.py": ("Gone", "MatMul", "RandomShuffle"), "random/gone.py": ("Qr",)}
    assert list(stale_exemptions(covered, stale)) == ["Gone", "MatMul", "RandomShuffle", "Qr"]


def test_every_op_says_what_it_means():
    for name, declaration in REGISTRY.items():
        assert declaration.__doc__, name
        assert declaration.has_gradient or declaration.no_gradient_reason, name


def test_every_kernel_that_an_op_names_exists():
    names = {kernel for d in REGISTRY.values() if d.__module__.startswith("thalweg.")
             for device, kernel in d.kernels.items() if device == "cpu"}
    for name in sorted(names):
        module, _, function = name.partition(":")
        assert hasattr(importlib.import_module(f"thalweg.cpu.{module}"), function), name


def test_table_test_keeps_its_rows():
    assert table_test([]).rows == []


@pytest.mark.parametrize("dtype, off", [("float16", 2e-2), ("bfloat16", 8e-2), ("float32", 2e-5)])
def test_an_element_is_not_excused_by_one_that_is_large(dtype, off):
    want = np.array([0.0, 0.7, 1e4], np.float32)
    check_close(*rounded(dtype, want, want), 1.0, "y")
    check_close(*rounded(dtype, [0, 0.7 * (1 + off / 20), 1e4], want), 1.0, "y")
    with pytest.raises(AssertionError, match="y"):
        check_close(*rounded(dtype, [0, 0.7 + off, 1e4], want), 1.0, "y")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64"])
def test_signs_of_zeros_where_a_row_asks(dtype):
    for value in (-0.0, 0.0, complex(0, -0.0))[:3 if dtype == "complex64" else 2]:
        same, other = rounded(dtype, [value, 2], [-value, 2])
        check_close(same, same, 1.0, "y", signs=True)
        check_close(other, same, 1.0, "y")
        with pytest.raises(AssertionError, match="y.*the signs of zeros differ"):
            check_close(other, same, 1.0, "y", signs=True)


class Halfway:
    """A device whose Abs leaves -0.0 as it is."""

    def count(self): return 1
    def alloc(self, i, nbytes, align): return np.empty(nbytes, np.uint8)
    def free(self, i, buf): pass
    def h2d(self, i, buf, src, stream=None): buf[:] = src
    def d2h(self, i, dst, buf, stream=None): dst[:] = buf

    def kernel(self, i, op):
        return lambda inputs, outputs: np.copyto(outputs[0], np.where(inputs[0] < 0, -inputs[0], inputs[0]))


def test_a_row_holds_devices_to_the_signs_of_zeros():
    zeros, = [row for row in unary.ROWS if row.function is unary_ops.abs_op]
    devices.register(devices.DevicePlugin("HALFWAY", Halfway, priority=20, host_memory=True))
    try:
        with pytest.raises(AssertionError, match="/device:HALFWAY:0.*the signs of zeros differ"):
            zeros.check_device("/device:HALFWAY:0", dtypes.float32, zeros.draw(dtypes.float32),
                               zeros.expected(dtypes.float32, zeros.draw(dtypes.float32)))
    finally:
        devices.unregister("HALFWAY")


def rounded(dtype, *values):
    return [to_packed(np.float32(v), dtypes.bfloat16) if dtype == "bfloat16" else np.array(v, dtype) for v in values]
