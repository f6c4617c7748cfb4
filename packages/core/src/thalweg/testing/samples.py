"""What a row of an op table feeds: descriptions of arrays, drawn anew for each dtype.

    reals(3, 4)              numbers of either sign in the dtype under test
    positives(3, 4)          above 0
    exactly(-1.0, 0.0)       these values, in the dtype under test
    bools(3), strings(3), integers(3, low=0, high=5)     of a dtype of their own
"""
import numpy as np

from thalweg.framework.dtypes import as_dtype, bfloat16
from thalweg.framework.packed import to_packed


class Sample:
    """An input of a row.

    Attributes
    ----------
    shape : tuple of int
    dtype : DType or None     None: the dtype under test
    is_smooth : bool          whether gradients with respect to it are checked
    is_drawn : bool           whether it can be drawn in another shape
    """

    def __init__(self, shape, draw, dtype=None, is_smooth=True, is_drawn=True):
        self.shape, self._draw, self.is_drawn = tuple(shape), draw, is_drawn
        self.dtype = None if dtype is None else as_dtype(dtype)
        self.is_smooth = is_smooth and dtype is None

    def reshaped(self, shape):
        """The same in another shape."""
        return Sample(shape, self._draw, self.dtype, self.is_smooth)

    def draw(self, rng, dtype):
        """An array of the sample's dtype, or of `dtype` where it has none."""
        dtype = self.dtype or dtype
        return cast(np.asarray(self._draw(rng, self.shape, dtype)), dtype).reshape(self.shape)


def cast(values, dtype):
    """An array of numbers as one of a DType; bfloat16 as its bits."""
    if dtype is bfloat16:
        return to_packed(values, dtype)
    with np.errstate(over="ignore"):                     # a table's 1e5 is infinite in float16
        return values.astype(dtype.np)


def _texts(numbers):
    """Strings of bytes, one for each number."""
    result = np.empty(np.shape(numbers), object)
    flat, numbers = result.reshape(-1), np.ravel(numbers)
    for i, number in enumerate(numbers):
        flat[i] = b"text %d" % number
    return result


def _uniform(low, high):
    def draw(rng, shape, dtype):
        if dtype.is_bool:
            return rng.random(shape) < 0.5
        if dtype.kind == "O":
            return _texts(rng.integers(0, 100, shape))
        if dtype.is_integer:
            least = max(low, 0 if dtype.is_unsigned else low)
            return rng.integers(int(np.ceil(least)), int(np.floor(high)) + 1, shape)
        values = rng.uniform(low, high, shape)
        return values + 1j * rng.uniform(low, high, shape) if dtype.is_complex else values
    return draw


def reals(*shape, low=-3.0, high=3.0):
    """Numbers between `low` and `high`; integers where the dtype is one, complex numbers where it is complex."""
    return Sample(shape, _uniform(low, high))


def positives(*shape, low=0.2, high=3.0):
    """Numbers above 0; for integer dtypes from 1 on."""
    return Sample(shape, _uniform(low, high))


def exactly(*values, shape=None):
    """These values, in the dtype under test."""
    array = np.array(values)
    return Sample(array.shape if shape is None else shape, lambda rng, shape, dtype: array, is_drawn=False)


def distinct(*shape, step=0.25):
    """Numbers that differ by at least `step` (1 for integers), in random order: no ties near any of them."""
    def draw(rng, shape, dtype):
        count = int(np.prod(shape))
        if dtype.kind == "O":
            return _texts(rng.permutation(count).reshape(shape))
        order = rng.permutation(count) - (0 if dtype.is_unsigned else count // 2)
        return order if dtype.is_integer else order * step + 0.1
    return Sample(shape, draw)


def integers(*shape, low=0, high=10, dtype="int32"):
    """Integers in [low, high) of a dtype of their own."""
    return Sample(shape, lambda rng, shape, dtype: rng.integers(low, high, shape), dtype)


def bools(*shape):
    """True and False."""
    return Sample(shape, lambda rng, shape, dtype: rng.random(shape) < 0.5, "bool")


def strings(*values, shape=None):
    """These strings."""
    array = np.array([v if isinstance(v, bytes) else v.encode() for v in values], object)
    return Sample(array.shape if shape is None else shape, lambda rng, shape, dtype: array, "string", is_drawn=False)


def of(dtype, *values, shape=None):
    """These values, in a dtype of their own."""
    array = np.array(values)
    return Sample(array.shape if shape is None else shape, lambda rng, shape, dtype: array, dtype, is_drawn=False)


def probabilities(*shape):
    """Rows of positive numbers that add up to 1."""
    def draw(rng, shape, dtype):
        values = rng.uniform(0.1, 1.0, shape)
        return values / values.sum(-1, keepdims=True)
    return Sample(shape, draw)
