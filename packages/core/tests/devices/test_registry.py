"""Finding devices: good, missing, broken and blocked plugins; which one an op gets; what is said of the others."""
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from thalweg.devices import DevicePlugin, KernelPlugin, PluginError, get_include
from thalweg.devices.limits import Limits
from thalweg.devices.registry import Registry
from thalweg.framework import declaration
from thalweg.testing import ctypes_abi as abi


class Package:
    """What importlib.metadata tells of an installed package."""

    def __init__(self, name, version):
        self.name, self.version = name, version


class Point:
    """An entry point."""

    def __init__(self, name, plugin, package="acme", version="1.0"):
        self.name, self._plugin, self.value = name, plugin, f"{package}_thalweg:plugin"
        self.dist = Package(package, version)

    def load(self):
        return self._plugin() if callable(self._plugin) and not isinstance(self._plugin, tuple) else self._plugin


def device(type, **options):
    native = abi.Plugin(count=options.pop("count", 1))
    return DevicePlugin(type, native.open, **options)


def registry(*devices, kernels=(), ops=(), **environ):
    groups = {"thalweg.devices": devices, "thalweg.kernels": kernels, "thalweg.ops": ops}
    return Registry(lambda group, only_core: list(groups[group]), environ)


def cpu(**options):
    return Point("host", device("HOST", priority=100, host_memory=True, **options), package="host")


def row(found, name):
    return next(r for r in found.list_devices() if r.name == name)


def raises(error):
    def load():
        raise error
    return load


def test_a_good_plugin_is_open_at_its_first_use():
    found = registry(cpu(), Point("acme", device("ACME", count=2)))
    assert [e.state for e in found.entries()] == ["ready", "ready"]
    got, reason = found.find_device("acme", 1)
    assert (got.name, reason) == ("/device:ACME:1", "")
    assert [e.state for e in found.entries()] == ["ready", "open"]


@pytest.mark.parametrize(("plugin", "state", "reason"), [
    (raises(ImportError("libacme.so.3: cannot open")), "failed", "ImportError: libacme.so.3: cannot open"),
    (raises(SystemExit(3)), "failed", "SystemExit: 3"),
    (raises(KeyError()), "failed", "KeyError()"),
    (lambda: 7, "failed", "acme 1.0, acme_thalweg:plugin is int, expected a thalweg.devices.DevicePlugin"),
    (device("acme"), "failed", "device type 'acme' must be capital letters, digits and underscores"),
    (device("ACME", api=(2, 0)), "failed", "its descriptor was written for device API 2.0, this thalweg speaks 1.x"),
    (device("ACME", probe=lambda: "no /dev/acme0"), "absent", "no /dev/acme0"),
    (device("ACME", probe=lambda: False), "absent", "its probe says no"),
    (device("ACME", probe=raises(OSError("denied"))), "failed", "OSError: denied"),
    (device("ACME", count=0), "absent", "plugin acme 1.0 finds no device on this machine"),
    (DevicePlugin("ACME", raises(RuntimeError("driver"))), "failed", "RuntimeError: driver"),
])
def test_what_is_wrong_is_kept_and_harms_nobody(plugin, state, reason):
    found = registry(Point("acme", plugin), cpu())
    assert found.default_device().name == "/device:HOST:0"
    (acme,) = [r for r in found.list_devices() if r.state != "open"]
    assert (acme.state, acme.reason, acme.source) == (state, reason, "acme 1.0, acme_thalweg:plugin")
    assert found.find_device("ACME")[0] is None


def test_the_innermost_cause_is_the_reason_and_the_whole_is_kept(caplog):
    def load():
        try:
            raise OSError("undefined symbol: acme_init")
        except OSError as error:
            raise ImportError("could not import acme") from error
    found = registry(Point("acme", load), cpu())
    (entry,) = [e for e in found.entries() if e.name == "acme"]
    assert entry.reason == "OSError: undefined symbol: acme_init"
    assert "could not import acme" in entry.traceback
    assert "plugin acme 1.0 cannot be used: OSError: undefined symbol" in caplog.text


def test_asking_for_what_is_installed_but_absent_says_why():
    found = registry(cpu(), Point("acme", device("ACME", probe=lambda: "no /dev/acme0")))
    assert found.find_device("ACME") == (None, "ACME plugin acme 1.0 is installed but absent: no /dev/acme0")


def test_asking_for_what_nobody_provides():
    assert registry(cpu()).find_device("ACME") == (
        None, "no installed package provides a device ACME; known: HOST")


def test_an_alias_that_the_environment_gives_to_nobody():
    point = Point("acme", device("ACME", aliases=("GPU",)))
    assert registry(cpu(), point, THALWEG_GPU="nosuch").find_device("GPU") == (
        None, "THALWEG_GPU=nosuch, but no installed package provides a device nosuch; known: ACME, HOST")


