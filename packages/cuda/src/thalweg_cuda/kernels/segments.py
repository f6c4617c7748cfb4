"""Reductions over segments: rows that share an id."""
import math

import numpy as np

from thalweg_cuda.work import Flag, Launch, Source, Unsupported, Work, input_, output

from . import kernel
from ._fill import filled
from ._flags import FLAG
from ._geometry import grid_stride
from ._places import Places
from ._runs import IDS, IN_ORDER, ORDERED, SORTED, Runs, fold, fold_of, head
from ._workspace import Workspace
from .prelude import PRELUDE, ctype

_FINISH = """
__device__ inline void end_row(T* y, accumulator sum, uint32 count) { STATEMENT }
"""

_CHECK = PRELUDE + FLAG + """
typedef TYPE I;
extern "C" __global__ void check(const I* ids, int64* flag, uint32 n, uint32 segments) {
  for (uint32 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    if (ids[i] < 0) claim(flag, 1);
    else if ((i > 0 && ids[i] < ids[i - 1]) || (uint64)ids[i] >= segments) claim(flag, 2);
  }
}
"""


def _finish(name, t):
    """How the sum over `count` rows becomes an element."""
    if t.storage.startswith("complex"):
        part = "(float)" if t.storage == "complex64" else ""
        by = " / count" if name == "Mean" else ""
        statement = f"(void)count; y->re = {part}(sum.re{by}); y->im = {part}(sum.im{by});"
    elif name != "Mean":
        statement = "(void)count; store(y, (C)sum);"
    elif t.compute in ("float", "double"):
        statement = "store(y, (C)(sum / count));"
    else:
        statement = "store(y, (C)((int64)sum / (int64)count));"
    return _FINISH.replace("STATEMENT", statement)


def _empty(name, t, is_sorted):
    """Bytes of an element of a segment without rows."""
    if name == "Prod":
        value = 1
    elif name in ("Sum", "Mean") or is_sorted:
        return bytes(t.nbytes)
    elif t.storage == "bfloat16":
        return b"\x7f\xff" if name == "Max" else b"\x7f\x7f"
    else:
        dtype = _numpy(t)
        limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        value = limits.min if name == "Max" else limits.max
    return b"\x80\x3f" if t.storage == "bfloat16" else np.array(value).astype(_numpy(t)).tobytes()


def _numpy(t):
    names = {"float": "float32", "double": "float64", "half": "float16"}
    return np.dtype(names.get(t.storage, t.storage))


def _prepared(r, name):
    data, ids, t = r.in_shapes[0], r.in_shapes[1], ctype(r.op_type, r.in_dtypes[0])
    if data[:len(ids)] != ids:
        raise ValueError(f"{r.op_type}: segment_ids of shape {ids} for data of shape {data}")
    folding = fold_of(r, "Sum" if name == "Mean" else name, 0)
    return t, folding, math.prod(ids), math.prod(data[len(ids):]), r.out_shapes[0][0]


@kernel("SegmentSum", "SegmentMean", "SegmentProd", "SegmentMax", "SegmentMin")
def segment(r, target):
    """Ids in increasing order; an empty segment is 0 or 1."""
    name = r.op_type.removeprefix("Segment")
    t, folding, n, row, segments = _prepared(r, name)
    _refuse_many(r, n, segments)
    ids = ctype(r.op_type, r.in_dtypes[1]).storage
    empty = filled(output(), segments * row, t.nbytes, target, _empty(name, t, True))
    if not n:
        return Work(empty)
    sizes = np.uint32(n), np.uint32(segments)
    check = Launch(Source(_CHECK.replace("TYPE", ids)), "check", *grid_stride(n, target),
                   (input_(1), Flag(_order_error), *sizes))
    if not row:
        return Work((check,))
    space = Workspace()
    folded = fold(f"{head(t)}typedef {ids} I;\n", folding.text + _finish(name, t), (IDS, IN_ORDER), input_(0),
                  output(), row, n, (input_(1), *sizes), folding.nbytes, segments, space, target)
    return Work((check, *empty, *folded), space.nbytes)


def _order_error(words):
    return "segment ids must be >= 0" if words[0] == 1 else "segment ids are not increasing"


def _refuse_many(r, n, segments):
    if max(n, segments) >= 2 ** 31:
        raise Unsupported(f"{r.op_type} on CUDA takes less than 2^31 ids and segments, not {n} and {segments}")


@kernel("UnsortedSegmentSum", "UnsortedSegmentProd", "UnsortedSegmentMax", "UnsortedSegmentMin")
def unsorted_segment(r, target):
    """Ids in any order, negative ones dropped; an empty segment is 0, 1, the lowest or the highest."""
    name = r.op_type.removeprefix("UnsortedSegment")
    t, folding, n, row, segments = _prepared(r, name)
    _refuse_many(r, n, segments)
    empty = filled(output(), segments * row, t.nbytes, target, _empty(name, t, False))
    if not n or not row:
        return Work(empty)
    places = Places(r, 1, (segments,), False, "segment_ids", f"is out of range [0, {segments})")
    space = Workspace()
    runs = Runs(places, input_(1), space, target, drops_negative=True)
    folded = fold(head(t), folding.text + _finish(name, t), (ORDERED, SORTED), input_(0), output(), row, n,
                  runs.args, folding.nbytes, segments, space, target)
    return Work((*empty, *runs.commands, *folded), space.nbytes)
