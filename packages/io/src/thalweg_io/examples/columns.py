"""Arrays of the columns that a walk has filled: dense, padded, sparse; per example or in a batch of them.

Errors say which feature of which example does not fit; `owner(i)` names example i, e.g. "Name: one, ".
"""
import math

import numpy as np

from thalweg.framework import errors
from thalweg.framework.dtypes import as_dtype, float32, int64, string

from ..wire import WireError
from .walk import KindError, Walk

KINDS = {string: 1, float32: 2, int64: 3}                    # DType -> number of the list in a Feature
_NAMES = {1: "string", 2: "float", 3: "int64"}
_DTYPES = {1: np.dtype(object), 2: np.dtype(np.float32), 3: np.dtype(np.int64)}


def kind_of(array):
    """The kind of values that an array, a feature's default, says."""
    return KINDS[as_dtype(array.dtype)]


def invalid(text):
    return errors.InvalidArgumentError(None, None, text)


def walk(serialized, features, lists, owner, what):
    """A Walk that has gone over `serialized`, a list of bytes; `what` they are, for errors."""
    steps = Walk(features, lists)
    try:
        steps.over(serialized)
    except WireError as error:
        raise invalid(f"{owner(steps.example)}Could not parse {what} input, value: "
                      f"'{_start(serialized[steps.example])}': {error}") from error
    except KindError as error:
        column, kind = error.args
        raise invalid(f"{owner(steps.example)}Key: {_text(column.key)}, Index: {steps.example}.  Data types don't "
                      f"match. Data type: {_NAMES[kind]} but expected type: {_NAMES[column.kind]}") from error
    return steps


def _start(data):
    return _text(data[:40]) + "..." * (len(data) > 40)


def _text(data):
    return data.decode("utf-8", "backslashreplace")


# --- features of examples ---------------------------------------------------------------------------

def fixed(column, shape, default, owner):
    """[B, *shape]; `default`, where it has elements, stands for a feature that is missing."""
    counts, size = column.counts, math.prod(shape)
    missing = counts < 0
    if not default.size and missing.any():
        raise invalid(f"{owner(missing.argmax())}Feature: {_text(column.key)} (data type: {_NAMES[column.kind]}) is "
                      "required but could not be found.")
    _check_counts(column, counts, (counts == size) | missing, f"output shape: {_listed(shape)}", owner)
    if not missing.any():
        return column.values.reshape(len(counts), *shape)
    found = filled((len(counts), size), 0, column.kind)
    found[~missing] = column.values.reshape(-1, size)
    found[missing] = np.broadcast_to(default.reshape(-1), (int(missing.sum()), size))
    return found.reshape(len(counts), *shape)


def _check_counts(column, counts, fits, expected, owner):
    if not fits.all():
        k = int(fits.argmin())
        raise invalid(f"{owner(k)}Key: {_text(column.key)}, Index: {k}.  Number of {_NAMES[column.kind]} values != "
                      f"expected.  Values size: {counts[k]} but {expected}")


def padded(column, shape, default, owner):
    """[B, T, *shape] for T, the most rows that an example has; `default`, a scalar, behind the rows of the others."""
    counts, stride = np.maximum(column.counts, 0), math.prod(shape)
    if stride == 0 or (counts % stride).any():
        k = 0 if stride == 0 else int((counts % stride != 0).argmax())
        raise invalid(f"{owner(k)}Key: {_text(column.key)}, Index: {k}.  Number of {_NAMES[column.kind]} values is "
                      f"not a multiple of stride length. Saw {counts[k]} values but output shape is: "
                      f"{_listed(('?', *shape))}")
    longest = int(counts.max(initial=0))
    values = column.values
    if len(counts) * longest != len(values):
        values, found = filled((len(counts), longest), default[()] if default.size else None, column.kind), values
        values[np.arange(longest) < counts[:, None]] = found
    return values.reshape(len(counts), longest // stride, *shape)


def sparse(column):
    """(indices [n, 2], values [n], dense shape [2]) of all examples: their numbers, and the places in them."""
    counts = np.maximum(column.counts, 0)
    return places(counts), column.values, np.array([len(counts), counts.max(initial=0)])


def places(counts):
    """[n, 2] for rows of so many values: the row's number, the place in the row."""
    rows = np.repeat(np.arange(len(counts)), counts)
    found = np.empty((len(rows), 2), np.int64)
    found[:, 0] = rows
    found[:, 1] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return found


def filled(shape, value, kind):
    """An array of one value (None: zero, or the empty string); ResourceExhaustedError where it is too large."""
    if value is None:
        value = b"" if kind == 1 else 0
    try:
        return np.full(shape, value, _DTYPES[kind])
    except (MemoryError, ValueError) as error:
        raise errors.ResourceExhaustedError(None, None, f"parsed features of shape {_listed(shape)}: {error}") \
            from error


def _listed(sizes):
    return f"[{','.join(map(str, sizes))}]"


# --- lists of features ------------------------------------------------------------------------------

def dense_lists(column, shape, may_miss, owner):
    """([B, T, *shape], lengths [B]) of the lists of all examples; zeros, or empty strings, behind the shorter ones."""
    lengths, counts, size = column.lengths, column.counts, math.prod(shape)
    if not may_miss and (lengths < 0).any():
        raise invalid(f"{owner((lengths < 0).argmax())}Feature list '{_text(column.key)}' is required but could not "
                      "be found; FixedLenSequenceFeature(allow_missing=True) makes an empty one of it")
    lengths = np.maximum(lengths, 0)
    if (counts != size).any():
        step = int((counts != size).argmax())
        example, step = _example_of(lengths, step)
        raise invalid(f"{owner(example)}Key: {_text(column.key)}, Index: {step}.  Number of {_NAMES[column.kind]} "
                      f"values != expected.  Values size: {max(int(counts[counts != size][0]), 0)} but output shape: "
                      f"{_listed(shape)}")
    longest, values = int(lengths.max(initial=0)), column.values.reshape(len(counts), *shape)
    if len(lengths) * longest != len(values):
        found, values = values, filled((len(lengths), longest, *shape), None, column.kind)
        values[np.arange(longest) < lengths[:, None]] = found
    return values.reshape(len(lengths), longest, *shape), lengths


def _example_of(lengths, step):
    """(example, step in it) of a step among the steps of all examples."""
    ends = np.cumsum(lengths)
    example = int(np.searchsorted(ends, step, "right"))
    return example, step - int(ends[example] - lengths[example])


def sparse_lists(column):
    """(indices [n, 3], values [n], dense shape [3]) of the lists of all examples: example, step, place in the step."""
    lengths, counts = np.maximum(column.lengths, 0), np.maximum(column.counts, 0)
    indices = np.concatenate([places(lengths).repeat(counts, 0), places(counts)[:, 1:]], 1)
    return indices, column.values, np.array([len(lengths), lengths.max(initial=0), counts.max(initial=0)])
