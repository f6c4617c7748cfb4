"""L0: the descriptor is cheap and opens nothing, the table keeps to the handshake, a bad neighbour harms nobody."""
import pytest

from thalweg.testing.kit import run_child

_QUICK_S = 0.020

_IMPORT = """
import importlib, sys, sysconfig, time
import thalweg.devices

def libraries():
    try:
        with open("/proc/self/maps") as maps:
            return {line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line}
    except FileNotFoundError:
        return None

module, _, attribute = sys.argv[1].partition(":")
before = libraries()
begun = time.perf_counter()
plugin = getattr(importlib.import_module(module), attribute or "plugin")
seconds = time.perf_counter() - begun
answer = plugin.probe()
after = libraries()
stdlib = sysconfig.get_path("platstdlib")
opened = None if before is None else sorted(p for p in after - before if not p.startswith(stdlib + "/lib-dynload"))
report(seconds=seconds, opened=opened, answer=answer, type=plugin.type, api=plugin.api, priority=plugin.priority)
"""


def test_the_descriptor_is_imported_within_20_ms(kit):
    seconds = 1.0
    for _ in range(5):                                      # on a busy machine one of them is undisturbed
        if seconds >= _QUICK_S:
            seconds = min(seconds, kit.child(_IMPORT, opened=False, arguments=[kit.descriptor])["seconds"])
    assert seconds < _QUICK_S, f"importing {kit.descriptor} takes {seconds * 1000:.0f} ms beside thalweg's own import"


def test_no_library_is_opened_before_the_first_use(kit):
    opened = kit.child(_IMPORT, opened=False, arguments=[kit.descriptor])["opened"]
    if opened is None:
        pytest.skip("this system does not tell which libraries a process has opened")
    assert not opened, f"the descriptor or its probe has opened {', '.join(opened)}: that belongs into open()"


def test_the_descriptor_says_what_it_is(kit):
    told = kit.child(_IMPORT, opened=False, arguments=[kit.descriptor])
    assert told["type"] == kit.caps.device and told["api"][0] == 1
    assert told["answer"] is True, f"the probe says {told['answer']!r}, and yet the device has been opened"


def test_without_hardware_the_probe_says_why(kit):
    if kit.caps.no_hardware is None:
        pytest.skip("its capabilities name no environment (no_hardware) in which the device is not there")
    told = kit.child(_IMPORT, opened=False, arguments=[kit.descriptor], **kit.caps.no_hardware)
    if told["answer"] is not True:
        assert told["answer"] and isinstance(told["answer"], str), "the probe says no but not why"
        return
    rows = kit.child(_ROWS + _FIND_ALL, opened=False, arguments=[kit.descriptor], **kit.caps.no_hardware)["rows"]
    state, reason = rows[kit.caps.device]
    assert state in ("absent", "failed") and reason, f"without hardware the device is {state}: {reason!r}"


def test_thalweg_does_not_import_the_plugin(kit):
    module = kit.descriptor.partition(":")[0]
    told = kit.child("import sys, thalweg\nreport(found=sys.argv[1] in sys.modules)", opened=False,
                     arguments=[module])
    assert not told["found"], f"import thalweg has imported {module}"


def test_without_a_global_lock_it_brings_none_back(kit):
    """On free-threaded Python a module that does not say freethreading_compatible switches the lock on for all."""
    told = kit.child("""
import sys
import thalweg as tf
from thalweg import devices
tf.Session().close()
enabled = getattr(sys, "_is_gil_enabled", lambda: True)
before = enabled()
from thalweg.testing.kit import find
find(*sys.argv[1:])
report(before=before, after=enabled())
""", opened=False, arguments=[kit.caps.device, kit.descriptor])
    if told["before"]:
        pytest.skip("this Python has a global lock, or thalweg has switched it on")
    assert not told["after"]


# --- the table --------------------------------------------------------------------------------------

_TABLE = """
import ctypes, gc, sys
from thalweg import devices
from thalweg.devices import DevicePlugin
from thalweg.devices.handshake import open_plugin
from thalweg.testing import ctypes_abi as abi
from thalweg.testing.device_call import addresses
from thalweg.testing.kit import descriptor_at

pointer = ctypes.pythonapi.PyCapsule_GetPointer
pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
plugin = descriptor_at(sys.argv[1])
product = plugin.open()
if type(product).__name__ != "PyCapsule":
    report(skip="the device is a Python object; core itself makes its table")
    sys.exit()
table = abi.DeviceApi.from_address(pointer(product, abi.CAPSULE))
own_bytes = min(table.struct_size, ctypes.sizeof(abi.DeviceApi))
"""

_FIELDS = """
names = [name for name, *_ in abi.DeviceApi._fields_]
offered = [n for n in names[5:] if getattr(abi.DeviceApi, n).offset < own_bytes and getattr(table, n)]
report(struct_size=table.struct_size, versions=[table.abi_major, table.abi_minor, table.min_core_minor],
       build_tag=(table.build_tag or b"").decode(), offered=offered, required=names[5:14],
       needed=abi.DeviceApi.copy_d2d.offset)
"""

_SHORT = """
copy = abi.DeviceApi()
ctypes.memmove(ctypes.addressof(copy), ctypes.addressof(table), own_bytes)
copy.struct_size = abi.DeviceApi.copy_d2d.offset           # what a core without optional entries sees
device = open_plugin(plugin, abi.capsule(copy), "the plugin")[0]
address = device.alloc(64)
back = bytearray(64)
device.h2d(address, bytes(range(64)))
device.d2h(back, address)
device.free(address)
report(same=back == bytes(range(64)), stats=device.mem_stats())
"""

