"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.ops.conv import conv1d_transpose as conv1d_transpose
