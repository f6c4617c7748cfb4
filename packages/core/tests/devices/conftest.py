"""Packages that are installed for one test: good plugins, and bad ones."""
import os
import subprocess
import sys

import pytest


@pytest.fixture
def install(tmp_path):
    """install(name, program): a package whose module `program` provides `plugin` to the group thalweg.devices."""
    def package(name, program):
        (tmp_path / f"{name}_thalweg.py").write_text(program)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[thalweg.devices]\n{name} = {name}_thalweg:plugin\n")
    return package


@pytest.fixture
def python(tmp_path):
    """Runs Python where those packages are installed, at most `timeout` seconds."""
    def run(*arguments, timeout=120, **environ):
        path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=timeout,
                              check=False, env={**os.environ, "PYTHONPATH": path, **environ})
    return run
