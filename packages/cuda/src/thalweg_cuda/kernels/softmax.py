"""Softmax, LogSoftmax and the softmax cross entropies: rows of classes.

Rows of up to 256 classes are held in the registers of a warp and read once. Longer ones are read twice by a block:
maximum and sum of exponentials in one pass, where a thread that finds a larger maximum scales its sum down, then the
results. Sums are formed in double for float32 as for float64, in float for half types.
"""
import functools
import math

from thalweg_cuda.work import Flag, Launch, Source, Unsupported, Work, input_, output

from . import _geometry as geometry
from . import _softmax_text as text
from . import kernel
from ._flags import FLAG
from .prelude import PRELUDE, TYPES

_HELD = (1, 4, 8)                # elements of a row that a thread of a warp holds


@kernel("Softmax", "LogSoftmax")
def softmax(request, target):
    """Along the last dimension."""
    shape, dtype = request.in_shapes[0], _floating(request)
    if not math.prod(shape):
        return geometry.NOTHING
    rows, classes = math.prod(shape[:-1]), shape[-1]
    index = geometry.index_for(math.prod(shape))
    form = text.SOFTMAX if request.op_type == "Softmax" else text.LOG_SOFTMAX
    source, grid, block = _launch(form, dtype, None, rows, classes, index)
    args = (input_(0), output(), index.scalar(rows), index.scalar(classes))
    return Work((Launch(source, form.name, grid, block, args),), inplace=(0,))


@kernel("SoftmaxCrossEntropyWithLogits")
def softmax_cross_entropy(request, target):
    """loss[n] = -sum of labels log softmax, and its gradient for the logits; both inputs broadcast."""
    shape, dtype = request.out_shapes[1], _floating(request)
    rows, classes = shape
    if not rows:
        return geometry.NOTHING
    index = geometry.index_for(rows * classes)
    source, grid, block = _launch(text.CROSS_ENTROPY, dtype, None, rows, classes, index)
    steps = [step for side in request.in_shapes for step in geometry.broadcast_strides(side, shape)]
    args = (input_(0), input_(1), output(0), output(1), index.scalar(rows), index.scalar(classes),
            *map(index.scalar, steps))
    inplace = (0,) if request.in_shapes[0] == shape else ()
    return Work((Launch(source, text.CROSS_ENTROPY.name, grid, block, args),), inplace_second=inplace)


@kernel("SparseSoftmaxCrossEntropyWithLogits")
def sparse_softmax_cross_entropy(request, target):
    """loss[n] = -log softmax[n, labels[n]], and its gradient; a label that is no class is told of and gives NaN."""
    (rows, classes), dtype = request.in_shapes[0], _floating(request)
    if not rows:
        return geometry.NOTHING
    index = geometry.index_for(rows * classes)
    source, grid, block = _launch(text.SPARSE_CROSS_ENTROPY, dtype, request.in_dtypes[1], rows, classes, index)
    flag = Flag(lambda words: f"Received a label value of {words[2]} which is outside the valid range of "
                              f"[0, {classes})")
    args = (input_(0), input_(1), output(0), output(1), index.scalar(rows), index.scalar(classes), flag)
    return Work((Launch(source, text.SPARSE_CROSS_ENTROPY.name, grid, block, args),), inplace_second=(0,))


def _floating(request):
    dtype = request.in_dtypes[0]
    if dtype not in TYPES or TYPES[dtype].compute not in ("float", "double"):
        raise Unsupported(f"{request.op_type} on CUDA takes floating types, not DataType {dtype}")
    return dtype


def _launch(form, dtype, labels_dtype, rows, classes, index):
    """(source, grid, block): a warp for each row, or a block."""
    held = next((n for n in _HELD if classes <= 32 * n), 0)
    source = _source(form, dtype, labels_dtype, held, index)
    per_block = text.THREADS // 32 if held else 1
    return source, (geometry.ceil_div(rows, per_block),), (text.THREADS,)


@functools.lru_cache(maxsize=100)
def _source(form, dtype, labels_dtype, held, index):
    flag = FLAG if form is text.SPARSE_CROSS_ENTROPY else ""
    labels = labels_dtype and TYPES[labels_dtype].storage
    return Source(PRELUDE + flag + text.kernel_text(form, TYPES[dtype], labels, held, index.name))


