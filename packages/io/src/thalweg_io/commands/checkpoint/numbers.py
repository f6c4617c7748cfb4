"""Tensors of any dtype as numbers to print and compare, block by block, so that a large one takes no second copy."""
import importlib.util

import numpy as np

_BLOCK = 1 << 20                         # elements converted at a time


def as_numbers(array):
    """An array that NumPy can print and compare: bfloat16 as float32, quantized and small integers as integers.

    float8 and float4 are numbers where ml_dtypes is installed, and else their bytes.
    """
    if array.dtype.names is None:
        return array if array.dtype.kind in "biufcO" else array.astype(np.float32)      # ml_dtypes' own types
    (name,) = array.dtype.names
    field = array[name]
    if name == "bfloat16":
        return (field.astype(np.uint32) << 16).view(np.float32)
    if name.startswith("int"):
        return _signed(field, int(name[3:]))
    if name.startswith("float") and importlib.util.find_spec("ml_dtypes"):
        import ml_dtypes
        return field.view(getattr(ml_dtypes, name)).astype(np.float32)
    return field


def _signed(field, bits):
    """Integers of `bits` bits in the low end of bytes."""
    shift = 8 - bits
    return (field.view(np.uint8) << shift).view(np.int8) >> shift


def blocks(*arrays):
    """Yields the arrays' flat blocks side by side, as numbers."""
    flat = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    for begin in range(0, flat[0].size, _BLOCK):
        yield tuple(as_numbers(array[begin:begin + _BLOCK]) for array in flat)


@np.errstate(all="ignore")               # the largest floats square to infinity
def statistics(array):
    """{label: number} of an array: the least, largest, mean, standard deviation of the finite elements, and counts.

    Of complex numbers the absolute values are described, of strings the lengths.
    """
    count = nan = inf = zeros = 0
    total, least, largest = 0.0, None, None
    for (block,) in blocks(array):
        values = _real(block)
        finite = values[np.isfinite(values)]
        nan, inf = nan + int(np.isnan(values).sum()), inf + int(np.isinf(values).sum())
        zeros += int((values == 0).sum())
        if finite.size:
            count, total = count + finite.size, total + float(finite.sum(dtype=np.float64))
            least = finite.min() if least is None else min(least, finite.min())
            largest = finite.max() if largest is None else max(largest, finite.max())
    if not count:
        return {"min": None, "max": None, "mean": None, "std": None, "zeros": zeros, "nan": nan, "inf": inf}
    mean = total / count
    return {"min": least.item(), "max": largest.item(), "mean": mean, "std": _deviation(array, mean, count),
            "zeros": zeros, "nan": nan, "inf": inf}


def _deviation(array, mean, count):
    """In a second pass: the difference of squares would lose its digits."""
    squares = 0.0
    for (block,) in blocks(array):
        values = _real(block).astype(np.float64)
        squares += float(np.square(values[np.isfinite(values)] - mean).sum())
    return float(np.sqrt(squares / count))


def _real(block):
    if block.dtype.kind == "O":
        return np.fromiter(map(len, block), np.int64, block.size)
    if block.dtype.kind == "c":
        return np.abs(block)
    return block.astype(np.uint8) if block.dtype.kind == "b" else block
