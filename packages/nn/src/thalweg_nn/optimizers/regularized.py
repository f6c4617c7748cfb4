"""Update rules that draw weights to zero: FTRL, proximal steps, dual averaging; over thalweg/ops/training.py."""
import thalweg as tf
from thalweg.ops import training

from .optimizer import refused
from .rules import Rule


class _Regularized(Rule):
    """A rule whose slots begin as constants."""

    def _constant(self, var, value):
        """A constant of the variable's shape, placed with it."""
        with tf.colocate_with(var.op):
            return tf.constant(value, var.dtype.base_dtype, var.get_shape().as_list())


class FtrlOptimizer(_Regularized):
    """Follow the regularized leader (McMahan et al., KDD 2013, algorithm 1), with online L2 shrinkage by choice."""

    def __init__(self, learning_rate, learning_rate_power=-0.5, initial_accumulator_value=0.1,
                 l1_regularization_strength=0.0, l2_regularization_strength=0.0, use_locking=False, name="Ftrl",
                 accum_name=None, linear_name=None, l2_shrinkage_regularization_strength=0.0):
        for label, value, good in (
                ("initial_accumulator_value", initial_accumulator_value, initial_accumulator_value >= 0.0),
                ("learning_rate_power", learning_rate_power, learning_rate_power <= 0.0),
                ("l1_regularization_strength", l1_regularization_strength, l1_regularization_strength >= 0.0),
                ("l2_regularization_strength", l2_regularization_strength, l2_regularization_strength >= 0.0),
                ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength,
                 l2_shrinkage_regularization_strength >= 0.0)):
            if not good:
                raise refused(name, f"{label} must be {'at most' if value > 0 else 'at least'} 0, not {value}")
        super().__init__(use_locking, name, learning_rate=learning_rate,
                         l1_regularization_strength=l1_regularization_strength,
                         l2_regularization_strength=l2_regularization_strength,
                         l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
                         learning_rate_power=learning_rate_power)
        self._initial, self._accum_name, self._linear_name = initial_accumulator_value, accum_name, linear_name
        self._shrinks = l2_shrinkage_regularization_strength > 0

    def _create_slots(self, var_list):
        for var in var_list:
            start = self._constant(var, self._initial)
            self._get_or_make_slot(var, start, "accum", self._accum_name or self._name)
            self._zeros_slot(var, "linear", self._linear_name or self._name)

    def _prepare(self):
        super()._prepare()
        if not self._shrinks:
            self._tensors.pop("l2_shrinkage_regularization_strength")

    def _hyper_of(self, var):
        names = ["learning_rate", "l1_regularization_strength", "l2_regularization_strength",
                 *(["l2_shrinkage_regularization_strength"] if self._shrinks else []), "learning_rate_power"]
        return [self._h(name, var) for name in names]

    def _apply_dense(self, grad, var):
        apply = training.apply_ftrl_v2 if self._shrinks else training.apply_ftrl
        return apply(var, self.get_slot(var, "accum"), self.get_slot(var, "linear"), grad, *self._hyper_of(var),
                     use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        apply = training.sparse_apply_ftrl_v2 if self._shrinks else training.sparse_apply_ftrl
        return apply(var, self.get_slot(var, "accum"), self.get_slot(var, "linear"), grad.values, grad.indices,
                     *self._hyper_of(var), use_locking=self._use_locking)


class ProximalGradientDescentOptimizer(_Regularized):
    """Gradient descent followed by the proximal step of L1 and L2 (FOBOS, NIPS 2009)."""

    def __init__(self, learning_rate, l1_regularization_strength=0.0, l2_regularization_strength=0.0,
                 use_locking=False, name="ProximalGradientDescent"):
        super().__init__(use_locking, name, learning_rate=learning_rate,
                         l1_regularization_strength=l1_regularization_strength,
                         l2_regularization_strength=l2_regularization_strength)

    def _hyper_of(self, var):
        return [self._h(name, var) for name in self._hyper]

    def _apply_dense(self, grad, var):
        return training.apply_proximal_gradient_descent(var, *self._hyper_of(var), grad,
                                                        use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        return training.sparse_apply_proximal_gradient_descent(var, *self._hyper_of(var), grad.values, grad.indices,
                                                               use_locking=self._use_locking)


class ProximalAdagradOptimizer(_Regularized):
    """Adagrad followed by the proximal step of L1 and L2."""

    def __init__(self, learning_rate, initial_accumulator_value=0.1, l1_regularization_strength=0.0,
                 l2_regularization_strength=0.0, use_locking=False, name="ProximalAdagrad"):
        if initial_accumulator_value <= 0.0:
            raise refused(name, f"initial_accumulator_value must be positive, not {initial_accumulator_value}")
        super().__init__(use_locking, name, learning_rate=learning_rate,
                         l1_regularization_strength=l1_regularization_strength,
                         l2_regularization_strength=l2_regularization_strength)
        self._initial = initial_accumulator_value

    def _create_slots(self, var_list):
        for var in var_list:
            self._get_or_make_slot(var, self._constant(var, self._initial), "accumulator", self._name)

    def _arguments(self, var):
        return [self.get_slot(var, "accumulator"), *[self._h(name, var) for name in self._hyper]]

    def _apply_dense(self, grad, var):
        return training.apply_proximal_adagrad(var, *self._arguments(var), grad, use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        return training.sparse_apply_proximal_adagrad(var, *self._arguments(var), grad.values, grad.indices,
                                                      use_locking=self._use_locking)


class AdagradDAOptimizer(_Regularized):
    """Adagrad with dual averaging: weights are rebuilt from the sum of gradients at each step, so L1 gives zeros."""

    def __init__(self, learning_rate, global_step, initial_gradient_squared_accumulator_value=0.1,
                 l1_regularization_strength=0.0, l2_regularization_strength=0.0, use_locking=False, name="AdagradDA"):
        if initial_gradient_squared_accumulator_value <= 0.0:
            raise refused(name, "initial_gradient_squared_accumulator_value must be positive, not "
                          f"{initial_gradient_squared_accumulator_value}")
        super().__init__(use_locking, name, learning_rate=learning_rate,
                         l1_regularization_strength=l1_regularization_strength,
                         l2_regularization_strength=l2_regularization_strength)
        self._initial, self._global_step = initial_gradient_squared_accumulator_value, global_step

    def _create_slots(self, var_list):
        for var in var_list:
            sums, squares = (self._constant(var, value) for value in (0.0, self._initial))
            self._get_or_make_slot(var, sums, "gradient_accumulator", self._name)
            self._get_or_make_slot(var, squares, "gradient_squared_accumulator", self._name)

    def _prepare(self):
        self._tensors = {"learning_rate": tf.convert_to_tensor(self._hyper["learning_rate"], name="learning_rate")}
        with tf.colocate_with(self._tensors["learning_rate"].op):
            self._step = tf.identity(self._global_step) + 1          # the one that is being taken

    def _accumulators(self, var):
        return [self.get_slot(var, n) for n in ("gradient_accumulator", "gradient_squared_accumulator")]

    def _hyper_of(self, var):
        """Rate, L1, L2 and the step."""
        step, dtype = tf.identity(self._step), var.dtype.base_dtype
        return [self._h("learning_rate", var), tf.cast(self._hyper["l1_regularization_strength"], dtype),
                tf.cast(self._hyper["l2_regularization_strength"], dtype), step]

    def _apply_dense(self, grad, var):
        return training.apply_adagrad_da(var, *self._accumulators(var), grad, *self._hyper_of(var),
                                         use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        return training.sparse_apply_adagrad_da(var, *self._accumulators(var), grad.values, grad.indices,
                                                *self._hyper_of(var), use_locking=self._use_locking)
