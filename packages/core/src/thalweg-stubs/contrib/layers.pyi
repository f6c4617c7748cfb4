"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg.variables.initializers import contrib_variance_scaling as variance_scaling_initializer
from thalweg.variables.initializers import xavier_initializer as xavier_initializer
from thalweg.variables.initializers import xavier_initializer as xavier_initializer_conv2d
