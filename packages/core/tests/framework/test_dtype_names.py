"""What names a dtype, and what only has the hash of one."""
import numpy as np
import pytest

import thalweg as tf


@pytest.mark.parametrize("value", [1, np.int64(1), "float32", "float", np.float32, np.dtype("f4"), tf.float32])
def test_names_of_float32(value):
    assert tf.as_dtype(value) is tf.float32 and tf.float32 == value


@pytest.mark.parametrize("value", [1.0, 1 + 0j, np.float64(1), np.bool_(True), object(), [1]])
def test_no_names_of_float32(value):
    """1.0 has the hash of 1, which is float32's: a table found float32 and compared with it, without end."""
    assert tf.float32 != value and not tf.float32 == value
    with pytest.raises(TypeError, match="Cannot convert value .* to a TensorFlow DType"):
        tf.as_dtype(value)
