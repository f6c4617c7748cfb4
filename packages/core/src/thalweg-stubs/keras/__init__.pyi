"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.keras import initializers as initializers
