"""Regularizers of `tf.contrib.layers`: functions of a variable that give its penalty, for `regularizer=`."""
import numbers

import thalweg as tf


def l1_regularizer(scale, scope=None):
    """A function (weights) -> scale * sum |weights|.

    Parameters
    ----------
    scale : float       at least 0; 0 makes a function that gives None: no loss
    scope : str         name of the nodes, "l1_regularizer" by default

    Raises
    ------
    ValueError          if the scale is negative or an int
    """
    def penalty(weights, factor, name):
        return tf.multiply(factor, tf.reduce_sum(tf.abs(weights)), name=name)
    return _scaled(scale, scope, "l1_regularizer", penalty)


def l2_regularizer(scale, scope=None):
    """A function (weights) -> scale * sum weights^2 / 2; the arguments are those of `l1_regularizer`."""
    def penalty(weights, factor, name):
        return tf.multiply(factor, tf.nn.l2_loss(weights), name=name)
    return _scaled(scale, scope, "l2_regularizer", penalty)


def _scaled(scale, scope, default_name, penalty):
    if isinstance(scale, numbers.Integral):
        raise ValueError(f"scale cannot be an integer: {scale}. Try {float(scale)}.")
    if isinstance(scale, numbers.Real) and scale < 0:
        raise ValueError(f"the scale of a regularizer must be at least 0, not {scale}")
    if scale == 0:
        return lambda weights: None

    def regularizer(weights, name=None):
        with tf.name_scope(scope, default_name, [weights]) as name:
            factor = tf.convert_to_tensor(scale, weights.dtype.base_dtype, name="scale")
            return penalty(weights, factor, name)
    return regularizer


def l1_l2_regularizer(scale_l1=1.0, scale_l2=1.0, scope=None):
    """The sum of both penalties; a scale of 0 leaves one out."""
    scope = scope or "l1_l2_regularizer"
    if scale_l1 == 0:
        return l2_regularizer(scale_l2, scope)
    if scale_l2 == 0:
        return l1_regularizer(scale_l1, scope)
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope)


def sum_regularizer(regularizer_list, scope=None):
    """A function that gives the sum of several regularizers' penalties; None in the list is left out."""
    regularizers = [r for r in regularizer_list if r is not None]
    if not regularizers:
        return None

    def regularizer(weights):
        with tf.name_scope(scope, "sum_regularizer", [weights]) as name:
            penalties = [r(weights) for r in regularizers]
            penalties = [p for p in penalties if p is not None]
            return tf.add_n(penalties, name=name) if penalties else None
    return regularizer


def apply_regularization(regularizer, weights_list=None):
    """The sum of the penalties of all weights, put into REGULARIZATION_LOSSES.

    Parameters
    ----------
    regularizer : callable (weights) -> scalar Tensor or None
    weights_list : list of Variable     by default the collection GraphKeys.WEIGHTS

    Raises
    ------
    ValueError          if there are no weights, or a penalty is no scalar
    """
    weights_list = weights_list or tf.get_collection(tf.GraphKeys.WEIGHTS)
    if not weights_list:
        raise ValueError("No weights to regularize. Give weights_list, or put variables into GraphKeys.WEIGHTS.")
    with tf.name_scope("get_regularization_penalty", values=weights_list) as name:
        penalties = [regularizer(weights) for weights in weights_list]
        penalties = [tf.constant(0.0) if p is None else p for p in penalties]
        for penalty in penalties:
            if penalty.get_shape().ndims != 0:
                raise ValueError(f"regularizer must return a scalar Tensor, not one of shape {penalty.get_shape()} "
                                 f"({penalty.name})")
        total = tf.add_n(penalties, name=name)
        tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES, total)
        return total
