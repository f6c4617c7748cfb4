"""The device FAKE: an accelerator without hardware, for tests of placement, copies and errors.

Its addresses are not the host's: reading or writing one from the host is a segmentation fault, and a host address
where one of its own belongs is an error. It computes with the CPU's kernels. Copies on a stream are done later.

    from thalweg.testing import fake_device
    with fake_device.registered(oom_at=3):
        ...                     # "/device:FAKE:0" is there, for ops that ask for it
"""
import contextlib
from pathlib import Path

from thalweg import devices
from thalweg.devices import DevicePlugin


def _open():
    from . import _fake
    return _fake.capsule()


plugin = DevicePlugin("FAKE", _open, priority=20)


def capabilities():
    """What FAKE claims to the conformance kit: the CPU's kernels, which it runs, and streams of its own.

    Makes it two devices, so that copies from one to the other are tested.
    """
    from thalweg import cpu

    from .capabilities import Capabilities
    set_faults(count=2)
    claims = Capabilities.read(Path(cpu.__file__).with_name("caps.toml"))
    return claims.but(device=plugin.type, descriptor=f"{__name__}:plugin",
                      features=[*claims.features, "streams", "events", "timing", "pinned", "multi_device"])


def set_faults(count=1, oom_at=0, missing=(), ns_per_byte=0.0, host_inputs=None):
    """Sets how FAKE misbehaves from now on; without arguments, not at all.

    Parameters
    ----------
    count : int             devices, counted when the plugin is opened
    oom_at : int            the allocation, counted from now, from which on all fail; 0: none
    missing : op types      for which it says that it has no kernel
    ns_per_byte : float     added to each copy
    host_inputs : dict      op type -> inputs that its kernel wants on the host
    """
    from . import _fake
    _fake.set_faults(count, oom_at, missing, ns_per_byte, host_inputs or {})


@contextlib.contextmanager
def registered(**faults):
    """FAKE is a device inside the `with`; the arguments are those of `set_faults`."""
    set_faults(**faults)
    entry = devices.register(plugin)
    try:
        yield entry
    finally:
        devices.unregister(plugin.type)
        set_faults()
