"""Graphs in files: GraphDef and MetaGraphDef, binary or text, and the SavedModel of a folder, told apart by name."""
import os

from thalweg.framework import errors

from .meta_graph import write_message

_TEXT = (".pbtxt", ".txt", ".prototxt")
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")


def read_graph_def(path, tags=None):
    """The GraphDef in a file or folder.

    Parameters
    ----------
    path : str                      `.pb` or `.pbtxt` of a graph, a `.meta` file (also `.meta.pbtxt`, or a checkpoint's
                                    path without `.meta`), the folder of a SavedModel or its `saved_model.pb`
    tags : set of str               which graph of a SavedModel; None: the one there is

    Raises
    ------
    NotFoundError           without such a file
    DataLossError           when it holds no graph
    InvalidArgumentError            if the file holds no node, or the SavedModel several graphs and no tags are given
    """
    meta_graph = read_meta_graph_def(path, tags)
    if meta_graph is not None:
        return meta_graph.graph_def
    from ..protos import GraphDef, read_message
    graph_def = read_message(os.fspath(path), GraphDef)
    if not graph_def.node:
        raise errors.InvalidArgumentError(None, None, f"{path} holds a GraphDef without nodes; is it a graph? "
                                                      "(A MetaGraphDef has the extension .meta)")
    return graph_def


def read_meta_graph_def(path, tags=None):
    """The MetaGraphDef in a file or folder, or None where the name says that it holds a GraphDef; see above."""
    from ..protos import MetaGraphDef, read_message
    path = os.fspath(path)
    if os.path.isdir(path) or os.path.basename(path) in _SAVED_MODEL:
        return _meta_graph_of_saved_model(path, tags)
    if path.endswith((".meta", ".meta.pbtxt", ".meta.txt")):
        return read_message(path, MetaGraphDef)
    if not os.path.exists(path) and os.path.exists(f"{path}.meta"):
        return read_message(f"{path}.meta", MetaGraphDef)
    return None


def _meta_graph_of_saved_model(path, tags):
    from ..saved_model.loader import choose_meta_graph, read_saved_model
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    return choose_meta_graph(read_saved_model(folder), tags, folder)


def write_graph_def(path, graph_def):
    """Writes a GraphDef, in text form to a `.pbtxt`; whole or not at all."""
    write_message(path, graph_def, os.fspath(path).endswith(_TEXT))
