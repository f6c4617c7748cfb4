"""Pooling layers: maximum or mean of windows in one, two or three dimensions."""
import thalweg as tf

from .arguments import all_dimensions, format_name, op_format, padding_name, sizes
from .base import Layer


class _Pooling(Layer):
    """Pooling with `rank` spatial dimensions; see `max_pooling2d`."""

    rank, kind = 2, "max"

    def __init__(self, pool_size, strides, padding="valid", data_format="channels_last", name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.pool_size = sizes(self, pool_size, "pool_size")
        self.strides = sizes(self, pool_size if strides is None else strides, "strides")
        self.padding = padding_name(self, padding)
        self.data_format = format_name(self, data_format)
        self.input_ranks = (self.rank + 2, self.rank + 2)

    def call(self, inputs):
        if self.rank == 1:
            return self._in_one_dimension(inputs)
        return self._pool(inputs, self.pool_size, self.strides)

    def _pool(self, inputs, size, strides):
        function = getattr(tf.nn, f"{self.kind}_pool3d" if len(size) == 3 else f"{self.kind}_pool")
        return function(inputs, ksize=all_dimensions(self.data_format, size),
                        strides=all_dimensions(self.data_format, strides), padding=self.padding.upper(),
                        data_format=op_format(self.data_format, len(size)))

    def _in_one_dimension(self, inputs):
        """As an image of width 1."""
        width = 2 if self.data_format == "channels_last" else 3
        pooled = self._pool(tf.expand_dims(inputs, width), (*self.pool_size, 1), (*self.strides, 1))
        return tf.squeeze(pooled, [width])


class MaxPooling1D(_Pooling):
    """Maximum over windows in time; see `max_pooling1d`."""

    rank = 1


class MaxPooling2D(_Pooling):
    """Maximum over windows of an image; see `max_pooling2d`."""


class MaxPooling3D(_Pooling):
    """Maximum over windows of a volume; see `max_pooling3d`."""

    rank = 3


class AveragePooling1D(_Pooling):
    """Mean over windows in time; see `average_pooling1d`."""

    rank, kind = 1, "avg"


class AveragePooling2D(_Pooling):
    """Mean over windows of an image; see `average_pooling2d`."""

    kind = "avg"


class AveragePooling3D(_Pooling):
    """Mean over windows of a volume; see `average_pooling3d`."""

    rank, kind = 3, "avg"


def max_pooling1d(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Maximum over windows of [N, W, C]; see `max_pooling2d`."""
    return MaxPooling1D(pool_size, strides, padding, data_format, name)(inputs)


def max_pooling2d(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Maximum over windows of an image.

    Parameters
    ----------
    inputs : Tensor [N, H, W, C]            ("channels_first": [N, C, H, W])
    pool_size, strides : int or (int, int)  pixels
    padding : "valid" or "same"             padding counts for neither maximum nor mean

    Returns
    -------
    Tensor [N, OH, OW, C]
    """
    return MaxPooling2D(pool_size, strides, padding, data_format, name)(inputs)


def max_pooling3d(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Maximum over windows of [N, D, H, W, C]; see `max_pooling2d`."""
    return MaxPooling3D(pool_size, strides, padding, data_format, name)(inputs)


def average_pooling1d(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Mean over windows of [N, W, C]; see `max_pooling2d`."""
    return AveragePooling1D(pool_size, strides, padding, data_format, name)(inputs)


def average_pooling2d(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Mean over windows of [N, H, W, C]; see `max_pooling2d`."""
    return AveragePooling2D(pool_size, strides, padding, data_format, name)(inputs)


def average_pooling3d(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
    """Mean over windows of [N, D, H, W, C]; see `max_pooling2d`."""
    return AveragePooling3D(pool_size, strides, padding, data_format, name)(inputs)
