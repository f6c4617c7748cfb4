"""Boxes of partitioned tensors, put together from stored slices; both formats of checkpoints do that alike."""
import numpy as np

from thalweg.framework import errors
from thalweg.framework.shapes import size_of

from .tensor_slice import TensorSlice

_TOLD = 20                                            # slices that an error lists


def full_slice(shape):
    """The slice that is the whole of a tensor of `shape`, its lengths written out."""
    return TensorSlice([(0, size) for size in shape])


def indices(bounds):
    """[(begin, end)] per dimension as an index for arrays."""
    return tuple(slice(begin, end) for begin, end in bounds)


def assembled(path, name, dtype, shape, slices, bounds, read, check):
    """The box `bounds` of a tensor of `shape` that is stored in `slices`.

    Parameters
    ----------
    path, name : str                        of the checkpoint and the tensor, for errors
    dtype : DType
    shape : tuple of int
    slices : list of TensorSlice
    bounds : list of (begin, end)           the box
    read : callable (TensorSlice)           gives an array, the value of one slice; asked for those that are needed
    check : callable (TensorSlice)          raises when the file cannot have that slice's bytes; asked before memory is

    Raises
    ------
    InvalidArgumentError                    when slices overlap, leave a gap or lie outside of `shape`
    """
    pieces = [piece for piece in (_piece(s, shape, bounds) for s in slices) if piece]
    size = size_of(tuple(end - begin for begin, end in bounds))
    volume = sum(size_of(tuple(end - begin for begin, end in target)) for _, target, _ in pieces)
    if volume < size:                                 # before anything is allocated for the whole
        spec = ":".join(f"{begin},{end - begin}" for begin, end in bounds)
        raise errors.InvalidArgumentError(None, None, f"{path}: Does not have sufficient slices for partitioned "
                                          f"tensor {name} to restore in slice_spec: {spec}")
    if volume > size or _overlap([target for _, target, _ in pieces]):
        raise errors.InvalidArgumentError(None, None, f"{path}: Overlapping slices in tensor {name!r}: "
                                                      f"{', '.join(map(str, slices[:_TOLD]))}"
                                                      f"{', ...' if len(slices) > _TOLD else ''}")
    for slice_, _, _ in pieces:
        check(slice_)
    if len(pieces) == 1 and pieces[0][0].bounds(shape) == bounds:
        return read(pieces[0][0])
    value = np.empty(tuple(end - begin for begin, end in bounds), dtype.np)
    for slice_, target, source in pieces:
        value[indices(target)] = read(slice_)[indices(source)]
    return value


def _piece(slice_, shape, bounds):
    """(slice, where it goes in the box, what of it goes there), or None where they do not touch."""
    target, source = [], []
    for (begin, end), (low, high) in zip(slice_.bounds(shape), bounds):
        first, last = max(begin, low), min(end, high)
        if first >= last:
            return None
        target.append((first - low, last - low))
        source.append((first - begin, last - begin))
    return slice_, target, source


def _overlap(boxes):
    """Whether two boxes share an element; each has an element."""
    if len(boxes) < 2 or not boxes[0]:
        return len(boxes) > 1
    corners = np.array(boxes, np.int64)                                       # [box, dimension, begin or end]
    for k in range(len(boxes) - 1):
        begin = np.maximum(corners[k, :, 0], corners[k + 1:, :, 0])
        end = np.minimum(corners[k, :, 1], corners[k + 1:, :, 1])
        if (begin < end).all(axis=1).any():
            return True
    return False
