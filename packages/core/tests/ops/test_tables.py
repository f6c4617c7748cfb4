"""Every op has a row in a table of this folder, or a test of its own."""
import importlib
import pathlib
import runpy

import pytest

from thalweg.framework.declaration import REGISTRY
from thalweg.testing.table import table_test

HERE = pathlib.Path(__file__).parent
# Families whose tests are elsewhere.
ELSEWHERE = {
    "thalweg.ops.random": "tests/random", "thalweg.ops.random_gamma": "tests/random",
    "thalweg.ops.stateless_random": "tests/random",
    "thalweg.ops.linalg": "tests/random/test_linalg.py", "thalweg.ops.diagonal": "tests/random/test_linalg.py",
    "thalweg.ops.control_flow": "tests/tf1", "thalweg.ops.fused": "tests/plan",
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
    missing = {name: d.__module__ for name, d in REGISTRY.items()
               if name not in covered and d.__module__ not in ELSEWHERE and d.__module__.startswith("thalweg.")}
    assert not missing, "ops without a row: " + ", ".join(f"{k} ({v})" for k, v in sorted(missing.items()))


def test_families_tested_elsewhere_exist():
    modules = {d.__module__ for d in REGISTRY.values()}
    assert set(ELSEWHERE) <= modules
    assert all((HERE.parent.parent / place).exists() for place in ELSEWHERE.values())


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
