"""Which devices there are: found through entry points, each kept with its state and the reason for it.

    found -> loaded -> ready -> open            blocked, failed, absent: why not

Nothing is looked for while thalweg is imported; the first Session or `list_devices()` does it, once per process.
THALWEG_DEVICES=a,b  allows these only, the first is the default, and one that cannot be opened is an error.
THALWEG_BLOCK=a,b    leaves these out.     THALWEG_AUTOLOAD=0  looks at thalweg-core's own entry points only.
THALWEG_GPU=type     which device the alias GPU means; likewise for other aliases.
"""
import logging
import os
import re
import threading
import traceback
from importlib import metadata

from thalweg.framework import declaration, errors

from .device import NoDevices, PluginError, open_plugin
from .plugin import DevicePlugin, KernelPlugin

FOUND, LOADED, READY, OPEN, ABSENT, FAILED, BLOCKED = (
    "found", "loaded", "ready", "open", "absent", "failed", "blocked")

_DEVICES, _KERNELS, _OPS = "thalweg.devices", "thalweg.kernels", "thalweg.ops"
_CORE = "thalweg-core"
_DEFAULT_PRIORITY = 100                  # below: used only where it is asked for

_log = logging.getLogger("thalweg")


class Entry:
    """One plugin: where it comes from, how far it got, and why no further.

    Attributes
    ----------
    name : str                  the entry point's name, lower case
    group : str                 "thalweg.devices", "thalweg.kernels" or "thalweg.ops"
    state : str                 one of the states above
    reason : str                why it is absent, failed or blocked; else empty
    traceback : str             of what failed
    source : str                where it was found, "acme 2.0, acme_thalweg:plugin"
    plugin : descriptor or None
    devices : list of Device    once open
    """

    def __init__(self, name, group, source, package="", version="", load=None, plugin=None):
        self.name, self.group, self.source = name.lower(), group, source
        self.package, self.version, self._load = package, version, load
        self.state, self.reason, self.traceback = FOUND, "", ""
        self.plugin, self.devices = plugin, []

    @property
    def type(self):
        return self.plugin.type if isinstance(self.plugin, DevicePlugin) else self.name.upper()

    @property
    def label(self):
        """The plugin in messages: "plugin acme 2.0"."""
        return f"plugin {self.name} {self.version}".rstrip()

    def stop(self, state, reason, error=None):
        """Ends the plugin's way here."""
        self.state, self.reason = state, reason
        if error is not None:
            self.traceback = "".join(traceback.format_exception(error))

    def fail(self, error):
        """Ends it with an error: the innermost cause is the reason, the whole is kept."""
        self.stop(FAILED, _innermost(error), error)
        _log.warning("thalweg: %s cannot be used: %s (python -m thalweg.devices tells more)", self.label, self.reason)

    def load(self, expected):
        """Imports the descriptor."""
        try:
            if self._load is not None:
                self.plugin = self._load()
            if not isinstance(self.plugin, expected):
                raise PluginError(f"{self.source} is {type(self.plugin).__name__}, expected a "
                                  f"thalweg.devices.{expected.__name__}")
            if expected is DevicePlugin:
                _check_descriptor(self.plugin)
            self.state = LOADED
        except (Exception, SystemExit) as error:
            self.fail(error)

    def probe(self):
        """Asks whether the device can be used here; no driver is loaded for that."""
        try:
            answer = self.plugin.probe()
        except (Exception, SystemExit) as error:
            self.fail(error)
            return
        if answer is True:
            self.state = READY
        else:
            self.stop(ABSENT, str(answer) if answer else "its probe says no")

    def open(self):
        """Opens the plugin's devices, once."""
        try:
            self.devices = open_plugin(self.plugin, self.plugin.open(), self.label, self.package)
            self.state = OPEN
        except NoDevices as error:
            self.stop(ABSENT, str(error), error)
        except (Exception, SystemExit) as error:
            self.fail(error)

    def explain(self):
        """One line on why there is no device of this plugin."""
        origin = f"{self.type} {self.label}".rstrip()
        return f"{origin} is installed but {self.state}: {self.reason}" if self.reason else f"{origin} is {self.state}"


def _innermost(error):
    while error.__cause__ is not None or error.__context__ is not None and not error.__suppress_context__:
        error = error.__cause__ or error.__context__
    text = str(error)
    return text if isinstance(error, PluginError) else f"{type(error).__name__}: {text}" if text else repr(error)


