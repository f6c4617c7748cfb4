"""Which devices there are: found through entry points, each kept with its state and the reason for it.

Nothing is looked for while thalweg is imported; the first Session or `list_devices()` does it, once per process.
THALWEG_DEVICES=a,b  allows these only, the first is the default, and one that cannot be opened is an error.
THALWEG_BLOCK=a,b    leaves these out.     THALWEG_AUTOLOAD=0  looks at thalweg-core's own entry points only.
THALWEG_<ALIAS>=type which device an alias means.
"""
import logging
import os
import re
import threading
from importlib import metadata

from thalweg.framework import declaration

from .device import PluginError
from .entry import ABSENT, BLOCKED, DEVICES, FAILED, FOUND, KERNELS, LOADED, OPEN, OPS, READY, Entry
from .limits import NO_LIMITS
from .listing import Row, Table
from .plugin import DevicePlugin, KernelPlugin

_CORE = "thalweg-core"
_DEFAULT_PRIORITY = 100                  # below: used only where it is asked for

_log = logging.getLogger("thalweg")


class Registry:
    """The plugins of this process. Thread-safe."""

    def __init__(self, find=None, environ=None):
        self._lock = threading.RLock()
        self._find, self._environ = find or entry_points, os.environ if environ is None else environ
        self._entries, self._registered, self._is_discovered = [], [], False
        self._kernels = []                               # KernelPlugins, by priority

    # finding -------------------------------------------------------------------------------------

    def discover(self):
        """Finds, loads and probes all plugins, the first time; loads ops and kernels of other packages."""
        if self._is_discovered:
            return
        with self._lock:
            if self._is_discovered:
                return
            only_core = self._environ.get("THALWEG_AUTOLOAD", "1") == "0"
            for group in (DEVICES, KERNELS, OPS):
                found = [_entry(group, point) for point in self._find(group, only_core)]
                _keep_newest(found)
                self._entries += found
            self._entries += self._registered
            for entry in self._entries:
                self._take(entry)
            declaration.seal()
            self._is_discovered = True

    def _take(self, entry):
        """Brings one entry as far as it goes without being used."""
        if entry.state == FOUND:
            self._block(entry)
        if entry.state != FOUND:
            return
        if entry.group == OPS:
            entry.load_ops()
            return
        entry.load(DevicePlugin if entry.group == DEVICES else KernelPlugin)
        if entry.state == LOADED and entry.group == DEVICES:
            self._block(entry)                           # now its type and a rival's are known
            if entry.state == LOADED:
                entry.probe()
        elif entry.state == LOADED:
            entry.state = READY
            self._kernels.append(entry.plugin)
            self._kernels.sort(key=lambda plugin: -plugin.priority)

    def _block(self, entry):
        names = {entry.name, entry.type.lower()}
        if names & set(self._names("THALWEG_BLOCK")):
            entry.stop(BLOCKED, f"THALWEG_BLOCK={self._environ['THALWEG_BLOCK']}")
        allowed = self._names("THALWEG_DEVICES")
        # Before it is loaded, the type of a plugin is a guess from its name.
        if entry.group == DEVICES and allowed and entry.state == LOADED and not names & set(allowed):
            entry.stop(BLOCKED, f"not in THALWEG_DEVICES={self._environ['THALWEG_DEVICES']}")
        rival = next((e for e in self._entries if e is not entry and e.group == DEVICES and e.type == entry.type
                      and e.state in (READY, OPEN)), None)
        if entry.state == LOADED and rival is not None:
            entry.stop(BLOCKED, f"{rival.source} provides the device type {entry.type} already")
            _log.warning("thalweg: %s is left out: %s", entry.label, entry.reason)

    def _names(self, variable):
        return [n.strip().lower() for n in self._environ.get(variable, "").split(",") if n.strip()]

    def _check_allowed(self):
        """A device that THALWEG_DEVICES lists must be there."""
        known = {name for e in self._device_entries() for name in (e.name, e.type.lower())}
        unknown = [n for n in self._names("THALWEG_DEVICES") if n not in known]
        if unknown:
            raise PluginError(f"THALWEG_DEVICES lists {', '.join(unknown)}, but no installed package provides such a "
                              f"device; installed: {', '.join(sorted({e.name for e in self._device_entries()}))}")

    def _device_entries(self):
        return [e for e in self._entries if e.group == DEVICES]

    def register(self, plugin, name=None):
        """Adds a DevicePlugin or KernelPlugin of this process, without a package; gives its Entry."""
        group = DEVICES if isinstance(plugin, DevicePlugin) else KERNELS
        name = name or (plugin.type if group == DEVICES else plugin.name or "kernels")
        entry = Entry(name, group, "registered in this process", plugin=plugin)
        with self._lock:
            taken = [e for e in [*self._entries, *self._registered] if group == e.group == DEVICES
                     and e.type == entry.type and e.state not in (FAILED, BLOCKED, ABSENT)]
            if taken:
                raise PluginError(f"the device type {entry.type} is provided by {taken[0].source}; "
                                  f"unregister({entry.type!r}) removes what this process has registered")
            self._registered.append(entry)
            if self._is_discovered:
                self._take(entry)
                self._entries.append(entry)
        return entry

    def unregister(self, name):
        """Removes what `register` has added under this name or type. Sessions that use it keep it."""
        with self._lock:
            mine = [e for e in self._registered if name in (e.name, e.type) or name.lower() == e.name]
            if not mine:
                raise KeyError(f"nothing named {name!r} is registered in this process")
            for entry in mine:
                self._registered.remove(entry)
                if entry in self._entries:
                    self._entries.remove(entry)
                if entry.plugin in self._kernels:
                    self._kernels.remove(entry.plugin)

    # using ---------------------------------------------------------------------------------------

    def entries(self):
        """All plugins, found once."""
        self.discover()
        return list(self._entries)

    def kernel_plugins(self, device_type):
        """Providers of extra kernels for a device type, the first to ask first."""
        self.discover()
        return [plugin for plugin in self._kernels if plugin.device == device_type]

    def opened(self, entry):
        """The devices of a plugin, opened now if they are not yet; empty where it cannot be."""
        with self._lock:
            if entry.state == READY:
                entry.open()
            return entry.devices

    def _demanded(self, entry):
        """The same, but a plugin that THALWEG_DEVICES lists must open."""
        devices = self.opened(entry)
        if not devices and {entry.name, entry.type.lower()} & set(self._names("THALWEG_DEVICES")):
            reason = f"{entry.explain()}\n{entry.traceback}".rstrip()
            raise PluginError(f"THALWEG_DEVICES asks for {entry.name}, but {reason}")
        return devices

    def _in_order(self):
        """Device plugins by rank: as THALWEG_DEVICES lists them, else by priority; those on request only left out."""
        self.discover()
        usable = [e for e in self._device_entries() if e.state in (READY, OPEN)]
        allowed = self._names("THALWEG_DEVICES")
        if allowed:
            self._check_allowed()
            listed = [e for name in allowed for e in self._device_entries() if name in (e.name, e.type.lower())
                      and (e in usable or e.state in (FAILED, ABSENT))]
            return list(dict.fromkeys(listed))
        return sorted((e for e in usable if e.plugin.priority >= _DEFAULT_PRIORITY), key=lambda e: -e.plugin.priority)

    def families(self, with_ready=False):
        """The devices of each open plugin, a list each; `with_ready` opens what has not been asked for yet."""
        self.discover()
        opened = [self.opened(e) if with_ready or e.state == OPEN else [] for e in self._device_entries()
                  if e.state in (READY, OPEN)]
        return [found for found in opened if found]

    def default_device(self, limits=NO_LIMITS):
        """The device of ops that ask for none. `limits`, as ConfigProto's device_count: a type of 0 is not opened."""
        return self._first(limits, lambda device: True)

    def host_device(self, limits=NO_LIMITS):
        """The best device whose memory is the host's, whatever its limit: of feeds, fetches and Python steps."""
        return self._first(limits, lambda device: device.is_host)

    def _first(self, limits, suits):
        for entry in self._in_order():
            if limits.of(entry.plugin)[0] == 0 and not entry.plugin.host_memory:
                continue
            for device in self._demanded(entry):
                if suits(device):
                    return device
        rows = "\n".join(f"  {entry.explain()}" for entry in self._device_entries())
        raise PluginError("no device can be used. " + (f"Installed:\n{rows}" if rows else
                          f"No entry point of group {DEVICES} was found: is {_CORE} installed in this environment?"))

    def find_device(self, device_type, index=0, limits=NO_LIMITS):
        """`(device, "")`, or `(None, why there is none)`, for a device type or an alias."""
        self.discover()
        device_type = device_type.upper()
        entries = self._candidates(device_type)
        reasons = []
        for entry in entries:
            most, name = limits.of(entry.plugin)
            if index >= most:
                reasons.append(f"ConfigProto(device_count) allows {most} of {name}")
                continue
            devices = self._demanded(entry)
            if index < len(devices):
                return devices[index], ""
            reasons.append(f"there {'is' if len(devices) == 1 else 'are'} {len(devices)} of {entry.type}"
                           if devices else entry.explain())
        if reasons:
            return None, "; ".join(reasons)
        known = sorted({e.type for e in self._device_entries()})
        variable, wish = self._wish(device_type)
        asked = f"{variable}={wish}, but " if wish else ""
        return None, (f"{asked}no installed package provides a device {wish or device_type}; "
                      f"known: {', '.join(known) or 'none'}")

    def _wish(self, alias):
        """The environment variable that says which device an alias means, and what it says."""
        variable = f"THALWEG_{alias}"
        return variable, self._environ.get(variable, "").lower()

    def _candidates(self, name):
        """Plugins that a device type or alias may mean, the best first."""
        _, wish = self._wish(name)
        found = [e for e in self._device_entries() if e.type == name or isinstance(e.plugin, DevicePlugin)
                 and name in [a.upper() for a in e.plugin.aliases]]
        if wish:
            found = [e for e in self._device_entries() if wish in (e.name, e.type.lower())]
        return sorted(found, key=lambda e: (e.type != name, e.state not in (READY, OPEN),
                                            -e.plugin.priority if isinstance(e.plugin, DevicePlugin) else 0))

    def list_devices(self, limits=NO_LIMITS):
        """A Row per opened device, and one for each plugin that gave none; opens what is ready."""
        rows = Table()
        for entry in sorted(self.entries(), key=lambda e: (e.group != DEVICES, e.name)):
            most, _ = limits.of(entry.plugin)
            if most == 0:
                continue
            devices = self.opened(entry) if entry.group == DEVICES and entry.state in (READY, OPEN) else []
            rows += [Row(entry, device) for device in devices if device.ordinal < most] or [Row(entry, None)]
        return rows


