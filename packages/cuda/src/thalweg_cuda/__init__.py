"""NVIDIA GPUs for thalweg, as a device plugin on PyCUDA. Importing this package opens no library."""
from thalweg.devices import DevicePlugin

from ._version import __version__
from .requirements import probe


def _open():
    from .device.cuda_device import CudaDevice
    return CudaDevice.open()


plugin = DevicePlugin("CUDA", _open, aliases=("GPU",), priority=200, probe=probe, addresses=True, dl_type=2,
                      options=("gpu_options",))

__all__ = ["__version__", "plugin"]
