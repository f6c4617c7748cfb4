"""The device ACME. Importing this opens no library: that happens in `_open`, at the first use."""
import os

from thalweg.devices import DevicePlugin


def _open():
    from . import _native
    return _native.capsule()


def _probe():
    """Whether the hardware is there, without loading a driver: True, or why not."""
    return "ACME_HIDE is set" if os.environ.get("ACME_HIDE") else True


plugin = DevicePlugin("ACME", _open, probe=_probe, priority=50)      # below 100: only where it is asked for
