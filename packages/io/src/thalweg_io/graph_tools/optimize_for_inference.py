"""`optimize_for_inference`: a frozen graph made smaller and quicker, with the same values up to rounding."""
from .batch_norm import fold_batch_norms
from .constants import fold_constants
from .node_map import output_of
from .strip_unused import strip_unused
from .sub_graph import extract_sub_graph
from .training_nodes import remove_training_nodes


def optimize_for_inference(input_graph_def, input_node_names, output_node_names, placeholder_type_enum,
                           toco_compatible=False):
    """A frozen graph for inference: what training needs is cut off, constants are computed, batch norms are folded.

    Parameters
    ----------
    input_graph_def : GraphDef              frozen (`convert_variables_to_constants`)
    input_node_names : list of str          nodes that will be fed; they become placeholders
    output_node_names : list of str         nodes that will be fetched; they keep their names
    placeholder_type_enum : dtype, its number, or a list of one for each input
    toco_compatible : bool                  accepted: thalweg adds no op that other tools do not know

    Returns
    -------
    GraphDef
    """
    outputs = [output_of(name)[0] for name in output_node_names]
    keep = [*outputs, *(output_of(name)[0] for name in input_node_names)]
    graph_def = strip_unused(input_graph_def, input_node_names, outputs, placeholder_type_enum)
    graph_def = remove_training_nodes(graph_def, keep)
    graph_def = fold_constants(graph_def, keep)
    graph_def = fold_batch_norms(graph_def, keep)
    graph_def = remove_training_nodes(graph_def, keep)
    return extract_sub_graph(graph_def, outputs)
