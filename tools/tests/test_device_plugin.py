"""examples/device-plugin as an outsider builds and tests it: against the installed core alone, in a folder of its own.

Run by tox, environment `packaging`, against the wheels; by hand against whatever thalweg Python finds.
"""
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("Cython")
SOURCE = pathlib.Path(__file__).resolve().parents[2] / "examples/device-plugin"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project that lies beside nothing of ours, and a folder of site-packages into which it is built."""
    top = tmp_path_factory.mktemp("outsider")
    shutil.copytree(SOURCE, top / "project", ignore=shutil.ignore_patterns("build", "*.egg-info", "*.c", "*.so"))
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-build-isolation",
               "--no-deps", "--no-index", "--target", top / "site", top / "project"]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return top / "project"


def python(project, *arguments, **environ):
    """Runs Python in the project, with what it has been built into."""
    path = os.pathsep.join([str(project.parent / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run([sys.executable, *arguments], cwd=project, capture_output=True, text=True, timeout=900,
                          env={**os.environ, "PYTHONPATH": path, "THALWEG_CHECK": "1", **environ})


def test_the_installed_core_has_what_a_plugin_is_built_with():
    package = pathlib.Path(importlib.util.find_spec("thalweg").origin).parent
    assert (package / "include/thalweg_abi.h").exists() and (package / "devices/abi.pxd").exists()


def test_its_own_tests_and_the_conformance_kit_pass(project):
    done = python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--thalweg-report=report.json")
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    report = json.loads((project / "report.json").read_text())
    assert report["summary"] == "L0-L6 100 %", report["summary"]
    assert report["device"]["build_tag"] == "acme 1.0" and report["device"]["source"].startswith("acme-thalweg 1.0")
    assert report["levels"]["L3"]["passed"] > 200 and report["levels"]["L4"]["passed"] > 50
    page = (project / "report.json.md").read_text()
    assert page.startswith("/device:ACME:0 (acme-thalweg 1.0, acme_thalweg:plugin)")


def test_it_is_listed_with_and_without_its_hardware(project):
    line = python(project, "-m", "thalweg.devices").stdout
    assert "/device:ACME:0" in line and "acme-thalweg 1.0" in line
    assert "ACME_HIDE is set" in python(project, "-m", "thalweg.devices", ACME_HIDE="1").stdout


@pytest.mark.parametrize("claim, message", [
    ('Exp = ["float32"]', "the capabilities claim what /device:ACME:0 has no kernel for: {'Exp'"),
    ('[xfail]\n"test_sync_of_an_idle_device" = "a reason"', r"[XPASS(strict)] a reason"),
])
def test_the_kit_finds_what_is_claimed_and_not_so(project, claim, message):
    caps = project / "false.toml"
    caps.write_text((project / "caps.toml").read_text() + claim + "\n")
    done = python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "thalweg.testing.suite",
                  f"--thalweg-caps={caps}", "-k", "unary and exp or idle")
    assert done.returncode == 1 and message in done.stdout, done.stdout[-3000:]
