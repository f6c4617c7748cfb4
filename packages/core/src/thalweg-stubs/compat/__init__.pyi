"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.compat import v1 as v1
