"""The base of all layers: scopes, variables, regularisers, names: `tf.layers.Layer`."""
import re

import thalweg as tf
from thalweg.framework.graph import get_default_graph

_COUNTS = "layer names"                  # key of the graph's count of layer names


class Layer:
    """A layer makes its variables at the first call, in a variable scope of its own, and shares them in later calls.

    Parameters
    ----------
    trainable : bool        whether its variables are put into TRAINABLE_VARIABLES
    name : str              name of the scope; by default the class's name, made unique
    dtype : DType           of the variables; by default that of the first input
    _reuse : bool           variables must exist already
    _scope : str or VariableScope
    """

    def __init__(self, trainable=True, name=None, dtype=None, _reuse=None, _scope=None, activity_regularizer=None):
        self._base_name = name or _snake(type(self).__name__)
        self._name = name or _unique_name(self._base_name)
        self._scope, self._reuse = None, _reuse
        self.trainable, self.built, self.dtype = trainable, False, None if dtype is None else tf.as_dtype(dtype)
        self.activity_regularizer = activity_regularizer
        self._variables, self._trainable, self._updates, self._losses = [], [], [], []
        self.input, self.output = None, None
        self.graph = None
        if _scope is not None:
            with tf.variable_scope(_scope) as captured:
                self._scope = captured

    # --- what the layer has ----------------------------------------------------------------------

    @property
    def name(self):
        return self._name

    @property
    def scope_name(self):
        if self._scope is None:
            raise ValueError(f"No name available for layer scope because the layer {self._name!r} has not been used "
                             "yet. The scope name is determined the first time the layer instance is called.")
        return self._scope.name

    @property
    def variables(self):
        return list(self._variables)

    weights = variables

    @property
    def trainable_variables(self):
        return list(self._trainable) if self.trainable else []

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self):
        trained = self.trainable_variables
        return [v for v in self._variables if v not in trained]

    non_trainable_weights = non_trainable_variables

    @property
    def updates(self):
        """Ops that a training step must run besides the optimizer's (running averages)."""
        return list(self._updates)

    @property
    def losses(self):
        return list(self._losses)

    def count_params(self):
        """Count of all numbers in the layer's variables."""
        if not self.built:
            raise ValueError(f"You tried to call `count_params` on {self._name}, but the layer isn't built.")
        return sum(v.get_shape().num_elements() for v in self._variables)

    def add_loss(self, loss):
        """Adds a regularisation loss to the layer and to the graph's collection."""
        self._losses.append(loss)
        tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES, loss)

    def add_update(self, update):
        """Adds an op that training steps must run, to the layer and to UPDATE_OPS."""
        op = getattr(update, "op", update)
        self._updates.append(op)
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, op)

    def add_weight(self, name, shape, dtype=None, initializer=None, regularizer=None, trainable=True, constraint=None,
                   partitioner=None):
        """A variable of the layer; its regulariser's loss is added."""
        trainable = trainable and self.trainable
        dtype = self.dtype or tf.float32 if dtype is None else tf.as_dtype(dtype)
        before = set(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES))
        variable = tf.get_variable(name, shape=shape, dtype=dtype, initializer=initializer, regularizer=regularizer,
                                   trainable=trainable, constraint=constraint, partitioner=partitioner)
        self._losses += [x for x in tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES) if x not in before]
        self._variables.append(variable)
        if trainable:
            self._trainable.append(variable)
        return variable

    add_variable = add_weight

    # --- calling ---------------------------------------------------------------------------------

    def build(self, input_shape):
        """Makes the variables; a subclass that has some overrides it."""
        self.built = True

    def call(self, inputs, **kwargs):
        """The layer's output; each subclass gives it."""
        raise NotImplementedError(f"{type(self).__name__}.call")

    def __call__(self, inputs, *args, scope=None, **kwargs):
        inputs = tf.convert_to_tensor(inputs) if not isinstance(inputs, (tf.Tensor, list, tuple, dict)) else inputs
        graph = get_default_graph()
        if self.graph is not None and self.graph is not graph and not hasattr(graph, "outer_graph"):
            raise ValueError(f"Input graph and Layer graph are not the same: layer {self._name!r} was built in "
                             "another graph")
        self.graph = self.graph or graph
        self._open_scope(scope)
        with tf.variable_scope(self._scope, reuse=self.built or self._reuse, auxiliary_name_scope=False) as current:
            with tf.name_scope(current.original_name_scope):
                if not self.built:
                    self._build_for(inputs)
                outputs = self.call(inputs, *args, **kwargs)
                self._regularize_activity(outputs)
        self.input, self.output = inputs, outputs
        return outputs

    apply = __call__

    def _open_scope(self, scope):
        if self._scope is None:
            if self._reuse:
                with tf.variable_scope(scope or self._base_name) as captured:
                    self._scope = captured
            else:
                with tf.variable_scope(scope, default_name=self._base_name) as captured:
                    self._scope = captured

    def _build_for(self, inputs):
        tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        if self.dtype is None and isinstance(tensors[0], tf.Tensor):
            self.dtype = tensors[0].dtype.base_dtype
        shapes = [t.get_shape() for t in tensors if isinstance(t, tf.Tensor)]
        self.build(shapes[0] if len(shapes) == 1 else shapes)
        self.built = True
        tf.get_default_graph().get_collection_ref(tf.GraphKeys.UPDATE_OPS)

    def _regularize_activity(self, outputs):
        if self.activity_regularizer is None:
            return
        with tf.name_scope("ActivityRegularizer"):
            loss = self.activity_regularizer(outputs)
            self.add_loss(loss / tf.cast(tf.shape(outputs)[0], loss.dtype))


