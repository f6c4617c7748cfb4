"""NVIDIA's cuBLASLt and cuDNN by ctypes: opened lazily, handles made once for a device, plans kept.

Nothing here knows PyCUDA: streams and addresses are ints. The runtime calls `open_libraries` in the card's primary
context and puts what it gives into `Target.libraries`.
"""
from .library import LibraryError, open_libraries

__all__ = ["LibraryError", "open_libraries"]
