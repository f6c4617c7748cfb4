"""Unmodified PyCUDA, and the device CUDA, on the stand-in driver: a process of its own runs those tests."""
import importlib.util
import json
import os
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
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / folder)]
    ours = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    result = subprocess.run(command, cwd=request.config.rootpath, env=driver.environment(ours, devices=2),
                            capture_output=True, text=True)
    print(result.stdout[-10_000:], result.stderr[-5_000:])
    assert result.returncode == 0 and " passed" in result.stdout


def python(*arguments, **settings):
    """What a Python of its own prints; the stand-ins are not in its environment, `settings` are."""
    ours = "THALWEG_STANDIN", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | settings
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True, cwd=HERE,
                          env=environment).stdout


def test_in_a_running_process():
    assert python("-c", """
from standin import driver
print(driver.is_loaded())
driver.install(devices=3, memory=1 << 20, capability="8.6", fail="launch:9,allocation:2x2")
print(driver.is_loaded())
import pycuda.driver as cuda
cuda.init()
context = cuda.Device(2).retain_primary_context()
context.push()
print(cuda.Device.count(), cuda.Device(2).total_memory(), cuda.Device(2).compute_capability())
kept = cuda.mem_alloc(4)
try:
    cuda.mem_alloc(4)
except cuda.MemoryError:
    print("out of memory")
kept.free()
context.pop()
context.push()
context.detach()
""").splitlines() == ["False", "True", "3 1048576 (8, 6)", "out of memory"]


def test_the_environment_as_a_command_prints_it():
    added = json.loads(python("standin/environment.py"))
    assert added["LD_LIBRARY_PATH"].split(":")[0] == str(driver.build()) and added["THALWEG_STANDIN_DEVICES"] == "1"


def test_a_command_is_run_in_that_environment():
    code = "import pycuda.driver as cuda; cuda.init(); print(cuda.Device(0).name())"
    assert python("standin/environment.py", sys.executable, "-c", code) == "thalweg stand-in\n"


@pytest.mark.parametrize("devices, visible, count", [
    ("3", None, 3), ("3", "2,0", 2), ("3", "1,7,0", 1), ("2", "-1", 0), ("2", "", 0), ("0", None, 0), ("2", "0,0", 1)])
def test_what_the_environment_says_of_devices_is_heeded(devices, visible, count):
    code = """import pycuda.driver as cuda
try:
    cuda.init()
    print(cuda.Device.count())
except cuda.RuntimeError as error:
    print("no CUDA-capable device" in str(error) and 0)"""
    settings = {"THALWEG_STANDIN_DEVICES": devices, **({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})}
    assert python("standin/environment.py", sys.executable, "-c", code, **settings) == f"{count}\n"


def test_without_the_standin_its_counters_are_an_error():
    code = "from standin import driver; driver.counters()"
    with pytest.raises(subprocess.CalledProcessError) as error:
        python("-c", code)
    assert "the stand-in driver is not loaded: call standin.driver.install() before PyCUDA" in error.value.stderr
