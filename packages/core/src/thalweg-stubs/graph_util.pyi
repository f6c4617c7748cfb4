"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.graph_import import import_graph_def as import_graph_def
