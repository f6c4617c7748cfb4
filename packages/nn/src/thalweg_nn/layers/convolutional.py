"""Convolution layers: `tf.layers.conv1d` to `conv3d_transpose`, and the separable ones."""
import thalweg as tf

from .base import Layer, check_rank, known_channels, numbers, padding_of, tf_format


class _Conv(Layer):
    """Convolution of any rank; see `conv2d`."""

    _rank = 2                            # count of spatial dimensions

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", dilation_rate=1,
                 activation=None, use_bias=True, kernel_initializer=None, bias_initializer=None,
                 kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
                 bias_constraint=None, trainable=True, name=None, **kwargs):
        super().__init__(trainable=trainable, name=name, activity_regularizer=activity_regularizer, **kwargs)
        rank = self._rank
        self.filters = filters
        self.kernel_size = numbers(kernel_size, rank, "kernel_size")
        self.strides = numbers(strides, rank, "strides")
        self.dilation_rate = numbers(dilation_rate, rank, "dilation_rate")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(f"strides {self.strides} and dilation_rate {self.dilation_rate}: only one of them may be "
                             "above 1")
        self.padding, self.data_format = padding_of(padding), data_format
        self._tf_format = tf_format(data_format, rank + 2)
        self.activation, self.use_bias = activation, use_bias
        self.kernel_initializer = kernel_initializer
        self.bias_initializer = tf.zeros_initializer() if bias_initializer is None else bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint

    @property
    def _channel_axis(self):
        return -1 if self.data_format == "channels_last" else 1

    def _kernel_shape(self, channels):
        return [*self.kernel_size, channels, self.filters]

    def build(self, input_shape):
        channels = known_channels(input_shape, self._channel_axis)
        self.kernel = self.add_weight("kernel", self._kernel_shape(channels), initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self._add_bias()
        self.built = True

    def _add_bias(self):
        self.bias = self.add_weight("bias", [self.filters], initializer=self.bias_initializer,
                                    regularizer=self.bias_regularizer,
                                    constraint=self.bias_constraint) if self.use_bias else None

    def call(self, inputs):
        check_rank(inputs, self._rank + 2, self.name)
        name = "conv1d" if self._rank == 1 else "Conv2D" if self._rank == 2 else "Conv3D"
        padding = self.padding
        if padding == "CAUSAL":
            if self._rank != 1:
                raise ValueError("Causal padding is only supported for `Conv1D`.")
            inputs, padding = self._padded_causally(inputs), "VALID"
        tf.constant(list(self.dilation_rate), tf.int32, name="dilation_rate")  # unused, but it counts for seeds
        return self._finished(self._convolve(inputs, padding, name))

    def _padded_causally(self, inputs):
        before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
        time = [before, 0]
        pads = [[0, 0], time, [0, 0]] if self.data_format == "channels_last" else [[0, 0], [0, 0], time]
        return tf.pad(inputs, pads)

    def _convolve(self, inputs, padding, name):
        if max(self.dilation_rate) > 1:
            return tf.nn.convolution(inputs, self.kernel, padding, strides=list(self.strides),
                                     dilation_rate=list(self.dilation_rate), data_format=self._tf_format, name="")
        if self._rank == 1:
            return tf.nn.conv1d(inputs, self.kernel, self.strides[0], padding, data_format=self._tf_format, name=name)
        strides = [1, *self.strides, 1] if self.data_format == "channels_last" else [1, 1, *self.strides]
        function = tf.nn.conv2d if self._rank == 2 else tf.nn.conv3d
        return function(inputs, self.kernel, strides=strides, padding=padding, data_format=self._tf_format, name=name)

    def _finished(self, outputs):
        """Bias and activation."""
        if self.use_bias:
            if self.data_format == "channels_first" and self._rank == 1:
                outputs = outputs + tf.reshape(self.bias, [1, self.filters, 1])
            else:
                last = self.data_format == "channels_last"
                outputs = tf.nn.bias_add(outputs, self.bias, data_format="NHWC" if last else "NCHW", name="BiasAdd")
        return outputs if self.activation is None else self.activation(outputs)


class Conv1D(_Conv):
    """Convolution along time; see `conv1d`."""

    _rank = 1


class Conv2D(_Conv):
    """Convolution of images; see `conv2d`."""

    _rank = 2


class Conv3D(_Conv):
    """Convolution of volumes; see `conv3d`."""

    _rank = 3


class _ConvTranspose(_Conv):
    """The adjoint of a strided convolution: it makes maps larger."""

    def _kernel_shape(self, channels):
        return [*self.kernel_size, self.filters, channels]

    def call(self, inputs):
        check_rank(inputs, self._rank + 2, self.name)
        shape = tf.shape(inputs)
        last = self.data_format == "channels_last"
        spatial = range(1, self._rank + 1) if last else range(2, self._rank + 2)
        batch = shape[0]
        sizes = [shape[i] for i in spatial]
        lengths = [self._length(size, k, s) for size, k, s in zip(sizes, self.kernel_size, self.strides)]
        output_shape = tf.stack([batch, *lengths, self.filters] if last else [batch, self.filters, *lengths])
        strides = [1, *self.strides, 1] if last else [1, 1, *self.strides]
        outputs = self._transposed(inputs, output_shape, strides)
        outputs.set_shape(self._static_shape(inputs))
        return self._finished(outputs)

    def _transposed(self, inputs, output_shape, strides):
        function = tf.nn.conv2d_transpose if self._rank == 2 else tf.nn.conv3d_transpose
        return function(inputs, self.kernel, output_shape, strides=strides, padding=self.padding,
                        data_format=self._tf_format)

    def _length(self, size, kernel, stride):
        """The output's size: a tensor or a number as `size` is one."""
        if size is None:
            return None
        size = size * stride
        return size + max(kernel - stride, 0) if self.padding == "VALID" and kernel > stride else size

    def _static_shape(self, inputs):
        found = inputs.get_shape().as_list()
        last = self.data_format == "channels_last"
        sizes = found[1:-1] if last else found[2:]
        lengths = [self._length(n, k, s) for n, k, s in zip(sizes, self.kernel_size, self.strides)]
        return [found[0], *lengths, self.filters] if last else [found[0], self.filters, *lengths]


class Conv2DTranspose(_ConvTranspose):
    """Transposed convolution of images; see `conv2d_transpose`."""

    _rank = 2


class Conv3DTranspose(_ConvTranspose):
    """Transposed convolution of volumes; see `conv3d_transpose`."""

    _rank = 3


class SeparableConv2D(_Conv):
    """A convolution of each channel by itself, then one of 1x1 across channels; see `separable_conv2d`."""

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", dilation_rate=1,
                 depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer=None,
                 pointwise_initializer=None, bias_initializer=None, depthwise_regularizer=None,
                 pointwise_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                 depthwise_constraint=None, pointwise_constraint=None, bias_constraint=None, trainable=True, name=None,
                 **kwargs):
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                         activity_regularizer=activity_regularizer, bias_constraint=bias_constraint,
                         trainable=trainable, name=name, **kwargs)
        self.depth_multiplier = depth_multiplier
        self._depthwise = depthwise_initializer, depthwise_regularizer, depthwise_constraint
        self._pointwise = pointwise_initializer, pointwise_regularizer, pointwise_constraint

    def build(self, input_shape):
        channels = known_channels(input_shape, self._channel_axis)
        self.depthwise_kernel = self._weight("depthwise_kernel", [*self.kernel_size, channels, self.depth_multiplier],
                                             *self._depthwise)
        ones = [1] * self._rank
        self.pointwise_kernel = self._weight("pointwise_kernel",
                                             [*ones, channels * self.depth_multiplier, self.filters], *self._pointwise)
        self._add_bias()
        self.built = True

    def _weight(self, name, shape, initializer, regularizer, constraint):
        return self.add_weight(name, shape, initializer=initializer, regularizer=regularizer, constraint=constraint)

    def call(self, inputs):
        strides = [1, *self.strides, 1] if self.data_format == "channels_last" else [1, 1, *self.strides]
        outputs = tf.nn.separable_conv2d(inputs, self.depthwise_kernel, self.pointwise_kernel, strides, self.padding,
                                         rate=list(self.dilation_rate), data_format=self._tf_format)
        return self._finished(outputs)


