"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.ops.stateless_random import stateless_multinomial as stateless_multinomial
from thalweg.ops.stateless_random import stateless_normal as stateless_random_normal
from thalweg.ops.stateless_random import stateless_uniform as stateless_random_uniform
from thalweg.ops.stateless_random import stateless_truncated_normal as stateless_truncated_normal
