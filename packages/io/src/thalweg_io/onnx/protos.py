"""ONNX's messages as protobuf classes, from `onnx.binpb`, the compiled form of `onnx.proto`; see thalweg_io.protos."""
from ..message_classes import message_class


def __getattr__(name):
    found = globals()[name] = message_class("onnx/onnx.binpb", "thalweg.onnx.", name, __name__)
    return found
