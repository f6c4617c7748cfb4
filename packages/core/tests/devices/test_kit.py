"""The conformance kit itself: what it claims to understand, when it is active, what it reports."""
import json
import subprocess
import sys

import pytest

from thalweg.framework import dtypes
from thalweg.testing.capabilities import Capabilities, CapabilityError, matches

PLUGIN = ["-p", "no:cacheprovider", "-p", "thalweg.testing.plugin"]


def pytest_of(tmp_path, *arguments, timeout_s=300):
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *arguments], cwd=tmp_path, capture_output=True,
                          text=True, timeout=timeout_s)


def test_claims():
    caps = Capabilities(device="ACME", ops={"*": ["float32"], "Exp": "all", "Tanh": []},
                        tolerances={"Exp": 3, "Tanh": {"float16": 8}}, xfail={"test_a[x] *": "why"})
    assert caps.claims("Neg", dtypes.float32) and not caps.claims("Neg", dtypes.float64)
    assert caps.claims("Exp", dtypes.complex64) and not caps.claims("Tanh", dtypes.float32)
    assert caps.tolerance(["Exp", "Tanh"], dtypes.float16) == 8 and caps.tolerance(["Exp"], dtypes.float32) == 3
    assert caps.tolerance([], dtypes.float32) == 1
    assert caps.reason("xfail", "test_a[x] float32") == "why" and caps.reason("skip", "test_a[x] float32") is None
    assert matches("test_?[a*]", "test_b[a 3x4]") and not matches("test_[ab]", "test_a")


@pytest.mark.parametrize("fields, message", [
    ({"colour": 1}, "capabilities have no field 'colour'; there are device, descriptor"),
    ({"features": "stats"}, "features is 'stats', expected a list"),
    ({"features": ["warp"]}, "features names warp, which thalweg does not know; there are stats, streams"),
    ({"ops": {"Nope": "all"}}, "ops names Nope, which thalweg does not know"),
    ({"ops": {"Neg": "some"}}, "ops.Neg is 'some', expected a list of dtypes or \"all\""),
    ({"ops": {"Neg": ["float31"]}}, "ops.Neg names the dtype 'float31', which thalweg does not know"),
    ({"xfail": {"test_x": " "}}, "xfail.'test_x' gives no reason: it must say why"),
    ({"limits": {"Nope": "why"}}, "limits names Nope"),
])
def test_claims_that_nobody_can_be_held_to(fields, message):
    with pytest.raises(CapabilityError) as caught:
        Capabilities(**fields)
    assert message in str(caught.value)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "caps.toml").write_text("device = ")
    with pytest.raises(CapabilityError, match=r"caps.toml: Invalid value"):
        Capabilities.read(tmp_path / "caps.toml")


def test_it_is_active_only_when_asked(tmp_path):
    (tmp_path / "test_x.py").write_text("def test_x(): pass\n")
    assert "--thalweg-device" not in pytest_of(tmp_path, "--help").stdout
    done = pytest_of(tmp_path, *PLUGIN)
    assert done.returncode == 0 and "conformance" not in done.stdout


@pytest.mark.parametrize("arguments, message", [
    (["--thalweg-device=cpu"], "--thalweg-device needs --thalweg-caps=FILE"),
    (["--thalweg-caps=gone.toml"], "--thalweg-caps: [Errno 2] No such file"),
    (["--thalweg-device=acme", "--thalweg-caps=thalweg.testing.fake_device:capabilities"],
     "--thalweg-device=acme, but thalweg.testing.fake_device:capabilities is about FAKE"),
    (["--pyargs", "thalweg.testing.suite.test_l1_memory"], "the conformance kit needs --thalweg-caps=FILE"),
    (["--pyargs", "thalweg.testing.suite.test_l1_memory", "--thalweg-caps=nobody.toml"],
     "the conformance kit is asked to test NOBODY, but no installed package provides a device NOBODY"),
])
def test_what_is_missing_is_told(tmp_path, arguments, message):
    (tmp_path / "nobody.toml").write_text('device = "NOBODY"\n')
    done = pytest_of(tmp_path, *PLUGIN, *arguments)
    assert done.returncode and message in done.stdout + done.stderr


