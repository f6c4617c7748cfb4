"""Batch normalisation (arXiv:1502.03167, algorithms 1 and 2) with running averages for inference."""
import thalweg as tf

from .base import Layer, known_channels
from .core import choose


class BatchNormalization(Layer):
    """See `batch_normalization`."""

    def __init__(self, axis=-1, momentum=0.99, epsilon=1e-3, center=True, scale=True, beta_initializer=None,
                 gamma_initializer=None, moving_mean_initializer=None, moving_variance_initializer=None,
                 beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None,
                 renorm=False, renorm_clipping=None, renorm_momentum=0.99, fused=None, trainable=True,
                 virtual_batch_size=None, adjustment=None, name=None, **kwargs):
        super().__init__(trainable=trainable, name=name, **kwargs)
        for what, value in (("renorm", renorm), ("virtual_batch_size", virtual_batch_size),
                            ("adjustment", adjustment)):
            if value:
                raise tf.errors.UnimplementedError(None, None, f"batch_normalization({what}={value!r}) is not "
                                                   "available; the plain form is: leave the argument out.")
        self.axis = [axis] if isinstance(axis, int) else list(axis)
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale
        zeros, ones = tf.zeros_initializer(), tf.ones_initializer()
        self._initializers = {"gamma": gamma_initializer or ones, "beta": beta_initializer or zeros,
                              "moving_mean": moving_mean_initializer or zeros,
                              "moving_variance": moving_variance_initializer or ones}
        self._regularizers = {"gamma": gamma_regularizer, "beta": beta_regularizer}
        self._constraints = {"gamma": gamma_constraint, "beta": beta_constraint}
        self.fused = fused
        self.gamma = self.beta = None

    # --- variables -------------------------------------------------------------------------------

    def build(self, input_shape):
        rank = tf.TensorShape(input_shape).ndims
        if rank is None:
            raise ValueError(f"Input has undefined rank: {input_shape}")
        self._rank = rank
        for axis in self.axis:
            if not -rank <= axis < rank:
                raise ValueError(f"Invalid axis: {axis}; the input has rank {rank}")
        self._axes = [a % rank for a in self.axis]
        self._shape = [known_channels(input_shape, a) for a in self._axes]
        if self.fused is None:
            self.fused = rank == 4 and self._axes in ([1], [3])
        elif self.fused and (rank != 4 or self._axes not in ([1], [3])):
            raise ValueError(f"fused batch norm needs inputs of rank 4 and axis 1 or 3; rank {rank}, axis {self.axis}")
        if self.scale:
            self.gamma = self._weight("gamma")
        if self.center:
            self.beta = self._weight("beta")
        self.moving_mean = self._weight("moving_mean", trainable=False)
        self.moving_variance = self._weight("moving_variance", trainable=False)
        self.built = True

    def _weight(self, name, trainable=True):
        shape = self._shape if len(self._shape) == 1 else [
            self._shape[self._axes.index(i)] if i in self._axes else 1 for i in range(self._rank)]
        dtype = tf.float32 if self.dtype == tf.float16 else self.dtype
        return self.add_weight(name, shape, dtype, self._initializers[name], self._regularizers.get(name),
                               trainable=trainable, constraint=self._constraints.get(name))

    # --- the computation -------------------------------------------------------------------------

    def call(self, inputs, training=False):
        return self._fused(inputs, training) if self.fused else self._composed(inputs, training)

    def _fused(self, inputs, training):
        beta = self.beta if self.center else tf.constant(0.0, tf.float32, [self._shape[0]])
        gamma = self.gamma if self.scale else tf.constant(1.0, tf.float32, [self._shape[0]])
        data_format = "NHWC" if self._axes == [3] else "NCHW"

        def by_batch():
            return tf.nn.fused_batch_norm(inputs, gamma, beta, epsilon=self.epsilon, data_format=data_format, name="")

        def by_averages():
            return tf.nn.fused_batch_norm(inputs, gamma, beta, mean=self.moving_mean, variance=self.moving_variance,
                                          epsilon=self.epsilon, is_training=False, data_format=data_format, name="")
        output, mean, variance = choose(training, by_batch, by_averages)
        momentum = choose(training, lambda: tf.constant(self.momentum), lambda: tf.constant(1.0))
        if training is not False and training != 0:
            self.add_update(_moving_average(self.moving_mean, mean, momentum))
            self.add_update(_moving_average(self.moving_variance, variance, momentum))
        return output

    def _composed(self, inputs, training):
        """From single ops, for any rank and axes."""
        if isinstance(training, (bool, int)) and not training:
            mean, variance = self.moving_mean, self.moving_variance
        else:
            reduced = [i for i in range(self._rank) if i not in self._axes]
            batch_mean, batch_variance = tf.nn.moments(inputs, reduced, keep_dims=len(self._axes) > 1)
            mean = choose(training, lambda: batch_mean, lambda: tf.convert_to_tensor(self.moving_mean))
            variance = choose(training, lambda: batch_variance, lambda: tf.convert_to_tensor(self.moving_variance))
            for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                self.add_update(choose(training, lambda a=average, v=value: _assign_average(a, v, self.momentum),
                                       lambda a=average: tf.convert_to_tensor(a)))
        mean, variance, offset, scale = (self._broadcast(v) for v in (mean, variance, self.beta, self.gamma))
        outputs = tf.nn.batch_normalization(inputs, mean, variance, offset, scale, self.epsilon)
        outputs.set_shape(inputs.get_shape())
        return outputs

    def _broadcast(self, v):
        """A vector over the channels in a shape that meets the inputs."""
        if v is None or len(self._axes) > 1 or self._axes == [self._rank - 1]:
            return v
        return tf.reshape(v, [self._shape[0] if i == self._axes[0] else 1 for i in range(self._rank)])


