"""`freeze_graph`: a graph file and a checkpoint to one file with constants, as TensorFlow's tool of that name."""
import os

from thalweg.framework import errors

from ..graphs.graph_files import read_graph_def, write_graph_def
from .checkpoint_values import values_from_checkpoint
from .freezing import variables_to_constants
from .node_map import nodes_by_name, output_of

_V2 = 2


def freeze_graph(input_graph, input_saver, input_binary, input_checkpoint, output_node_names, restore_op_name=None,
                 filename_tensor_name=None, output_graph=None, clear_devices=True, initializer_nodes="",
                 variable_names_whitelist="", variable_names_blacklist="", input_meta_graph=None,
                 input_saved_model_dir=None, saved_model_tags="serve", checkpoint_version=_V2):
    """The graph of a file with its variables' values from a checkpoint, as constants.

    Nothing runs: values are read under the names that the graph's own saver restores from, else the variables' names.

    Parameters
    ----------
    input_graph : str                   file with a GraphDef, unless one of the two below is given
    input_saver, restore_op_name, filename_tensor_name, checkpoint_version : accepted
    input_binary : bool                 whether `input_graph` and `input_meta_graph` are binary
    input_checkpoint : str              path of the checkpoint, not needed with a SavedModel
    output_node_names : str             names of nodes, with commas between
    output_graph : str                  where to write the result; None or "": nowhere
    clear_devices : bool                leaves the nodes' devices out
    initializer_nodes : str             must be empty: thalweg freezes without running nodes
    variable_names_whitelist, variable_names_blacklist : str        which variables; with commas between
    input_meta_graph : str              file with a MetaGraphDef
    input_saved_model_dir : str         folder of a SavedModel
    saved_model_tags : str              tags of the graph in it, with commas between

    Returns
    -------
    GraphDef

    Raises
    ------
    NotFoundError           if a file is missing, or the checkpoint lacks a variable
    ValueError              without output nodes, or with initializer nodes
    """
    outputs = _names(output_node_names)
    if not outputs:
        raise ValueError("You need to supply the name of a node to --output_node_names.")
    if initializer_nodes:
        raise ValueError(f"initializer_nodes={initializer_nodes!r}: thalweg freezes without running any node. Run "
                         "them in a session and use tf.graph_util.convert_variables_to_constants(session, ...).")
    graph_def = _graph_def(input_graph, input_binary, input_meta_graph, input_saved_model_dir, saved_model_tags)
    if input_saved_model_dir:
        from ..saved_model.folder import variables_path
        input_checkpoint = variables_path(input_saved_model_dir)
    frozen = frozen_from_checkpoint(graph_def, input_checkpoint, outputs, _names(variable_names_whitelist) or None,
                                    _names(variable_names_blacklist) or None, clear_devices)
    if output_graph:
        write_graph_def(output_graph, frozen)
    return frozen


def frozen_from_checkpoint(graph_def, checkpoint, output_node_names, whitelist=None, blacklist=None,
                           clear_devices=False):
    """What `output_node_names` need of `graph_def`, with the variables' values in `checkpoint` as constants."""
    nodes = nodes_by_name(graph_def)
    for name in output_node_names:
        if output_of(name)[0] not in nodes:
            raise errors.NotFoundError(None, None, f"output node {name} is not in the graph")
    frozen = variables_to_constants(graph_def, [output_of(name)[0] for name in output_node_names],
                                    values_from_checkpoint(graph_def, checkpoint), whitelist, blacklist)
    if clear_devices:
        for node in frozen.node:
            node.device = ""
    return frozen


def _names(text):
    return [name for name in text.replace(" ", "").split(",") if name]


def _graph_def(input_graph, input_binary, input_meta_graph, saved_model_dir, tags):
    from ..protos import GraphDef, MetaGraphDef, read_message
    if saved_model_dir:
        return read_graph_def(saved_model_dir, _names(tags))
    if input_meta_graph:
        return read_message(os.fspath(input_meta_graph), MetaGraphDef, as_text=not input_binary).graph_def
    if not input_graph:
        raise ValueError("one of input_graph, input_meta_graph and input_saved_model_dir must be given")
    return read_message(os.fspath(input_graph), GraphDef, as_text=not input_binary)
