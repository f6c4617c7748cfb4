"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.variables.initializers import Constant as Constant
from thalweg.variables.initializers import Identity as Identity
from thalweg.variables.initializers import Initializer as Initializer
from thalweg.variables.initializers import Ones as Ones
from thalweg.variables.initializers import Orthogonal as Orthogonal
from thalweg.variables.initializers import KerasRandomNormal as RandomNormal
from thalweg.variables.initializers import KerasRandomUniform as RandomUniform
from thalweg.variables.initializers import KerasTruncatedNormal as TruncatedNormal
from thalweg.variables.initializers import VarianceScaling as VarianceScaling
from thalweg.variables.initializers import Zeros as Zeros
from thalweg.variables.initializers import GlorotNormal as glorot_normal
from thalweg.variables.initializers import GlorotUniform as glorot_uniform
from thalweg.variables.initializers import he_normal as he_normal
from thalweg.variables.initializers import he_uniform as he_uniform
from thalweg.variables.initializers import lecun_normal as lecun_normal
from thalweg.variables.initializers import lecun_uniform as lecun_uniform
