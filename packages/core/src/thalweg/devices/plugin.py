"""What a package tells about its device, or its extra kernels, before anything of it is opened.

Cheap to import and to make: nothing here opens a library or asks a driver.
"""
from collections.abc import Callable
from typing import NamedTuple


def _always():
    return True


class DevicePlugin(NamedTuple):
    """The descriptor behind an entry point of the group `thalweg.devices`.

    Attributes
    ----------
    type : str              "ACME" gives "/device:ACME:0"; letters, digits, underscores, no two plugins share one
    open : callable         gives the PyCapsule of a thw_device_api, or a PyDevice; called once, at the first use
    aliases : tuple of str  names that the device also answers to, ("GPU",)
    priority : int          the highest is the default device; below 100: used only where it is asked for
    probe : callable        True, or why the device cannot be used here; must be quick and load no driver
    api : (int, int)        the version of thalweg_abi.h that the plugin was written against
    fallback : str          the device type that runs what this one has no kernel for; "": the host's
    options : tuple of str  fields of ConfigProto and of its gpu_options that the device's `configure` is told
    host_memory : bool      whether the host may read and write what `alloc` gave
    addresses : bool        of a PyDevice: `alloc` gives addresses on the device, kernels and copies get them
    dl_type : int           DLPack's number for the memory's kind; 1 is the host's, 12 an extension's
    """

    type: str
    open: Callable[[], object]
    aliases: tuple = ()
    priority: int = 200
    probe: Callable[[], object] = _always
    api: tuple = (1, 0)
    fallback: str = ""
    options: tuple = ()
    host_memory: bool = False
    dl_type: int = 12
    addresses: bool = False


class KernelPlugin(NamedTuple):
    """The descriptor behind an entry point of the group `thalweg.kernels`: more kernels for a device that exists.

    Attributes
    ----------
    device : str        the device's type
    find : callable     takes a KernelRequest, gives a function of (inputs, outputs) or None (devices whose memory the
                        host sees, and devices in Python with addresses); or the PyCapsule of a thw_kernels_api
    priority : int      who is asked first; the device's own kernels come last
    name : str          for messages
    """

    device: str
    find: object
    priority: int = 200
    name: str = ""
