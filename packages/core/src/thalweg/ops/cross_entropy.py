"""Losses of independent probabilities and of counts."""
import math as pi_of

from thalweg.framework import errors, shapes
from thalweg.framework.conversion import convert_to_tensor
from thalweg.framework.graph import name_scope

from . import activation, array, comparison, constant, math, select, unary
from .softmax import _named_only


def _of_one_shape(labels, logits, words):
    if not shapes.compatible(labels._shape, logits._shape):
        raise errors.ShapeError(f"{words} must have the same shape ({shapes.text(logits._shape)} vs "
                                f"{shapes.text(labels._shape)})")


def sigmoid_cross_entropy_with_logits(_sentinel=None, labels=None, logits=None, name=None):
    """-z log(p) - (1 - z) log(1 - p) with p = sigmoid(logits), z = labels; it neither overflows nor cancels.

    labels, logits : Tensors of one shape and floating dtype
    """
    _named_only("sigmoid_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "logistic_loss", [logits, labels]) as scope:
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(labels, name="labels")
        _of_one_shape(labels, logits, "logits and labels")
        # max(x, 0) - x z + log(1 + exp(-|x|)); max and |.| by selection, so that 0 has the gradient of x >= 0
        zeros = constant.zeros_like(logits, dtype=logits.dtype)
        positive = logits >= zeros
        ramp = select.where(positive, logits, zeros)
        decay = select.where(positive, -logits, logits)
        return math.add(ramp - logits * labels, unary.log1p(unary.exp(decay)), name=scope)


def weighted_cross_entropy_with_logits(labels=None, logits=None, pos_weight=None, name=None, targets=None):
    """`sigmoid_cross_entropy_with_logits` whose first term, that of positive labels, is multiplied by `pos_weight`."""
    labels = array._one_of("labels", labels, "targets", targets)
    with name_scope(name, "logistic_loss", [logits, labels]) as scope:
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(labels, name="labels")
        _of_one_shape(labels, logits, "logits and labels")
        # (1 - z) x + w (log(1 + exp(-|x|)) + max(-x, 0)) with w = 1 + (pos_weight - 1) z
        weight = 1 + (pos_weight - 1) * labels
        rest = (1 - labels) * logits
        tail = unary.log1p(unary.exp(-unary.abs(logits)))
        return math.add(rest, weight * (tail + activation.relu(-logits)), name=scope)


def log_poisson_loss(targets, log_input, compute_full_loss=False, name=None):
    """exp(log_input) - log_input targets: minus the log likelihood of counts `targets`, up to a constant.

    compute_full_loss : add Stirling's approximation of that constant, 0 for targets in [0, 1]
    """
    with name_scope(name, "log_poisson_loss", [log_input, targets]):
        log_input = convert_to_tensor(log_input, name="log_input")
        targets = convert_to_tensor(targets, name="targets")
        _of_one_shape(targets, log_input, "log_input and targets")
        result = unary.exp(log_input) - log_input * targets
        return result + _stirling(targets) if compute_full_loss else result


def _stirling(targets):
    half = constant.constant(0.5, targets.dtype)
    two_pi = constant.constant(2 * pi_of.pi, targets.dtype)
    approximation = targets * unary.log(targets) - targets + half * unary.log(two_pi * targets)
    zeros = constant.zeros_like(targets, dtype=targets.dtype)
    ones = constant.ones_like(targets, dtype=targets.dtype)
    small = comparison.logical_and(targets >= zeros, targets <= ones)
    return select.where(small, zeros, approximation)
