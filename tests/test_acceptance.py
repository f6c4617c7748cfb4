"""The acceptance tests that lie beside the checkout, run as they are and as a user would run them."""
import os
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "shared/acceptance"
FILES = sorted(FOLDER.glob("test_*.py"))


@pytest.mark.skipif(not FILES, reason=f"no acceptance tests in {FOLDER}")
@pytest.mark.parametrize("path", FILES or [None], ids=lambda path: path and path.stem)
def test_acceptance(path, tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("THALWEG_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(path)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    print(result.stdout[-2000:])
    assert result.returncode == 0, result.stdout + result.stderr
