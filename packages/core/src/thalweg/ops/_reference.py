"""Helpers of declarations: 16 bits through float32, float32 sums in float64, names of builders."""
import functools
import re

import numpy as np

from thalweg.framework.dtypes import bfloat16
from thalweg.framework.packed import to_float32, to_packed


def _wide(value):
    if isinstance(value, list):
        return [_wide(v) for v in value]
    return value.astype(np.float32) if getattr(value, "dtype", None) == np.float16 else value


def _has_half(values):
    return any(_has_half(v) if isinstance(v, list) else getattr(v, "dtype", None) == np.float16 for v in values)


def _half(value):
    if isinstance(value, (tuple, list)):
        return type(value)(_half(v) for v in value)
    return np.asarray(value, np.float16) if getattr(value, "dtype", None) == np.float32 else value


def widened(body):
    """A body that computes float16 in float32 and rounds its results once."""
    @functools.wraps(body)
    def wide(*arrays, **attrs):
        if not _has_half(arrays):
            return body(*arrays, **attrs)
        return _half(body(*_wide(list(arrays)), **attrs))
    return wide


def with_numbers(function, *args):
    """What a function of arrays gives; bfloat16 goes through float32 and is rounded once.

    For ops of any dtype: those of listed ones get it so (`OpDeclaration.reference`).
    """
    if not any(getattr(a, "dtype", None) == bfloat16.np for a in args):
        return function(*args)
    wide = [to_float32(a) if getattr(a, "dtype", None) == bfloat16.np else a for a in args]
    return to_packed(function(*wide), bfloat16)


def accurate(dtype):
    """The dtype in which sums of `dtype` are formed: floats and complex in double width, integers as they are."""
    if dtype.kind == "f":
        return np.dtype(np.float64)
    return np.dtype(np.complex128) if dtype.kind == "c" else dtype


def snake(op_type):
    """An op type as its builder is called: `ApplyRMSProp` gives "apply_rms_prop"."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", op_type)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
