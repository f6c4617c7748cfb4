"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.graph_tools.freezing import convert_variables_to_constants as convert_variables_to_constants
from thalweg_io.graph_tools.sub_graph import extract_sub_graph as extract_sub_graph
from thalweg_io.graphs.graph_import import import_graph_def as import_graph_def
from thalweg_io.graph_tools.sub_graph import must_run_on_cpu as must_run_on_cpu
from thalweg_io.graph_tools.training_nodes import remove_training_nodes as remove_training_nodes
from thalweg_io.graph_tools.sub_graph import tensor_shape_from_node_def_name as tensor_shape_from_node_def_name
