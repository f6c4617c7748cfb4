"""Optimizers of `tf.train`: they take gradients and update variables in place.

optimizer.py has the base class with its slots; each rule is a subclass in rules.py or regularized.py. What scales
losses for gradients in 16 bits is in loss_scale.py and mixed_precision.py.
"""
from .loss_scale import DynamicLossScale, FixedLossScale, LossScale
from .mixed_precision import (
    MixedPrecisionLossScaleOptimizer,
    disable_mixed_precision_graph_rewrite,
    enable_mixed_precision_graph_rewrite,
)
from .optimizer import Optimizer
from .regularized import (
    AdagradDAOptimizer,
    FtrlOptimizer,
    ProximalAdagradOptimizer,
    ProximalGradientDescentOptimizer,
)
from .rules import (
    AdadeltaOptimizer,
    AdagradOptimizer,
    AdamOptimizer,
    GradientDescentOptimizer,
    MomentumOptimizer,
    RMSPropOptimizer,
)

__all__ = ["AdadeltaOptimizer", "AdagradDAOptimizer", "AdagradOptimizer", "AdamOptimizer", "DynamicLossScale",
           "FixedLossScale", "FtrlOptimizer", "GradientDescentOptimizer", "LossScale",
           "MixedPrecisionLossScaleOptimizer", "MomentumOptimizer", "Optimizer", "ProximalAdagradOptimizer",
           "ProximalGradientDescentOptimizer", "RMSPropOptimizer", "disable_mixed_precision_graph_rewrite",
           "enable_mixed_precision_graph_rewrite"]
