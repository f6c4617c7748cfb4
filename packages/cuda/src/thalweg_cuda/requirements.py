"""Whether there is what the device needs, found out without opening any of it."""
import ctypes.util
import glob
import importlib.util
import sys

from thalweg_cuda.compiler import nvrtc
from thalweg_cuda.shared_library import candidates

_DRIVER_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib/wsl/lib",
                   "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib")


def probe():
    """True, or what is missing and how to get it."""
    if sys.platform != "linux":
        return f"thalweg-cuda runs on Linux, this is {sys.platform}"
    missing = [text for text in (_no_driver(), _no_pycuda(), nvrtc.missing()) if text]
    return "; ".join(missing) or True


def _no_driver():
    if ctypes.util.find_library("cuda"):
        return ""
    if candidates("cuda", ("1",)) or any(glob.glob(f"{folder}/libcuda.so.1") for folder in _DRIVER_FOLDERS):
        return ""
    return "no NVIDIA driver was found (libcuda.so.1). Install one of version 580 or newer; in a container, start it " \
           "with the GPU: --gpus all"


def _no_pycuda():
    if importlib.util.find_spec("pycuda") is not None:
        return ""
    return "PyCUDA is not installed. It is built from source, without a CUDA toolkit: see the recipe in the README " \
           "of thalweg-cuda"