def _check_descriptor(plugin):
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*", plugin.type):
        raise PluginError(f"device type {plugin.type!r} must be capital letters, digits and underscores")
    if plugin.api[0] != 1:
        raise PluginError(f"its descriptor was written for device API {'.'.join(map(str, plugin.api))}, "
                          "this thalweg speaks 1.x")


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
            for group in (_DEVICES, _KERNELS, _OPS):
                found = [_entry(group, point) for point in self._find(group, only_core)]
                _keep_newest(found)
                self._entries += found
            self._entries += self._registered
            for entry in self._entries:
                self._take(entry)
            declaration.seal()
            self._check_allowed()
            self._is_discovered = True

    def _take(self, entry):
        """Brings one entry as far as it goes without being used."""
        if entry.state == FOUND:
            self._block(entry)
        if entry.state != FOUND:
            return
        if entry.group == _OPS:
            _load_ops(entry)
            return
        entry.load(DevicePlugin if entry.group == _DEVICES else KernelPlugin)
        if entry.state == LOADED and entry.group == _DEVICES:
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
        if entry.group == _DEVICES and allowed and entry.state == LOADED and not names & set(allowed):
            entry.stop(BLOCKED, f"not in THALWEG_DEVICES={self._environ['THALWEG_DEVICES']}")
        rival = next((e for e in self._entries if e is not entry and e.group == _DEVICES and e.type == entry.type
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
        return [e for e in self._entries if e.group == _DEVICES]

    def register(self, plugin, name=None):
        """Adds a DevicePlugin or KernelPlugin of this process, without a package; gives its Entry."""
        group = _DEVICES if isinstance(plugin, DevicePlugin) else _KERNELS
        name = name or (plugin.type if group == _DEVICES else plugin.name or "kernels")
        entry = Entry(name, group, "registered in this process", plugin=plugin)
        with self._lock:
            taken = [e for e in [*self._entries, *self._registered] if group == e.group == _DEVICES
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
            if entry.state != OPEN and {entry.name, entry.type.lower()} & set(self._names("THALWEG_DEVICES")):
                raise PluginError(f"THALWEG_DEVICES asks for {entry.name}, but {entry.explain()}\n{entry.traceback}")
            return entry.devices

    def _in_order(self):
        """Device plugins by rank: as THALWEG_DEVICES lists them, else by priority; those on request only left out."""
        self.discover()
        usable = [e for e in self._device_entries() if e.state in (READY, OPEN)]
        allowed = self._names("THALWEG_DEVICES")
        if allowed:
            listed = [e for name in allowed for e in self._device_entries() if name in (e.name, e.type.lower())
                      and (e in usable or e.state in (FAILED, ABSENT))]
            return list(dict.fromkeys(listed))
        return sorted((e for e in usable if e.plugin.priority >= _DEFAULT_PRIORITY), key=lambda e: -e.plugin.priority)

    def default_device(self):
        """The device of ops that ask for none."""
        return self._first(lambda device: True)

    def host_device(self):
        """The best device whose memory is the host's: where feeds, fetches and Python steps are."""
        return self._first(lambda device: device.is_host)

    def _first(self, suits):
        for entry in self._in_order():
            for device in self.opened(entry):
                if suits(device):
                    return device
        rows = "\n".join(f"  {entry.explain()}" for entry in self._device_entries())
        raise PluginError("no device can be used. " + (f"Installed:\n{rows}" if rows else
                          f"No entry point of group {_DEVICES} was found: is {_CORE} installed in this environment?"))

    def find_device(self, device_type, index=0):
        """`(device, "")`, or `(None, why there is none)`, for a device type or an alias."""
        self.discover()
        device_type = device_type.upper()
        entries = self._candidates(device_type)
        reasons = []
        for entry in entries:
            devices = self.opened(entry)
            if index < len(devices):
                return devices[index], ""
            reasons.append(f"there {'is' if len(devices) == 1 else 'are'} {len(devices)} of {entry.type}"
                           if devices else entry.explain())
        if reasons:
            return None, "; ".join(reasons)
        known = sorted({e.type for e in self._device_entries()})
        return None, f"no installed package provides a device {device_type}; known: {', '.join(known) or 'none'}"

    def _candidates(self, name):
        """Plugins that a device type or alias may mean, the best first."""
        wish = self._environ.get(f"THALWEG_{name}", "").lower()
        found = [e for e in self._device_entries() if e.type == name or isinstance(e.plugin, DevicePlugin)
                 and name in [a.upper() for a in e.plugin.aliases]]
        if wish:
            found = [e for e in self._device_entries() if wish in (e.name, e.type.lower())]
        return sorted(found, key=lambda e: (e.type != name, e.state not in (READY, OPEN),
                                            -e.plugin.priority if isinstance(e.plugin, DevicePlugin) else 0))

    def list_devices(self):
        """A Row per opened device, and one for each plugin that gave none; opens what is ready."""
        rows = Table()
        for entry in sorted(self.entries(), key=lambda e: (e.group != _DEVICES, e.name)):
            devices = self.opened(entry) if entry.group == _DEVICES and entry.state in (READY, OPEN) else []
            rows += [Row(entry, device) for device in devices] or [Row(entry, None)]
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


def _load_ops(entry):
    """Imports a package's op declarations; those of a broken package are taken out again."""
    before = set(declaration.REGISTRY)
    try:
        entry.plugin = entry._load()
        declaration.seal()
        entry.state = READY
    except (Exception, SystemExit) as error:
        for name in set(declaration.REGISTRY) - before:
            del declaration.REGISTRY[name]
        entry.fail(error)


class Row:
    """One line of `list_devices()`.

    Attributes
    ----------
    name : str              "/device:CPU:0", or the plugin's name where there is no device
    device_type : str
    memory_limit_bytes : int    0 where the device does not say
    state, reason, source : str
    """

    __slots__ = ("name", "device_type", "memory_limit_bytes", "state", "reason", "source", "priority", "build_tag")

    def __init__(self, entry, device):
        self.device_type = entry.type if entry.group == _DEVICES else entry.group.rpartition(".")[2]
        self.name = entry.name if device is None else device.name
        stats = device.mem_stats() if device is not None else None
        self.memory_limit_bytes = stats["bytes_limit"] if stats else 0
        self.state, self.reason, self.source = entry.state, entry.reason, entry.source
        self.priority = getattr(entry.plugin, "priority", None)
        self.build_tag = device.build_tag if device is not None else ""

    def __repr__(self):
        return f"Row({self.name!r}, {self.device_type!r}, {self.state!r}{f', {self.reason!r}' if self.reason else ''})"


class Table(list):
    """Rows that print as a table."""

    def __str__(self):
        cells = [("device", "state", "from", "reason")] + [(r.name, r.state, r.source, r.reason) for r in self]
        widths = [max(len(row[i]) for row in cells) for i in range(3)]
        return "\n".join("  ".join([*(c.ljust(w) for c, w in zip(row, widths)), row[3]]).rstrip() for row in cells)


REGISTRY = Registry()
