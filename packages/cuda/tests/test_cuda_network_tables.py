"""Core's op tables of products, convolutions, pooling, normalisation and images, on the device EMULATED."""
import pytest

from thalweg.testing import table, tables
from thalweg.testing.table import Row

FAMILIES = ["matmul", "conv", "pooling", "image", "nn"]
ROWS = [(name, row) for name in FAMILIES for row in tables.families()[name] if isinstance(row, Row)]


@pytest.mark.parametrize("name, row", ROWS, ids=[f"{name} {row.name}" for name, row in ROWS])
def test_row(name, row, monkeypatch):
    monkeypatch.setattr(table, "device_names", lambda: ["/device:EMULATED:0"])
    row.check()
