"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.meta_graph import write_graph as write_graph