def test_without_pytest_or_scipy_it_says_what_to_install():
    for module in ("pytest", "scipy"):
        for name in ("plugin", "suite"):
            done = subprocess.run([sys.executable, "-c", f"import sys; sys.modules[{module!r}] = None\n"
                                   f"import thalweg.testing.{name}"], capture_output=True, text=True)
            assert "pip install 'thalweg-core[testing]'" in done.stderr


OWN = '''
from thalweg.testing.capabilities import Capabilities
from thalweg.testing.suite import *

class Here(Capabilities):
    device = "REFERENCE"
    descriptor = "thalweg.devices.reference:plugin"
    ops = {"Neg": ["float32"], "Abs": ["float32"]}
    xfail = {"test_sync_of_an_idle_device": "to see how it is counted"}
    skip = {"test_values*neg*": "to see how it is counted, too"}
'''


def test_a_class_of_claims_and_the_report(tmp_path):
    (tmp_path / "test_here.py").write_text(OWN)
    done = pytest_of(tmp_path, *PLUGIN, "--thalweg-report=r.json",
                     "-k", "test_values or idle or no_bytes or pinned or kernel_calls")
    assert done.returncode == 1 and "[XPASS(strict)] to see how it is counted" in done.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    levels = report["levels"]
    assert report["device"]["name"] == "/device:REFERENCE:0"
    assert (levels["L1"]["passed"], levels["L2"]["failed"], levels["L2"]["skipped"]) == (1, 1, 1)
    assert levels["L3"]["passed"] >= 1 and levels["L3"]["skipped"] >= 1 and levels["L3"]["percent"] == 100
    assert report["summary"] == "L0 not run, L1 100 %, L2 0/1, L3 100 %, L4-L6 not run"
    page = (tmp_path / "r.json.md").read_text()
    assert page.startswith("/device:REFERENCE:0 (thalweg-core") and "| L1 memory | 1 | 0 | 0 | 0 |" in page
    assert "* L2, 1 skipped: the device does not claim pinned" in page
    assert "| a kernel call on 8 floats, ns |" in page


def test_a_level_that_nothing_is_claimed_for_and_one_that_is_left_out(tmp_path):
    (tmp_path / "caps.toml").write_text('device = "REFERENCE"\n')
    modules = [f"thalweg.testing.suite.test_{name}" for name in ("l4_gradients", "l6_interop", "l7_cost")]
    pytest_of(tmp_path, *PLUGIN, "--thalweg-caps=caps.toml", "--thalweg-report=r.json", "--pyargs", *modules,
              "-k", "l4 or l7")
    assert json.loads((tmp_path / "r.json").read_text())["summary"] == "L0-L3 not run, L4 not claimed, L5-L6 not run"


BROKEN = '''
import os, time
from thalweg.devices import DevicePlugin, entry
from thalweg.testing.capabilities import Capabilities
from thalweg.testing.suite import *

entry._PATIENCE_S = 0.5

class Device:
    def count(self): return 1
    def alloc(self, i, nbytes, align): return bytearray(nbytes)
    def free(self, i, buf): pass
    def h2d(self, i, buf, src, stream=None): buf[:] = src
    def d2h(self, i, dst, buf, stream=None): dst[:] = buf
    def kernel(self, i, op):
        return (lambda inputs, outputs: os.abort()) if op.op_type == "Neg" else None

def open_it():
    OPEN
    return Device()

plugin = DevicePlugin("BROKEN", open_it, priority=20)

class Here(Capabilities):
    device = "BROKEN"
    descriptor = "test_here:plugin"
    ops = {"Neg": ["float32"]}
'''


