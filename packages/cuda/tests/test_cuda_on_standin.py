"""Unmodified PyCUDA, and the device CUDA, on the stand-in driver: a process of its own runs those tests."""
import importlib.util
import pathlib
import subprocess
import sys

import pytest
from standin import driver

HERE = pathlib.Path(__file__).parent

if importlib.util.find_spec("pycuda") is None:
    pytest.skip("PyCUDA is not installed: tools/pycuda-wheel builds it", allow_module_level=True)


@pytest.mark.parametrize("folder", ["on_standin", "gpu"])
def test_on_the_standin(folder, request):
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(HERE / folder)]
    result = subprocess.run(command, cwd=request.config.rootpath, env=driver.environment(devices=2),
                            capture_output=True, text=True)
    print(result.stdout[-10_000:], result.stderr[-5_000:])
    assert result.returncode == 0 and " passed" in result.stdout
