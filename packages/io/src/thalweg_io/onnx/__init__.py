"""ONNX: inference graphs to the format that other runtimes read, `thalweg_io.onnx.export`.

Imports thalweg's graphs and the graph tools; needs no package beside protobuf. Nothing imports it but its users.
"""
from .export import export

__all__ = ["export"]
