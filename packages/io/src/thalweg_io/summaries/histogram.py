"""The histogram of a tensor, in TensorBoard's buckets: growing by a tenth from 1e-12 on, mirrored for negatives."""
import functools

import numpy as np

_SMALLEST, _GROWTH, _LARGEST = 1e-12, 1.1, 1e20
_MOST = np.finfo(np.float64).max


@functools.cache
def bucket_limits():
    """Upper ends of the 1551 buckets, the last the largest number: [-1e20 ..., -1e-12, 0, 1e-12, ..., 1e20, max]."""
    positive = []
    limit = _SMALLEST
    while limit < _LARGEST:
        positive.append(limit)
        limit *= _GROWTH
    positive.append(_MOST)
    return np.array([-limit for limit in reversed(positive)] + [0.0] + positive)


def histogram(values):
    """The HistogramProto of finite numbers: each counts in the first bucket whose limit lies above it.

    Runs of empty buckets are written as one, with the limit of the last.
    """
    from ..protos import HistogramProto
    values = np.asarray(values, np.float64).ravel()
    if not values.size:
        return HistogramProto(min=_MOST, max=-_MOST, bucket_limit=[_MOST], bucket=[0.0])
    limits = bucket_limits()
    places = np.minimum(np.searchsorted(limits, values, side="right"), limits.size - 1)
    counts = np.bincount(places, minlength=limits.size)
    followed = np.append(counts[1:] == 0, False)
    is_written = ~((counts == 0) & followed)                 # of a run of empty buckets the last alone
    with np.errstate(over="ignore"):                         # running sums: one after the other, as TensorFlow adds
        total, squares = 0.0 + np.cumsum(values)[-1], np.cumsum(np.square(values))[-1]
    return HistogramProto(min=values.min(), max=values.max(), num=values.size, sum=total, sum_squares=squares,
                          bucket_limit=limits[is_written].tolist(), bucket=counts[is_written].tolist())
