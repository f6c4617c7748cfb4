"""A plugin for pytest: DELAYED, a device that only enqueues work, is the default device (THALWEG_DEVICES names it)."""
from thalweg import devices
from thalweg.devices import DevicePlugin
from thalweg.testing.delayed_device import Delayed


def pytest_configure(config):
    devices.register(DevicePlugin("DELAYED", lambda: config.delayed, priority=20, addresses=True))
    config.delayed = Delayed(limit_bytes=4 << 30, workspace_bytes=64)


def pytest_terminal_summary(terminalreporter, config):
    terminalreporter.write_line(f"kernels on DELAYED: {config.delayed.counts['kernels']}, replays: "
                                f"{config.delayed.counts['replay']}, intruders: {config.delayed.intruders}")
