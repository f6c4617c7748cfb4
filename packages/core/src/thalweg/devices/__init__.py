"""Devices: how they are found, opened, asked for kernels. The contract is include/thalweg_abi.h; docs/devices.md explains.

May import the framework, and nothing else of ours. The core knows no device by name.

From Python::

    default_device(), host_device()                 -> Device
    find_device("GPU", 0)                           -> (Device, "") or (None, "why there is none")
    find_kernel(device, KernelRequest(...))         -> Kernel or None; request.refusal says why; asks extra providers too
    register(DevicePlugin(...)), unregister("ACME")    in this process, without a package
    list_devices()                                  -> rows that print as a table
    set_threads(n), set_spin(pauses)                   the thread pool; 0 threads: affinity, cgroups, THALWEG_NUM_THREADS

From Cython, for the executor::

    from thalweg.devices.core_api cimport (RunContext, KernelRequest, core_table, start_run, keep_exception, take_error,
        take_outside_error, dl_dtype, item_size, reserve_random, fill_rng)
    from thalweg.devices.device cimport Device, Kernel

    start_run(&context, threads, scratch_bytes)     # nogil; before every run; scratch_bytes: most of all kernels
    code = kernel.kernel.fn(&call, ins, n_in, outs, n_out)      # with call.core = core_table(), call.core_ctx = &context,
    if code or context.code: ...                    #   call.device = kernel.device.handle, call.state = kernel.kernel.state
    code, message, exception = take_error(&context) # with the GIL; exception: a Python kernel's own, raise it unchanged
    device.api.copy_h2d(device.handle, NULL, dst, src, n)       # nogil; entries that a plugin lacks are NULL
    take_outside_error()                            # what a failed copy or alloc has told: they have no context

A Kernel keeps its Device, and that its plugin's table, alive. `Device.api` is a whole table: no THW_HAS is needed.
"""
from .core_api import KernelRequest, error_of_code, set_spin, set_threads, started_workers
from .device import Device, Kernel, NoDevices, PluginError
from .plugin import DevicePlugin, KernelPlugin
from .registry import REGISTRY

register, unregister = REGISTRY.register, REGISTRY.unregister
default_device, host_device, find_device = REGISTRY.default_device, REGISTRY.host_device, REGISTRY.find_device
list_devices = REGISTRY.list_devices
discover = REGISTRY.discover


def find_kernel(device, request):
    """A Kernel of `device` for a KernelRequest, extra kernels of other packages first; None where there is none."""
    return device.find_kernel(request, REGISTRY.kernel_plugins(device.type))


__all__ = ["Device", "DevicePlugin", "Kernel", "KernelPlugin", "KernelRequest", "NoDevices", "PluginError",
           "default_device", "discover", "error_of_code", "find_device", "find_kernel", "host_device", "list_devices",
           "register", "set_spin", "set_threads", "started_workers", "unregister"]
