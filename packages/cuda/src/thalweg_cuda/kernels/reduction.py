"""Reductions along any axes: Sum, Mean, Prod, Max, Min, All, Any, L2Loss, ArgMax, ArgMin.

Dimensions are joined to as few kept and reduced ones as can be. If the innermost one is reduced, a group of threads
folds the line of each output (rows); if it is kept, neighbouring threads fold neighbouring lines (columns). Long lines
of few outputs are cut into parts, whose accumulators a second launch folds. How lines are cut depends on the shape
alone, so that every card gives the same bits.
"""
import functools
import math
from typing import NamedTuple

import numpy as np

from thalweg_cuda.work import Launch, Source, Unsupported, Work, input_, output, workspace

from . import _geometry as geometry
from . import _reduction_text as text
from . import kernel
from ._expression import Expression, Step, element_function
from ._folds import fold as fold_of
from .prelude import SCALARS, TYPES, ctype

_ENOUGH_BLOCKS = 1024            # to fill any card of today; lines are cut until there are as many
_MOST_PARTS = 1024               # that a second launch folds
_PART_BYTES = 16 << 10           # least of a part of a line, in rows
_PART_ROWS = 32                  # least rows of a part, in columns
_NARROW = 16                     # lines of fewer elements, whose outputs are neighbours, go to one thread each


class _Plan(NamedTuple):
    """How a reduction is launched."""

    is_rows: bool
    group: int                   # threads of an output (rows)
    lanes: int
    kept: geometry.Walk
    reduced: geometry.Walk
    n_out: int
    n_reduced: int
    part_size: int
    grid: tuple
    block: tuple


@kernel("Sum", "Mean", "Prod", "Max", "Min", "All", "Any")
def reduction(request, target):
    """Along constant axes."""
    shape = request.in_shapes[0]
    return reduce_work(request.op_type, request.in_dtypes[0], request.out_dtypes[0], shape,
                       _reduced_dimensions(request, shape))


@kernel("L2Loss")
def l2_loss(request, target):
    """Half the sum of squares of all elements."""
    shape = request.in_shapes[0]
    return reduce_work("L2Loss", request.in_dtypes[0], request.out_dtypes[0], shape, [True] * len(shape))


@kernel("ArgMax", "ArgMin")
def arg(request, target):
    """The number of the extreme element along one axis."""
    shape = request.in_shapes[0]
    is_reduced = _reduced_dimensions(request, shape)
    if sum(is_reduced) != 1:
        raise Unsupported(f"{request.op_type} along one axis, not {sum(is_reduced)}")
    if math.prod(request.out_shapes[0]) and not math.prod(shape):
        raise Unsupported(f"{request.op_type} along an empty axis: the processor raises the error")
    return reduce_work(request.op_type, request.in_dtypes[0], request.out_dtypes[0], shape, is_reduced)


def _reduced_dimensions(request, shape):
    axes = request.values.get(1)
    if axes is None:
        raise Unsupported(f"{request.op_type} on CUDA needs constant axes")
    is_reduced = [False] * len(shape)
    for axis in np.ravel(axes).tolist():
        if shape:
            if not -len(shape) <= axis < len(shape):
                raise ValueError(f"{request.op_type}: axis {axis} of an input with {len(shape)} dimensions")
            is_reduced[axis % len(shape)] = True
    return is_reduced


