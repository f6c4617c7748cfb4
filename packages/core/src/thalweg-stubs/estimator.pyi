"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.warm_start import WarmStartSettings as WarmStartSettings