def test_asking_for_too_high_a_number():
    assert registry(cpu()).find_device("HOST", 3) == (None, "there is 1 of HOST")


def test_the_default_has_the_highest_priority_but_at_least_100():
    found = registry(cpu(), Point("acme", device("ACME", priority=200)), Point("toy", device("TOY", priority=90)))
    assert found.default_device().type == "ACME"
    assert found.host_device().type == "HOST"
    assert found.find_device("TOY")[0].name == "/device:TOY:0"


def test_a_default_that_cannot_be_opened_gives_way():
    found = registry(cpu(), Point("acme", DevicePlugin("ACME", raises(OSError("gone")))))
    assert found.default_device().type == "HOST"


def test_no_device_at_all():
    with pytest.raises(PluginError, match="no device can be used. No entry point of group thalweg.devices was found: "
                                          "is thalweg-core installed in this environment"):
        registry().default_device()


def test_no_usable_device_names_them_all():
    found = registry(Point("acme", device("ACME", probe=lambda: "no /dev/acme0")))
    with pytest.raises(PluginError, match="ACME plugin acme 1.0 is installed but absent: no /dev/acme0"):
        found.default_device()


def test_blocked_plugins_are_not_even_imported():
    imported = []
    found = registry(cpu(), Point("acme", lambda: imported.append(1)), THALWEG_BLOCK="Acme, other")
    blocked = row(found, "acme")
    assert (blocked.state, blocked.reason) == ("blocked", "THALWEG_BLOCK=Acme, other")
    assert not imported


def test_the_list_of_devices_orders_and_excludes():
    found = registry(cpu(), Point("acme", device("ACME")), Point("toy", device("TOY", priority=10)),
                     THALWEG_DEVICES="toy,host")
    assert found.default_device().type == "TOY"
    assert row(found, "acme").reason == "not in THALWEG_DEVICES=toy,host"


def test_a_listed_device_that_fails_is_loud():
    found = registry(cpu(), Point("acme", DevicePlugin("ACME", raises(OSError("gone")))), THALWEG_DEVICES="acme,host")
    with pytest.raises(PluginError, match="(?s)THALWEG_DEVICES asks for acme, but ACME plugin acme 1.0 is installed "
                                          "but failed: OSError: gone\nTraceback"):
        found.default_device()
    assert row(found, "acme").state == "failed"


def test_a_listed_device_that_nobody_provides_is_loud():
    with pytest.raises(PluginError, match="THALWEG_DEVICES lists nvme, but no installed package provides such a "
                                          "device; installed: host"):
        registry(cpu(), THALWEG_DEVICES="nvme,host").default_device()


def test_without_autoload_only_core_is_asked():
    asked = []
    found = Registry(lambda group, only_core: asked.append(only_core) or [], {"THALWEG_AUTOLOAD": "0"})
    found.entries()
    assert asked == [True] * 3


def test_core_is_found_without_autoload():
    program = ("from thalweg import devices; assert devices.default_device().is_host; "
               "assert {r.source.split()[0] for r in devices.list_devices()} == {'thalweg-core'}")
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env={"THALWEG_AUTOLOAD": "0"})


def test_two_packages_with_one_name(caplog):
    found = registry(cpu(), Point("acme", device("ACME"), version="1.9"),
                     Point("acme", device("ACME", count=2), package="acme-next", version="1.10"))
    assert found.find_device("ACME", 1)[0].name == "/device:ACME:1"
    older = next(e for e in found.entries() if e.version == "1.9")
    assert (older.state, older.reason) == (
        "blocked", "acme-next 1.10, acme-next_thalweg:plugin has the same name and is not older")
    assert "two packages provide thalweg.devices 'acme'" in caplog.text


def test_two_names_with_one_type():
    found = registry(cpu(), Point("acme", device("ACME")), Point("bcme", device("ACME"), package="bcme"))
    assert row(found, "bcme").reason == "acme 1.0, acme_thalweg:plugin provides the device type ACME already"


def test_an_alias_means_the_best_that_lists_it():
    found = registry(cpu(), Point("slow", device("SLOW", aliases=("FAST",), priority=150)),
                     Point("gone", device("GONE", aliases=("FAST",), priority=300, probe=lambda: "gone")),
                     Point("quick", device("QUICK", aliases=("FAST",), priority=200)))
    assert found.find_device("fast")[0].type == "QUICK"


def test_the_environment_says_what_an_alias_means():
    found = registry(cpu(), Point("slow", device("SLOW", aliases=("FAST",))), Point("quick", device("QUICK")),
                     THALWEG_FAST="slow")
    assert found.find_device("FAST")[0].type == "SLOW"


