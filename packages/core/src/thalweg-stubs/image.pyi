"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.ops.random import random_crop as random_crop
