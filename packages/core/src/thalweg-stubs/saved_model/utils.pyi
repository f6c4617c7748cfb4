"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.saved_model.tensor_info import build_tensor_info as build_tensor_info
from thalweg_io.saved_model.tensor_info import get_tensor_from_tensor_info as get_tensor_from_tensor_info
