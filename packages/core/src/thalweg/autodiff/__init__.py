"""Gradients: reverse mode over the graph, and what it needs to know of branches and loops.

May import framework and ops. Importing this package attaches the gradients of `If` and `While`, which differentiate
their function graphs with it.
"""
from . import if_gradient, while_gradient  # noqa: F401  (they attach the gradients)
from .backward import UnconnectedGradients, gradients

__all__ = ["UnconnectedGradients", "gradients"]
