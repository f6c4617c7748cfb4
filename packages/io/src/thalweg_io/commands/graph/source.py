"""Reading a graph for a command: the GraphDef, and the checkpoint and signatures that stand beside it."""
import os

from thalweg.framework import errors

from ...checkpoints.state import checkpoint_exists
from ...graphs.graph_files import read_graph_def, read_meta_graph_def


class Source:
    """What a path names.

    Attributes
    ----------
    path : str
    graph_def : GraphDef
    meta_graph : MetaGraphDef or None
    checkpoint : str or None            the path of the variables' values, where they stand beside the graph
    """

    def __init__(self, path, tags=None):
        self.path = path
        if path.endswith(".onnx"):
            raise errors.UnimplementedError(None, None, f"{path}: an ONNX file can be shown, but not turned into a "
                                                        "GraphDef")
        self.meta_graph = read_meta_graph_def(path, tags)
        self.graph_def = read_graph_def(path) if self.meta_graph is None else self.meta_graph.graph_def
        self.checkpoint = self._checkpoint()

    def _checkpoint(self):
        if self.meta_graph is None:
            return None
        if os.path.isdir(self.path) or os.path.basename(self.path).startswith("saved_model.pb"):
            from ...saved_model.folder import variables_path
            found = variables_path(self.path if os.path.isdir(self.path) else os.path.dirname(self.path))
        else:
            found = self.path.removesuffix(".txt").removesuffix(".pbtxt").removesuffix(".meta")
        return found if checkpoint_exists(found) else None

    def signature(self):
        """The signature for serving, the only one, or None."""
        found = self.meta_graph.signature_def if self.meta_graph is not None else {}
        if "serving_default" in found:
            return found["serving_default"]
        return next(iter(found.values())) if len(found) == 1 else None

    def names(self, given, side):
        """The names of tensors that a user has given, else those of the signature's `side`, "inputs" or "outputs"."""
        if given:
            return [name for item in given for name in item.split(",") if name]
        signature = self.signature()
        if signature is None:
            raise errors.InvalidArgumentError(
                None, None, f"{self.path} has no signature for serving: name the {side} by --{side[:-1]}; "
                            f"{self._candidates(side)}")
        return [info.name for _, info in sorted(getattr(signature, side).items())]

    def _candidates(self, side):
        nodes = self.graph_def.node
        if side == "inputs":
            found = [node.name for node in nodes if node.op == "Placeholder"]
            return f"placeholders are {', '.join(found) or 'none'}"
        taken = {text.removeprefix("^").partition(":")[0] for node in nodes for text in node.input}
        found = [node.name for node in nodes if node.name not in taken and node.op not in _NO_OUTPUT]
        return f"nobody takes from {', '.join(found[:10]) or 'nothing'}{', ...' if len(found) > 10 else ''}"

    def is_frozen(self):
        return not any(node.op in ("Variable", "VariableV2", "VarHandleOp") for node in self.graph_def.node)


_NO_OUTPUT = frozenset(("NoOp", "Assign", "AssignVariableOp", "Const", "SaveV2", "RestoreV2", "AssignAdd", "AssignSub",
                        "Placeholder", "Assert"))


def add_source(parser, what="the graph"):
    """The arguments that say what to read."""
    parser.add_argument("graph", metavar="GRAPH", help=what)
    parser.add_argument("--tags", type=lambda text: text.split(","), metavar="TAG,TAG",
                        help="which graph of a SavedModel, where there are several")


def shape_argument(text):
    """`NAME=1,224,224,3` as (name, shape); ? is a size that stays open."""
    import argparse
    name, separator, sizes = text.rpartition("=")
    try:
        shape = [None if size in ("?", "-1") else int(size) for size in sizes.split(",") if size]
    except ValueError:
        shape = None
    if not separator or not name or shape is None or any(size is not None and size < 0 for size in shape):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SIZE,SIZE,... as in images=1,224,224,3")
    return name, shape


def add_shapes(parser):
    """The argument --shape."""
    parser.add_argument("--shape", type=shape_argument, action="append", default=[], metavar="NAME=SIZE,SIZE,...",
                        help="the shape of a placeholder, so that sizes behind it become known; may be repeated")
