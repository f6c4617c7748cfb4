"""One plugin on its way from an entry point to open devices.

    found -> loaded -> ready -> open            blocked, failed, absent: why not
"""
import contextlib
import logging
import re
import threading
import traceback

from thalweg.framework import declaration

from .device import NoDevices, PluginError
from .handshake import open_plugin
from .plugin import DevicePlugin

FOUND, LOADED, READY, OPEN, ABSENT, FAILED, BLOCKED = (
    "found", "loaded", "ready", "open", "absent", "failed", "blocked")

DEVICES, KERNELS, OPS = "thalweg.devices", "thalweg.kernels", "thalweg.ops"

_PATIENCE_S = 10                         # then a plugin that does not come back is named in the log

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

    @contextlib.contextmanager
    def _awaited(self, doing):
        """Says in the log who hangs; foreign code is not interrupted: Ctrl-C and THALWEG_BLOCK are there for that."""
        timer = threading.Timer(_PATIENCE_S, _log.warning, (
            "thalweg: %s has not come back from its %s for %g s; THALWEG_BLOCK=%s leaves it out "
            "(python -m thalweg.devices --isolate tells which plugins hang)", self.label, doing, _PATIENCE_S,
            self.name))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def load(self, expected):
        """Imports the descriptor."""
        try:
            if self._load is not None:
                with self._awaited("import"):
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
            with self._awaited("probe"):
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
            with self._awaited("open"):
                self.devices = open_plugin(self.plugin, self.plugin.open(), self.label, self.package)
            self.state = OPEN
        except NoDevices as error:
            self.stop(ABSENT, str(error), error)
        except (Exception, SystemExit) as error:
            self.fail(error)

    def load_ops(self):
        """Imports a package's op declarations; those of a broken package are taken out again."""
        before = set(declaration.REGISTRY)
        try:
            self.plugin = self._load()
            declaration.seal()
            self.state = READY
        except (Exception, SystemExit) as error:
            for name in set(declaration.REGISTRY) - before:
                del declaration.REGISTRY[name]
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
