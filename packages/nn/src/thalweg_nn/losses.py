"""`tf.losses`: losses with weights, kept in a collection.

Each loss is a weighted mean over its elements (`Reduction`), added to the collection LOSSES.
"""
import thalweg as tf


class Reduction:
    """How a loss becomes one number."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls):
        return (cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_OVER_NONZERO_WEIGHTS,
                cls.SUM_BY_NONZERO_WEIGHTS)

    @classmethod
    def validate(cls, key):
        if key not in cls.all():
            raise ValueError(f"Invalid Reduction Key {key}.")


_MEAN = Reduction.SUM_BY_NONZERO_WEIGHTS


# --- the collection -----------------------------------------------------------------------------------------

def add_loss(loss, loss_collection=tf.GraphKeys.LOSSES):
    """Puts a loss into a collection; None: nowhere."""
    if loss_collection:
        tf.add_to_collection(loss_collection, loss)


def get_losses(scope=None, loss_collection=tf.GraphKeys.LOSSES):
    """The losses added so far, by choice those whose name begins with `scope`."""
    return tf.get_collection(loss_collection, scope)


def get_regularization_losses(scope=None):
    """The losses of regularisers."""
    return tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(scope=None, name="total_regularization_loss"):
    """The sum of the regularisers' losses, 0 without one."""
    losses = get_regularization_losses(scope)
    return tf.add_n(losses, name=name) if losses else tf.constant(0.0)


def get_total_loss(add_regularization_losses=True, name="total_loss", scope=None):
    """The sum of all losses; ValueError when there is none."""
    losses = get_losses(scope)
    if add_regularization_losses:
        losses = losses + get_regularization_losses(scope)
    return tf.add_n(losses, name=name)


# --- weights --------------------------------------------------------------------------------------------------

def _assert_broadcastable(weights, values):
    """Weights are a scalar, or of the rank of the values with each dimension equal or 1; an op to wait for."""
    with tf.name_scope(None, "assert_broadcastable", (weights, values)) as scope:
        with tf.name_scope(None, "weights", (weights,)):
            weights = tf.convert_to_tensor(weights, name="weights")
            weights_shape = tf.shape(weights, name="shape")
            weights_rank = tf.rank(weights, name="rank")
        with tf.name_scope(None, "values", (values,)):
            values_shape = tf.shape(values, name="shape")
            values_rank = tf.rank(values, name="rank")
        known = weights.get_shape(), values.get_shape()
        if known[0].ndims == 0:
            return tf.no_op(name="static_scalar_check_success")
        if None not in (known[0].ndims, known[1].ndims):
            if known[0].ndims != known[1].ndims:
                raise ValueError("weights can not be broadcast to values. values.rank="
                                 f"{known[1].ndims}. weights.rank={known[0].ndims}. values.shape={known[1]}. "
                                 f"weights.shape={known[0]}.")
            for w, v in zip(known[0].as_list(), known[1].as_list()):
                if None not in (w, v) and w not in (1, v):
                    raise ValueError("weights can not be broadcast to values. Mismatch in dim: "
                                     f"values.shape={known[1]}. weights.shape={known[0]}.")
            if known[0].is_fully_defined() and known[1].is_fully_defined():
                return tf.no_op(name="static_dims_check_success")
        good = tf.cond(tf.equal(weights_rank, 0), lambda: tf.constant(True),
                       lambda: _dims_fit(weights_shape, weights_rank, values_shape, values_rank))
        return tf.Assert(good, ["weights can not be broadcast to values.", "weights.shape=", weights_shape,
                                "values.shape=", values_shape], name=scope + "AssertGuard")


def _dims_fit(weights_shape, weights_rank, values_shape, values_rank):
    return tf.cond(tf.equal(weights_rank, values_rank), lambda: tf.reduce_all(
        tf.logical_or(tf.equal(weights_shape, 1), tf.equal(weights_shape, values_shape))), lambda: tf.constant(False))


def _broadcast_weights(weights, values):
    with tf.name_scope(None, "broadcast_weights", (weights, values)) as scope:
        if weights.get_shape().is_fully_defined() and weights.get_shape() == values.get_shape():
            return weights
        with tf.control_dependencies((_assert_broadcastable(weights, values),)):
            return tf.multiply(weights, tf.ones_like(values), name=scope)


def _num_present(losses, weights, per_batch=False):
    """Count of elements whose weight is not 0, in all or per batch entry."""
    with tf.name_scope(None, "num_present", (losses, weights)) as scope:
        weights = tf.cast(weights, tf.float32)
        present = tf.where(tf.equal(weights, 0.0), tf.zeros_like(weights), tf.ones_like(weights))
        present = _broadcast_weights(present, losses)
        if per_batch:
            return tf.reduce_sum(present, axis=tf.range(1, tf.rank(present)), keepdims=True, name=scope)
        return tf.reduce_sum(present, name=scope)


