"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.graph_tools.freeze_graph import freeze_graph as freeze_graph
