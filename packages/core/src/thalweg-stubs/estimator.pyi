"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.checkpoints.warm_start import VocabInfo as VocabInfo
from thalweg_io.checkpoints.warm_start import WarmStartSettings as WarmStartSettings
