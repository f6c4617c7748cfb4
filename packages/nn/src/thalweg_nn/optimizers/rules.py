"""The update rules: one class each, over the ops of thalweg/ops/training.py."""
import thalweg as tf
from thalweg.ops import training

from .optimizer import Optimizer


class _Rule(Optimizer):
    """A rule with hyperparameters: `_hyper` (attribute -> name of its tensor), made tensors by `_prepare`."""

    def __init__(self, use_locking, name, **hyper):
        super().__init__(use_locking, name)
        self._hyper = hyper
        self._tensors = {}

    def _prepare(self):
        self._tensors = {name: tf.convert_to_tensor(self._call_if_callable(value), name=name)
                         for name, value in self._hyper.items()}

    def _h(self, name, var):
        """A hyperparameter in the variable's dtype."""
        return tf.cast(self._tensors[name], var.dtype.base_dtype)


class GradientDescentOptimizer(_Rule):
    """var -= learning_rate * gradient."""

    def __init__(self, learning_rate, use_locking=False, name="GradientDescent"):
        super().__init__(use_locking, name, learning_rate=learning_rate)

    def _apply_dense(self, grad, var):
        return training.apply_gradient_descent(var, self._h("learning_rate", var), grad, use_locking=self._use_locking)

    def _apply_sparse_duplicate_indices(self, grad, var):
        return var.scatter_sub(type(grad)(grad.values * self._h("learning_rate", var), grad.indices,
                                          grad.dense_shape), use_locking=self._use_locking)


class MomentumOptimizer(_Rule):
    """accumulator = momentum * accumulator + gradient; var -= learning_rate * accumulator (Nesterov: looks ahead)."""

    def __init__(self, learning_rate, momentum, use_locking=False, name="Momentum", use_nesterov=False):
        super().__init__(use_locking, name, learning_rate=learning_rate, momentum=momentum)
        self._use_nesterov = use_nesterov

    def _create_slots(self, var_list):
        for var in var_list:
            self._zeros_slot(var, "momentum", self._name)

    def _apply_dense(self, grad, var):
        return training.apply_momentum(var, self.get_slot(var, "momentum"), self._h("learning_rate", var), grad,
                                       self._h("momentum", var), use_locking=self._use_locking,
                                       use_nesterov=self._use_nesterov)

    def _apply_sparse(self, grad, var):
        return training.sparse_apply_momentum(var, self.get_slot(var, "momentum"), self._h("learning_rate", var),
                                              grad.values, grad.indices, self._h("momentum", var),
                                              use_locking=self._use_locking, use_nesterov=self._use_nesterov)


