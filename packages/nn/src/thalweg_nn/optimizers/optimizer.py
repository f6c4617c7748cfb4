"""The base of all optimizers, as `tf.train.Optimizer`: gradients, slots, one update op per variable."""
import thalweg as tf

from .. import refusal
from . import slots


class Optimizer:
    """Base class. A subclass gives `_apply_dense`, `_apply_sparse`, if need be `_prepare`, `_create_slots`, `_finish`.

    Parameters
    ----------
    use_locking : bool      accepted as in TensorFlow; updates of one variable never interleave here in one run
    name : str              prefix of the update ops' names
    """

    GATE_NONE, GATE_OP, GATE_GRAPH = 0, 1, 2

    def __init__(self, use_locking, name):
        if not name:
            raise refused(type(self).__name__, "it needs a name")
        self._use_locking, self._name = use_locking, name
        self._slots = {}                 # slot name -> {(graph, variable's name): slot variable}
        self._non_slots = {}             # (name, graph) -> variable

    def get_name(self):
        return self._name

    # --- the public steps ------------------------------------------------------------------------

    def minimize(self, loss, global_step=None, var_list=None, gate_gradients=GATE_OP, aggregation_method=None,
                 colocate_gradients_with_ops=False, name=None, grad_loss=None):
        """An op that takes one step down: `compute_gradients`, then `apply_gradients`.

        Parameters
        ----------
        loss : Tensor []            what is to become smaller
        global_step : Variable      grows by one with each step
        var_list :                  the variables to change; the graph's trainable ones by default

        Raises
        ------
        ValueError                  when there are no variables, or none of them has a gradient
        """
        pairs = self.compute_gradients(loss, var_list, gate_gradients, aggregation_method,
                                       colocate_gradients_with_ops, grad_loss)
        if all(g is None for g, _ in pairs):
            raise refused(self._name, f"No gradients provided for any variable: {loss.name} depends on none of them, "
                          "or only through ops without gradients", _names(pairs))
        return self.apply_gradients(pairs, global_step=global_step, name=name)

    def compute_gradients(self, loss, var_list=None, gate_gradients=GATE_OP, aggregation_method=None,
                          colocate_gradients_with_ops=False, grad_loss=None):
        """A list of (gradient, variable); the gradient is None where the loss does not depend on the variable."""
        if callable(loss):
            loss = loss()
        if not isinstance(loss, (tf.Tensor, tf.Variable)):
            raise refused(self._name, f"the loss is no Tensor: {loss!r} of type {type(loss).__name__}",
                          expected="a Tensor that depends on the variables, such as tf.reduce_mean(errors)",
                          kind=TypeError)
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise refused(self._name, f"gate_gradients is {gate_gradients!r}",
                          expected="Optimizer.GATE_NONE, Optimizer.GATE_OP or Optimizer.GATE_GRAPH")
        self._check_dtypes([loss])
        if var_list is None:
            var_list = tf.trainable_variables() + tf.get_collection(tf.GraphKeys.TRAINABLE_RESOURCE_VARIABLES)
        var_list = _flat(var_list)
        if not var_list:
            raise refused(self._name, "No variables to optimize",
                          hint="var_list=[...], or variables that are trainable")
        grads = tf.gradients(loss, [_target(self._name, v) for v in var_list], grad_ys=grad_loss,
                             gate_gradients=gate_gradients == self.GATE_OP, aggregation_method=aggregation_method,
                             colocate_gradients_with_ops=colocate_gradients_with_ops)
        if gate_gradients == self.GATE_GRAPH:
            grads = tf.tuple(grads)
        self._check_dtypes([v for g, v in zip(grads, var_list) if g is not None])
        return list(zip(grads, var_list))

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """An op that applies (gradient, variable) pairs; those whose gradient is None are left alone.

        Raises
        ------
        ValueError                  when there is no pair, or no gradient
        TypeError                   when a gradient is no Tensor and no IndexedSlices
        NotImplementedError         when a variable is none
        """
        pairs = tuple(grads_and_vars)
        if not pairs:
            raise refused(self._name, "No variables provided", hint="the pairs that compute_gradients gives")
        pairs = [(_gradient(self._name, g, v), v) for g, v in pairs]
        var_list = [v for g, v in pairs if g is not None]
        if not var_list:
            raise refused(self._name, "No gradients provided for any variable", _names(pairs))
        with tf.init_scope():
            self._create_slots(var_list)
        with tf.name_scope(name, self._name) as scope:
            self._prepare()
            updates = [self._update(g, v) for g, v in pairs if g is not None]
            apply = self._finished(updates, global_step, scope)
            train_ops = tf.get_default_graph().get_collection_ref(tf.GraphKeys.TRAIN_OP)
            if apply not in train_ops:
                train_ops.append(apply)
            return apply

    def _finished(self, updates, global_step, scope):
        if global_step is None:
            return self._finish(updates, scope)
        with tf.control_dependencies([self._finish(updates, "update")]):
            with tf.colocate_with(global_step.op):
                one = tf.convert_to_tensor(1, global_step.dtype.base_dtype, "value")
                return tf.assign_add(global_step, one, name=scope).op

    def _update(self, grad, var):
        """The op that updates one variable."""
        with tf.name_scope("update_" + var.op.name), tf.colocate_with(var.op):
            if isinstance(grad, tf.IndexedSlices):
                update = self._apply_sparse_duplicate_indices(grad, var)
            else:
                update = self._apply_dense(grad, var)
            constraint = getattr(var, "constraint", None)
            if constraint is None:
                return update.op if isinstance(update, tf.Tensor) else update
            with tf.control_dependencies([update]):
                return var.assign(constraint(var)).op

    # --- slots -----------------------------------------------------------------------------------

    def get_slot(self, var, name):
        """The slot `name` of `var`, or None."""
        return self._slots.get(name, {}).get(_key(var))

    def get_slot_names(self):
        """Names of the slots that this optimizer has made, sorted."""
        return sorted(self._slots)

    def variables(self):
        """Everything that encodes this optimizer's state in the current graph, sorted by name."""
        graph = tf.get_default_graph()
        found = [v for (_, g), v in self._non_slots.items() if g is graph]
        found += [v for named in self._slots.values() for (g, _), v in named.items() if g is graph]
        return sorted(found, key=lambda v: v.name)

    def _zeros_slot(self, var, slot_name, op_name):
        return self._keep_slot(var, slot_name, lambda: slots.create_zeros_slot(var, op_name))

    def _get_or_make_slot(self, var, value, slot_name, op_name):
        return self._keep_slot(var, slot_name, lambda: slots.create_slot(var, value, op_name))

    def _get_or_make_slot_with_initializer(self, var, initializer, shape, dtype, slot_name, op_name):
        return self._keep_slot(var, slot_name, lambda: slots.create_slot_with_initializer(
            var, initializer, shape, dtype, op_name))

    def _keep_slot(self, var, slot_name, make):
        named = self._slots.setdefault(slot_name, {})
        if _key(var) not in named:
            named[_key(var)] = make()
        return named[_key(var)]

    def _create_non_slot_variable(self, initial_value, name, colocate_with):
        """A state variable of the optimizer itself, placed with a variable."""
        key = name, colocate_with.graph
        if key not in self._non_slots:
            with tf.get_default_graph().colocate_with(colocate_with.op):
                self._non_slots[key] = tf.Variable(initial_value, name=name, trainable=False, use_resource=False)
        return self._non_slots[key]

    def _get_non_slot_variable(self, name, graph=None):
        return self._non_slots.get((name, graph))

    # --- what subclasses give --------------------------------------------------------------------

    def _valid_dtypes(self):
        return {tf.float16, tf.bfloat16, tf.float32, tf.float64}

    def _check_dtypes(self, tensors):
        valid = self._valid_dtypes()
        for tensor in tensors:
            if tensor.dtype.base_dtype not in valid:
                raise refused(self._name, f"{tensor.name} holds {tensor.dtype.base_dtype.name}",
                              expected=" or ".join(sorted(d.name for d in valid)), hint="tf.cast of the loss, or "
                              "variables of floating point")

    def _create_slots(self, var_list):
        """Makes the slots that the rule needs; none by default."""

    def _prepare(self):
        """Makes tensors of the hyperparameters; none by default."""

    def _apply_dense(self, grad, var):
        raise NotImplementedError(f"{type(self).__name__} has no rule for dense gradients")

    def _apply_sparse(self, grad, var):
        raise NotImplementedError(f"{type(self).__name__} has no rule for IndexedSlices")

    def _apply_sparse_duplicate_indices(self, grad, var):
        """`_apply_sparse` after gradients of equal indices have been added up."""
        indices, positions = tf.unique(grad.indices)
        values = tf.unsorted_segment_sum(grad.values, positions, tf.shape(indices)[0])
        return self._apply_sparse(tf.IndexedSlices(values, indices, grad.dense_shape), var)

    def _finish(self, update_ops, name_scope):
        """The op that stands for all updates."""
        return tf.group(*update_ops, name=name_scope)

    def _call_if_callable(self, value):
        return value() if callable(value) else value


