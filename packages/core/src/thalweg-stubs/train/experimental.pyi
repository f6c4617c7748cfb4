"""Written by tools/stubs from the tables of names; do not edit."""
from typing import Any

from thalweg_nn.optimizers.loss_scale import DynamicLossScale as DynamicLossScale
from thalweg_nn.optimizers.loss_scale import FixedLossScale as FixedLossScale
from thalweg_nn.optimizers.loss_scale import LossScale as LossScale
from thalweg_nn.optimizers.mixed_precision import MixedPrecisionLossScaleOptimizer as MixedPrecisionLossScaleOptimizer
def disable_mixed_precision_graph_rewrite() -> Any: ...
def enable_mixed_precision_graph_rewrite(opt: Any, loss_scale: Any = ...) -> Any: ...
