"""Written by tools/stubs from the tables of names; do not edit."""

from thalweg_nn.optimizers.loss_scale import DynamicLossScale as DynamicLossScale
from thalweg_nn.optimizers.loss_scale import FixedLossScale as FixedLossScale
from thalweg_nn.optimizers.loss_scale import LossScale as LossScale
from thalweg_nn.optimizers.mixed_precision import MixedPrecisionLossScaleOptimizer as MixedPrecisionLossScaleOptimizer
from thalweg_nn.optimizers.mixed_precision import disable_mixed_precision_graph_rewrite as disable_mixed_precision_graph_rewrite
from thalweg_nn.optimizers.mixed_precision import enable_mixed_precision_graph_rewrite as enable_mixed_precision_graph_rewrite