class SeparableConv1D(SeparableConv2D):
    """Separable convolution along time, as a two-dimensional one of height 1; see `separable_conv1d`."""

    _rank = 1

    def call(self, inputs):
        last = self.data_format == "channels_last"
        axis = 1 if last else 2
        strides = [1, *self.strides * 2, 1] if last else [1, 1, *self.strides * 2]
        outputs = tf.nn.separable_conv2d(
            tf.expand_dims(inputs, axis), tf.expand_dims(self.depthwise_kernel, 0),
            tf.expand_dims(self.pointwise_kernel, 0), strides, self.padding, rate=list(self.dilation_rate * 2),
            data_format="NHWC" if last else "NCHW")
        return self._finished(tf.squeeze(outputs, [axis]))


def conv1d(inputs, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", dilation_rate=1,
           activation=None, use_bias=True, kernel_initializer=None, bias_initializer=None, kernel_regularizer=None,
           bias_regularizer=None, activity_regularizer=None, kernel_constraint=None, bias_constraint=None,
           trainable=True, name=None, reuse=None):
    """Convolution of [N, W, C] along W; the arguments are those of `conv2d`."""
    return Conv1D(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                  kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
                  kernel_constraint, bias_constraint, trainable, name, _reuse=reuse, _scope=name)(inputs)


