"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.saved_model.constants import GPU as GPU
from thalweg_io.saved_model.constants import SERVING as SERVING
from thalweg_io.saved_model.constants import TPU as TPU
from thalweg_io.saved_model.constants import TRAINING as TRAINING
