"""Whether there is what the device needs, found out without opening any of it or starting a process."""
import importlib.util
import sys
from pathlib import Path

from thalweg_cuda.shared_library import candidates

NVRTC_VERSIONS = (13,)
INSTALL_NVRTC = "Install it: pip install 'thalweg-cuda[nvrtc]'"
LOADER_CACHE = Path("/etc/ld.so.cache")


def probe():
    """True, or what is missing and how to get it."""
    if sys.platform != "linux":
        return f"thalweg-cuda runs on Linux, this is {sys.platform}"
    missing = [text for text in (_no_driver(), _no_pycuda(), no_nvrtc()) if text]
    return "; ".join(missing) or True


def _no_driver():
    if candidates("cuda", (1,)) or _loader_knows(b"libcuda.so.1\0"):
        return ""
    return "no NVIDIA driver was found (libcuda.so.1). Install one of version 580 or newer; in a container, start " \
           "it with the GPU: --gpus all"


def _loader_knows(name):
    try:
        return name in LOADER_CACHE.read_bytes()
    except OSError:                      # a system without such a cache
        return False


def _no_pycuda():
    if importlib.util.find_spec("pycuda") is not None:
        return ""
    return "PyCUDA is not installed. It is built from source, without a CUDA toolkit: see the recipe in the README " \
           "of thalweg-cuda"


def no_nvrtc():
    """Why there is no NVRTC on this machine, in a sentence; "" where there is."""
    if candidates("nvrtc", NVRTC_VERSIONS):
        return ""
    return f"no compiler library NVRTC {NVRTC_VERSIONS[0]} was found. {INSTALL_NVRTC}"
