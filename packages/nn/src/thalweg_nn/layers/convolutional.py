"""Convolution layers: `tf.layers.conv1d` to `conv3d`, and the separable ones; transposed.py has their adjoints."""
import thalweg as tf
from thalweg.ops import space_to_batch

from .arguments import (
    activation_of,
    all_dimensions,
    channel_count,
    count,
    format_name,
    initializer_of,
    op_format,
    padding_name,
    refused,
    sizes,
)
from .base import Layer


class Convolution(Layer):
    """Convolution with `rank` spatial dimensions; `conv2d` says what the arguments mean."""

    rank = 2
    paddings: tuple[str, ...] = ()       # besides "same" and "valid"

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", dilation_rate=1,
                 activation=None, use_bias=True, kernel_initializer=None, bias_initializer="zeros",
                 kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
                 bias_constraint=None, trainable=True, name=None, **kwargs):
        super().__init__(trainable=trainable, name=name, activity_regularizer=activity_regularizer, **kwargs)
        self.filters = None if filters is None else count(self, filters, "filters")
        self.kernel_size = sizes(self, kernel_size, "kernel_size")
        self.strides = sizes(self, strides, "strides")
        self.dilation_rate = sizes(self, dilation_rate, "dilation_rate")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise refused(self, f"strides {self.strides} and dilation_rate {self.dilation_rate} are both above 1",
                          hint="one of them 1", kind=ValueError)
        self.padding = padding_name(self, padding, *self.paddings)
        self.data_format = format_name(self, data_format)
        self.use_bias = use_bias
        self.activation = activation_of(self, activation)
        self.kernel_initializer = initializer_of(self, kernel_initializer)
        self.bias_initializer = initializer_of(self, bias_initializer)
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_ranks = (self.rank + 2, self.rank + 2)

    # --- variables -------------------------------------------------------------------------------

    def build(self, input_shape):
        channels = self._take_channels(input_shape)
        self._add_kernel([*self.kernel_size, channels, self.filters])
        self._add_bias()
        self._rates = tf.constant(list(self.dilation_rate), tf.int32, name="dilation_rate")

    def _take_channels(self, input_shape):
        axis = -1 if self.data_format == "channels_last" else 1
        self.input_axes = {axis: channel_count(self, input_shape, axis)}
        return self.input_axes[axis]

    def _add_kernel(self, shape):
        self.kernel = self.add_weight("kernel", shape, initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)

    def _add_bias(self):
        self.bias = self.add_weight("bias", [self.filters], initializer=self.bias_initializer,
                                    regularizer=self.bias_regularizer,
                                    constraint=self.bias_constraint) if self.use_bias else None

    # --- the computation -------------------------------------------------------------------------

    def call(self, inputs):
        if self.padding == "causal":
            inputs = self._padded_causally(inputs)
        padding = "SAME" if self.padding == "same" else "VALID"
        outputs = space_to_batch.dilated(inputs, self._rates, padding, self._convolve, self.kernel.get_shape(),
                                         None, op_format(self.data_format, self.rank), self.kernel)
        return self._finished(outputs)

    def _convolve(self, inputs, _, padding):
        """The convolution proper, of sub-images where it is dilated."""
        data_format = op_format(self.data_format, self.rank)
        if self.rank == 1:
            return tf.nn.conv1d(inputs, self.kernel, self.strides[0], padding, data_format=data_format, name="conv1d")
        function = tf.nn.conv2d if self.rank == 2 else tf.nn.conv3d
        return function(inputs, self.kernel, strides=all_dimensions(self.data_format, self.strides), padding=padding,
                        data_format=data_format, name=f"Conv{self.rank}D")

    def _padded_causally(self, inputs):
        """Zeros before the first step, so that an output sees no later input."""
        time = [self.dilation_rate[0] * (self.kernel_size[0] - 1), 0]
        pads = [[0, 0], time, [0, 0]] if self.data_format == "channels_last" else [[0, 0], [0, 0], time]
        return tf.pad(inputs, pads)

    def _finished(self, outputs):
        """Bias and activation."""
        outputs = self._biased(outputs)
        return outputs if self.activation is None else self.activation(outputs)

    def _biased(self, outputs):
        if not self.use_bias:
            return outputs
        if self.data_format == "channels_first" and self.rank == 1:
            return outputs + tf.reshape(self.bias, [1, self.filters, 1])
        data_format = "NHWC" if self.data_format == "channels_last" else "NCHW"
        return tf.nn.bias_add(outputs, self.bias, data_format=data_format)


