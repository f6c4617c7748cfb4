"""Named arrays in files of other libraries: safetensors, and NumPy's npz.

Files are read array by array: `names()`, `shape(name)`, `dtype(name)`, `read(name)`, `in`. Nothing in them is run,
each claimed size is compared with the file before memory is taken. They are written whole or not at all. Values of
bfloat16 and of the 8-bit floats are records of their raw bits, as everywhere inside of thalweg.
"""
from .npz import open_npz, write_npz
from .safetensors import open_safetensors, write_safetensors

__all__ = ["open_npz", "open_safetensors", "write_npz", "write_safetensors"]
