"""From elementwise losses to one number, and the collection that keeps it."""
import thalweg as tf

from .weights import assert_broadcastable, count_present


class Reduction:
    """How a loss becomes one number.

    NONE : the weighted losses as they are; SUM : their sum; SUM_OVER_BATCH_SIZE : divided by the count of elements;
    MEAN : divided by the sum of weights; SUM_BY_NONZERO_WEIGHTS : divided by the count of weights that are not 0
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls):
        """All of them, in TensorFlow's order."""
        return (cls.NONE, cls.SUM, cls.MEAN, cls.SUM_OVER_BATCH_SIZE, cls.SUM_OVER_NONZERO_WEIGHTS,
                cls.SUM_BY_NONZERO_WEIGHTS)

    @classmethod
    def validate(cls, key):
        """ValueError unless `key` is one of them."""
        if key not in cls.all():
            raise ValueError(f"Invalid Reduction Key {key}. There are: {', '.join(dict.fromkeys(cls.all()))}.")


# --- the collection -----------------------------------------------------------------------------------------

def add_loss(loss, loss_collection=tf.GraphKeys.LOSSES):
    """Puts a loss into a collection; None: nowhere."""
    if loss_collection:
        tf.add_to_collection(loss_collection, loss)


def get_losses(scope=None, loss_collection=tf.GraphKeys.LOSSES):
    """The losses added so far, by choice those whose name begins with `scope`."""
    return tf.get_collection(loss_collection, scope)


def get_regularization_losses(scope=None):
    """The losses of regularizers, by choice those whose name begins with `scope`."""
    return tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(scope=None, name="total_regularization_loss"):
    """The sum of the regularizers' losses, 0 without one."""
    losses = get_regularization_losses(scope)
    return tf.add_n(losses, name=name) if losses else tf.constant(0.0)


def get_total_loss(add_regularization_losses=True, name="total_loss", scope=None):
    """The sum of all losses, by choice those whose name begins with `scope`; ValueError when there is none."""
    losses = get_losses(scope)
    if add_regularization_losses:
        losses = losses + get_regularization_losses(scope)
    if not losses:
        where = f" in scope {scope!r}" if scope else ""
        raise ValueError(f"There is no loss{where}. The functions of tf.losses add theirs; tf.losses.add_loss adds "
                         "another.")
    return tf.add_n(losses, name=name)


# --- the number ---------------------------------------------------------------------------------------------

def compute_weighted_loss(losses, weights=1.0, scope=None, loss_collection=tf.GraphKeys.LOSSES,
                          reduction=Reduction.SUM_BY_NONZERO_WEIGHTS):
    """One number from elementwise losses, computed in float32.

    Parameters
    ----------
    losses : Tensor         of any shape
    weights : float or Tensor   a scalar, or of the losses' rank with each dimension equal or 1
    scope : str             name of the nodes
    loss_collection : str   where the loss is kept; None: nowhere
    reduction : str         one of `Reduction`

    Returns
    -------
    Tensor of the losses' dtype: [], or with Reduction.NONE their shape

    Raises
    ------
    ValueError              if the weights do not fit, or the reduction is none
    """
    Reduction.validate(reduction)
    with tf.name_scope(scope, "weighted_loss", (losses, weights)):
        with tf.control_dependencies((assert_broadcastable(weights, losses),)):
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
        return _mean(loss, tf.reduce_sum(tf.ones_like(losses) * weights))
    if reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
        return _mean(loss, count_present(losses, weights))
    if reduction == Reduction.SUM_OVER_BATCH_SIZE:
        return _mean(loss, _count(losses))
    return loss


def _count(losses):
    with tf.name_scope(None, "num_elements", [losses]) as scope:
        return tf.cast(tf.size(losses, name=scope), losses.dtype)


def _mean(losses, count):
    """Their sum divided by `count`; 0 when that is 0."""
    return tf.div_no_nan(tf.reduce_sum(losses), count, name="value")