def _key(var):
    return var.op.graph, var.op.name


def _flat(var_list):
    flat = []
    for item in var_list if isinstance(var_list, (list, tuple)) else [var_list]:
        flat.extend(_flat(item) if isinstance(item, (list, tuple)) else
                    list(item) if hasattr(item, "_get_variable_list") else [item])
    return flat


def refused(name, problem, got=None, expected=None, hint=None, kind=ValueError):
    """The error with which an optimizer called `name` refuses what it is given."""
    return refusal.refused(f'optimizer "{name}"', problem, got, expected, hint, kind)


def _names(pairs):
    return ", ".join(str(getattr(v, "name", v)) for _, v in pairs)


def _target(name, var):
    """What a gradient is taken for: the variable's reference, or a tensor."""
    if isinstance(var, tf.Variable):
        return var._ref()
    if isinstance(var, tf.Tensor):
        return var
    raise refused(name, f"cannot take a gradient for {var!r}", expected="a Variable", kind=NotImplementedError)


def _gradient(name, grad, var):
    if not isinstance(var, tf.Variable):
        raise refused(name, f"cannot update {var!r}", expected="a Variable", kind=NotImplementedError)
    if grad is None or isinstance(grad, (tf.Tensor, tf.IndexedSlices)):
        return grad
    try:
        return tf.convert_to_tensor(grad, var.dtype.base_dtype)
    except (TypeError, ValueError) as error:
        raise refused(name, f"the gradient of {var.name} is {grad!r}", expected="a Tensor, IndexedSlices or None",
                      kind=TypeError) from error
