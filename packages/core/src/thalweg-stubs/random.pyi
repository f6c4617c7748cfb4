"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.ops.random import categorical as categorical
from thalweg.ops.random_gamma import random_gamma as gamma
from thalweg.framework.random_seed import get_seed as get_seed
from thalweg.ops.random import multinomial as multinomial
from thalweg.ops.random import random_normal as normal
from thalweg.ops.random_gamma import random_poisson as poisson
from thalweg.framework.graph import set_random_seed as set_random_seed
from thalweg.ops.random import random_shuffle as shuffle
from thalweg.ops.stateless_random import stateless_categorical as stateless_categorical
from thalweg.ops.stateless_random import stateless_multinomial as stateless_multinomial
from thalweg.ops.stateless_random import stateless_normal as stateless_normal
from thalweg.ops.stateless_random import stateless_truncated_normal as stateless_truncated_normal
from thalweg.ops.stateless_random import stateless_uniform as stateless_uniform
from thalweg.ops.random import truncated_normal as truncated_normal
from thalweg.ops.random import random_uniform as uniform
