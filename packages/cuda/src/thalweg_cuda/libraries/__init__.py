"""NVIDIA's cuBLASLt and cuDNN by ctypes: opened lazily, handles made once for a card, plans kept.

Nothing here knows PyCUDA: streams and addresses are ints. A card's `Libraries` are its `Target.libraries`.
"""
from .library import Libraries, LibraryError

__all__ = ["Libraries", "LibraryError"]
