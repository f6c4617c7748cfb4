"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.saved_model.loader import load as load
from thalweg_io.saved_model.folder import maybe_saved_model_directory as maybe_saved_model_directory
