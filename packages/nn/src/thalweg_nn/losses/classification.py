"""Losses of scores of classes."""
import thalweg as tf

from .reduction import Reduction, compute_weighted_loss
from .regression import check_same_shape, needed

_MEAN = Reduction.SUM_BY_NONZERO_WEIGHTS


def sigmoid_cross_entropy(multi_class_labels, logits, weights=1.0, label_smoothing=0, scope=None,
                          loss_collection=tf.GraphKeys.LOSSES, reduction=_MEAN):
    """Cross entropy of sigmoid(logits) with labels 0 or 1, each class by itself.

    Parameters
    ----------
    multi_class_labels, logits : Tensor     of one shape
    label_smoothing : float     each label becomes label * (1 - smoothing) + smoothing / 2
    weights, scope, loss_collection, reduction : as for `compute_weighted_loss`
    """
    needed(multi_class_labels=multi_class_labels, logits=logits)
    with tf.name_scope(scope, "sigmoid_cross_entropy_loss", (logits, multi_class_labels, weights)) as scope:
        logits = tf.convert_to_tensor(logits)
        labels = tf.cast(multi_class_labels, logits.dtype)
        check_same_shape(logits=logits, multi_class_labels=labels)
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def softmax_cross_entropy(onehot_labels, logits, weights=1.0, label_smoothing=0, scope=None,
                          loss_collection=tf.GraphKeys.LOSSES, reduction=_MEAN):
    """Cross entropy of softmax(logits) with distributions over the classes; no gradient flows into the labels.

    Parameters
    ----------
    onehot_labels, logits : Tensor [..., classes]   of one shape
    weights : float, or Tensor of the shape [...] or of its rank with dimensions 1
    label_smoothing : float     each label becomes label * (1 - smoothing) + smoothing / classes
    scope, loss_collection, reduction : as for `compute_weighted_loss`
    """
    needed(onehot_labels=onehot_labels, logits=logits)
    with tf.name_scope(scope, "softmax_cross_entropy_loss", (logits, onehot_labels, weights)) as scope:
        logits = tf.convert_to_tensor(logits)
        labels = tf.cast(onehot_labels, logits.dtype)
        check_same_shape(logits=logits, onehot_labels=labels)
        if label_smoothing > 0:
            classes = tf.cast(tf.shape(labels)[-1], logits.dtype)
            share = label_smoothing / classes
            labels = labels * (1.0 - label_smoothing) + share
        labels = tf.stop_gradient(labels, name="labels_stop_gradient")
        losses = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def sparse_softmax_cross_entropy(labels, logits, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
                                 reduction=_MEAN):
    """Cross entropy of softmax(logits) with the index of the right class.

    Parameters
    ----------
    labels : int32 or int64 Tensor [...], or [..., 1]
    logits : Tensor [..., classes]
    weights : float, or Tensor of the shape [...] or of its rank with dimensions 1
    scope, loss_collection, reduction : as for `compute_weighted_loss`
    """
    needed(labels=labels, logits=logits)
    with tf.name_scope(scope, "sparse_softmax_cross_entropy_loss", (logits, labels, weights)) as scope:
        labels, logits = _without_last_one(labels, logits)
        weights = _squeezed(weights, labels)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def _without_last_one(labels, logits):
    """Labels of shape [..., 1] lose that dimension, and so would logits of one rank too many."""
    with tf.name_scope("remove_squeezable_dimensions"):
        logits, labels = tf.convert_to_tensor(logits), tf.convert_to_tensor(labels)
        if None in (logits.get_shape().ndims, labels.get_shape().ndims):
            return _squeezed_in_the_run(labels, logits)
        surplus = logits.get_shape().ndims - labels.get_shape().ndims - 1
        if surplus == 1:
            logits = tf.squeeze(logits, [-1])
        elif surplus == -1:
            labels = tf.squeeze(labels, [-1])
        return labels, logits


def _squeezed_in_the_run(labels, logits):
    surplus = tf.rank(logits) - tf.rank(labels)
    shapes = logits.get_shape(), labels.get_shape()
    if shapes[0].ndims is None or shapes[0][-1].value in (None, 1):
        given = logits
        logits = tf.cond(tf.equal(2, surplus), lambda: tf.squeeze(given, [-1]), lambda: given)
    if shapes[1].ndims is None or shapes[1][-1].value in (None, 1):
        whole = labels
        labels = tf.cond(tf.equal(0, surplus), lambda: tf.squeeze(whole, [-1]), lambda: whole)
    return labels, logits


def _squeezed(weights, labels):
    """Weights of one rank more than the labels lose the last dimension."""
    weights = tf.convert_to_tensor(weights)
    shape, rank = weights.get_shape(), labels.get_shape().ndims
    if None not in (shape.ndims, rank):
        return tf.squeeze(weights, [-1]) if shape.ndims == rank + 1 else weights
    surplus = tf.rank(weights) - tf.rank(labels)
    if shape.ndims == 0 or shape.ndims is not None and shape[-1].value not in (None, 1):
        return weights
    return tf.cond(tf.equal(1, surplus), lambda: tf.squeeze(weights, [-1]), lambda: weights)
