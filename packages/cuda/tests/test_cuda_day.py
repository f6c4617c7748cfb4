"""tools/gpu_day as far as it can be tried without a card: what it measures, on the stand-in, and its page."""
import datetime
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from standin import driver

TOOLS = Path(__file__).resolve().parents[3] / "tools"
if importlib.util.find_spec("pycuda") is None:
    pytest.skip("PyCUDA is not installed: tools/pycuda-wheel builds it", allow_module_level=True)


@pytest.fixture(scope="module")
def page():
    sys.path.insert(0, str(TOOLS / "gpu"))
    try:
        yield importlib.import_module("report").report
    finally:
        sys.path.remove(str(TOOLS / "gpu"))


def test_what_is_measured_runs_and_is_reported(page):
    command = [sys.executable, TOOLS / "gpu/speed.py", "--small", "--rounds", "1", "--seconds", "0.01", "mlp",
               "elementwise", "matmul"]
    done = subprocess.run(command, env=driver.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    about, *results = map(json.loads, done.stdout.splitlines())
    assert all(result["done"] for result in results)
    assert [r["name"] for r in results] == ["matmul_8192_bfloat16", "elementwise_1gb", "mlp_step_64"]
    assert all(r["figures"]["thalweg"] > 0 and r["allocations_after_warm_up"] == 0 and r["thalweg_bytes"] > 0
               for r in results)
    text = page({"speed": {"passed": True, "seconds": 1.0, **about, "results": results}}, datetime.date(2026, 1, 2),
                {"name": "a card"})
    assert "PyTorch was not measured" in text or about["torch"]
    assert "| mlp_step_64 | us |" in text and "| name | a card |" in text


@pytest.mark.parametrize(("ours", "eager", "verdict"), [(100.0, 50.0, "goal"), (98.5, 100.0, "must"),
                                                        (97.0, 100.0, "missed")])
def test_verdicts(page, ours, eager, verdict):
    found = {"name": "matmul_8192_bfloat16", "figures": {"thalweg": ours, "eager": eager, "compile": eager},
             "allocations_after_warm_up": 0, "thalweg_bytes": 10_000_000, "eager_bytes": 20_000_000}
    results = {"tests": {"passed": False, "seconds": 2.0, "said": "one | two"},
               "sanitizer": {"passed": None, "seconds": 0.0, "said": "not here"},
               "speed": {"passed": True, "seconds": 1.0, "thalweg": "0.1.0", "torch": "2.11.0", "without_torch": "",
                         "results": [found, {"name": "mlp_step_64", "error": "no | card"}]}}
    text = page(results, datetime.date(2026, 1, 2), {}, rehearsed=True)
    assert f"| {verdict} |\n" in text and "| mlp_step_64 | us | no \\| card |" in text
    assert "| tests | FAILED | 2 | one \\| two |" in text
    assert "| sanitizer | not run | 0 | not here |" in text and text.startswith("# A rehearsal")
    assert "| build | not run |  |  |" in text
    unknown = "build (not run), kernels (not run), sanitizer (not run)"
    assert f"* Correctness: **FAILED**: tests; **not shown**: {unknown}.\n" in text
    missed = "; **missed**: matmul_8192_bfloat16 0.97 (at least 0.98 of eager)" if verdict == "missed" else ""
    assert f"* Figures: {3 - bool(missed)} of 6 musts reached{missed}; not measured: 3.\n" in text
    assert "| matmul_8192_bfloat16 | 0 | 10 | 20 | 0.5 |" in text


def test_what_is_missed_is_no_mistake(page):
    """Memory and allocations are asked too; a day without figures says so."""
    found = {"name": "mlp_step_64", "figures": {"thalweg": 61.0}, "allocations_after_warm_up": 2,
             "thalweg_bytes": 12_000_000, "eager_bytes": 10_000_000}
    results = {"speed": {"passed": True, "seconds": 1.0, "thalweg": "0.1.0", "torch": "2.11.0", "without_torch": "",
                         "results": [found]}}
    text = page(results, datetime.date(2026, 1, 2), {})
    assert ("* Figures: 0 of 3 musts reached; **missed**: mlp_step_64 61 (at most 60.0 us), mlp_step_64 2 (no "
            "allocation after warm-up), mlp_step_64 1.2 (memory at most 1.1 of eager).\n") in text
    assert "* Figures: none was measured.\n" in page({}, datetime.date(2026, 1, 2), {})


def test_a_rehearsal_of_what_is_sanitized(tmp_path):
    """A row for each family of kernels gives what the conformance kit asks, as the script runs it on a card."""
    command = [sys.executable, TOOLS / "gpu_day", "--rehearse", "--only", "sanitizer", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " rows on the stand-in, without compute-sanitizer |\n" in done.stdout
    assert "the tests of the device alone run them: " in done.stdout
    assert "**not shown**: " in done.stdout and "sanitizer (" not in done.stdout
    assert (tmp_path / "rehearsal.md").read_text() in done.stdout
