"""The pytest plugin of the conformance kit; loaded by name only: pytest -p thalweg.testing.plugin.

    pytest -p thalweg.testing.plugin --pyargs thalweg.testing.suite --thalweg-device=acme --thalweg-caps=caps.toml \\
        --thalweg-report=report.json

A plugin's own repository may have a file with `from thalweg.testing.suite import *` and a class derived from
Capabilities instead; pytest is told of the plugin by `-p` there too.
"""
import pathlib
import re

from . import MISSING

try:
    import pytest
    import scipy  # noqa: F401
except ImportError as error:
    raise ImportError(MISSING) from error

from thalweg.framework.graph import Graph

from .capabilities import Capabilities, CapabilityError, matches
from .kit import Kit, KitError
from .report import Report

_LEVEL = re.compile(r"thalweg\.testing\.suite\.test_l(\d)_\w+$")
_LEVELS = 8


def pytest_addoption(parser):
    group = parser.getgroup("thalweg", "conformance of a device of thalweg")
    group.addoption("--thalweg-device", metavar="NAME", help="type of the device to test; default: that of the caps")
    group.addoption("--thalweg-caps", metavar="FILE",
                    help="what the device claims to do: caps.toml, or module:function that gives Capabilities")
    group.addoption("--thalweg-report", metavar="FILE", help="write the report here as JSON, and its table as FILE.md")


def pytest_configure(config):
    config.pluginmanager.register(_Kits(config), "thalweg-kits")


class _Kits:
    """The kits of this run, one per device, and the report."""

    def __init__(self, config):
        self.config, self.report, self.by_caps, self.made = config, Report(), {}, {}
        self.from_options = self._read_options()
        self.running = _Running(config)

    def _read_options(self):
        device, path = self.config.getoption("thalweg_device"), self.config.getoption("thalweg_caps")
        if (device or path) and getattr(self.config.option, "numprocesses", None):
            raise pytest.UsageError("the conformance kit runs in one process: leave out -n of pytest-xdist")
        if not path:
            if device:
                raise pytest.UsageError("--thalweg-device needs --thalweg-caps=FILE: what the device claims to do "
                                        "(docs/devices.md, section 6)")
            return None
        try:
            caps = Capabilities.read(path)
        except (OSError, ImportError, AttributeError, CapabilityError) as error:
            raise pytest.UsageError(f"--thalweg-caps: {error}") from error
        if device and device.upper() != caps.device.upper():
            raise pytest.UsageError(f"--thalweg-device={device}, but {path} is about {caps.device}")
        return caps

    def caps_of(self, module):
        """The claims that the tests of a module are held to: its own Capabilities, else those of the options."""
        for value in vars(module).values():
            if isinstance(value, Capabilities):
                return value
            if isinstance(value, type) and issubclass(value, Capabilities) and value is not Capabilities:
                return self.made.setdefault(value, value())
        if self.from_options is None:
            raise pytest.Collector.CollectError(
                "the conformance kit needs --thalweg-caps=FILE, or in the file with the tests a class derived from "
                "thalweg.testing.capabilities.Capabilities, or an object of it")
        return self.from_options

    def kit_of(self, module):
        caps = self.caps_of(module)
        if caps not in self.by_caps:
            self.running.note(f"opening {caps.device}")
            try:
                self.by_caps[caps] = Kit(caps)
            except KitError as error:
                raise pytest.Collector.CollectError(str(error)) from error
            self.report.about(self.by_caps[caps])
        return self.by_caps[caps]

    # --- collecting ---------------------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_generate_tests(self, metafunc):
        """A suite's function with a `cases` function is run once for each case that the device claims."""
        if level_of(metafunc.function) is not None and hasattr(metafunc.function, "cases"):
            cases = metafunc.function.cases(self.kit_of(metafunc.module))
            metafunc.parametrize("case", list(cases.values()), ids=list(cases))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        unclaimed = [i for i in items if level_of(getattr(i, "function", None)) is not None and "[NOTSET]" in i.name]
        self.report.unclaimed = {level_of(item.function) for item in unclaimed}
        items[:] = [item for item in items if item not in unclaimed]
        mine = [item for item in items if level_of(getattr(item, "function", None)) is not None]
        for item in mine:
            caps, level = self.caps_of(item.module), level_of(item.function)
            item.user_properties.append(("thalweg_level", level))
            # Gradients of gathered rows are sparse; the tables ask for the gradients of such gradients.
            item.add_marker(pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices"))
            lacking = [f for f in getattr(item.function, "needs", ()) if not caps.has(f)]
            if lacking:
                item.add_marker(pytest.mark.skip(reason=f"the device does not claim {', '.join(lacking)}"))
            if caps.reason("skip", item.name):
                item.add_marker(pytest.mark.skip(reason=caps.reason("skip", item.name)))
            if caps.reason("xfail", item.name):
                item.add_marker(pytest.mark.xfail(reason=caps.reason("xfail", item.name), strict=True))
        if len({level_of(item.function) for item in mine}) == _LEVELS:
            self._check_patterns(mine)

    def _check_patterns(self, items):
        """No pattern of a capability file may have outlived its test."""
        for caps in {id(c): c for c in map(self.caps_of, {item.module for item in items})}.values():
            names = [item.name for item in items if self.caps_of(item.module) is caps]
            stale = [p for p in [*caps.xfail, *caps.skip] if not any(matches(p, name) for name in names)]
            if stale:
                raise pytest.UsageError(f"capabilities of {caps.device}: no test is named {', '.join(stale)}")

    @pytest.fixture
    def kit(self, request):
        """The device under test (thalweg.testing.kit.Kit); the default graph is a new one."""
        with Graph().as_default():
            yield self.kit_of(request.module)

    def pytest_deselected(self, items):
        self.report.deselected |= {level_of(getattr(item, "function", None)) for item in items}

    # --- reporting ----------------------------------------------------------------------------------

    def pytest_runtest_logstart(self, nodeid):
        self.running.note(nodeid)

    def pytest_sessionfinish(self):
        self.running.end()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Level L7 reports and never fails: what cannot be measured is skipped with the reason."""
        report = yield
        if level_of(getattr(item, "function", None)) == 7 and report.when == "call" and report.failed:
            path, line, _ = item.location
            report.outcome = "skipped"
            report.longrepr = (path, line or 0, f"Skipped: could not be measured: {call.excinfo.exconly()}")
        return report

    def pytest_runtest_logreport(self, report):
        self.report.add(report)

    def pytest_terminal_summary(self, terminalreporter):
        if self.report.is_empty:
            return
        terminalreporter.section("conformance")
        terminalreporter.write(self.report.table())
        path = self.config.getoption("thalweg_report")
        if path:
            self.report.write(path)


class _Running:
    """FILE.running beside the report FILE: what is being done, so that a crash or a hang can be told by it.

    It is gone after a run that comes to its end; the report of an earlier run is gone from the start.
    """

    def __init__(self, config):
        path = config.getoption("thalweg_report")
        self.path = pathlib.Path(f"{path}.running").absolute() if path and not config.option.collectonly else None
        if self.path is not None:
            for old in (path, f"{path}.md"):
                pathlib.Path(old).unlink(missing_ok=True)

    def note(self, what):
        if self.path is not None:
            self.path.write_text(f"{what}\n")

    def end(self):
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def level_of(function):
    """The level that a test function of the suite belongs to; None for any other."""
    match = _LEVEL.match(getattr(function, "__module__", None) or "")
    return int(match[1]) if match else None
