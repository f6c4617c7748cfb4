"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.saved_model.builder import SavedModelBuilder as SavedModelBuilder
