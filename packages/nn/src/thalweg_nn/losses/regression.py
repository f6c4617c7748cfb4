"""Losses of numbers that should be near other numbers."""
import thalweg as tf
from thalweg.framework import errors
from thalweg.framework.naming import user_frame

from .reduction import Reduction, add_loss, compute_weighted_loss
from .weights import assert_broadcastable, count_present

_MEAN = Reduction.SUM_BY_NONZERO_WEIGHTS


def needed(**arguments):
    """ValueError for an argument that is None."""
    for name, value in arguments.items():
        if value is None:
            raise ValueError(f"{name} must not be None.")


def check_same_shape(**tensors):
    """ShapeError unless the shapes of two tensors can be equal."""
    (a, first), (b, second) = tensors.items()
    if not first.get_shape().is_compatible_with(second.get_shape()):
        raise errors.ShapeError(errors.explain(
            f"{a} and {b} must have one shape", got=", ".join(
                f"{name} {t.dtype.name} {t.get_shape()} ({t.name})" for name, t in tensors.items()),
            built_at=user_frame()))


def _floats(predictions, labels):
    predictions, labels = tf.cast(predictions, tf.float32), tf.cast(labels, tf.float32)
    check_same_shape(predictions=predictions, labels=labels)
    return predictions, labels


def absolute_difference(labels, predictions, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
                        reduction=_MEAN):
    """|predictions - labels|, weighted and reduced as `compute_weighted_loss` says."""
    needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "absolute_difference", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        losses = tf.abs(tf.subtract(predictions, labels))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def cosine_distance(labels, predictions, axis=None, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
                    reduction=_MEAN, dim=None):
    """1 - the sum of products along `axis`; both inputs are taken to be of unit length. `dim` is its old name."""
    if axis is not None and dim is not None:
        raise ValueError("Cannot specify both 'axis' and 'dim'")
    axis = dim if axis is None else axis
    needed(axis=axis, labels=labels, predictions=predictions)
    with tf.name_scope(scope, "cosine_distance_loss", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        losses = 1 - tf.reduce_sum(tf.multiply(predictions, labels), axis=(axis,), keepdims=True)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def hinge_loss(labels, logits, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES, reduction=_MEAN):
    """max(0, 1 - label * logit), labels 0 and 1 standing for -1 and 1."""
    needed(labels=labels, logits=logits)
    with tf.name_scope(scope, "hinge_loss", (logits, labels, weights)) as scope:
        logits, labels = _floats(logits, labels)
        ones = tf.ones_like(labels)
        signs = tf.subtract(2 * labels, ones)
        losses = tf.nn.relu(tf.subtract(ones, tf.multiply(signs, logits)))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def huber_loss(labels, predictions, weights=1.0, delta=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
               reduction=_MEAN):
    """error^2 / 2 up to `delta`, delta * (|error| - delta / 2) beyond; the gradient is continuous."""
    needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "huber_loss", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        error = tf.abs(tf.subtract(predictions, labels))
        quadratic = tf.minimum(error, delta)
        linear = tf.subtract(error, quadratic)
        half = tf.convert_to_tensor(0.5, quadratic.dtype)
        losses = tf.add(tf.multiply(half, tf.multiply(quadratic, quadratic)), tf.multiply(delta, linear))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def log_loss(labels, predictions, weights=1.0, epsilon=1e-7, scope=None, loss_collection=tf.GraphKeys.LOSSES,
             reduction=_MEAN):
    """Cross entropy of probabilities with labels 0 or 1; `epsilon` keeps the logarithm finite."""
    needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "log_loss", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        losses = -tf.multiply(labels, tf.log(predictions + epsilon)) - tf.multiply(
            (1 - labels), tf.log(1 - predictions + epsilon))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def mean_squared_error(labels, predictions, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
                       reduction=_MEAN):
    """(predictions - labels)^2, weighted and reduced as `compute_weighted_loss` says."""
    needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "mean_squared_error", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        losses = tf.squared_difference(predictions, labels)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def mean_pairwise_squared_error(labels, predictions, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES):
    """Per batch entry the mean over pairs of elements of (difference of predictions - difference of labels)^2.

    weights : float, or Tensor [N, 1, ...] of the inputs' rank
    """
    needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "mean_pairwise_squared_error", (predictions, labels, weights)) as scope:
        weights = tf.cast(weights, tf.float32)
        labels = tf.cast(labels, tf.float32)
        with tf.control_dependencies((assert_broadcastable(weights, labels),)):
            predictions = tf.cast(predictions, tf.float32)
            check_same_shape(predictions=predictions, labels=labels)
            total = _pairwise(tf.subtract(predictions, labels), weights)
            add_loss(total, loss_collection)
            return total


def _pairwise(errors_nx, weights):
    """Sum of squares over pairs i < j of (e_i - e_j)^2, from the sums of e^2 and of e; 0 where nothing counts."""
    axes = tf.range(1, tf.rank(errors_nx))
    squares = tf.reduce_sum(tf.square(errors_nx), axis=axes, keepdims=True)
    count = count_present(errors_nx, weights, per_batch=True)
    term1 = 2.0 * tf.div_no_nan(squares, tf.maximum(count - 1, 0), name="value")
    sums = tf.reduce_sum(errors_nx, axis=axes, keepdims=True)
    term2 = 2.0 * tf.div_no_nan(tf.square(sums), tf.maximum(tf.multiply(count, count - 1), 0), name="value")
    loss = tf.reduce_sum(tf.multiply(term1 - term2, weights))
    return tf.where(tf.reduce_sum(count) > 0, loss, tf.zeros_like(loss), name="value")
