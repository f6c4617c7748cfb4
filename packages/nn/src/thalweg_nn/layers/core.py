"""Dense, dropout and flatten."""
import thalweg as tf
from thalweg.framework import errors

from .arguments import activation_of, channel_count, choose, count, format_name, initializer_of, refused
from .base import Layer


class Dense(Layer):
    """activation_of(inputs . kernel + bias); see `dense`."""

    input_ranks = (2, None)

    def __init__(self, units, activation=None, use_bias=True, kernel_initializer=None, bias_initializer="zeros",
                 kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
                 bias_constraint=None, trainable=True, name=None, **kwargs):
        super().__init__(trainable=trainable, name=name, activity_regularizer=activity_regularizer, **kwargs)
        self.units, self.use_bias = count(self, units, "units"), use_bias
        self.activation = activation_of(self, activation)
        self.kernel_initializer = initializer_of(self, kernel_initializer)
        self.bias_initializer = initializer_of(self, bias_initializer)
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint

    def build(self, input_shape):
        dtype = tf.as_dtype(self.dtype or tf.float32)
        if not (dtype.is_floating or dtype.is_complex):
            raise refused(self, f"it computes with floating point numbers, not with {dtype.name}",
                          hint="tf.cast(inputs, tf.float32)", kind=errors.DTypeError)
        channels = channel_count(self, input_shape, -1)
        self.input_axes = {-1: channels}
        self.kernel = self.add_weight("kernel", [channels, self.units], initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.bias = self.add_weight("bias", [self.units], initializer=self.bias_initializer,
                                    regularizer=self.bias_regularizer,
                                    constraint=self.bias_constraint) if self.use_bias else None

    def call(self, inputs):
        shape = inputs.get_shape().as_list()
        if len(shape) > 2:
            outputs = tf.tensordot(inputs, self.kernel, [[len(shape) - 1], [0]])
            outputs.set_shape([*shape[:-1], self.units])
        else:
            outputs = tf.matmul(inputs, self.kernel)
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)


class Dropout(Layer):
    """Sets a share of the inputs to 0 while training; see `dropout`."""

    def __init__(self, rate=0.5, noise_shape=None, seed=None, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def call(self, inputs, training=False):
        def dropped():
            return tf.nn.dropout(inputs, rate=self.rate, noise_shape=self._noise_shape(inputs), seed=self.seed)
        return choose(training, dropped, lambda: tf.identity(inputs))

    def _noise_shape(self, inputs):
        """The shape that was asked for, with the inputs' sizes where it says None."""
        if self.noise_shape is None or isinstance(self.noise_shape, tf.Tensor):
            return self.noise_shape
        sizes = tf.shape(inputs)
        return tf.convert_to_tensor([sizes[i] if size is None else size for i, size in enumerate(self.noise_shape)])


class Flatten(Layer):
    """[N, ...] as [N, product]; see `flatten`."""

    input_ranks = (1, None)

    def __init__(self, data_format="channels_last", name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.data_format = format_name(self, data_format)

    def call(self, inputs):
        shape = inputs.get_shape()
        if self.data_format == "channels_first" and shape.ndims > 1:
            inputs = tf.transpose(inputs, [0, *range(2, shape.ndims), 1])
        outputs = tf.reshape(inputs, [shape[0].value or tf.shape(inputs)[0], -1])
        outputs.set_shape([shape[0], shape[1:].num_elements()])
        return outputs


def dense(inputs, units, activation=None, use_bias=True, kernel_initializer=None, bias_initializer="zeros",
          kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
          bias_constraint=None, trainable=True, name=None, reuse=None):
    """Fully connected layer: activation_of(inputs . kernel + bias), over the last dimension.

    Parameters
    ----------
    inputs : Tensor [..., C]        of rank 2 or more; C must be known
    units : int                     size of the output's last dimension
    activation : callable, its name, or None
    kernel_initializer, bias_initializer : an initializer or its name; None: the variable scope's
    kernel_regularizer, bias_regularizer, activity_regularizer : callable (Tensor) -> loss
    kernel_constraint, bias_constraint : callable that optimizers apply to the variable after each step
    name : str                      scope of the variables `kernel` [C, units] and `bias` [units]
    reuse : bool                    use the variables that an earlier layer of this name has made

    Returns
    -------
    Tensor [..., units]

    Raises
    ------
    ValueError                      if the rank is below 2 or C is not known
    TypeError                       if the inputs are integers
    """
    return Dense(units, activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
                 bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, trainable, name,
                 _reuse=reuse, _scope=name)(inputs)


def dropout(inputs, rate=0.5, noise_shape=None, seed=None, training=False, name=None):
    """While `training`, sets each input to 0 with probability `rate` and divides the others by 1 - rate.

    Parameters
    ----------
    inputs : Tensor of floats
    rate : float in [0, 1)
    noise_shape : list or int32 Tensor      shape of the decisions, which broadcast; None in it: the inputs' size
    seed : int or None
    training : bool or Tensor []            a tensor decides in each run
    """
    return Dropout(rate, noise_shape, seed, name)(inputs, training=training)


def flatten(inputs, name=None, data_format="channels_last"):
    """Keeps the first dimension and makes the others one; "channels_first" moves the channels to the end before."""
    return Flatten(data_format, name)(inputs)
