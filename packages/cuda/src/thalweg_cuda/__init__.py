"""NVIDIA GPUs for thalweg, as a device plugin on PyCUDA. Importing this package opens no library."""
from thalweg.devices import DevicePlugin

from ._version import __version__
from .requirements import probe


def _open():
    from .device.cuda_device import CudaDevice
    return CudaDevice.open()


plugin = DevicePlugin("CUDA", _open, aliases=("GPU",), priority=200, probe=probe, addresses=True, dl_type=2,
                      options=("per_process_gpu_memory_fraction", "visible_device_list", "allocator_type"))


def __getattr__(name):
    if name in ("DeviceArray", "variable_array"):
        from . import arrays
        return getattr(arrays, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["DeviceArray", "__version__", "plugin", "variable_array"]
