"""Programs that know of no device run as well where the default one has memory of its own and only enqueues work."""
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
FOLDERS = ["packages/core/tests/variables", "packages/core/tests/control_flow", "packages/core/tests/tf1",
           "packages/nn/tests/tf1"]


def test_tests_of_programs_on_a_device_that_only_enqueues_work():
    environ = {**os.environ, "THALWEG_DEVICES": "delayed,cpu,reference",
               "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "delayed_default", *FOLDERS]
    done = subprocess.run(command, cwd=HERE.parent, env=environ, capture_output=True, text=True, check=False)
    told = re.search(r"kernels on DELAYED: (\d+), replays: (\d+), intruders: \[\]", done.stdout)
    assert done.returncode == 0 and told, done.stdout[-5000:] + done.stderr[-2000:]
    assert int(told[1]) > 1000 and int(told[2]) > 50
