"""Weights of losses: a scalar, or of the losses' rank with each dimension equal or 1."""
import thalweg as tf
from thalweg.framework import errors
from thalweg.framework.naming import user_frame
from thalweg.ops.sets import dense_to_dense_set_operation

_PROBLEM = "weights can not be broadcast to values."


def assert_broadcastable(weights, values):
    """An op that fails if the weights do not fit; a no-op where the shapes are known.

    Raises
    ------
    ShapeError      if the shapes are known and do not fit
    """
    with tf.name_scope(None, "assert_broadcastable", (weights, values)) as scope:
        weights, weights_shape, weights_rank = _measured(weights, "weights")
        values, values_shape, values_rank = _measured(values, "values")
        known = _known_check(weights, values)
        if known is not None:
            return tf.no_op(name=known)
        is_scalar = tf.equal(0, weights_rank, name="is_scalar")
        fits = tf.cond(is_scalar, lambda: is_scalar, lambda: _fits_with_rank(
            weights_rank, weights_shape, values_rank, values_shape), name="is_valid_shape")
        data = [_PROBLEM, "weights.shape=", weights.name, weights_shape, "values.shape=", values.name, values_shape,
                "is_scalar=", is_scalar]
        return tf.Assert(fits, data, name=scope)


def _measured(value, name):
    """The tensor, its shape and its rank."""
    with tf.name_scope(None, name, (value,)) as scope:
        value = tf.convert_to_tensor(value, name=scope)
        return value, tf.shape(value, name="shape"), tf.rank(value, name="rank")


def _known_check(weights, values):
    """The name of the no-op that stands for a check made now, or None where a run must make it."""
    wanted, found = values.get_shape(), weights.get_shape()
    if None in (wanted.ndims, found.ndims):
        return None
    if found.ndims == 0:
        return "static_scalar_check_success"
    is_known = wanted.is_fully_defined() and found.is_fully_defined()
    if found.ndims != wanted.ndims or is_known and any(w not in (1, v) for w, v in zip(found, wanted)):
        raise errors.ShapeError(errors.explain(
            f"{_PROBLEM[:-1]}: {weights.name}", got=f"weights {found}, values {wanted}",
            expected=f"a scalar, or rank {wanted.ndims} with each dimension 1 or that of the values",
            hint="tf.expand_dims or tf.reshape of the weights", built_at=user_frame()))
    return "static_dims_check_success" if is_known else None


def _fits_with_rank(weights_rank, weights_shape, values_rank, values_shape):
    with tf.name_scope(None, "has_valid_nonscalar_shape",
                       (weights_rank, weights_shape, values_rank, values_shape)) as scope:
        is_same_rank = tf.equal(values_rank, weights_rank, name="is_same_rank")
        return tf.cond(is_same_rank, lambda: _fits(weights_shape, values_shape), lambda: is_same_rank, name=scope)


def _fits(weights_shape, values_shape):
    """Whether each size of the weights is in the set {that of the values, 1}."""
    with tf.name_scope(None, "has_invalid_dims", (weights_shape, values_shape)) as scope:
        wanted = tf.expand_dims(values_shape, -1)
        allowed = tf.concat([wanted, tf.ones_like(wanted)], axis=1)              # [rank, 2]
        found = tf.expand_dims(weights_shape, -1)                               # [rank, 1]
        _, others, _ = dense_to_dense_set_operation(found, allowed, set_operation="a-b",
                                                    name="DenseToDenseSetOperation")
        return tf.equal(0, tf.size(others, name="num_invalid_dims"), name=scope)


def broadcast_weights(weights, values):
    """The weights in the shape of the values."""
    with tf.name_scope(None, "broadcast_weights", (weights, values)) as scope:
        found, wanted = weights.get_shape(), values.get_shape()
        if found.is_fully_defined() and wanted.is_fully_defined() and found == wanted:
            return weights
        with tf.control_dependencies((assert_broadcastable(weights, values),)):
            return tf.multiply(weights, tf.ones_like(values), name=scope)


def count_present(losses, weights, per_batch=False):
    """Count of elements whose weight is not 0: [] of all, or [N, 1, ...] in each batch entry; float32."""
    with tf.name_scope(None, "num_present", (losses, weights)) as scope:
        weights = tf.cast(weights, tf.float32)
        present = tf.where(tf.equal(weights, 0.0), tf.zeros_like(weights), tf.ones_like(weights))
        present = broadcast_weights(present, losses)
        if per_batch:
            return tf.reduce_sum(present, axis=tf.range(1, tf.rank(present)), keepdims=True, name=scope)
        return tf.reduce_sum(present, name=scope)