def compute_weighted_loss(losses, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES, reduction=_MEAN):
    """One number from elementwise losses.

    Parameters
    ----------
    losses : Tensor         of any shape
    weights : float or Tensor   a scalar, or of the losses' rank with each dimension equal or 1
    reduction : Reduction   by default: the weighted sum, divided by the count of weights that are not 0
    """
    Reduction.validate(reduction)
    with tf.name_scope(scope, "weighted_loss", (losses, weights)):
        with tf.control_dependencies((_assert_broadcastable(weights, losses),)):
            losses = tf.convert_to_tensor(losses)
            dtype = losses.dtype
            losses = tf.cast(losses, tf.float32)
            weights = tf.cast(weights, tf.float32)
            weighted = tf.multiply(losses, weights)
            loss = weighted if reduction == Reduction.NONE else _reduced(weighted, losses, weights, reduction)
            loss = tf.cast(loss, dtype)
            add_loss(loss, loss_collection)
            return loss


def _reduced(weighted, losses, weights, reduction):
    loss = tf.reduce_sum(weighted)
    if reduction == Reduction.MEAN:
        return _safe_mean(loss, tf.reduce_sum(tf.ones_like(losses) * weights))
    if reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
        return _safe_mean(loss, _num_present(losses, weights))
    if reduction == Reduction.SUM_OVER_BATCH_SIZE:
        return _safe_mean(loss, tf.cast(tf.size(losses), loss.dtype))
    return loss


def _safe_mean(losses, count):
    """Their sum divided by `count`; 0 when that is 0."""
    return tf.div_no_nan(tf.reduce_sum(losses), count, name="value")


# --- the losses -----------------------------------------------------------------------------------------------

def _needed(**arguments):
    for name, value in arguments.items():
        if value is None:
            raise ValueError(f"{name} must not be None.")


def _floats(predictions, labels):
    predictions, labels = tf.cast(predictions, tf.float32), tf.cast(labels, tf.float32)
    predictions.get_shape().assert_is_compatible_with(labels.get_shape())
    return predictions, labels


def absolute_difference(labels, predictions, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
                        reduction=_MEAN):
    """|predictions - labels|."""
    _needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "absolute_difference", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        losses = tf.abs(tf.subtract(predictions, labels))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def cosine_distance(labels, predictions, axis=None, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
                    reduction=_MEAN, dim=None):
    """1 - the sum of products along `axis`; both inputs are taken to be of unit length."""
    axis = dim if axis is None else axis
    _needed(axis=axis, labels=labels, predictions=predictions)
    with tf.name_scope(scope, "cosine_distance_loss", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        losses = 1 - tf.reduce_sum(tf.multiply(predictions, labels), axis=(axis,), keepdims=True)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def hinge_loss(labels, logits, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES, reduction=_MEAN):
    """max(0, 1 - label * logit), labels 0 and 1 standing for -1 and 1."""
    _needed(labels=labels, logits=logits)
    with tf.name_scope(scope, "hinge_loss", (logits, labels, weights)) as scope:
        logits, labels = _floats(logits, labels)
        signs = tf.subtract(2 * labels, tf.ones_like(labels))
        losses = tf.nn.relu(tf.subtract(tf.ones_like(labels), tf.multiply(signs, logits)))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def huber_loss(labels, predictions, weights=1.0, delta=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
               reduction=_MEAN):
    """Half the square of the error up to `delta`, linear beyond."""
    _needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "huber_loss", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        error = tf.abs(tf.subtract(predictions, labels))
        delta = tf.convert_to_tensor(delta, error.dtype)
        quadratic = tf.minimum(error, delta)
        linear = tf.subtract(error, quadratic)
        losses = tf.add(tf.multiply(tf.convert_to_tensor(0.5, quadratic.dtype), tf.multiply(quadratic, quadratic)),
                        tf.multiply(delta, linear))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def log_loss(labels, predictions, weights=1.0, epsilon=1e-7, scope=None, loss_collection=tf.GraphKeys.LOSSES,
             reduction=_MEAN):
    """Cross entropy of probabilities with labels 0 or 1; `epsilon` keeps the logarithm finite."""
    _needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "log_loss", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        losses = -tf.multiply(labels, tf.log(predictions + epsilon)) - tf.multiply(
            (1 - labels), tf.log(1 - predictions + epsilon))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def mean_squared_error(labels, predictions, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
                       reduction=_MEAN):
    """(predictions - labels)^2."""
    _needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "mean_squared_error", (predictions, labels, weights)) as scope:
        predictions, labels = _floats(predictions, labels)
        losses = tf.squared_difference(predictions, labels)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def mean_pairwise_squared_error(labels, predictions, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES):
    """Per batch entry the mean over pairs of elements of (difference of predictions - difference of labels)^2."""
    _needed(labels=labels, predictions=predictions)
    with tf.name_scope(scope, "mean_pairwise_squared_error", (predictions, labels, weights)) as scope:
        weights = tf.cast(weights, tf.float32)
        predictions, labels = _floats(predictions, labels)
        with tf.control_dependencies((_assert_broadcastable(weights, labels),)):
            errors = tf.subtract(predictions, labels)
            axes = tf.range(1, tf.rank(errors))
            squares = tf.reduce_sum(tf.square(errors), axis=axes, keepdims=True)
            count = _num_present(errors, weights, per_batch=True)
            pairs = tf.maximum(count - 1, 0)
            term1 = 2.0 * tf.div_no_nan(squares, pairs, name="value")
            sums = tf.reduce_sum(errors, axis=axes, keepdims=True)
            term2 = 2.0 * tf.div_no_nan(tf.square(sums), tf.multiply(count, pairs), name="value")
            weighted = tf.multiply(term1 - term2, weights)
            loss = tf.reduce_sum(weighted)
            total = tf.where(tf.reduce_sum(count) > 0, loss, tf.zeros_like(loss), name="value")
            add_loss(total, loss_collection)
            return total


