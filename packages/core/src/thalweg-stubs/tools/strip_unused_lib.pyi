"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.graph_tools.strip_unused import strip_unused as strip_unused
