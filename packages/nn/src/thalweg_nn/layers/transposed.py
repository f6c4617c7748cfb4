"""Transposed convolution layers: `tf.layers.conv2d_transpose` and `conv3d_transpose`."""
import thalweg as tf

from .arguments import all_dimensions, op_format
from .convolutional import Convolution


class _Transposed(Convolution):
    """The adjoint of a strided convolution: it makes maps larger (arXiv:1603.07285, chapter 4)."""

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format="channels_last", activation=None,
                 use_bias=True, kernel_initializer=None, bias_initializer="zeros", kernel_regularizer=None,
                 bias_regularizer=None, activity_regularizer=None, kernel_constraint=None, bias_constraint=None,
                 trainable=True, name=None, **kwargs):
        super().__init__(filters, kernel_size, strides, padding, data_format, 1, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, trainable, name, **kwargs)

    def build(self, input_shape):
        channels = self._take_channels(input_shape)
        self._add_kernel([*self.kernel_size, self.filters, channels])
        self._add_bias()

    def call(self, inputs):
        shape = tf.shape(inputs)
        batch = shape[0]
        spatial = [shape[i] for i in self._spatial_axes()]
        shape = tf.stack(self._whole(batch, self._lengths(spatial)))
        if self.rank == 2:
            shape[0]                     # not needed, but TensorFlow has these nodes, and default seeds count nodes
        function = tf.nn.conv2d_transpose if self.rank == 2 else tf.nn.conv3d_transpose
        outputs = function(inputs, self.kernel, shape, strides=all_dimensions(self.data_format, self.strides),
                           padding=self.padding.upper(), data_format=op_format(self.data_format, self.rank))
        found = inputs.get_shape().as_list()
        outputs.set_shape(self._whole(found[0], self._lengths([found[i] for i in self._spatial_axes()])))
        return self._finished(outputs)

    def _spatial_axes(self):
        first = 1 if self.data_format == "channels_last" else 2
        return range(first, first + self.rank)

    def _lengths(self, found):
        """Sizes of the output, tensors or numbers as the inputs' sizes are."""
        return [None if n is None else self._length(n * s, k, s)
                for n, k, s in zip(found, self.kernel_size, self.strides)]

    def _length(self, covered, kernel, stride):
        return covered if self.padding == "same" else covered + max(kernel - stride, 0)

    def _whole(self, batch, spatial):
        return [batch, *spatial, self.filters] if self.data_format == "channels_last" else [
            batch, self.filters, *spatial]


class Conv2DTranspose(_Transposed):
    """Transposed convolution of images; see `conv2d_transpose`."""


class Conv3DTranspose(_Transposed):
    """Transposed convolution of volumes; see `conv3d_transpose`."""

    rank = 3


def conv2d_transpose(inputs, filters, kernel_size, strides=(1, 1), padding="valid", data_format="channels_last",
                     activation=None, use_bias=True, kernel_initializer=None, bias_initializer="zeros",
                     kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                     kernel_constraint=None, bias_constraint=None, trainable=True, name=None, reuse=None):
    """Transposed convolution: "same" gives maps `strides` times as large; `kernel` is [KH, KW, filters, C].

    The arguments are those of `conv2d`; "valid" adds max(kernel_size - strides, 0) to the "same" size.
    """
    return Conv2DTranspose(filters, kernel_size, strides, padding, data_format, activation, use_bias,
                           kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                           activity_regularizer, kernel_constraint, bias_constraint, trainable, name, _reuse=reuse,
                           _scope=name)(inputs)


def conv3d_transpose(inputs, filters, kernel_size, strides=(1, 1, 1), padding="valid", data_format="channels_last",
                     activation=None, use_bias=True, kernel_initializer=None, bias_initializer="zeros",
                     kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                     kernel_constraint=None, bias_constraint=None, trainable=True, name=None, reuse=None):
    """Transposed convolution of [N, D, H, W, C]; see `conv2d_transpose`."""
    return Conv3DTranspose(filters, kernel_size, strides, padding, data_format, activation, use_bias,
                           kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                           activity_regularizer, kernel_constraint, bias_constraint, trainable, name, _reuse=reuse,
                           _scope=name)(inputs)