def entry_points(group, only_core=False):
    """Entry points of one group in the order of their names; none where thalweg-core is no installed package."""
    if not only_core:
        found = metadata.entry_points(group=group)
    else:
        try:
            found = metadata.distribution(_CORE).entry_points.select(group=group)
        except metadata.PackageNotFoundError:
            found = ()
    return sorted(found, key=lambda point: point.name)


def _entry(group, point):
    package = point.dist.name if point.dist is not None else ""
    version = point.dist.version if point.dist is not None else ""
    source = f"{package} {version}, {point.value}".lstrip(" ,")
    return Entry(point.name, group, source, package, version, load=point.load)


def _version_key(version):
    return [int(n) for n in re.findall(r"\d+", version)]


def _keep_newest(entries):
    """Of entries with one name, which only a doubtful installation has, the newest counts."""
    best = {}
    for entry in entries:
        rival = best.get(entry.name)
        if rival is None:
            best[entry.name] = entry
            continue
        older, newer = sorted((rival, entry), key=lambda e: _version_key(e.version))
        best[entry.name] = newer
        older.stop(BLOCKED, f"{newer.source} has the same name and is not older")
        _log.warning("thalweg: two packages provide %s %r: %s and %s; the latter is taken", entry.group, entry.name,
                     older.source, newer.source)


REGISTRY = Registry()
