"""A device OUTSIDER that adds, and can do nothing else."""
from thalweg.devices import DevicePlugin


def _open():
    from . import _native
    return _native.capsule()


plugin = DevicePlugin("OUTSIDER", _open, priority=50)
