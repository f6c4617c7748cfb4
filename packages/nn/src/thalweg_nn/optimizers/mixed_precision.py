"""Training with a scaled loss, and TensorFlow's switch for float16: `tf.train.experimental`."""
import thalweg as tf
from thalweg.runtime import precision

from .loss_scale import DynamicLossScale, loss_scale_of
from .optimizer import Optimizer, refused


class MixedPrecisionLossScaleOptimizer(Optimizer):
    """Multiplies the loss by a LossScale and divides the gradients by it before `opt` applies them.

    With a dynamic scale a step whose gradients are not all finite changes the scale and nothing else: no variable, no
    slot, not the global step.

    Parameters
    ----------
    opt : Optimizer             applies the gradients; slots and other state are its own
    loss_scale : LossScale      or a number of at least 1, or "dynamic"
    """

    def __init__(self, opt, loss_scale):
        if not isinstance(opt, Optimizer):
            raise refused(type(self).__name__, "opt is no tf.train.Optimizer", f"{opt!r} of type {type(opt).__name__}")
        super().__init__(opt._use_locking, opt.get_name())
        self._optimizer, self._loss_scale = opt, loss_scale_of(loss_scale)

    def compute_gradients(self, loss, *args, **kwargs):
        """As the wrapped optimizer's, of the scaled loss; what comes back is scaled no longer."""
        scale = self._loss_scale()
        scaled = loss() * scale if callable(loss) else loss * scale
        pairs = self._optimizer.compute_gradients(scaled, *args, **kwargs)
        inverse = 1 / self._loss_scale()
        return [(_times(g, inverse), v) for g, v in pairs]

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """An op that applies the gradients if all of them are finite, and updates a dynamic scale in any case."""
        pairs = tuple(grads_and_vars)
        if not isinstance(self._loss_scale, DynamicLossScale):
            return self._optimizer.apply_gradients(pairs, global_step, name)
        name = name or self.get_name()
        update, is_good = self._loss_scale.update([g for g, _ in pairs])
        applied = tf.cond(is_good, lambda: self._optimizer.apply_gradients(pairs, global_step, name + "-wrapped"),
                          tf.no_op)
        return tf.group(applied, update, name=name)


def _times(grad, factor):
    if isinstance(grad, tf.IndexedSlices):
        return tf.IndexedSlices(grad.values * factor, grad.indices, grad.dense_shape)
    return None if grad is None else grad * factor


def enable_mixed_precision_graph_rewrite(opt, loss_scale="dynamic"):
    """Makes new sessions compute in float16 on devices that gain by it, and gives `opt` with a scaled loss.

    A ConfigProto may say otherwise: its `rewrite_options.auto_mixed_precision` OFF, or another `compute_type`.
    Gradients have to come from the optimizer that is returned: those of tf.gradients are of a loss that is not scaled.

    Parameters
    ----------
    opt : Optimizer             no MixedPrecisionLossScaleOptimizer
    loss_scale : LossScale      or a number of at least 1, or "dynamic"
    """
    if isinstance(opt, MixedPrecisionLossScaleOptimizer):
        raise refused(opt.get_name(), "it scales its loss already", type(opt).__name__,
                      "the optimizer alone: enable_mixed_precision_graph_rewrite wraps it")
    wrapped = MixedPrecisionLossScaleOptimizer(opt, loss_scale)
    precision.enable_rewrite()
    return wrapped


def disable_mixed_precision_graph_rewrite():
    """Makes new sessions compute in float32 again; those that there are, and wrapped optimizers, stay as they are."""
    precision.disable_rewrite()