def reduce_work(op_type, dtype, out_dtype, shape, is_reduced, x=None, y=None, gate=None):
    """The Work of a reduction of operand x (input 0), contiguous, of `shape`, to operand y (output 0).

    gate : (op type, features, passed)     op(x, features) is written to the operand `passed`, and that is reduced;
                                           where folds_columns only
    """
    x, y = x or input_(0), y or output(0)
    ctype(op_type, dtype)
    sizes = [size for size, reduced in zip(shape, is_reduced) if reduced]
    if 0 in [size for size, reduced in zip(shape, is_reduced) if not reduced]:
        return geometry.NOTHING
    n_reduced = math.prod(sizes)
    divisor = {"Mean": n_reduced, "L2Loss": 2}.get(op_type, 1)
    plan = _plan(dtype, tuple(shape), tuple(is_reduced))
    source, fold = _source(op_type, dtype, out_dtype, plan.kept.index, len(plan.kept.sizes), len(plan.reduced.sizes),
                           plan.lanes, plan.group, plan.is_rows, gate and gate[0])
    if fold.divisor in ("int64", "uint64"):
        divisor = max(1, divisor)
    divisor = SCALARS[fold.divisor](divisor)
    index, parts = plan.kept.index, plan.grid[1]
    partial = workspace() if parts > 1 else y
    args = (x, y, partial, index.scalar(plan.n_out), index.scalar(plan.n_reduced), index.scalar(plan.part_size),
            divisor, *plan.kept.args, *plan.reduced.args, *(gate[1:] if gate else ()))
    launches = [Launch(source, "reduce", plan.grid, plan.block, args)]
    if parts > 1:
        width = _width(plan.n_out)
        launches.append(Launch(source, "merge", (geometry.ceil_div(plan.n_out, width),),
                               (width, text.THREADS // width),
                               (partial, y, index.scalar(plan.n_out), index.scalar(parts), divisor)))
    return Work(tuple(launches), parts * plan.n_out * fold.nbytes if parts > 1 else 0)


def folds_columns(dtype, shape, is_reduced):
    """Whether neighbouring threads fold neighbouring lines."""
    return not _plan(dtype, tuple(shape), tuple(is_reduced)).is_rows


def _width(n):
    """Columns of a block: a power of two up to 32."""
    return min(32, 1 << max(0, n - 1).bit_length())


def _plan(dtype, shape, is_reduced):
    kept, reduced = _joined(shape, is_reduced)
    n_out, n_reduced = math.prod(kept[0]), math.prod(reduced[0])
    index = geometry.index_for(math.prod(shape))
    is_rows = n_reduced < _NARROW or not kept[0] or reduced[0] and reduced[1][-1] < kept[1][-1]
    lanes = _lanes(dtype, kept, reduced, n_reduced, is_rows)
    walks = [geometry.Walk(*_in_packs(*kept, 1 if is_rows else lanes), index, "kept_"),
             geometry.Walk(*_in_packs(*reduced, lanes if is_rows else 1), index, "reduced_")]
    if is_rows:
        group = _group(n_reduced, lanes, n_out, bool(reduced[0]) and reduced[1][-1] == 1)
        part_size = _part(n_reduced, lanes * text.THREADS, n_out if group == text.THREADS else _ENOUGH_BLOCKS,
                          _PART_BYTES // TYPES[dtype].nbytes)
        grid = geometry.ceil_div(n_out, text.THREADS // group), geometry.ceil_div(max(1, n_reduced), part_size)
        return _Plan(True, group, lanes, *walks, n_out, n_reduced, part_size, grid, (text.THREADS,))
    width = _width(n_out // lanes)
    blocks = geometry.ceil_div(n_out // lanes, width)
    part_size = _part(n_reduced, 1, blocks, max(_PART_ROWS, 4 * (text.THREADS // width)))
    grid = blocks, geometry.ceil_div(n_reduced, part_size)
    return _Plan(False, 0, lanes, *walks, n_out, n_reduced, part_size, grid, (width, text.THREADS // width))


def _joined(shape, is_reduced):
    """(sizes, steps) of the kept and of the reduced dimensions, each joined as far as can be."""
    steps = geometry.dense_strides(shape)
    found = []
    for wanted in (False, True):
        axes = [i for i, reduced in enumerate(is_reduced) if reduced == wanted]
        found.append(geometry.collapse([shape[i] for i in axes], [steps[i] for i in axes]))
    return found


def _lanes(dtype, kept, reduced, n_reduced, is_rows):
    """Elements of a load, along the innermost dimension."""
    lanes = 16 // TYPES[dtype].nbytes
    sizes, steps = reduced if is_rows else kept
    if not sizes or steps[-1] != 1 or is_rows and n_reduced < _NARROW:
        return 1
    if is_rows and not kept[0] and len(sizes) == 1:
        return lanes                                 # one line: what is left of its last pack goes one by one
    while sizes[-1] % lanes:
        lanes //= 2
    return min(lanes, 8)


def _in_packs(sizes, steps, lanes):
    """The walk over packs; the line of one output may end with a part of a pack, which sizes[0] never shows."""
    if lanes == 1:
        return sizes, [steps]
    return (*sizes[:-1], max(1, sizes[-1] // lanes)), [(*steps[:-1], lanes)]


def _group(n_reduced, lanes, n_out, is_dense):
    """Threads of an output, in rows."""
    if n_reduced < _NARROW:
        return 1
    if n_reduced <= 64 * lanes:
        return 8 if n_reduced <= 16 * lanes else 32
    return 32 if n_reduced <= 256 * lanes and n_out >= _ENOUGH_BLOCKS else text.THREADS


def _part(n_reduced, multiple, blocks, least):
    """Elements of a line in a part: a multiple of `multiple`, unless it is all."""
    wanted = min(_MOST_PARTS, _ENOUGH_BLOCKS // max(1, blocks), n_reduced // least)
    if wanted <= 1:
        return max(1, n_reduced)
    return geometry.ceil_div(geometry.ceil_div(n_reduced, wanted), multiple) * multiple


@functools.lru_cache(maxsize=1000)
def _source(op_type, dtype, out_dtype, index, kept_rank, reduced_rank, lanes, group, is_rows, gate):
    fold = fold_of(op_type, dtype, out_dtype, index.name)
    kept, reduced = (geometry.Walk((2,) * rank, [(1,) * rank], index, prefix)
                     for rank, prefix in ((kept_rank, "kept_"), (reduced_rank, "reduced_")))
    if is_rows:
        assert not gate, "rows have no gate"
        body = text.rows(dtype, out_dtype, fold, index.name, kept, reduced, lanes, group)
    else:
        gate = element_function(Expression((dtype, dtype), (Step(gate, (0, 1), dtype),), (0,)))[0] if gate else ""
        body = text.columns(dtype, out_dtype, fold, index.name, kept, reduced, lanes, gate)
    return Source(text.common(fold, index.name) + body + text.merge(out_dtype, fold, index.name)), fold
