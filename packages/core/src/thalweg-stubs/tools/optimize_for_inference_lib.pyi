"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.graph_tools.optimize_for_inference import optimize_for_inference as optimize_for_inference
