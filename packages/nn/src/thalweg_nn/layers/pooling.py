"""Pooling layers: maximum or mean of windows in one, two or three dimensions."""
import thalweg as tf

from .base import Layer, check_rank, numbers, padding_of, tf_format


class _Pooling(Layer):
    """Pooling of any rank; see `max_pooling2d`."""

    _rank, _kind = 2, "max"

    def __init__(self, pool_size, strides, padding="valid", data_format="channels_last", name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.pool_size = numbers(pool_size, self._rank, "pool_size")
        self.strides = numbers(self.pool_size if strides is None else strides, self._rank, "strides")
        self.padding, self.data_format = padding_of(padding), data_format
        self._tf_format = tf_format(data_format, self._rank + 2)

    def call(self, inputs):
        check_rank(inputs, self._rank + 2, self.name)
        if self._rank == 1:
            return self._one_dimension(inputs)
        return self._pool(inputs, self.pool_size, self.strides, self._tf_format)

    def _pool(self, inputs, size, strides, tf_format):
        last = self.data_format == "channels_last"
        size, strides = ([1, *v, 1] if last else [1, 1, *v] for v in (size, strides))
        function = getattr(tf.nn, f"{self._kind}_pool3d" if len(size) == 5 else f"{self._kind}_pool")
        return function(inputs, ksize=size, strides=strides, padding=self.padding, data_format=tf_format)

    def _one_dimension(self, inputs):
        """As an image of width (channels first: height) 1."""
        axis = 2
        image = tf.expand_dims(inputs, axis)
        last = self.data_format == "channels_last"
        size, strides = ((*v, 1) if last else (1, *v) for v in (self.pool_size, self.strides))
        return tf.squeeze(self._pool(image, size, strides, "NHWC" if last else "NCHW"), [axis])


class MaxPooling1D(_Pooling):
    """Maximum over windows in time."""

    _rank = 1


class MaxPooling2D(_Pooling):
    """Maximum over windows of an image."""


class MaxPooling3D(_Pooling):
    """Maximum over windows of a volume."""

    _rank = 3


class AveragePooling1D(_Pooling):
    """Mean over windows in time."""

    _rank, _kind = 1, "avg"


class AveragePooling2D(_Pooling):
    """Mean over windows of an image."""

    _kind = "avg"


class AveragePooling3D(_Pooling):
    """Mean over windows of a volume."""

    _rank, _kind = 3, "avg"


def _function(cls, name, doc):
    def pooling(inputs, pool_size, strides, padding="valid", data_format="channels_last", name=None):
        return cls(pool_size, strides, padding, data_format, name)(inputs)
    pooling.__name__ = pooling.__qualname__ = name
    pooling.__doc__ = f"""{doc}

    Parameters
    ----------
    inputs : Tensor         channels last by default
    pool_size, strides :    an int, or one per spatial dimension
    padding : "valid" or "same"     padding counts for neither maximum nor mean
    """
    return pooling


max_pooling1d = _function(MaxPooling1D, "max_pooling1d", "Maximum over windows of [N, W, C].")
max_pooling2d = _function(MaxPooling2D, "max_pooling2d", "Maximum over windows of [N, H, W, C].")
max_pooling3d = _function(MaxPooling3D, "max_pooling3d", "Maximum over windows of [N, D, H, W, C].")
average_pooling1d = _function(AveragePooling1D, "average_pooling1d", "Mean over windows of [N, W, C].")
average_pooling2d = _function(AveragePooling2D, "average_pooling2d", "Mean over windows of [N, H, W, C].")
average_pooling3d = _function(AveragePooling3D, "average_pooling3d", "Mean over windows of [N, D, H, W, C].")
