"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_nn.regularizers import apply_regularization as apply_regularization
from thalweg_nn.contrib_layers import flatten as flatten
from thalweg_nn.regularizers import l1_l2_regularizer as l1_l2_regularizer
from thalweg_nn.regularizers import l1_regularizer as l1_regularizer
from thalweg_nn.regularizers import l2_regularizer as l2_regularizer
from thalweg_nn.contrib_layers import one_hot_encoding as one_hot_encoding
from thalweg_nn.regularizers import sum_regularizer as sum_regularizer
from thalweg.variables.initializers import contrib_variance_scaling as variance_scaling_initializer
from thalweg.variables.initializers import xavier_initializer as xavier_initializer
from thalweg.variables.initializers import xavier_initializer as xavier_initializer_conv2d
from thalweg.contrib.slim import evaluation as evaluation
