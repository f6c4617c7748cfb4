"""Datasets that make one element of several: batches, padded or not."""
import itertools

import numpy as np

from thalweg.framework import errors

from .elements import stacked
from .passes import Elements, at_least_one


class Batch:
    """`size` elements as one; a last one of fewer, unless `drop_remainder`. `combine` makes one of a list of them."""

    def __init__(self, dataset, size, drop_remainder, combine=None):
        self.dataset, self.drop_remainder = dataset, drop_remainder
        self.size = at_least_one(size, "Batch size must be greater than zero.")
        self.combine = combine or (lambda elements: stacked(elements, "BatchDatasetV2"))

    def iterate(self, run):
        return _Batched(self.dataset.iterate(run), self)


class _Batched(Elements):
    def __init__(self, source, batch):
        self.source, self.batch = source, batch

    def __next__(self):
        elements = list(itertools.islice(self.source, self.batch.size))
        if not elements or len(elements) < self.batch.size and self.batch.drop_remainder:
            raise StopIteration
        return self.batch.combine(elements)


class Padding:
    """Combines elements of different shapes: each component filled up with a value, at the end of each dimension.

    Parameters
    ----------
    sizes : list of lists of int        of each component's dimensions; -1: the largest in the batch
    values : list of arrays []          what is filled in
    """

    def __init__(self, sizes, values):
        self.sizes, self.values = sizes, values

    def __call__(self, elements):
        return [self._component([e[k] for e in elements], wanted, value)
                for k, (wanted, value) in enumerate(zip(self.sizes, self.values))]

    def _component(self, arrays, wanted, value):
        for array in arrays:
            if array.ndim != len(wanted):
                raise errors.InvalidArgumentError(None, None, "All elements in a batch must have the same rank as the "
                                                  f"padded shape: expected rank {len(wanted)}, got {array.ndim}")
        largest = [max(sizes) for sizes in zip(*[a.shape for a in arrays])]
        for size, want in zip(largest, wanted):
            if -1 < want < size:
                raise errors.DataLossError(None, None, "Attempted to pad to a smaller size than the input element: "
                                                       f"{size} elements into {want}")
        shape = [size if want == -1 else want for size, want in zip(largest, wanted)]
        batch = np.full((len(arrays), *shape), value, arrays[0].dtype)
        for target, array in zip(batch, arrays) if shape else ():
            target[tuple([slice(size) for size in array.shape])] = array
        if not shape:
            batch[:] = [a[()] for a in arrays]
        return batch
