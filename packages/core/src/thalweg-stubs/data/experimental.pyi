"""Written by tools/stubs from the tables of names; do not edit."""

AUTOTUNE: int
from thalweg_io.data.experimental import ignore_errors as ignore_errors
from thalweg_io.data.experimental import map_and_batch as map_and_batch
from thalweg_io.data.experimental import shuffle_and_repeat as shuffle_and_repeat
