"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.tensor_proto import make_ndarray as make_ndarray
from thalweg_io.tensor_proto import make_tensor_proto as make_tensor_proto
