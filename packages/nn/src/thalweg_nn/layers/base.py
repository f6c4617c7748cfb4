"""The base of all layers: scopes, variables, regularizers, names: `tf.layers.Layer`."""
import contextlib
import re

import thalweg as tf
from thalweg.framework import nest
from thalweg.framework.func_graph import outermost
from thalweg.framework.graph import get_default_graph

from .arguments import refused

_COUNTS = "layer names"                  # key of the graph's count of layer names


class Layer:
    """A layer makes its variables at the first call, in a variable scope of its own, and shares them in later calls.

    Parameters
    ----------
    trainable : bool        whether its variables are put into TRAINABLE_VARIABLES
    name : str              of the scope; by default the class's name, made unique
    dtype : DType           of the variables; by default that of the first input
    activity_regularizer : callable (outputs) -> loss, divided by the size of the batch
    _reuse : bool           the variables must exist already
    _scope : str or VariableScope

    A subclass makes its variables in `build(input_shape)` with `add_weight` and gives the outputs in `call(inputs)`.

    Attributes
    ----------
    input_ranks : (int, int or None)    least and greatest rank of the inputs; None: any
    input_axes : dict                   dimension -> size that the inputs must have, known once the layer is built
    """

    input_ranks: tuple | None = None

    def __init__(self, trainable=True, name=None, dtype=None, activity_regularizer=None, _reuse=None, _scope=None):
        base = _snake(type(self).__name__)
        self._name = _unique_name(base) if name is None or isinstance(name, tf.VariableScope) else name
        self._base_name = base if name is None else getattr(name, "name", name)
        self.trainable, self.built, self.dtype = trainable, False, None if dtype is None else tf.as_dtype(dtype).name
        self.activity_regularizer, self.input_axes = activity_regularizer, {}
        self._trained, self._fixed, self._updates, self._losses = [], [], [], []
        self._reuse, self._scope = _reuse, None
        if _scope is not None:
            with tf.variable_scope(_scope) as self._scope:
                pass

    # --- what the layer has ----------------------------------------------------------------------

    @property
    def name(self):
        return self._name

    @property
    def scope_name(self):
        """The name of the variable scope; ValueError before the first call, which opens it."""
        if self._scope is None:
            raise refused(self, "it has no scope yet", hint="call the layer first", kind=ValueError)
        return self._scope.name

    @property
    def trainable_variables(self):
        return list(self._trained) if self.trainable else []

    @property
    def non_trainable_variables(self):
        return list(self._fixed) if self.trainable else [*self._trained, *self._fixed]

    @property
    def variables(self):
        """The variables: those that are trained first."""
        return [*self._trained, *self._fixed]

    weights, trainable_weights, non_trainable_weights = variables, trainable_variables, non_trainable_variables

    @property
    def updates(self):
        """Ops that a training step must run besides the optimizer's (running averages); none if not trainable."""
        return list(self._updates) if self.trainable else []

    @property
    def losses(self):
        """Losses of regularizers and of `add_loss`."""
        return list(self._losses)

    def count_params(self):
        """Count of all numbers in the layer's variables; ValueError before they are made."""
        if not self.built:
            raise refused(self, "it has no variables yet", hint="call the layer first", kind=ValueError)
        return sum(v.get_shape().num_elements() for v in self.variables)

    def add_loss(self, losses, inputs=None):
        """Adds a loss, or a list of them, to the layer and to REGULARIZATION_LOSSES; `inputs` is not needed."""
        for loss in losses if isinstance(losses, (list, tuple)) else [losses]:
            loss = loss() if callable(loss) else loss
            if loss is not None:
                self._losses.append(loss)
                tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES, loss)

    def add_update(self, updates, inputs=None):
        """Adds an op that training steps must run, or a list; the call puts it into UPDATE_OPS."""
        for update in updates if isinstance(updates, (list, tuple)) else [updates]:
            update = update() if callable(update) else update
            self._updates.append(getattr(update, "op", update))

    def add_weight(self, name, shape, dtype=None, initializer=None, regularizer=None, trainable=True, constraint=None,
                   use_resource=None, partitioner=None, **options):
        """A variable of the layer, made or, if the layer is shared, found.

        Parameters
        ----------
        name, shape, dtype, initializer, constraint, use_resource, partitioner : as for tf.get_variable
        regularizer : callable (variable) -> loss       adds a loss when the variable is made
        trainable : bool
        options : synchronization, aggregation
        """
        self._open_scope(None)
        known = set(tf.global_variables())
        with self._within(self.built or self._reuse) as scope:
            variable = tf.get_variable(
                name, shape, self.dtype or tf.float32 if dtype is None else dtype,
                initializer=scope.initializer if initializer is None else initializer, constraint=constraint,
                trainable=bool(trainable and self.trainable), use_resource=use_resource, partitioner=partitioner,
                **options)
            if regularizer is not None and not any(v in known for v in _parts(variable)):
                with tf.name_scope(name + "/Regularizer"):
                    self.add_loss(regularizer(variable))
        (self._trained if trainable and getattr(variable, "trainable", True) else self._fixed).append(variable)
        return variable

    add_variable = add_weight

    # --- calling ---------------------------------------------------------------------------------

    def build(self, input_shape):
        """Makes the variables; a subclass that has some overrides it."""
        self.built = True

    def call(self, inputs, **kwargs):
        """The layer's outputs; a subclass overrides it."""
        return inputs

    def __call__(self, inputs, *args, scope=None, **kwargs):
        """Makes the variables if that has not been done, then the outputs.

        Raises
        ------
        ValueError      if the inputs' rank or number of channels does not fit the layer
        """
        self._open_scope(scope)
        inputs = nest.map_structure(_as_tensor, inputs)
        self._check(inputs)
        with self._within(self.built or self._reuse):
            if not self.built:
                self._build_for(nest.flatten(inputs))
            outputs = self.call(inputs, *args, **kwargs)
            self._regularize_activity(outputs)
        collected = tf.get_default_graph().get_collection_ref(tf.GraphKeys.UPDATE_OPS)
        collected.extend(u for u in self.updates if u not in collected)
        return outputs

    apply = __call__

    def _open_scope(self, scope):
        """Fixes the variable scope of the layer, at its first use."""
        if self._scope is None:
            name = (scope or self._base_name) if self._reuse else scope
            with tf.variable_scope(name, default_name=self._base_name) as self._scope:
                pass

    @contextlib.contextmanager
    def _within(self, reuse):
        """The layer's variable scope, and the name scope that it was made with."""
        with tf.variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            with tf.name_scope(scope.original_name_scope):
                yield scope

    def _check(self, inputs):
        if self.input_ranks is None:
            return
        if not isinstance(inputs, tf.Tensor):
            raise refused(self, f"expects one tensor, not {type(inputs).__name__} of {len(inputs)}", kind=ValueError)
        shape, (least, most) = inputs.get_shape(), self.input_ranks
        if shape.ndims is None:
            raise refused(self, "the rank of the inputs must be known", inputs, hint="tensor.set_shape(...)")
        if shape.ndims < least or most is not None and shape.ndims > most:
            raise refused(self, f"the inputs have rank {shape.ndims}", inputs,
                          f"rank {least}" + (" or more" if most is None else ""))
        for axis, size in self.input_axes.items():
            if shape[axis].value not in (None, size):
                raise refused(self, f"its variables are made for inputs with {size} in dimension {axis}, not "
                              f"{shape[axis]}", inputs, hint="another layer for these inputs")

    def _build_for(self, inputs):
        if self.dtype is None:
            self.dtype = inputs[0].dtype.base_dtype.name
        shapes = [t.get_shape() for t in inputs]
        self.build(shapes[0] if len(shapes) == 1 else shapes)
        self.built = True

    def _regularize_activity(self, outputs):
        if self.activity_regularizer is None:
            return
        with tf.name_scope("ActivityRegularizer"):
            for output in nest.flatten(outputs):
                loss = self.activity_regularizer(output)
                self.add_loss(loss / tf.cast(tf.shape(output)[0], loss.dtype))


def _as_tensor(value):
    return value if isinstance(value, tf.Tensor) else tf.convert_to_tensor(value)


def _parts(variable):
    return list(variable) if isinstance(variable, tf.PartitionedVariable) else [variable]


def _snake(name):
    spaced = re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", spaced).lower()


def _unique_name(base):
    """base_1, base_2, ...: TensorFlow counts layers from 1, scopes from 0."""
    counts = outermost(get_default_graph())._extra.setdefault(_COUNTS, {})
    counts[base] = counts.get(base, 0) + 1
    return f"{base}_{counts[base]}"
