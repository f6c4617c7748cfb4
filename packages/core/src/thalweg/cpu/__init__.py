"""The CPU device: kernels in Cython and C, and their memory; core finds it through thalweg-core's entry point `cpu`.

Kernels know arrays only; they import nothing of ours but `thalweg.devices.abi` and `thalweg.cpu._*`.
"""
from thalweg.devices.plugin import DevicePlugin


def _open():
    from . import device
    return device.capsule()


plugin = DevicePlugin("CPU", _open, priority=100, host_memory=True, dl_type=1)
