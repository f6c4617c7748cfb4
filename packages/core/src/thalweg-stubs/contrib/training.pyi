"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_io.checkpoints.iterator import wait_for_new_checkpoint as wait_for_new_checkpoint
