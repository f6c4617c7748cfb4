"""The update rules, one class each, over the ops of thalweg/ops/training.py; those that shrink: regularized.py."""
import thalweg as tf
from thalweg.framework.func_graph import outermost
from thalweg.ops import training

from .optimizer import Optimizer, refused


class Rule(Optimizer):
    """A rule with hyperparameters: numbers, tensors or callables, which `_prepare` makes tensors of their names."""

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


class GradientDescentOptimizer(Rule):
    """var -= learning_rate * gradient."""

    def __init__(self, learning_rate, use_locking=False, name="GradientDescent"):
        super().__init__(use_locking, name, learning_rate=learning_rate)

    def _apply_dense(self, grad, var):
        return training.apply_gradient_descent(var, self._h("learning_rate", var), grad, use_locking=self._use_locking)

    def _apply_sparse_duplicate_indices(self, grad, var):
        return var.scatter_sub(type(grad)(grad.values * self._h("learning_rate", var), grad.indices,
                                          grad.dense_shape), use_locking=self._use_locking)


class MomentumOptimizer(Rule):
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


class AdamOptimizer(Rule):
    """Adam (arXiv:1412.6980, section 2, the efficient order: epsilon is the paper's epsilon hat)."""

    def __init__(self, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8, use_locking=False, name="Adam"):
        super().__init__(use_locking, name, learning_rate=learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon)

    def _powers(self):
        graph = outermost(tf.get_default_graph())            # a branch may hold the update
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
        root = tf.sqrt(v_t)
        update = tf.assign_sub(var, step * m_t / (root + epsilon), use_locking=self._use_locking)
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


class AdagradOptimizer(Rule):
    """accumulator += gradient^2; var -= learning_rate * gradient / sqrt(accumulator) (JMLR 12:2121-2159)."""

    def __init__(self, learning_rate, initial_accumulator_value=0.1, use_locking=False, name="Adagrad"):
        if initial_accumulator_value <= 0.0:
            raise refused(name, f"initial_accumulator_value must be positive, not {initial_accumulator_value}")
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


class RMSPropOptimizer(Rule):
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


class AdadeltaOptimizer(Rule):
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