@pytest.mark.parametrize("act, told", [
    ("time.sleep(100)", ["a child process did not end within 12 s",
                         "plugin broken has not come back from its open for 0.5 s; THALWEG_BLOCK=broken leaves"]),
    ("os.abort()", ["a child process ended with status -6"]),
    ("os._exit(0)", ["a child process ended while it was opened"]),
])
def test_a_device_that_does_not_come_back_from_its_open_ends_the_kit(tmp_path, act, told):
    (tmp_path / "test_here.py").write_text(BROKEN.replace("OPEN", act))
    (tmp_path / "conftest.py").write_text("from thalweg.testing import kit\nkit.OPENING_S = 12\n")
    done = pytest_of(tmp_path, *PLUGIN, timeout_s=60)
    assert done.returncode == 2 and all(text in done.stdout for text in told), done.stdout
    assert "is asked to test BROKEN, which cannot be opened" in done.stdout


def test_what_was_tested_when_the_process_ended_is_on_file(tmp_path):
    (tmp_path / "test_here.py").write_text(BROKEN.replace("OPEN", "pass"))
    for name in ("r.json", "r.json.md"):
        (tmp_path / name).write_text("of an earlier run")
    done = pytest_of(tmp_path, *PLUGIN, "--thalweg-report=r.json", "-k", "test_values")
    assert done.returncode < 0
    running = (tmp_path / "r.json.running").read_text()
    assert running.startswith("test_here.py::test_values[unary ") and "negative [3x4] float32]" in running
    assert not (tmp_path / "r.json").exists() and not (tmp_path / "r.json.md").exists()
    pytest_of(tmp_path, *PLUGIN, "--thalweg-report=r.json", "-k", "no_bytes")
    assert (tmp_path / "r.json").exists() and not (tmp_path / "r.json.running").exists()


def test_a_pattern_that_fits_no_test_is_an_error(tmp_path):
    (tmp_path / "test_here.py").write_text(OWN.replace("test_sync_of_an_idle_device", "test_gone*"))
    done = pytest_of(tmp_path, *PLUGIN, "--collect-only")
    assert done.returncode and "capabilities of REFERENCE: no test is named test_gone*" in done.stdout + done.stderr


# --- features that no device of the core claims -----------------------------------------------------------

RECORDING = '''
from thalweg.devices import DevicePlugin
from thalweg.testing.capabilities import Capabilities
from thalweg.testing.delayed_device import Delayed
from thalweg.testing.suite import *

class Ours(Delayed):
    pass

FAULT
plugin = DevicePlugin("DELAYED", Ours, priority=20, addresses=True)

class Here(Capabilities):
    device = "DELAYED"
    descriptor = "test_here:plugin"
    features = ["record"]
    ops = {"Neg": ["float32"]}
'''
ALL = ("then_replayed", "write_variables", "not_done_until", "nothing_ends")
FAULTS = {                               # what is wrong -> the tests that find it
    "nothing": ("", ()),
    "refuses": ("Ours.record_end = lambda self, i: (Delayed.record_end(self, i), None)[1]", ALL[:3]),
    "works at once": ("Ours.record_begin = lambda self, i: None; Ours.record_end = lambda self, i: ()\n"
                      "Ours.replay = lambda self, i, recording: None", ALL[:3]),
    "replays nothing": ("Ours.replay = lambda self, i, recording: None", ALL[:3]),
    "fails at nothing": ("Ours.record_end = lambda self, i: (lambda made: made if made.work else 1 / 0)("
                         "Delayed.record_end(self, i))", ALL[3:]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_device_that_records_is_held_to_the_contract(tmp_path, fault):
    program, found = FAULTS[fault]
    (tmp_path / "test_here.py").write_text(RECORDING.replace("FAULT", program))
    done = pytest_of(tmp_path, *PLUGIN, "-k", "record or replay", "test_here.py")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR "))]
    assert [any(name in line for line in failed) for name in ALL] == [name in found for name in ALL], done.stdout
