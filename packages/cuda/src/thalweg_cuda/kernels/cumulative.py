"""Running sums and products along one axis.

Lines are cut into parts for a block each: a first launch folds the parts, a second folds what stands before a part and
scans it. Lines that lie side by side and are many get a thread each. Floats accumulate in double, as in the reference.
"""
import functools
import math

import numpy as np

from thalweg_cuda.work import Launch, Source, Work, input_, output, workspace

from . import _cumulative_text as text
from . import _geometry as geometry
from . import kernel
from ._at_run import at_run
from ._folds import fold as fold_of
from .prelude import TYPES, ctype

_ENOUGH_LINES = 4096             # lines that are scanned by a thread each, where neighbours are in neighbouring memory
_TILE = text.THREADS * text.ITEMS
_MOST_PARTS = 256


@kernel("Cumsum", "Cumprod")
def cumulative(request, target):
    """Along an axis; exclusive: the element itself left out, reverse: from the end."""
    shape = request.in_shapes[0]
    if request.values.get(1) is None:
        most = max((_along(request, axis).workspace_bytes for axis in range(len(shape))), default=0)
        return at_run(request, target, cumulative, (1,), most, (0,))
    axis = int(request.values[1])
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"{request.op_type}: axis {axis} of an input with {len(shape)} dimensions")
    return _along(request, axis % len(shape))


def _along(request, axis):
    shape, dtype = request.in_shapes[0], request.in_dtypes[0]
    ctype(request.op_type, dtype)
    if not math.prod(shape):
        return geometry.NOTHING
    length, inner = shape[axis], math.prod(shape[axis + 1:])
    lines, index = math.prod(shape[:axis]) * inner, geometry.index_for(math.prod(shape))
    source, fold = _source({"Cumsum": "Sum", "Cumprod": "Prod"}[request.op_type], dtype, index)
    flags = [np.int32(bool(request.attrs.get(name, False))) for name in ("exclusive", "reverse")]
    sizes = [index.scalar(n) for n in (lines, length, inner)]
    if length <= text.ITEMS or inner > 1 and (lines >= _ENOUGH_LINES or length < text.THREADS):
        grid = (geometry.ceil_div(lines, text.THREADS),)
        return Work((Launch(source, "scan_lines", grid, (text.THREADS,), (input_(0), output(), *sizes, *flags)),),
                    inplace=(0,))
    parts = max(1, min(_MOST_PARTS, length // (4 * _TILE)))
    part_size = geometry.ceil_div(geometry.ceil_div(length, parts), _TILE) * _TILE
    parts = geometry.ceil_div(length, part_size)
    sizes.append(index.scalar(part_size))
    grid, partial = (lines, parts), workspace() if parts > 1 else output()
    scan = Launch(source, "scan_parts", grid, (text.THREADS,), (input_(0), output(), partial, *sizes, *flags))
    if parts == 1:
        return Work((scan,), inplace=(0,))
    totals = Launch(source, "fold_parts", grid, (text.THREADS,), (input_(0), workspace(), *sizes, flags[1]))
    return Work((totals, scan), lines * parts * fold.nbytes, inplace=(0,))


@functools.lru_cache(maxsize=100)
def _source(fold_type, dtype, index):
    fold = fold_of(fold_type, dtype, dtype, index.name)
    return Source(text.kernels(fold, TYPES[dtype].storage, index.name)), fold
