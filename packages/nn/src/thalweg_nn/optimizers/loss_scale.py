"""Factors on a loss that keep its gradients within float16, as `tf.train.experimental.LossScale`."""
import abc

import thalweg as tf
from thalweg.framework import nest

from .. import refusal


class LossScale(abc.ABC):
    """A factor for a loss, and for the gradients its inverse: small gradients do not vanish in 16 bits on their way.

    Calling one gives the factor of this step. A subclass gives `__call__`, `update` and `get_config`.
    """

    def __init__(self):
        self._weights = {}               # (name, graph) -> variable

    @abc.abstractmethod
    def __call__(self):
        """The factor, a float32 Tensor []."""

    @abc.abstractmethod
    def update(self, grads):
        """What is to happen after a step with these gradients, already divided by the factor; None counts as none.

        Returns
        -------
        (op that updates the factor, whether the gradients may be applied: a bool or a bool Tensor [])
        """

    @abc.abstractmethod
    def get_config(self):
        """The arguments that make another one like this, a dict."""

    @classmethod
    def from_config(cls, config):
        """The LossScale that `get_config` has described."""
        return cls(**config)

    def _add_weight(self, name, initial_value, dtype=None):
        """A variable of this scale, which no optimizer trains. RuntimeError where the graph has one of this name."""
        key = name, tf.get_default_graph()
        if key in self._weights:
            raise _refused(type(self).__name__, f"it has a variable {name!r} in this graph already", kind=RuntimeError)
        self._weights[key] = tf.Variable(initial_value, trainable=False, name=name, dtype=dtype, use_resource=True)
        return self._weights[key]


class FixedLossScale(LossScale):
    """A factor that stays.

    loss_scale_value : int or float     at least 1
    """

    def __init__(self, loss_scale_value):
        super().__init__()
        if not isinstance(loss_scale_value, (int, float)) or not loss_scale_value >= 1:
            raise _refused("FixedLossScale", "loss_scale_value must be a number of at least 1", repr(loss_scale_value))
        self._loss_scale_value = float(loss_scale_value)

    def __call__(self):
        return tf.convert_to_tensor(self._loss_scale_value)

    def update(self, grads):
        return tf.no_op(), True

    def get_config(self):
        return {"loss_scale_value": self._loss_scale_value}

    def __repr__(self):
        return f"FixedLossScale({self._loss_scale_value})"


class DynamicLossScale(LossScale):
    """A factor as large as the gradients allow: variables `current_loss_scale` and `good_steps` of the graph.

    initial_loss_scale : float      the first; too large costs a few steps, too small many
    increment_period : int          after so many steps in a row with finite gradients it is multiplied, unless it
                                    would become infinite
    multiplier : float              after a step with a gradient that is not finite it is divided, but stays at least 1
    """

    def __init__(self, initial_loss_scale=2**15, increment_period=2000, multiplier=2.0):
        super().__init__()
        self._initial_loss_scale = float(initial_loss_scale)
        self._increment_period = int(increment_period)
        self._multiplier = float(multiplier)
        self._current_loss_scale = self._add_weight("current_loss_scale", self._initial_loss_scale, tf.float32)
        self._num_good_steps = self._add_weight("good_steps", 0, tf.int64)

    @property
    def initial_loss_scale(self):
        return self._initial_loss_scale

    @property
    def increment_period(self):
        return self._increment_period

    @property
    def multiplier(self):
        return self._multiplier

    def __call__(self):
        return tf.convert_to_tensor(self._current_loss_scale)

    def update(self, grads):
        is_finite = _are_finite([g for g in nest.flatten(grads) if g is not None])
        return tf.cond(is_finite, self._after_good, self._after_bad), is_finite

    def _after_good(self):
        is_due = self._num_good_steps + 1 >= self._increment_period
        return tf.cond(is_due, self._grow, lambda: self._num_good_steps.assign_add(1).op)

    def _grow(self):
        grown = self._current_loss_scale * self._multiplier
        may_grow = tf.cond(tf.is_finite(grown), lambda: self._current_loss_scale.assign(grown).op, tf.no_op)
        return tf.group(may_grow, self._num_good_steps.assign(0))

    def _after_bad(self):
        shrunk = tf.maximum(self._current_loss_scale / self._multiplier, 1.0)
        return tf.group(self._num_good_steps.assign(0), self._current_loss_scale.assign(shrunk))

    def get_config(self):
        return {"initial_loss_scale": self.initial_loss_scale, "increment_period": self.increment_period,
                "multiplier": self.multiplier}

    def __repr__(self):
        return (f"DynamicLossScale(initial_loss_scale={self.initial_loss_scale}, "
                f"increment_period={self.increment_period}, multiplier={self.multiplier})")


def loss_scale_of(what):
    """The LossScale that a program means: one, a number, or "dynamic"."""
    if isinstance(what, LossScale):
        return what
    if isinstance(what, (int, float)):
        return FixedLossScale(what)
    if isinstance(what, str) and what == "dynamic":
        return DynamicLossScale()
    raise _refused("loss_scale", "it cannot be interpreted", repr(what),
                   'a number of at least 1, "dynamic", or a tf.train.experimental.LossScale',
                   kind=TypeError if what is None else ValueError)


def _are_finite(grads):
    """Whether all numbers of all gradients are: a bool Tensor []."""
    values = [g.values if isinstance(g, tf.IndexedSlices) else g for g in grads]
    return tf.reduce_all([tf.reduce_all(tf.is_finite(v)) for v in values])


def _refused(what, problem, got=None, expected=None, kind=ValueError):
    return refusal.refused(what, problem, got, expected, kind=kind)