def sigmoid_cross_entropy(multi_class_labels, logits, weights=1.0, label_smoothing=0, scope=None,
                          loss_collection=tf.GraphKeys.LOSSES, reduction=_MEAN):
    """Cross entropy of each class by itself; with smoothing labels move towards 1/2."""
    _needed(multi_class_labels=multi_class_labels, logits=logits)
    with tf.name_scope(scope, "sigmoid_cross_entropy_loss", (logits, multi_class_labels, weights)) as scope:
        logits = tf.convert_to_tensor(logits)
        labels = tf.cast(multi_class_labels, logits.dtype)
        logits.get_shape().assert_is_compatible_with(labels.get_shape())
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def softmax_cross_entropy(onehot_labels, logits, weights=1.0, label_smoothing=0, scope=None,
                          loss_collection=tf.GraphKeys.LOSSES, reduction=_MEAN):
    """Cross entropy of softmax(logits) with distributions over the classes.

    Parameters
    ----------
    onehot_labels, logits : Tensor [..., classes]   of one shape
    label_smoothing : float     each label becomes label * (1 - smoothing) + smoothing / classes
    """
    _needed(onehot_labels=onehot_labels, logits=logits)
    with tf.name_scope(scope, "softmax_cross_entropy_loss", (logits, onehot_labels, weights)) as scope:
        logits = tf.convert_to_tensor(logits)
        labels = tf.cast(onehot_labels, logits.dtype)
        logits.get_shape().assert_is_compatible_with(labels.get_shape())
        if label_smoothing > 0:
            classes = tf.cast(tf.shape(labels)[-1], logits.dtype)
            labels = labels * (1.0 - label_smoothing) + label_smoothing / classes
        labels = tf.stop_gradient(labels, name="labels_stop_gradient")
        losses = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def sparse_softmax_cross_entropy(labels, logits, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
                                 reduction=_MEAN):
    """Cross entropy of softmax(logits) with the index of the right class.

    Parameters
    ----------
    labels : int32 or int64 Tensor [...]
    logits : Tensor [..., classes]
    """
    _needed(labels=labels, logits=logits)
    with tf.name_scope(scope, "sparse_softmax_cross_entropy_loss", (logits, labels, weights)) as scope:
        labels, logits, weights = _without_last_one(labels, logits, weights)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def _without_last_one(labels, logits, weights):
    """Labels (and weights) of shape [..., 1] lose that dimension, as TensorFlow allows."""
    labels, logits = tf.convert_to_tensor(labels), tf.convert_to_tensor(logits)
    rank = logits.get_shape().ndims
    if rank is not None and labels.get_shape().ndims == rank:
        labels = tf.squeeze(labels, [-1])
    weights = tf.convert_to_tensor(weights)
    shape = weights.get_shape()
    ndims = labels.get_shape().ndims
    if shape.ndims is not None and ndims is not None and shape.ndims == ndims + 1:
        weights = tf.squeeze(weights, [-1])
    return labels, logits, weights


