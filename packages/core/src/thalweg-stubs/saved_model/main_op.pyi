"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.saved_model.main_op import main_op as main_op
from thalweg_io.saved_model.main_op import main_op_with_restore as main_op_with_restore
