"""Convolutions, against SciPy's correlate and sums written out."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.testing.table import table_test
from thalweg.testing.tables.conv import ROWS

test_conv = table_test(ROWS)


@pytest.mark.parametrize("size, window, stride", [(5, 3, 1), (5, 3, 2), (6, 3, 2), (7, 2, 3), (1, 5, 1), (4, 1, 4)])
def test_same_padding_is_ceil_of_size_over_stride(size, window, stride):
    with tf.Graph().as_default():
        y = tf.nn.conv2d(tf.zeros([1, size, size, 1]), tf.zeros([window, window, 1, 1]), stride, "SAME")
        assert y.shape.as_list() == [1, -(-size // stride), -(-size // stride), 1]


def test_a_variable_may_be_the_image_of_a_dilated_convolution():
    image, filters = tf.Variable(np.ones((1, 5, 5, 2), np.float32)), tf.constant(np.ones((3, 3, 2, 2), np.float32))
    for y in (tf.nn.atrous_conv2d(image, filters, 2, "SAME"),
              tf.nn.convolution(image, filters, "SAME", dilation_rate=[2, 2])):
        assert y.shape.as_list() == [1, 5, 5, 2]
