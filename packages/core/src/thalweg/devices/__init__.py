"""Devices: how they are found, opened and asked for kernels, through the contract of include/thalweg_abi.h.

May import the framework, and nothing else of ours. The core knows no device by name.

From Python::

    default_device(), host_device()                 -> Device
    find_device("GPU", 0)                           -> (Device, "") or (None, "why there is none")
    find_kernel(device, KernelRequest(...))         -> Kernel or None; then request.refusal says why
    register(DevicePlugin(...)), unregister("ACME")    in this process, without a package
    list_devices()                                  -> rows that print as a table
    set_threads(n), set_spin(pauses)                   the pool; 0: affinity, control groups, THALWEG_NUM_THREADS
    threads(), follow_processors()                     how many; anew, as each session does that asks for none

From Cython, for the executor::

    from thalweg.devices.core_api cimport (KernelRequest, RunContext, core_table, dl_dtype, fill_rng, item_size,
                                           keep_exception, reserve_random, start_run, take_error, take_outside_error)
    from thalweg.devices.device cimport Device, Kernel

    start_run(&context, threads, scratch_bytes)     # no GIL; before every run; scratch_bytes: the most of all kernels
    call.core, call.core_ctx = core_table(), &context
    call.device, call.state = kernel.device.handle, kernel.kernel.state
    code = kernel.kernel.fn(&call, ins, n_in, outs, n_out)
    if code or context.code:                        # a region of work may fail although the kernel gave 0
        code, message, exception = take_error(&context)     # GIL; exception: a Python kernel's own, to raise as it is
    device.api.copy_h2d(device.handle, NULL, target, source, n)     # no GIL; entries that a plugin lacks are NULL
    code, message, exception = take_outside_error()         # what a failed copy has told: it has no context

A Kernel keeps its Device, and that its plugin's table, alive. `Device.api` is a whole table: no THW_HAS is needed.
"""
from pathlib import Path

from . import agreement
from .core_api import KernelRequest, error_of_code, follow_processors, set_spin, set_threads, started_workers, threads
from .device import Device, Kernel, NoDevices, PluginError
from .plugin import DevicePlugin, KernelPlugin
from .registry import REGISTRY

_HOST = 1                                # DLPack's number of host memory

register, unregister = REGISTRY.register, REGISTRY.unregister
default_device, host_device, find_device = REGISTRY.default_device, REGISTRY.host_device, REGISTRY.find_device
discover = REGISTRY.discover


def list_devices():
    """A Row per opened device, and one for each plugin that gave none; opens what is ready."""
    return REGISTRY.list_devices()


def find_kernel(device, request):
    """A Kernel of `device` for a KernelRequest, extra kernels of other packages first; None where there is none.

    ValueError when dtypes or shapes do not go together as the op's declaration says; `Device.find_kernel` asks unseen.
    """
    agreement.check(request)
    return device.find_kernel(request, REGISTRY.kernel_plugins(device.type))


def adopt(array):
    """`(Device, address, shape, DataType number, owner)` of another package's array that lies on a device, or None.

    Devices that are ready are opened for what says by DLPack's protocol that it is not in the host's memory.
    """
    kind = array.__dlpack_device__()[0] if hasattr(array, "__dlpack_device__") else None
    if kind == _HOST:
        return None
    for opened in REGISTRY.families(with_ready=kind is not None):
        found = opened[0].adopt(array)
        if found is not None:
            return opened[found[0]], *found[1:]
    return None


def get_include():
    """The folder of thalweg_abi.h, for the compiler of a plugin; its mirror for Cython is thalweg/devices/abi.pxd."""
    return str(Path(__file__).resolve().parent.parent / "include")


__all__ = ["Device", "DevicePlugin", "Kernel", "KernelPlugin", "KernelRequest", "NoDevices", "PluginError", "adopt",
           "default_device", "discover", "error_of_code", "find_device", "find_kernel", "follow_processors",
           "get_include", "host_device", "list_devices", "register", "set_spin", "set_threads", "started_workers",
           "threads", "unregister"]