class Conv1D(Convolution):
    """Convolution along time; see `conv1d`."""

    rank, paddings = 1, ("causal",)


class Conv2D(Convolution):
    """Convolution of images; see `conv2d`."""


class Conv3D(Convolution):
    """Convolution of volumes; see `conv3d`."""

    rank = 3


class SeparableConv2D(Convolution):
    """A convolution of each channel by itself, then one of 1x1 across channels; see `separable_conv2d`."""

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", dilation_rate=1,
                 depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer=None,
                 pointwise_initializer=None, bias_initializer="zeros", depthwise_regularizer=None,
                 pointwise_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                 depthwise_constraint=None, pointwise_constraint=None, bias_constraint=None, trainable=True, name=None,
                 **kwargs):
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                         activity_regularizer=activity_regularizer, bias_constraint=bias_constraint,
                         trainable=trainable, name=name, **kwargs)
        self.depth_multiplier = depth_multiplier
        self._depthwise = initializer_of(self, depthwise_initializer), depthwise_regularizer, depthwise_constraint
        self._pointwise = initializer_of(self, pointwise_initializer), pointwise_regularizer, pointwise_constraint

    def build(self, input_shape):
        channels = self._take_channels(input_shape)
        deep = channels * self.depth_multiplier
        self.depthwise_kernel = self._weight("depthwise_kernel", [*self.kernel_size, channels, self.depth_multiplier],
                                             *self._depthwise)
        self.pointwise_kernel = self._weight("pointwise_kernel", [*[1] * self.rank, deep, self.filters],
                                             *self._pointwise)
        self._add_bias()

    def _weight(self, name, shape, initializer, regularizer, constraint):
        return self.add_weight(name, shape, initializer=initializer, regularizer=regularizer, constraint=constraint)

    def call(self, inputs):
        return self._finished(tf.nn.separable_conv2d(
            inputs, self.depthwise_kernel, self.pointwise_kernel, all_dimensions(self.data_format, self.strides),
            self.padding.upper(), rate=self.dilation_rate, data_format=op_format(self.data_format, 2)))


class SeparableConv1D(SeparableConv2D):
    """Separable convolution along time, as a two-dimensional one of height 1; see `separable_conv1d`."""

    rank, paddings = 1, ("causal",)

    def call(self, inputs):
        if self.padding == "causal":
            inputs = self._padded_causally(inputs)
        height = 1 if self.data_format == "channels_last" else 2
        outputs = tf.nn.separable_conv2d(
            tf.expand_dims(inputs, height), tf.expand_dims(self.depthwise_kernel, 0),
            tf.expand_dims(self.pointwise_kernel, 0), all_dimensions(self.data_format, self.strides * 2),
            "SAME" if self.padding == "same" else "VALID", rate=self.dilation_rate * 2,
            data_format=op_format(self.data_format, 2))
        outputs = tf.squeeze(self._biased(outputs), [height])
        return outputs if self.activation is None else self.activation(outputs)

    def _biased(self, outputs):
        if not self.use_bias:
            return outputs
        return tf.nn.bias_add(outputs, self.bias, data_format=op_format(self.data_format, 2))


# --- the functions ----------------------------------------------------------------------------------

def conv1d(inputs, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", dilation_rate=1,
           activation=None, use_bias=True, kernel_initializer=None, bias_initializer="zeros", kernel_regularizer=None,
           bias_regularizer=None, activity_regularizer=None, kernel_constraint=None, bias_constraint=None,
           trainable=True, name=None, reuse=None):
    """Convolution of [N, W, C] along W; the arguments are those of `conv2d`, and padding may be "causal"."""
    return Conv1D(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                  kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
                  kernel_constraint, bias_constraint, trainable, name, _reuse=reuse, _scope=name)(inputs)


