"""Sets of values: the distinct ones, and those of one list that another lacks. Their sizes are known at run time."""
import collections

import numpy as np

from thalweg.framework.declaration import INDEX_TYPES, define_op
from thalweg.framework.dtypes import DType, as_dtype, int32

_VALUES = "the result is a selection of values at run time; TensorFlow gives it no gradient either"


def _distinct(x):
    """The distinct values in the order of their first occurrence, the place of each element's, and counts."""
    values, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return x[first[order]], rank[inverse.reshape(-1)], counts[order]


@define_op("Unique", "x: T[N] -> y: T[U], idx: out_idx[N]", out_idx=INDEX_TYPES)
def unique_op(x, *, out_idx: DType = int32):
    """The distinct values y in the order of their first occurrence, and idx with x = y[idx]."""
    values, places, _ = _distinct(x)
    return values, places.astype(out_idx.np)


@define_op("UniqueWithCounts", "x: T[N] -> y: T[U], idx: out_idx[N], count: out_idx[U]", out_idx=INDEX_TYPES)
def unique_with_counts_op(x, *, out_idx: DType = int32):
    """As Unique, with the number of occurrences of each distinct value."""
    values, places, counts = _distinct(x)
    return values, places.astype(out_idx.np), counts.astype(out_idx.np)


@define_op("ListDiff", "x: T[N], y: T[M] -> out: T[U], idx: out_idx[U]", out_idx=INDEX_TYPES)
def list_diff(x, y, *, out_idx: DType = int32):
    """The elements of x that y lacks, in their order, and their places in x."""
    lacking = np.flatnonzero(~np.isin(x, y))
    return x[lacking], lacking.astype(out_idx.np)


unique_op.no_gradient(_VALUES)
unique_with_counts_op.no_gradient(_VALUES)
list_diff.no_gradient(_VALUES)

Unique = collections.namedtuple("Unique", ["y", "idx"])
UniqueWithCounts = collections.namedtuple("UniqueWithCounts", ["y", "idx", "count"])
ListDiff = collections.namedtuple("ListDiff", ["out", "idx"])


def unique(x, out_idx=int32, name=None):
    """The distinct values of a vector in the order of their first occurrence, and idx with x = y[idx]."""
    return Unique(*unique_op(x, out_idx=as_dtype(out_idx), name=name))


def unique_with_counts(x, out_idx=int32, name=None):
    """As `unique`, with the number of occurrences of each distinct value."""
    return UniqueWithCounts(*unique_with_counts_op(x, out_idx=as_dtype(out_idx), name=name))


def setdiff1d(x, y, index_dtype=int32, name=None):
    """The elements of vector x that vector y lacks, in their order, and their places in x."""
    return ListDiff(*list_diff(x, y, out_idx=as_dtype(index_dtype), name=name))
