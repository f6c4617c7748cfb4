"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_nn.losses.reduction import Reduction as Reduction
from thalweg_nn.losses.regression import absolute_difference as absolute_difference
from thalweg_nn.losses.reduction import add_loss as add_loss
from thalweg_nn.losses.reduction import compute_weighted_loss as compute_weighted_loss
from thalweg_nn.losses.regression import cosine_distance as cosine_distance
from thalweg_nn.losses.reduction import get_losses as get_losses
from thalweg_nn.losses.reduction import get_regularization_loss as get_regularization_loss
from thalweg_nn.losses.reduction import get_regularization_losses as get_regularization_losses
from thalweg_nn.losses.reduction import get_total_loss as get_total_loss
from thalweg_nn.losses.regression import hinge_loss as hinge_loss
from thalweg_nn.losses.regression import huber_loss as huber_loss
from thalweg_nn.losses.regression import log_loss as log_loss
from thalweg_nn.losses.regression import mean_pairwise_squared_error as mean_pairwise_squared_error
from thalweg_nn.losses.regression import mean_squared_error as mean_squared_error
from thalweg_nn.losses.classification import sigmoid_cross_entropy as sigmoid_cross_entropy
from thalweg_nn.losses.classification import softmax_cross_entropy as softmax_cross_entropy
from thalweg_nn.losses.classification import sparse_softmax_cross_entropy as sparse_softmax_cross_entropy
