"""Gradients: reverse mode over the graph, and what it needs to know of branches and loops.

May import framework and ops. Importing this package attaches the gradients of `If` and `While`, which differentiate
their function graphs with it, and then checks that every op is declared completely.
"""
from thalweg.framework.declaration import seal

from . import if_gradient, while_gradient  # noqa: F401  (they attach the gradients)
from .aggregation import AggregationMethod
from .backward import UnconnectedGradients, gradients
from .custom import custom_gradient
from .hessians import hessians
from .registry import RegisterGradient, no_gradient

NoGradient = NotDifferentiable = no_gradient
seal()

__all__ = ["AggregationMethod", "NoGradient", "NotDifferentiable", "RegisterGradient", "UnconnectedGradients",
           "custom_gradient", "gradients", "hessians"]
