"""Files in TensorFlow's formats: checkpoints, graphs, summaries and event files.

Imports thalweg's framework and ops, NumPy, and protobuf only once a message is needed. Public names are reached
through `thalweg` (the table is `_names.py`); importing this package alone imports nothing else.
"""
from ._version import __version__

__all__ = ["__version__"]