def _snake(name):
    spaced = re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", spaced).lower()


def _unique_name(base):
    counts = get_default_graph()._extra.setdefault(_COUNTS, {})
    counts[base] = counts.get(base, 0) + 1
    return base if counts[base] == 1 else f"{base}_{counts[base] - 1}"


def numbers(value, count, what):
    """An int, or `count` of them, as a tuple; ValueError names the argument."""
    if isinstance(value, int):
        return (value,) * count
    try:
        values = tuple(int(v) for v in value)
    except (TypeError, ValueError):
        values = ()
    if len(values) != count:
        raise ValueError(f"The `{what}` argument must be a tuple of {count} integers. Received: {value!r}")
    return values


def known_channels(shape, axis):
    """The size of a layer's channel dimension, which must be known."""
    shape = tf.TensorShape(shape)
    if shape.ndims is None or shape[axis].value is None:
        raise ValueError("The channel dimension of the inputs should be defined. Found `None`: "
                         f"the input has shape {shape}.")
    return int(shape[axis])


def check_rank(inputs, rank, name):
    """Raises unless the input has the rank that a layer needs."""
    found = inputs.get_shape().ndims
    if found is not None and found != rank:
        raise ValueError(f"Input 0 of layer {name} is incompatible with the layer: expected ndim={rank}, found "
                         f"ndim={found}. Full shape received: {inputs.get_shape()}")


def tf_format(data_format, rank):
    """"channels_last" or "channels_first" as NHWC or NCHW and their kin; ValueError for anything else."""
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f'The `data_format` argument must be "channels_first" or "channels_last". Received: '
                         f"{data_format!r}")
    spatial = {3: "W", 4: "HW", 5: "DHW"}[rank]
    return f"N{spatial}C" if data_format == "channels_last" else f"NC{spatial}"


def padding_of(padding):
    """"same" or "valid" in any case, in capitals."""
    if str(padding).lower() not in ("same", "valid", "causal"):
        raise ValueError(f'The `padding` argument must be a list/tuple or one of "valid", "same" (or "causal", only '
                         f'for `Conv1D`). Received: {padding!r}')
    return str(padding).upper()
