"""Cutting a graph at its inputs: what lies before them is left out, placeholders stand there."""
from thalweg.framework import errors
from thalweg.framework.dtypes import as_dtype

from .node_map import check_are_names, check_is_graph_def, like, nodes_by_name, output_of
from .sub_graph import extract_sub_graph


def strip_unused(input_graph_def, input_node_names, output_node_names, placeholder_type_enum):
    """The part between `input_node_names` and `output_node_names`; each input becomes a Placeholder.

    Parameters
    ----------
    input_graph_def : GraphDef
    input_node_names, output_node_names : list of str       names of nodes
    placeholder_type_enum : dtype, its number, or a list of one for each input      what the placeholders take

    Raises
    ------
    NotFoundError       if an input is no node of the graph
    ValueError          if there are not as many types as inputs
    """
    check_is_graph_def(input_graph_def, "strip_unused")
    check_are_names(input_node_names, "input_node_names")
    types = placeholder_type_enum if isinstance(placeholder_type_enum, (list, tuple)) \
        else [placeholder_type_enum] * len(input_node_names)
    if len(types) != len(input_node_names):
        raise ValueError(f"{len(types)} placeholder types for {len(input_node_names)} inputs: give one for all, or "
                         "one for each")
    nodes = nodes_by_name(input_graph_def)
    wanted = {}
    for name, dtype in zip(input_node_names, types):
        name = output_of(name)[0]
        if name not in nodes:
            raise errors.NotFoundError(None, None, f"input node {name} is not in the graph")
        wanted[name] = as_dtype(dtype).as_datatype_enum
    cut = [_placeholder(node, wanted[node.name]) if node.name in wanted else node for node in input_graph_def.node]
    return extract_sub_graph(like(input_graph_def, cut), [output_of(name)[0] for name in output_node_names])


def _placeholder(node, number):
    """A Placeholder in a node's place, of its shape where the node says one."""
    made = type(node)(name=node.name, op="Placeholder", device=node.device)
    made.attr["dtype"].type = number
    if "shape" in node.attr:
        made.attr["shape"].CopyFrom(node.attr["shape"])
    elif node.attr["_output_shapes"].list.shape:
        made.attr["shape"].shape.CopyFrom(node.attr["_output_shapes"].list.shape[0])
    else:
        made.attr["shape"].shape.unknown_rank = True
    if "_output_shapes" in node.attr:
        made.attr["_output_shapes"].CopyFrom(node.attr["_output_shapes"])
    return made
