"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.tools import freeze_graph as freeze_graph
from thalweg.tools import optimize_for_inference_lib as optimize_for_inference_lib
from thalweg.tools import strip_unused_lib as strip_unused_lib
