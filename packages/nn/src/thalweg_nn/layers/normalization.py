"""Batch normalization (arXiv:1502.03167, algorithms 1 and 2) with running averages for inference.

renormalization.py has the corrections of batch renormalization. Nodes and their order are TensorFlow's.
"""
import thalweg as tf
from thalweg.ops.cond import static_condition

from ..moving_averages import assign_moving_average
from . import renormalization
from .arguments import channel_count, choose, initializer_of, refused
from .base import Layer


class BatchNormalization(Layer):
    """See `batch_normalization`."""

    def __init__(self, axis=-1, momentum=0.99, epsilon=1e-3, center=True, scale=True, beta_initializer="zeros",
                 gamma_initializer="ones", moving_mean_initializer="zeros", moving_variance_initializer="ones",
                 beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None,
                 renorm=False, renorm_clipping=None, renorm_momentum=0.99, fused=None, trainable=True,
                 virtual_batch_size=None, adjustment=None, name=None, **kwargs):
        super().__init__(trainable=trainable, name=name, **kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise refused(self, f"axis must be an int or a list of ints, not {axis!r}", kind=TypeError)
        self.axis = [axis] if isinstance(axis, int) else list(axis)
        self.momentum, self.epsilon, self.center, self.scale, self.fused = momentum, epsilon, center, scale, fused
        self.virtual_batch_size, self.adjustment = virtual_batch_size, adjustment
        self.renorm, self.renorm_momentum = renorm, renorm_momentum
        self.renorm_clipping = renormalization.clipping_of(self, renorm_clipping) if renorm else {}
        self._initializers = {key: initializer_of(self, value) for key, value in (
            ("gamma", gamma_initializer), ("beta", beta_initializer), ("moving_mean", moving_mean_initializer),
            ("moving_variance", moving_variance_initializer))}
        self._regularizers = {"gamma": gamma_regularizer, "beta": beta_regularizer}
        self._constraints = {"gamma": gamma_constraint, "beta": beta_constraint}
        self.gamma = self.beta = None

    # --- variables -------------------------------------------------------------------------------

    def build(self, input_shape):
        if not input_shape.ndims:
            raise refused(self, "the rank of the inputs must be known and above 0", hint="tensor.set_shape(...)")
        self._check_axes(input_shape.ndims)
        self.fused = (self.fused in (None, True) and input_shape.ndims == 4 and self.axis in ([1], [3])
                      and not (self.renorm or self.virtual_batch_size or self.adjustment))
        self.input_ranks = (input_shape.ndims, input_shape.ndims)
        self.input_axes = {axis: channel_count(self, input_shape, axis) for axis in self.axis}
        self._shape = self._variable_shape(input_shape.ndims)
        self.gamma = self._weight("gamma") if self.scale else self._constant(1.0)
        self.beta = self._weight("beta") if self.center else self._constant(0.0)
        partitioner = self._scope.partitioner
        self._scope.set_partitioner(None)                # averages are never split
        try:
            self.moving_mean = self._weight("moving_mean", trainable=False)
            self.moving_variance = self._weight("moving_variance", trainable=False)
            if self.renorm:
                renormalization.add_variables(self)
        finally:
            self._scope.set_partitioner(partitioner)

    def _check_axes(self, rank):
        found = [axis + rank if axis < 0 else axis for axis in self.axis]
        if any(not 0 <= axis < rank for axis in found) or len(set(found)) < len(found):
            raise refused(self, f"axis {self.axis} does not fit inputs of rank {rank}",
                          expected=f"different dimensions from {-rank} to {rank - 1}", kind=ValueError)
        self.axis, size = found, self.virtual_batch_size
        if size is not None and (size <= 0 or 0 in found or self.adjustment is not None):
            raise refused(self, f"virtual_batch_size={size} with axis {found}, adjustment {self.adjustment}",
                          expected="a positive size that divides the batch; axis without 0, no adjustment",
                          kind=ValueError)

    def _variable_shape(self, rank):
        """[C] for one axis; for several, or with virtual batches, one that broadcasts to the inputs."""
        if len(self.axis) == 1 and self.virtual_batch_size is None:
            return list(self.input_axes.values())
        shape = [self.input_axes.get(i, 1) for i in range(rank)]
        if self.virtual_batch_size is not None:
            shape.insert(1, 1)
        return shape

    def _weight(self, name, trainable=True, initializer=None):
        return self.add_weight(
            name, self._shape, self._variable_dtype, initializer or self._initializers[name],
            self._regularizers.get(name), trainable=trainable, constraint=self._constraints.get(name))

    def _constant(self, value):
        """What stands in for gamma or beta: the fused op wants both."""
        return tf.constant(value, self._variable_dtype, self._shape) if self.fused else None

    @property
    def _variable_dtype(self):
        return tf.float32 if self.dtype in ("float16", "bfloat16") else self.dtype or tf.float32

    # --- the computation -------------------------------------------------------------------------

    def call(self, inputs, training=False):
        if self.fused:
            return self._by_one_op(inputs, training)
        if self.virtual_batch_size is None:
            return self._by_many_ops(inputs, training, self.axis)
        shape = inputs.get_shape().as_list()
        groups = tf.reshape(inputs, [self.virtual_batch_size, -1, *shape[1:]])
        outputs = self._by_many_ops(groups, training, [axis + 1 for axis in self.axis])
        return tf.reshape(outputs, [-1, *shape[1:]])

    def _by_one_op(self, inputs, training):
        data_format = "NHWC" if self.axis == [3] else "NCHW"

        def of_batch():
            return tf.nn.fused_batch_norm(inputs, self.gamma, self.beta, epsilon=self.epsilon, data_format=data_format)

        def of_averages():
            return tf.nn.fused_batch_norm(inputs, self.gamma, self.beta, self.moving_mean, self.moving_variance,
                                          epsilon=self.epsilon, is_training=False, data_format=data_format)
        outputs, mean, variance = choose(training, of_batch, of_averages)
        known = known_training(training)
        momentum = tf.convert_to_tensor(self.momentum) if known is not None else choose(
            training, lambda: self.momentum, lambda: 1.0)
        if known is not False:
            self.add_update(assign_average(self.moving_mean, mean, momentum))
            self.add_update(assign_average(self.moving_variance, variance, momentum))
        return outputs

    def _by_many_ops(self, inputs, training, axes):
        rank = inputs.get_shape().ndims
        reduced = [i for i in range(rank) if i not in axes]
        if self.virtual_batch_size is not None:
            del reduced[1]                               # each virtual batch by itself

        def meet(v):
            """A vector over the channels, in a shape that broadcasts to the inputs where they are not last."""
            if v is None or v.get_shape().ndims == rank or reduced == list(range(rank - 1)):
                return v
            return tf.reshape(v, [inputs.get_shape()[i].value if i == axes[0] else 1 for i in range(rank)])
        scale, offset = meet(self.gamma), meet(self.beta)
        if known_training(training) is False:
            mean, variance = self.moving_mean, self.moving_variance
        else:
            if self.adjustment is not None:
                scale, offset = then(*self._adjusted(inputs, training), scale, offset)
            mean, variance, corrections = self._moments(inputs, training, reduced)
            if corrections is not None:
                scale, offset = then(*[meet(c) for c in corrections], scale, offset)
        mean, variance, offset, scale = (v if v is None else tf.cast(v, inputs.dtype)
                                         for v in (mean, variance, offset, scale))
        outputs = tf.nn.batch_normalization(inputs, meet(mean), meet(variance), offset, scale, self.epsilon)
        outputs.set_shape(inputs.get_shape())
        return outputs

    def _adjusted(self, inputs, training):
        """The caller's random scale and offset, while training."""
        scale, offset = self.adjustment(tf.shape(inputs))
        return (choose(training, lambda: scale, lambda: tf.ones_like(scale)),
                choose(training, lambda: offset, lambda: tf.zeros_like(offset)))

    def _moments(self, inputs, training, reduced):
        """Mean, variance and, for renorm, (r, d); the averages are brought up to date."""
        keep = self.virtual_batch_size is not None or len(self.axis) > 1
        batch_mean, batch_variance = tf.nn.moments(tf.cast(inputs, self._variable_dtype), reduced, keep_dims=keep)
        mean = choose(training, lambda: batch_mean, lambda: tf.convert_to_tensor(self.moving_mean))
        variance = choose(training, lambda: batch_variance, lambda: tf.convert_to_tensor(self.moving_variance))
        new_mean, new_variance, corrections = mean, variance, None
        if self.virtual_batch_size is not None:
            new_mean, new_variance = (tf.reduce_mean(v, axis=1, keepdims=True) for v in (mean, variance))
        if self.renorm:
            corrections, new_mean, new_variance = renormalization.correct(self, new_mean, new_variance, training)
        self.add_update(choose(training, lambda: assign_average(self.moving_mean, new_mean, self.momentum),
                               lambda: tf.convert_to_tensor(self.moving_mean)))
        self.add_update(choose(training, lambda: self._new_variance(new_variance),
                               lambda: tf.convert_to_tensor(self.moving_variance)))
        return mean, variance, corrections

    def _new_variance(self, variance):
        if self.renorm:
            return renormalization.assign_variance(self, variance)
        return assign_average(self.moving_variance, variance, self.momentum)


def known_training(training):
    """True or False where `training` is known while the graph is built, else None."""
    if training is None or isinstance(training, tf.Variable):
        return False if training is None else None
    return static_condition(training)


def then(scale, offset, next_scale, next_offset):
    """Scale and offset of x * scale + offset followed by x * next_scale + next_offset; None: nothing follows."""
    if next_scale is not None:
        scale, offset = scale * next_scale, offset * next_scale
    return scale, offset if next_offset is None else offset + next_offset


def assign_average(variable, value, momentum):
    """variable -= (variable - value) * (1 - momentum): a `momentum` of 1, a number or a tensor, keeps the average."""
    with tf.colocate_with(variable):
        return assign_moving_average(variable, value, momentum, zero_debias=False)


def batch_normalization(inputs, axis=-1, momentum=0.99, epsilon=1e-3, center=True, scale=True,
                        beta_initializer="zeros", gamma_initializer="ones", moving_mean_initializer="zeros",
                        moving_variance_initializer="ones", beta_regularizer=None, gamma_regularizer=None,
                        beta_constraint=None, gamma_constraint=None, training=False, trainable=True, name=None,
                        reuse=None, renorm=False, renorm_clipping=None, renorm_momentum=0.99, fused=None,
                        virtual_batch_size=None, adjustment=None):
    """(inputs - mean) / sqrt(variance + epsilon) * gamma + beta, each channel by itself.

    Parameters
    ----------
    inputs : Tensor
    axis : int, or list     the channel dimension, -1 for NHWC; several make one channel of each combination
    momentum : float        what the running averages keep at each update
    center, scale : bool    whether there are `beta` and `gamma`
    training : bool or Tensor []    True: mean and variance of the batch; False: the running averages
    trainable : bool
    name : str              scope of `gamma`, `beta`, `moving_mean`, `moving_variance`
    reuse : bool            use the variables that an earlier layer of this name has made
    renorm : bool           batch renormalization (arXiv:1702.03275); `renorm_clipping` may bound its corrections by
                            "rmin", "rmax" and "dmax", `renorm_momentum` is that of its own averages
    fused : bool            False: never the one op for images
    virtual_batch_size : int        the batch is cut into groups of so many, each normalized by itself
    adjustment : callable (shape) -> (scale, offset)        applied to the normalized inputs while training

    The running averages are updated by ops in the collection UPDATE_OPS, which training steps must run:
    `with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)): step = optimizer.minimize(loss)`.

    Raises
    ------
    ValueError              if the rank or the number of channels is not known, or an argument does not fit it
    """
    layer = BatchNormalization(axis, momentum, epsilon, center, scale, beta_initializer, gamma_initializer,
                               moving_mean_initializer, moving_variance_initializer, beta_regularizer,
                               gamma_regularizer, beta_constraint, gamma_constraint, renorm, renorm_clipping,
                               renorm_momentum, fused, trainable, virtual_batch_size, adjustment, name, _reuse=reuse,
                               _scope=name)
    return layer(inputs, training=training)
