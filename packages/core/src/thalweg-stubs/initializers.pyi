"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.variables.initializers import Constant as constant
from thalweg.variables.initialization import global_variables_initializer as global_variables
from thalweg.variables.initializers import GlorotNormal as glorot_normal
from thalweg.variables.initializers import GlorotUniform as glorot_uniform
from thalweg.variables.initializers import he_normal as he_normal
from thalweg.variables.initializers import he_uniform as he_uniform
from thalweg.variables.initializers import Identity as identity
from thalweg.variables.initializers import lecun_normal as lecun_normal
from thalweg.variables.initializers import lecun_uniform as lecun_uniform
from thalweg.variables.initialization import local_variables_initializer as local_variables
from thalweg.variables.initializers import Ones as ones
from thalweg.variables.initializers import Orthogonal as orthogonal
from thalweg.variables.initializers import RandomNormal as random_normal
from thalweg.variables.initializers import RandomUniform as random_uniform
from thalweg.variables.initializers import TruncatedNormal as truncated_normal
from thalweg.variables.initializers import UniformUnitScaling as uniform_unit_scaling
from thalweg.variables.initialization import variables_initializer as variables
from thalweg.variables.initializers import VarianceScaling as variance_scaling
from thalweg.variables.initializers import Zeros as zeros