class AdamOptimizer(_Rule):
    """Adam (arXiv:1412.6980, section 2, the efficient order: epsilon is the paper's epsilon hat)."""

    def __init__(self, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, use_locking=False, name="Adam"):
        super().__init__(use_locking, name, learning_rate=learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon)

    def _powers(self):
        graph = tf.get_default_graph()
        graph = getattr(graph, "outermost", graph)
        return self._get_non_slot_variable("beta1_power", graph), self._get_non_slot_variable("beta2_power", graph)

    def _create_slots(self, var_list):
        first = min(var_list, key=lambda v: v.name)
        for beta in ("beta1", "beta2"):
            self._create_non_slot_variable(self._call_if_callable(self._hyper[beta]), beta + "_power", first)
        for var in var_list:
            self._zeros_slot(var, "m", self._name)
            self._zeros_slot(var, "v", self._name)

    def _apply_dense(self, grad, var):
        beta1_power, beta2_power = self._powers()
        dtype = var.dtype.base_dtype
        return training.apply_adam(var, self.get_slot(var, "m"), self.get_slot(var, "v"), tf.cast(beta1_power, dtype),
                                   tf.cast(beta2_power, dtype), self._h("learning_rate", var), self._h("beta1", var),
                                   self._h("beta2", var), self._h("epsilon", var), grad,
                                   use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        """The moments decay everywhere, also where the gradient has no rows."""
        dtype = var.dtype.base_dtype
        beta1_power, beta2_power = (tf.cast(p, dtype) for p in self._powers())
        rate, beta1, beta2, epsilon = (self._h(n, var) for n in ("learning_rate", "beta1", "beta2", "epsilon"))
        step = rate * tf.sqrt(1 - beta2_power) / (1 - beta1_power)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        m_t = self._decayed(m, beta1, grad.values * (1 - beta1), grad.indices)
        v_t = self._decayed(v, beta2, grad.values * grad.values * (1 - beta2), grad.indices)
        update = tf.assign_sub(var, step * m_t / (tf.sqrt(v_t) + epsilon), use_locking=self._use_locking)
        return tf.group(update, m_t, v_t)

    def _decayed(self, slot, beta, addend, indices):
        decayed = tf.assign(slot, slot * beta, use_locking=self._use_locking)
        with tf.control_dependencies([decayed]):
            return tf.scatter_add(slot, indices, addend, use_locking=self._use_locking)

    def _finish(self, update_ops, name_scope):
        beta1_power, beta2_power = self._powers()
        with tf.control_dependencies(update_ops), tf.colocate_with(beta1_power.op):
            powers = [power.assign(power * self._tensors[beta], use_locking=self._use_locking)
                      for power, beta in ((beta1_power, "beta1"), (beta2_power, "beta2"))]
        return tf.group(*update_ops, *powers, name=name_scope)


class AdagradOptimizer(_Rule):
    """accumulator += gradient^2; var -= learning_rate * gradient / sqrt(accumulator) (JMLR 12:2121-2159)."""

    def __init__(self, learning_rate, initial_accumulator_value=0.1, use_locking=False, name="Adagrad"):
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name, learning_rate=learning_rate)
        self._initial = initial_accumulator_value

    def _create_slots(self, var_list):
        for var in var_list:
            dtype = var.dtype.base_dtype
            initializer = tf.constant_initializer(self._initial, dtype=dtype)
            self._get_or_make_slot_with_initializer(var, initializer, var.get_shape(), dtype,
                                                    "accumulator", self._name)

    def _apply_dense(self, grad, var):
        return training.apply_adagrad(var, self.get_slot(var, "accumulator"), self._h("learning_rate", var), grad,
                                      use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        return training.sparse_apply_adagrad(var, self.get_slot(var, "accumulator"), self._h("learning_rate", var),
                                             grad.values, grad.indices, use_locking=self._use_locking)


class RMSPropOptimizer(_Rule):
    """rms = decay * rms + (1 - decay) * gradient^2; the step is divided by sqrt(rms + epsilon).

    With `centered` the running mean of the gradient is subtracted: the estimate is then the variance.
    """

    def __init__(self, learning_rate, decay=0.9, momentum=0.0, epsilon=1e-10, use_locking=False, centered=False,
                 name="RMSProp"):
        super().__init__(use_locking, name, learning_rate=learning_rate, decay=decay, momentum=momentum,
                         epsilon=epsilon)
        self._centered = centered

    def _create_slots(self, var_list):
        for var in var_list:
            dtype = var.dtype.base_dtype
            self._get_or_make_slot_with_initializer(var, tf.ones_initializer(dtype=dtype), var.get_shape(), dtype,
                                                    "rms", self._name)
            if self._centered:
                self._zeros_slot(var, "mg", self._name)
            self._zeros_slot(var, "momentum", self._name)

    def _slots_of(self, var):
        names = ("mg", "rms", "momentum") if self._centered else ("rms", "momentum")
        return [self.get_slot(var, name) for name in names]

    def _hyper_of(self, var):
        return [self._h(name, var) for name in ("learning_rate", "decay", "momentum", "epsilon")]

    def _apply_dense(self, grad, var):
        apply = training.apply_centered_rms_prop if self._centered else training.apply_rms_prop
        return apply(var, *self._slots_of(var), *self._hyper_of(var), grad, use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        apply = training.sparse_apply_centered_rms_prop if self._centered else training.sparse_apply_rms_prop
        return apply(var, *self._slots_of(var), *self._hyper_of(var), grad.values, grad.indices,
                     use_locking=self._use_locking)


class AdadeltaOptimizer(_Rule):
    """Adadelta (arXiv:1212.5701, algorithm 1)."""

    def __init__(self, learning_rate=0.001, rho=0.95, epsilon=1e-8, use_locking=False, name="Adadelta"):
        super().__init__(use_locking, name, lr=learning_rate, rho=rho, epsilon=epsilon)

    def _create_slots(self, var_list):
        for var in var_list:
            self._zeros_slot(var, "accum", self._name)
            self._zeros_slot(var, "accum_update", self._name)

    def _arguments(self, var):
        return [self.get_slot(var, "accum"), self.get_slot(var, "accum_update"),
                *[self._h(name, var) for name in ("lr", "rho", "epsilon")]]

    def _apply_dense(self, grad, var):
        return training.apply_adadelta(var, *self._arguments(var), grad, use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        return training.sparse_apply_adadelta(var, *self._arguments(var), grad.values, grad.indices,
                                              use_locking=self._use_locking)


class FtrlOptimizer(_Rule):
    """Follow the regularized leader (McMahan et al., KDD 2013, algorithm 1), with online L2 shrinkage by choice."""

    def __init__(self, learning_rate, learning_rate_power=-0.5, initial_accumulator_value=0.1,
                 l1_regularization_strength=0.0, l2_regularization_strength=0.0, use_locking=False, name="Ftrl",
                 accum_name=None, linear_name=None, l2_shrinkage_regularization_strength=0.0):
        for label, value, good in (
                ("initial_accumulator_value", initial_accumulator_value, initial_accumulator_value >= 0.0),
                ("learning_rate_power", learning_rate_power, learning_rate_power <= 0.0),
                ("l1_regularization_strength", l1_regularization_strength, l1_regularization_strength >= 0.0),
                ("l2_regularization_strength", l2_regularization_strength, l2_regularization_strength >= 0.0)):
            if not good:
                raise ValueError(f"{label} {value} must be {'negative or zero' if value > 0 else 'positive or zero'}")
        super().__init__(use_locking, name, learning_rate=learning_rate,
                         l1_regularization_strength=l1_regularization_strength,
                         l2_regularization_strength=l2_regularization_strength,
                         l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
                         learning_rate_power=learning_rate_power)
        self._initial, self._accum_name, self._linear_name = initial_accumulator_value, accum_name, linear_name
        self._shrinks = l2_shrinkage_regularization_strength > 0

    def _create_slots(self, var_list):
        for var in var_list:
            start = tf.constant(self._initial, var.dtype.base_dtype, var.get_shape().as_list())
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


class ProximalGradientDescentOptimizer(_Rule):
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


class ProximalAdagradOptimizer(_Rule):
    """Adagrad followed by the proximal step of L1 and L2."""

    def __init__(self, learning_rate, initial_accumulator_value=0.1, l1_regularization_strength=0.0,
                 l2_regularization_strength=0.0, use_locking=False, name="ProximalAdagrad"):
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name, learning_rate=learning_rate,
                         l1_regularization_strength=l1_regularization_strength,
                         l2_regularization_strength=l2_regularization_strength)
        self._initial = initial_accumulator_value

    def _create_slots(self, var_list):
        for var in var_list:
            start = tf.constant(self._initial, var.dtype.base_dtype, var.get_shape().as_list())
            self._get_or_make_slot(var, start, "accumulator", self._name)

    def _arguments(self, var):
        return [self.get_slot(var, "accumulator"), *[self._h(name, var) for name in self._hyper]]

    def _apply_dense(self, grad, var):
        return training.apply_proximal_adagrad(var, *self._arguments(var), grad, use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        return training.sparse_apply_proximal_adagrad(var, *self._arguments(var), grad.values, grad.indices,
                                                      use_locking=self._use_locking)


class AdagradDAOptimizer(_Rule):
    """Adagrad with dual averaging: weights are rebuilt from the sum of gradients at each step, so L1 gives zeros."""

    def __init__(self, learning_rate, global_step, initial_gradient_squared_accumulator_value=0.1,
                 l1_regularization_strength=0.0, l2_regularization_strength=0.0, use_locking=False, name="AdagradDA"):
        if initial_gradient_squared_accumulator_value <= 0.0:
            raise ValueError("initial_gradient_squared_accumulator_value must be positive: "
                             f"{initial_gradient_squared_accumulator_value}")
        super().__init__(use_locking, name, learning_rate=learning_rate,
                         l1_regularization_strength=l1_regularization_strength,
                         l2_regularization_strength=l2_regularization_strength)
        self._initial, self._global_step = initial_gradient_squared_accumulator_value, global_step

    def _prepare(self):
        self._tensors = {"learning_rate": tf.convert_to_tensor(self._hyper["learning_rate"], name="learning_rate")}

    def _create_slots(self, var_list):
        for var in var_list:
            start = tf.constant(self._initial, var.dtype.base_dtype, var.get_shape().as_list())
            self._zeros_slot(var, "gradient_accumulator", self._name)
            self._get_or_make_slot(var, start, "gradient_squared_accumulator", self._name)

    def _accumulators(self, var):
        return [self.get_slot(var, n) for n in ("gradient_accumulator", "gradient_squared_accumulator")]

    def _hyper_of(self, var):
        """Rate, L1, L2 and the step that is being taken."""
        with tf.colocate_with(self._global_step.op):
            step = tf.cast(self._global_step, tf.int64) + 1
        return [self._h("learning_rate", var), self._hyper["l1_regularization_strength"],
                self._hyper["l2_regularization_strength"], step]

    def _apply_dense(self, grad, var):
        return training.apply_adagrad_da(var, *self._accumulators(var), grad, *self._hyper_of(var),
                                         use_locking=self._use_locking)

    def _apply_sparse(self, grad, var):
        return training.sparse_apply_adagrad_da(var, *self._accumulators(var), grad.values, grad.indices,
                                                *self._hyper_of(var), use_locking=self._use_locking)
