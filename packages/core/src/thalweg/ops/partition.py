"""Distributing rows over lists, and putting rows from lists together."""
import numpy as np

from thalweg.framework import errors, shapes
from thalweg.framework.declaration import define_op

from . import array, indexing, sequence


@define_op("DynamicPartition", "data: T, partitions: int32 -> outputs: num_partitions*T")
def dynamic_partition_op(data, partitions, *, num_partitions: int):
    """Output k holds, in their order, the rows of data whose entry in partitions is k."""
    indexing._checked(partitions, num_partitions, "partitions")
    rows = data.reshape((partitions.size,) + data.shape[partitions.ndim:])
    flat = partitions.ravel()
    return [rows[flat == k] for k in range(num_partitions)]


@dynamic_partition_op.shape
def dynamic_partition_shape(node, data, partitions):
    if data is None or partitions is None:
        return [None] * node.num_partitions
    shapes.merge(data[:len(partitions)], partitions)
    return [(None,) + data[len(partitions):]] * node.num_partitions


@dynamic_partition_op.gradient
def dynamic_partition_grad(node, *dys):
    """Each row of the result goes back to where it was taken from."""
    places = array.reshape(sequence.range(array.size(node.partitions)), array.shape(node.partitions))
    taken = dynamic_partition_op(places, node.partitions, num_partitions=node.num_partitions)
    rows = dynamic_stitch(taken, list(dys))
    return array.reshape(rows, array.shape(node.data)), None


def dynamic_partition(data, partitions, num_partitions, name=None):
    """Tensors, of which the k-th holds, in their order, the rows of `data` whose entry in `partitions` is k."""
    return dynamic_partition_op(data, partitions, num_partitions=num_partitions, name=name)


def _stitched(indices, data):
    count = max((int(i.max()) + 1 for i in indices if i.size), default=0)
    rest = data[0].shape[indices[0].ndim:]
    result = np.zeros((count,) + rest, data[0].dtype)
    for places, rows in zip(indices, data):
        if places.size and places.min() < 0:
            raise errors.InvalidArgumentError(None, None, f"indices must not be negative: {places.min()}")
        result[places.ravel()] = rows.reshape((places.size,) + rest)
    return result


@define_op("DynamicStitch", "indices: N*int32, data: N*T -> merged: T", public="dynamic_stitch")
def dynamic_stitch(indices, data):
    """merged[indices[m][i]] = data[m][i]; of rows with one index the last wins."""
    return _stitched(indices, data)


@define_op("ParallelDynamicStitch", "indices: N*int32, data: N*T -> merged: T")
def parallel_dynamic_stitch(indices, data):
    """As DynamicStitch; here too of rows with one index the last wins."""
    return _stitched(indices, data)


def _stitched_shape(node, indices, data):
    rest = None
    for places, rows in zip(indices, data):
        if places is not None and rows is not None:
            shapes.merge(rows[:len(places)], places)
            rest = shapes.merge(rest, rows[len(places):])
    known = [node.constant(k) for k in range(len(indices))]
    count = max((int(i.max()) + 1 for i in known if i.size), default=0) if all(k is not None for k in known) else None
    return None if rest is None else (count,) + rest


def _stitched_gradient(node, dy):
    return [None] * len(node.indices) + [indexing.gather(dy, places) for places in node.indices]


for _op in (dynamic_stitch, parallel_dynamic_stitch):
    _op.shape(_stitched_shape)
    _op.gradient(_stitched_gradient)
