"""The handshake matrix: whatever an installed plugin does, thalweg works without it and tells what is wrong.

Each case is a package of its own in a child process. docs/devices.md, section 5.
"""
import pytest

from thalweg._version import __version__
from thalweg.testing import ctypes_abi as abi

_NATIVE = """
import ctypes
from thalweg.devices import DevicePlugin
from thalweg.testing import ctypes_abi as abi
native = abi.Plugin()
{change}
plugin = DevicePlugin("ACME", native.open, priority=300)
"""
_LONGER = """
class Longer(ctypes.Structure):
    _fields_ = [("known", abi.DeviceApi), ("unknown", ctypes.c_void_p * 4)]
longer = Longer(known=native.table)
native.table = longer.known
native.table.abi_minor, native.table.struct_size = abi.ABI_MINOR + 8, ctypes.sizeof(Longer)
"""
_SPEAKS = f"thalweg {__version__} speaks"
_MINOR = f"{abi.ABI_MAJOR}.{abi.ABI_MINOR}"

# what the plugin does -> its state, and the reason that is told
TOLD = {
    "older minor version": (_NATIVE.format(change="native.table.struct_size = abi.DeviceApi.copy_d2d.offset"),
                            "open", ""),
    "newer minor version": (_NATIVE.format(change=_LONGER), "open", ""),
    "newer major version": (_NATIVE.format(change="native.name = b'thalweg.device.v2'"), "failed",
                            f"speaks device API v2, {_SPEAKS} v1: install a thalweg-core that speaks v2, or an older "
                            "acme that speaks v1"),
    "older major version": (_NATIVE.format(change="native.name = b'thalweg.device.v0'"), "failed",
                            f"speaks device API v0, {_SPEAKS} v1: install a newer acme that speaks v1"),
    "needs a newer core": (_NATIVE.format(change="native.table.min_core_minor = 7"), "failed",
                           f"needs device API 1.7, {_SPEAKS} {_MINOR}: install a newer thalweg-core or an older acme"),
    "another version in its table": (_NATIVE.format(change="native.table.abi_major = 3"), "failed", "built wrongly"),
    "a missing function": (_NATIVE.format(change="native.table.alloc = type(native.table.alloc)()"), "failed",
                           "its table lacks alloc, which every device must have"),
    "too short a table": (_NATIVE.format(change="native.table.struct_size = 40"), "failed", "its table has 40 bytes"),
    "a capsule of something else": (_NATIVE.format(change="native.name = b'numpy.core'"), "failed",
                                    "gave a capsule named 'numpy.core'"),
    "device_count fails": (_NATIVE.format(change="native.table.device_count = type(native.table.device_count)("
                                                 "lambda out: abi.INTERNAL)"), "failed", "device_count gave code 4"),
    "no hardware, says the driver": (_NATIVE.format(change="native.count = 0"), "absent",
                                     "finds no device on this machine"),
}
_PLAIN = "import os, sys, time\nfrom thalweg.devices import DevicePlugin\n"
PLACES = {"import": "{act}\n",
          "probe": "def act():\n    {act}\nplugin = DevicePlugin('ACME', int, probe=act, priority=300)\n",
          "open": "def act():\n    {act}\nplugin = DevicePlugin('ACME', act, priority=300)\n"}
ACTS = {"raises": ("raise OSError('no libacme.so')", "OSError: no libacme.so"),
        "calls sys.exit": ("sys.exit('goodbye')", "SystemExit: goodbye")}
FATAL = {"calls os._exit": ("os._exit(7)", "ended with status 7"),
         "hangs": ("time.sleep(1000)", "no answer within 5 s"),
         "crashes": ("import ctypes; ctypes.string_at(8)", "killed by SIGSEGV")}
for place, frame in PLACES.items():
    for name, (act, reason) in ACTS.items():
        TOLD[f"{name} at {place}"] = (_PLAIN + frame.format(act=act), "failed", reason)
TOLD["no hardware, says the probe"] = (
    _PLAIN + "plugin = DevicePlugin('ACME', int, probe=lambda: 'no /dev/acme0', priority=300)\n", "absent",
    "no /dev/acme0")

_USE = """
import sys
import thalweg as tf
assert "acme_thalweg" not in sys.modules, "import thalweg has looked at a plugin"
with tf.device("/device:CPU:0"), tf.Session() as session:
    print(session.run(tf.placeholder_with_default(3.0, []) * 2.0))
"""


def check_use(python, **environ):
    done = python("-c", _USE, **environ)
    assert (done.returncode, done.stdout) == (0, "6.0\n"), done.stderr


@pytest.mark.parametrize("case", TOLD)
def test_it_is_told_and_harms_nobody(install, python, case):
    program, state, reason = TOLD[case]
    install("acme", program)
    listed = python("-m", "thalweg.devices")
    assert listed.returncode == 0, listed.stderr
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    assert [row[1] for row in rows if row[0] == "/device:CPU:0"] == ["open"]
    assert [row[1] for row in rows if row[0] in ("acme", "/device:ACME:0")] == [state] and reason in listed.stdout
    isolated = python("-m", "thalweg.devices", "--isolate")
    assert isolated.returncode == 0 and f"acme: {state}: " in isolated.stdout and reason in isolated.stdout
    check_use(python)


@pytest.mark.parametrize("act", FATAL)
@pytest.mark.parametrize("place", PLACES)
def test_what_ends_or_stops_the_process_is_found_and_can_be_left_out(install, python, place, act):
    program, verdict = FATAL[act]
    install("acme", _PLAIN + PLACES[place].format(act=program))
    isolated = python("-m", "thalweg.devices", "--isolate", f"--timeout={5 if act == 'hangs' else 60}")
    assert isolated.returncode == 1 and f"acme: {verdict}" in isolated.stdout
    assert "cpu: open: /device:CPU:0" in isolated.stdout or act == "hangs"      # 5 s may be too short for the others
    listed = python("-m", "thalweg.devices", THALWEG_BLOCK="acme")
    assert listed.returncode == 0 and "THALWEG_BLOCK=acme" in listed.stdout
    assert python("-c", "import thalweg", timeout=60).returncode == 0
    check_use(python, THALWEG_BLOCK="acme")


@pytest.mark.parametrize("place", PLACES)
def test_the_log_names_a_plugin_that_does_not_come_back(install, python, place):
    install("acme", _PLAIN + PLACES[place].format(act="time.sleep(3)"))
    done = python("-c", "from thalweg.devices import entry, list_devices; entry._PATIENCE_S = 0.5; list_devices()")
    assert done.returncode == 0
    assert (f"plugin acme 1.0 has not come back from its {place} for 0.5 s; THALWEG_BLOCK=acme leaves it out"
            in done.stderr)