def _moving_average(variable, value, momentum):
    """variable -= (variable - value) * (1 - momentum), `momentum` a tensor: 1 leaves the average alone."""
    with tf.name_scope("AssignMovingAvg") as scope, tf.colocate_with(variable):
        decay = tf.subtract(1.0, momentum, name="sub")
        change = tf.multiply(tf.subtract(variable, tf.cast(value, variable.dtype.base_dtype)), decay)
        return tf.assign_sub(variable, change, name=scope)


def _assign_average(variable, value, momentum):
    """The same with a `momentum` that is known while the graph is built."""
    with tf.name_scope("AssignMovingAvg") as scope, tf.colocate_with(variable):
        decay = tf.convert_to_tensor(1.0 - momentum, variable.dtype.base_dtype, name="decay")
        change = tf.multiply(tf.subtract(variable, tf.cast(value, variable.dtype.base_dtype)), decay)
        return tf.assign_sub(variable, change, name=scope)


def batch_normalization(inputs, axis=-1, momentum=0.99, epsilon=1e-3, center=True, scale=True, beta_initializer=None,
                        gamma_initializer=None, moving_mean_initializer=None, moving_variance_initializer=None,
                        beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None,
                        training=False, trainable=True, name=None, reuse=None, renorm=False, renorm_clipping=None,
                        renorm_momentum=0.99, fused=None, virtual_batch_size=None, adjustment=None):
    """(inputs - mean) / sqrt(variance + epsilon) * gamma + beta, each channel by itself.

    Parameters
    ----------
    inputs : Tensor
    axis : int              the channel dimension, -1 for NHWC
    momentum : float        what the running averages keep at each update
    training : bool or Tensor []    True: mean and variance of the batch; False: the running averages
    name : str              scope of `gamma`, `beta`, `moving_mean`, `moving_variance`

    The running averages are updated by ops in the collection UPDATE_OPS, which training steps must run:
    `with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)): step = optimizer.minimize(loss)`.
    """
    layer = BatchNormalization(axis, momentum, epsilon, center, scale, beta_initializer, gamma_initializer,
                               moving_mean_initializer, moving_variance_initializer, beta_regularizer,
                               gamma_regularizer, beta_constraint, gamma_constraint, renorm, renorm_clipping,
                               renorm_momentum, fused, trainable, virtual_batch_size, adjustment, name, _reuse=reuse,
                               _scope=name)
    return layer(inputs, training=training)