def conv2d(inputs, filters, kernel_size, strides=(1, 1), padding="valid", data_format="channels_last",
           dilation_rate=(1, 1), activation=None, use_bias=True, kernel_initializer=None, bias_initializer="zeros",
           kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
           bias_constraint=None, trainable=True, name=None, reuse=None):
    """Convolution of images with filters that the layer learns, then bias and activation.

    Parameters
    ----------
    inputs : Tensor [N, H, W, C]        ("channels_first": [N, C, H, W]); C must be known
    filters : int                       count of filters: channels of the output
    kernel_size : int or (int, int)     height and width of a filter, pixels
    strides, dilation_rate : int or (int, int)      only one of them above 1
    padding : "valid" or "same"
    activation : callable, its name, or None
    kernel_initializer, bias_initializer : an initializer or its name; None: the variable scope's
    kernel_regularizer, bias_regularizer, activity_regularizer : callable (Tensor) -> loss
    kernel_constraint, bias_constraint : callable that optimizers apply to the variable after each step
    trainable : bool
    name : str                          scope of the variables `kernel` [KH, KW, C, filters] and `bias` [filters]
    reuse : bool                        use the variables that an earlier layer of this name has made

    Returns
    -------
    Tensor [N, OH, OW, filters]

    Raises
    ------
    ValueError                          if the inputs' rank does not fit, C is not known, or an argument is none of
                                        the above
    """
    return Conv2D(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                  kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
                  kernel_constraint, bias_constraint, trainable, name, _reuse=reuse, _scope=name)(inputs)


def conv3d(inputs, filters, kernel_size, strides=(1, 1, 1), padding="valid", data_format="channels_last",
           dilation_rate=(1, 1, 1), activation=None, use_bias=True, kernel_initializer=None, bias_initializer="zeros",
           kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
           bias_constraint=None, trainable=True, name=None, reuse=None):
    """Convolution of [N, D, H, W, C]; the arguments are those of `conv2d`."""
    return Conv3D(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                  kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
                  kernel_constraint, bias_constraint, trainable, name, _reuse=reuse, _scope=name)(inputs)


def separable_conv1d(inputs, filters, kernel_size, strides=1, padding="valid", data_format="channels_last",
                     dilation_rate=1, depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer=None,
                     pointwise_initializer=None, bias_initializer="zeros", depthwise_regularizer=None,
                     pointwise_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                     depthwise_constraint=None, pointwise_constraint=None, bias_constraint=None, trainable=True,
                     name=None, reuse=None):
    """Separable convolution of [N, W, C] along W; see `separable_conv2d`."""
    return SeparableConv1D(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                           activation, use_bias, depthwise_initializer, pointwise_initializer, bias_initializer,
                           depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer,
                           depthwise_constraint, pointwise_constraint, bias_constraint, trainable, name,
                           _reuse=reuse, _scope=name)(inputs)


def separable_conv2d(inputs, filters, kernel_size, strides=(1, 1), padding="valid", data_format="channels_last",
                     dilation_rate=(1, 1), depth_multiplier=1, activation=None, use_bias=True,
                     depthwise_initializer=None, pointwise_initializer=None, bias_initializer="zeros",
                     depthwise_regularizer=None, pointwise_regularizer=None, bias_regularizer=None,
                     activity_regularizer=None, depthwise_constraint=None, pointwise_constraint=None,
                     bias_constraint=None, trainable=True, name=None, reuse=None):
    """Each channel by `depth_multiplier` filters of its own, then 1x1 across channels (arXiv:1610.02357).

    Variables: `depthwise_kernel` [KH, KW, C, depth_multiplier], `pointwise_kernel` [1, 1, C * depth_multiplier,
    filters], `bias` [filters]. The arguments are else those of `conv2d`.
    """
    return SeparableConv2D(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                           activation, use_bias, depthwise_initializer, pointwise_initializer, bias_initializer,
                           depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer,
                           depthwise_constraint, pointwise_constraint, bias_constraint, trainable, name,
                           _reuse=reuse, _scope=name)(inputs)
