"""NVIDIA GPUs for thalweg, as a device plugin on PyCUDA. Importing this package opens no library."""
from ._version import __version__

__all__ = ["__version__"]
