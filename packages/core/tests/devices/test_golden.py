"""Plugins built against the header of every past minor version pass the conformance kit, L0 to L3, on this core.

golden/vMAJOR_MINOR/thalweg_abi.h are the frozen headers: when the minor version rises, the header as it was before is
copied there, and stays as it is. golden/plugin.c uses what version 1.0 had.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from thalweg.devices import get_include

HERE = pathlib.Path(__file__).parent / "golden"
HEADERS = sorted(HERE.glob("v*/thalweg_abi.h"))
LEVELS = ["test_l0_load", "test_l1_memory", "test_l2_order", "test_l3_kernels"]


def version_of(header):
    text = header.read_text()
    return tuple(int(re.search(rf"#define THW_ABI_{part} (\d+)", text)[1]) for part in ("MAJOR", "MINOR"))


def test_every_past_minor_version_is_here():
    present = version_of(pathlib.Path(get_include(), "thalweg_abi.h"))
    frozen = [version_of(header) for header in HEADERS]
    assert [header.parent.name for header in HEADERS] == [f"v{a}_{b}" for a, b in frozen]
    missing = [(present[0], minor) for minor in range(present[1]) if (present[0], minor) not in frozen]
    assert not missing, f"freeze the headers of {missing} in {HERE} (git show OLD:.../thalweg_abi.h)"


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.parent.name)
def test_a_plugin_of_that_version_passes(header, tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path / "golden.so"
    subprocess.run([compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    f"-I{header.parent}", HERE / "plugin.c", "-o", library], check=True)
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "thalweg.testing.plugin", "--pyargs",
         *(f"thalweg.testing.suite.{level}" for level in LEVELS), f"--thalweg-caps={HERE / 'caps.toml'}",
         f"--thalweg-report={tmp_path / 'report.json'}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
        env={**os.environ, "PYTHONPATH": path, "GOLDEN_LIBRARY": str(library)})
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["summary"].startswith("L0-L3 100 %") and report["device"]["build_tag"] == "golden"
    assert report["levels"]["L3"]["passed"] > 10