def conv2d(inputs, filters, kernel_size, strides=(1, 1), padding="valid", data_format="channels_last",
           dilation_rate=(1, 1), activation=None, use_bias=True, kernel_initializer=None, bias_initializer=None,
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
    activation : callable or None
    name : str                          scope of the variables `kernel` [KH, KW, C, filters] and `bias` [filters]
    reuse : bool                        use the variables that an earlier layer of this name has made

    Returns
    -------
    Tensor [N, OH, OW, filters]
    """
    return Conv2D(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                  kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
                  kernel_constraint, bias_constraint, trainable, name, _reuse=reuse, _scope=name)(inputs)


def conv3d(inputs, filters, kernel_size, strides=(1, 1, 1), padding="valid", data_format="channels_last",
           dilation_rate=(1, 1, 1), activation=None, use_bias=True, kernel_initializer=None, bias_initializer=None,
           kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None, kernel_constraint=None,
           bias_constraint=None, trainable=True, name=None, reuse=None):
    """Convolution of [N, D, H, W, C]; the arguments are those of `conv2d`."""
    return Conv3D(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                  kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
                  kernel_constraint, bias_constraint, trainable, name, _reuse=reuse, _scope=name)(inputs)


def conv2d_transpose(inputs, filters, kernel_size, strides=(1, 1), padding="valid", data_format="channels_last",
                     activation=None, use_bias=True, kernel_initializer=None, bias_initializer=None,
                     kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                     kernel_constraint=None, bias_constraint=None, trainable=True, name=None, reuse=None):
    """Transposed convolution: "same" gives maps `strides` times as large; `kernel` is [KH, KW, filters, C]."""
    return Conv2DTranspose(filters, kernel_size, strides, padding, data_format, 1, activation, use_bias,
                           kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                           activity_regularizer, kernel_constraint, bias_constraint, trainable, name, _reuse=reuse,
                           _scope=name)(inputs)


def conv3d_transpose(inputs, filters, kernel_size, strides=(1, 1, 1), padding="valid", data_format="channels_last",
                     activation=None, use_bias=True, kernel_initializer=None, bias_initializer=None,
                     kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                     kernel_constraint=None, bias_constraint=None, trainable=True, name=None, reuse=None):
    """Transposed convolution of [N, D, H, W, C]; see `conv2d_transpose`."""
    return Conv3DTranspose(filters, kernel_size, strides, padding, data_format, 1, activation, use_bias,
                           kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                           activity_regularizer, kernel_constraint, bias_constraint, trainable, name, _reuse=reuse,
                           _scope=name)(inputs)


def separable_conv1d(inputs, filters, kernel_size, strides=1, padding="valid", data_format="channels_last",
                     dilation_rate=1, depth_multiplier=1, name=None, reuse=None, **options):
    """Separable convolution along time; the further options are those of `separable_conv2d`."""
    return SeparableConv1D(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                           name=name, _reuse=reuse, _scope=name, **options)(inputs)


def separable_conv2d(inputs, filters, kernel_size, strides=(1, 1), padding="valid", data_format="channels_last",
                     dilation_rate=(1, 1), depth_multiplier=1, name=None, reuse=None, **options):
    """Each channel by `depth_multiplier` filters of its own, then 1x1 across channels.

    Variables: `depthwise_kernel` [KH, KW, C, depth_multiplier], `pointwise_kernel` [1, 1, C * depth_multiplier,
    filters], `bias`. Options: activation, use_bias, {depthwise,pointwise,bias}_{initializer,regularizer,constraint},
    activity_regularizer, trainable.
    """
    return SeparableConv2D(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                           name=name, _reuse=reuse, _scope=name, **options)(inputs)
