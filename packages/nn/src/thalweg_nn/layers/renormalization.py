"""Batch renormalization (arXiv:1702.03275): in training, the batch's moments are corrected towards running averages.

What normalization.py asks for a layer with `renorm`; the averages hold standard deviations, as the paper does.
"""
import thalweg as tf

from .arguments import choose, refused

_LIMITS = {"rmin", "rmax", "dmax"}


def clipping_of(layer, clipping):
    """The limits of the corrections; ValueError for another key than rmin, rmax and dmax."""
    clipping = clipping or {}
    if set(clipping) - _LIMITS:
        raise refused(layer, f"renorm_clipping has the keys {sorted(clipping)}",
                      expected=", ".join(sorted(_LIMITS)) + ", each a number or a tensor", kind=ValueError)
    return clipping


def add_variables(layer):
    """Averages of the standard deviation for inference, and of mean and standard deviation for the corrections."""
    mean, variance = layer._initializers["moving_mean"], layer._initializers["moving_variance"]

    def deviation(*args, **kwargs):
        return tf.sqrt(variance(*args, **kwargs))
    with tf.colocate_with(layer.moving_variance):
        layer.moving_stddev = layer._weight("moving_stddev", False, deviation)
    with tf.colocate_with(layer.moving_mean):
        layer.renorm_mean = layer._weight("renorm_mean", False, mean)
    with tf.colocate_with(layer.moving_stddev):
        layer.renorm_stddev = layer._weight("renorm_stddev", False, deviation)


def correct(layer, mean, variance, training):
    """((r, d), mean, variance): the corrections, and the moments once the averages have been brought up to date.

    Training normalizes x to (x - mean) / sqrt(variance) * r + d (section 3, algorithm 1); else r is 1 and d is 0.
    """
    from .normalization import assign_average
    stddev = tf.sqrt(variance + layer.epsilon)
    average = tf.maximum(layer.renorm_stddev, tf.sqrt(layer.epsilon))    # not 0 before the first step
    r = stddev / average
    d = (mean - layer.renorm_mean) / average
    with tf.control_dependencies([r, d]):                # they use the averages from before this step
        mean, stddev = tf.identity(mean), tf.identity(stddev)
    r, d = _clipped(layer, r, d)
    r, d = (choose(training, lambda: r, lambda: tf.ones_like(r)),
            choose(training, lambda: d, lambda: tf.zeros_like(d)))

    def updated(variable, value):
        value = tf.identity(value)
        return choose(training, lambda: assign_average(variable, value, layer.renorm_momentum),
                      lambda: tf.identity(variable))
    updates = [updated(layer.renorm_mean, mean), updated(layer.renorm_stddev, stddev)]
    with tf.control_dependencies(updates):
        mean, variance = tf.identity(mean), tf.identity(variance)
    return (tf.stop_gradient(r, name="renorm_r"), tf.stop_gradient(d, name="renorm_d")), mean, variance


def _clipped(layer, r, d):
    rmin, rmax, dmax = (layer.renorm_clipping.get(key) for key in ("rmin", "rmax", "dmax"))
    r = r if rmin is None else tf.maximum(r, rmin)
    r = r if rmax is None else tf.minimum(r, rmax)
    return r, d if dmax is None else tf.minimum(tf.maximum(d, -dmax), dmax)


def assign_variance(layer, variance):
    """Brings the averages of standard deviation and variance up to date; gives the variance's new value."""
    from .normalization import assign_average
    stddev = assign_average(layer.moving_stddev, tf.sqrt(variance + layer.epsilon), layer.momentum)
    with tf.name_scope("AssignNewValue") as scope:
        with tf.colocate_with(layer.moving_variance):
            value = tf.nn.relu(stddev * stddev - layer.epsilon)          # rounding may take it below 0
            return tf.assign(layer.moving_variance, value, name=scope)
