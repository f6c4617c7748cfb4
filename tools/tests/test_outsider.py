"""A device plugin of somebody else: built against the header and abi.pxd of the installed core alone, then used.

Run by tox, environment `packaging`, against the wheels; by hand against whatever thalweg Python finds.
"""
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("Cython")
SOURCE = pathlib.Path(__file__).with_name("outsider")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of site-packages with the plugin, built from a copy that lies beside nothing of ours."""
    top = tmp_path_factory.mktemp("outsider")
    shutil.copytree(SOURCE, top / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "*.c", "*.so"))
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-build-isolation",
               "--no-deps", "--no-index", "--target", top / "site", top / "source"]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return top / "site"


def test_the_installed_core_has_what_a_plugin_is_built_with():
    package = pathlib.Path(importlib.util.find_spec("thalweg").origin).parent
    assert (package / "include/thalweg_abi.h").exists() and (package / "devices/abi.pxd").exists()


def test_it_is_found_and_adds(site):
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    program = (SOURCE / "use.py").read_text()                  # by -c: Python would look beside a file first
    done = subprocess.run([sys.executable, "-c", program], cwd=site, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": path, "THALWEG_CHECK": "1"})
    assert done.returncode == 0, done.stderr
    name, small, large, *refusal, elsewhere = done.stdout.splitlines()
    assert name == "/device:OUTSIDER:0"
    assert small == "[11.0, 22.0, 33.0] 1" and large == "True 2"
    assert "OUTSIDER adds float32 tensors of one known shape" in "\n".join(refusal)
    assert elsewhere == "[2.0, 3.0, 4.0] 2"