def test_registering_in_the_process():
    found = registry(cpu())
    found.entries()
    entry = found.register(device("ACME"))
    assert found.find_device("ACME")[0].name == "/device:ACME:0"
    assert (entry.state, entry.source) == ("open", "registered in this process")
    with pytest.raises(PluginError, match=r"the device type ACME is provided by registered in this process; "
                                          r"unregister\('ACME'\) removes"):
        found.register(device("ACME"))
    found.unregister("ACME")
    assert found.find_device("ACME")[0] is None
    with pytest.raises(KeyError, match="nothing named 'ACME' is registered in this process"):
        found.unregister("ACME")


def test_registering_before_the_first_use():
    found = registry(cpu())
    found.register(device("ACME", priority=300))
    assert found.default_device().type == "ACME"


def test_extra_kernels_are_asked_first():
    calls = []

    def find(request):
        calls.append(request.op_type)
        return lambda inputs, outputs: outputs[0].fill(7) if request.op_type == "Neg" else None
    found = registry(cpu(), kernels=[Point("quick", KernelPlugin("HOST", find, name="quick"))])
    low = KernelPlugin("HOST", lambda request: 1 / 0, priority=1)
    found.register(low)
    assert [p.priority for p in found.kernel_plugins("HOST")] == [200, 1]
    assert found.kernel_plugins("ACME") == []
    found.unregister("kernels")
    assert [p.name for p in found.kernel_plugins("HOST")] == ["quick"]


def test_op_packages_are_loaded_and_broken_ones_taken_out_again():
    def good():
        from thalweg.framework.declaration import define_op
        define_op("RegistryTestGood", "x: float32[] -> y: float32[]")(lambda x: x).no_gradient("a test")

    def broken():
        from thalweg.framework.declaration import define_op
        define_op("RegistryTestBroken", "x: float32[] -> y: float32[]")(lambda x: x)
    try:
        found = registry(cpu(), ops=[Point("good", good), Point("broken", broken)])
        assert {e.name: e.state for e in found.entries()} == {"host": "ready", "good": "ready", "broken": "failed"}
        assert "RegistryTestGood" in declaration.REGISTRY and "RegistryTestBroken" not in declaration.REGISTRY
        assert "has neither a gradient nor a reason" in next(e for e in found.entries() if e.name == "broken").reason
    finally:
        declaration.REGISTRY.pop("RegistryTestGood", None)


def test_plugins_are_found_once_by_many_threads():
    loads = []

    def load():
        loads.append(1)
        return device("ACME")
    found = registry(cpu(), Point("acme", load))
    threads = [threading.Thread(target=found.default_device) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1


def test_the_table_prints(caplog):
    caplog.set_level(logging.CRITICAL)
    found = registry(cpu(), Point("acme", device("ACME", probe=lambda: "no /dev/acme0")))
    assert str(found.list_devices()) == (
        "device          state   from                           reason\n"
        "acme            absent  acme 1.0, acme_thalweg:plugin  no /dev/acme0\n"
        "/device:HOST:0  open    host 1.0, host_thalweg:plugin")


def test_importing_looks_for_nothing():
    program = ("import sys, thalweg.devices\n"
               "from thalweg.devices.registry import REGISTRY\n"
               "assert not REGISTRY._is_discovered and 'thalweg.cpu' not in sys.modules\n")
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_header_is_where_compilers_are_sent():
    assert (Path(get_include()) / "thalweg_abi.h").exists()


def test_the_counts_of_a_session_hold_for_all_names_of_a_type():
    native = abi.Plugin(count=3)
    found = registry(cpu(), Point("acme", DevicePlugin("ACME", native.open, aliases=("GPU",))))
    for name in ("GPU", "gpu", "ACME"):
        none = Limits({name: 0})
        assert found.default_device(none).type == "HOST" and not native.log
        for asked in ("GPU", "ACME"):
            assert found.find_device(asked, 0, none) == (
                None, f"ConfigProto(device_count) allows 0 of {name.upper()}") and not native.log
        assert [r.name for r in found.list_devices(none)] == ["/device:HOST:0"] and not native.log
    two = Limits({"GPU": 2, "TPU": 0})
    assert found.default_device(two).name == "/device:ACME:0" and found.find_device("ACME", 1, two)[0].ordinal == 1
    assert found.find_device("GPU", 2, two)[1] == "ConfigProto(device_count) allows 2 of GPU"
    assert [r.name for r in found.list_devices(two)] == ["/device:ACME:0", "/device:ACME:1", "/device:HOST:0"]
    assert found.default_device(Limits({"HOST": 0, "GPU": 0})).type == "HOST"        # a session needs one


def test_counts_are_numbers_of_devices():
    for count in (-1, 1.5, "2", True):
        with pytest.raises(ValueError, match=r"ConfigProto: device_count\['GPU'\] must be a count of devices"):
            Limits({"GPU": count})