_NEWER = """
class NewerCore(ctypes.Structure):
    _fields_ = [("known", abi.CoreApi), ("unknown", ctypes.c_void_p * 8)]
core = NewerCore()
first = open_plugin(plugin, product, "the plugin")[0]
ctypes.memmove(ctypes.addressof(core), addresses(first)[2], ctypes.sizeof(abi.CoreApi))
del first
gc.collect()
core.known.struct_size, core.known.abi_minor = ctypes.sizeof(core), core.known.abi_minor + 7
handle, address = ctypes.c_void_p(), ctypes.c_void_p()
code = table.open(0, ctypes.pointer(core.known), ctypes.byref(handle))
if code == 0:
    code = table.alloc(handle, 64, 64, ctypes.byref(address))
    table.free(handle, address)
    table.close(handle)
report(code=code)
"""

_OFTEN = """
opened = open_plugin(plugin, product, "the plugin")
for _ in range(20):
    del opened
    gc.collect()
    opened = open_plugin(plugin, product, "the plugin")
report(count=len(opened))
"""


def table_of(kit, program):
    told = kit.child(_TABLE + program, opened=False, arguments=[kit.descriptor])
    if "skip" in told:
        pytest.skip(told["skip"])
    return told


def test_the_table_is_whole_and_says_its_version(kit):
    told = table_of(kit, _FIELDS)
    assert told["struct_size"] >= told["needed"], "the table ends before the required entries do"
    missing = [entry for entry in told["required"] if entry not in told["offered"]]
    assert not missing, f"the table lacks {', '.join(missing)}"
    major, minor, least = told["versions"]
    assert major == 1 and least <= minor, f"version {major}.{minor} that needs a core of {major}.{least}"
    assert told["build_tag"], "build_tag is empty: `python -m thalweg.devices` cannot say which build it is"


def test_claimed_features_are_in_the_table(kit):
    offered = table_of(kit, _FIELDS)["offered"]
    entries = {"stats": ["mem_stats"], "streams": ["stream_create", "stream_destroy"], "timing": ["event_elapsed_ns"],
               "events": ["event_record", "event_wait", "event_destroy"], "pinned": ["host_alloc", "host_free"],
               "record": ["record_begin", "record_end", "replay", "recording_free"]}
    missing = [f"{e} (for {f})" for f in kit.caps.features for e in entries.get(f, ()) if e not in offered]
    assert not missing, f"the capabilities claim what the table lacks: {', '.join(missing)}"


def test_a_core_that_knows_no_optional_entry_can_use_it(kit):
    told = table_of(kit, _SHORT)
    assert told["same"] and told["stats"] is None


def test_a_core_of_a_newer_minor_version_can_open_it(kit):
    assert table_of(kit, _NEWER)["code"] == 0


def test_it_can_be_closed_and_opened_again(kit):
    assert table_of(kit, _OFTEN)["count"] >= 1


# --- neighbours -------------------------------------------------------------------------------------

_ROWS = """
import sys
from thalweg import devices
from thalweg.devices.registry import REGISTRY
from thalweg.testing.kit import descriptor_at
"""
_FIND_ALL = """
plugin = descriptor_at(sys.argv[1])
if plugin.type not in {e.type for e in REGISTRY.entries()}:
    devices.register(plugin)
devices.list_devices()
report(rows={e.type: [e.state, e.reason] for e in REGISTRY.entries()})
"""
ROGUES = {"raises": ("raise OSError('no librogue.so')", "OSError: no librogue.so"),
          "leaves": ("import sys; sys.exit('goodbye')", "SystemExit: goodbye")}
SILENT = {"exits": ("import os; os._exit(7)", "ended with status 7"),
          "hangs": ("import time\nwhile True: time.sleep(1)", "no answer within 5 s")}


def install(folder, program):
    """A package ROGUE whose descriptor cannot be imported; gives the folder."""
    (folder / "rogue_thalweg.py").write_text(program)
    info = folder / "rogue-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rogue\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[thalweg.devices]\nrogue = rogue_thalweg:plugin\n")
    return str(folder)


@pytest.mark.parametrize("name", ROGUES)
def test_a_neighbour_that_cannot_be_imported_harms_nobody(kit, tmp_path, name):
    program, reason = ROGUES[name]
    rows = kit.child(_ROWS + _FIND_ALL, opened=False, arguments=[kit.descriptor],
                     path=install(tmp_path, program))["rows"]
    assert rows["ROGUE"] == ["failed", reason] and rows[kit.caps.device][0] == "open"


@pytest.mark.parametrize("name", SILENT)
def test_a_neighbour_that_ends_or_stops_the_process_can_be_found_and_left_out(kit, tmp_path, name):
    program, verdict = SILENT[name]
    path = install(tmp_path, program)
    assert kit.child("import thalweg\nreport(version=thalweg.__version__)", opened=False, path=path)["version"]
    timeout_s = 5 if name == "hangs" else 60                # so short a one may be too short for the others
    told = run_child("import sys\nfrom thalweg.devices.__main__ import main\n"
                     f"sys.exit(main(['--isolate', '--timeout={timeout_s}']))", expected=1, path=path)
    assert f"rogue: {verdict}" in told["stdout"]
    rows = kit.child(_ROWS + _FIND_ALL, opened=False, arguments=[kit.descriptor], path=path,
                     THALWEG_BLOCK="rogue")["rows"]
    assert rows["ROGUE"] == ["blocked", "THALWEG_BLOCK=rogue"] and rows[kit.caps.device][0] == "open"
