"""Layers, losses, initializers and optimizers over thalweg's ops.

Public names are reached through `thalweg` (the table is `_names.py`); importing this package alone imports nothing
else. It may import thalweg's framework, ops, autodiff, variables and runtime.
"""
from ._version import __version__

__all__ = ["__version__"]
