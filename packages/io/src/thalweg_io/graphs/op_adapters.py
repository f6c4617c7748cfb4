"""Nodes that become other ops than they say: what older and newer writers of graphs call differently.

An adapter is a function (importer, node, tensors, controls) -> (operation, tensors for the node's outputs).
"""
import importlib

_DECLARING = ("checkpoints.remapping", "checkpoints.save_ops", "data.dataset_ops", "data.iterator",
              "examples.decode_ops", "examples.parse_ops", "graphs.file_ops", "images.image_ops",
              "summaries.summary_ops")

NAMES: dict = {}                             # op type -> adapter


def adapter_of(op_type):
    """The adapter of an op type, or None where the op is what it says."""
    return NAMES.get(op_type)


def adapts(*op_types):
    """Registers the function below as the adapter of these op types."""
    def register(adapter):
        for op_type in op_types:
            NAMES[op_type] = adapter
        return adapter
    return register


def declare_all():
    """Imports the modules of this package that declare ops."""
    for module in _DECLARING:
        importlib.import_module(f"thalweg_io.{module}")
