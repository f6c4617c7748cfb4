"""Dense, dropout and flatten."""
import thalweg as tf

from .base import Layer, known_channels


class Dense(Layer):
    """activation(inputs . kernel + bias); see `dense`."""

    def __init__(self, units, activation=None, use_bias=True, kernel_initializer=None, bias_initializer=None,
                 kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
                 bias_constraint=None, trainable=True, name=None, **kwargs):
        super().__init__(trainable=trainable, name=name, activity_regularizer=activity_regularizer, **kwargs)
        self.units, self.activation, self.use_bias = int(units), activation, use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = tf.zeros_initializer() if bias_initializer is None else bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint

    def build(self, input_shape):
        if tf.TensorShape(input_shape).ndims == 0:
            raise ValueError(f"Input 0 of layer {self.name} is incompatible with the layer: its rank is 0, a dense "
                             "layer needs at least 1")
        channels = known_channels(input_shape, -1)
        self.kernel = self.add_weight("kernel", [channels, self.units], initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.bias = self.add_weight("bias", [self.units], initializer=self.bias_initializer,
                                    regularizer=self.bias_regularizer,
                                    constraint=self.bias_constraint) if self.use_bias else None
        self.built = True

    def call(self, inputs):
        rank = inputs.get_shape().ndims
        if rank is not None and rank > 2:
            outputs = tf.tensordot(inputs, self.kernel, [[rank - 1], [0]])
            outputs.set_shape([*inputs.get_shape().as_list()[:-1], self.units])
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
            return tf.nn.dropout(inputs, rate=self.rate, noise_shape=self.noise_shape, seed=self.seed)
        return choose(training, dropped, lambda: tf.identity(inputs))


class Flatten(Layer):
    """[N, ...] as [N, product]; see `flatten`."""

    def __init__(self, data_format="channels_last", name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.data_format = data_format

    def call(self, inputs):
        rank = inputs.get_shape().ndims
        if self.data_format == "channels_first" and rank is not None and rank > 1:
            inputs = tf.transpose(inputs, [0, *range(2, rank), 1])
        outputs = tf.reshape(inputs, [tf.shape(inputs)[0], -1])
        size = tf.TensorShape(inputs.get_shape()[1:]).num_elements()
        outputs.set_shape([inputs.get_shape()[0].value, size])
        return outputs


def choose(pred, true_fn, false_fn):
    """`true_fn()` or `false_fn()`: now, where `pred` is known while the graph is built, else by `tf.cond`."""
    if isinstance(pred, (bool, int)):
        return true_fn() if pred else false_fn()
    from thalweg.framework.constant_value import constant_value
    known = constant_value(pred) if isinstance(pred, tf.Tensor) else None
    if known is not None:
        return true_fn() if known else false_fn()
    return tf.cond(pred, true_fn, false_fn)


def dense(inputs, units, activation=None, use_bias=True, kernel_initializer=None, bias_initializer=None,
          kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
          bias_constraint=None, trainable=True, name=None, reuse=None):
    """Fully connected layer: activation(inputs . kernel + bias), over the last dimension.

    Parameters
    ----------
    inputs : Tensor [..., C]        C must be known
    units : int                     size of the output's last dimension
    name : str                      scope of the variables `kernel` [C, units] and `bias` [units]

    Returns
    -------
    Tensor [..., units]
    """
    return Dense(units, activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
                 bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint, trainable, name,
                 _reuse=reuse, _scope=name)(inputs)


def dropout(inputs, rate=0.5, noise_shape=None, seed=None, training=False, name=None):
    """While `training` (a bool, or a tensor) sets each input to 0 with probability `rate`, the others / (1 - rate)."""
    return Dropout(rate, noise_shape, seed, name)(inputs, training=training)


def flatten(inputs, name=None, data_format="channels_last"):
    """Keeps the first dimension and makes the others one."""
    return Flatten(data_format, name)(inputs)
