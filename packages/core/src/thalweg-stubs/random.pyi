"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.framework.graph import set_random_seed as set_random_seed
