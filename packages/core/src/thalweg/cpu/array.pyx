"""Ops that move elements: each is a list of copies between strided views (cpu/c/copy.h), found when it is prepared.

Views are made by NumPy itself, on arrays that stand for tensors but have no memory: `_whole(shape)[1:, ::-1]` tells
where a slice begins and how far its elements lie apart, which is all that a copy needs.
"""
from libc.string cimport memcpy

from itertools import product
from math import prod

from thalweg.cpu._loops cimport item_size
from thalweg.cpu._request cimport Request
from thalweg.devices.abi cimport (THW_INPLACE, THW_OK, int32_t, int64_t, thw_call, thw_tensor)

import numpy as np

from thalweg.cpu._request import Unsupported


cdef extern from "cpu/c/copy.h" nogil:
    enum:
        THW_COPY_RANK
    ctypedef struct thw_copy:
        int64_t row_block
        int64_t column_block
        int64_t n_units
    int thw_copy_init(thw_copy* copy, int32_t item, int32_t rank, const int64_t* dims, const int64_t* source,
                      const int64_t* target)
    void thw_copy_run(const thw_copy* copy, const char* x, char* y, int64_t begin, int64_t end)


cdef enum:
    GRAIN_BYTES = 262144        # of a chunk: about 20 us
    CONSTANT = -1               # as the source of a copy: what the state holds

CONSTANT_SOURCE = CONSTANT


cdef struct Part:
    thw_copy copy
    int source                  # number of the input, or CONSTANT
    int target                  # number of the output
    int64_t source_at           # bytes from its beginning to element 0 of the view
    int64_t target_at
    int64_t grain               # units of a chunk


cdef struct State:
    int n_parts
    int64_t constant_at         # bytes from the state's beginning
    Part parts[1]               # n_parts of them, then the constant


# --- views -----------------------------------------------------------------------------------------------------------

_BASE = np.zeros(1, np.int8)
_BASE_ADDRESS = _BASE.__array_interface__["data"][0]


def _whole(shape):
    """An array of `shape` that stands for a tensor: one byte per element, none of them there."""
    strides, stride = [], 1
    for size in reversed(shape):
        strides.append(stride)
        stride *= size
    return np.lib.stride_tricks.as_strided(_BASE, shape, strides[::-1], writeable=False)


def _begin(view):
    """Elements from the tensor's first to the view's first."""
    return view.__array_interface__["data"][0] - _BASE_ADDRESS


def _repeated(shape):
    """A scalar as a view of `shape`."""
    return np.broadcast_to(_whole(()), shape)


def _set_copies(Request r, copies, constant=b"", flags=0):
    """Sets a kernel that makes `copies`: (input or CONSTANT_SOURCE, its view, output, its view of the same shape)."""
    cdef int item = item_size(r.out_dtypes[0])
    copies = [c for c in copies if c[3].size]
    cdef int64_t constant_at = sizeof(State) + len(copies) * sizeof(Part)
    constant_at = (constant_at + 15) // 16 * 16
    cdef State* state = <State*>r.new_state(constant_at + len(constant))
    state.n_parts, state.constant_at = len(copies), constant_at
    if constant:
        memcpy(<char*>state + constant_at, <const char*><bytes>constant, len(constant))
    for k, (source, x, target, y) in enumerate(copies):
        if x.shape != y.shape:
            raise ValueError(f"{r.op_type}: a copy of {x.shape} to {y.shape}")
        _set_part(&state.parts[<int>k], item, x, y)
        state.parts[<int>k].source, state.parts[<int>k].target = source, target
    r.set(copy_parts, flags)


cdef int _set_part(Part* part, int item, x, y) except -1:
    cdef int64_t dims[THW_COPY_RANK]
    cdef int64_t source[THW_COPY_RANK]
    cdef int64_t target[THW_COPY_RANK]
    if x.ndim > THW_COPY_RANK:
        raise Unsupported(f"a copy over {x.ndim} dimensions")
    for i in range(x.ndim):
        dims[i], source[i], target[i] = x.shape[i], x.strides[i] * item, y.strides[i] * item
    if thw_copy_init(&part.copy, item, x.ndim, dims, source, target):
        raise Unsupported(f"a copy of elements of {item} bytes over {x.ndim} dimensions")
    part.source_at, part.target_at = _begin(x) * item, _begin(y) * item
    part.grain = max(1, GRAIN_BYTES // max(<int64_t>1, part.copy.row_block * part.copy.column_block * item))
    return 0


# --- run -------------------------------------------------------------------------------------------------------------

cdef struct Job:
    const Part* part
    const char* x
    char* y


cdef int copy_parts(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef const State* state = <const State*>call.state
    cdef const char* source
    cdef Job job
    cdef int k
    for k in range(state.n_parts):
        job.part = &state.parts[k]
        source = <const char*>state + state.constant_at
        if job.part.source != CONSTANT:
            source = <const char*>x[job.part.source].data
        job.x, job.y = source + job.part.source_at, <char*>y[job.part.target].data + job.part.target_at
        if job.part.copy.n_units <= job.part.grain:
            thw_copy_run(&job.part.copy, job.x, job.y, 0, job.part.copy.n_units)
        else:
            call.core.parallel_for(call.core_ctx, job.part.copy.n_units, job.part.grain, some_units, &job)
    return THW_OK


cdef void some_units(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    thw_copy_run(&job.part.copy, job.x, job.y, begin, end)


# --- the bytes as they are -------------------------------------------------------------------------------------------

cdef struct BytesState:
    int64_t nbytes


def identity(Request r):
    """Prepare Identity, Reshape and their kin: all bytes of input 0."""
    nbytes, room = [prod(s) * item_size(d) for s, d in ((r.in_shapes[0], r.in_dtypes[0]),
                                                        (r.out_shapes[0], r.out_dtypes[0]))]
    if nbytes != room:
        raise ValueError(f"{r.op_type}: {nbytes} bytes of shape {r.in_shapes[0]} for {room} bytes of shape "
                         f"{r.out_shapes[0]}")
    cdef BytesState* state = <BytesState*>r.new_state(sizeof(BytesState))
    state.nbytes = nbytes
    r.set(copy_bytes, THW_INPLACE(0))


reshape = expand_dims = squeeze = bitcast = identity


cdef int copy_bytes(thw_call* call, const thw_tensor* x, int32_t n_in, thw_tensor* y, int32_t n_out) noexcept nogil:
    cdef int64_t nbytes = (<const BytesState*>call.state).nbytes
    cdef Job job
    if x[0].data == y[0].data:
        return THW_OK
    job.x, job.y = <const char*>x[0].data, <char*>y[0].data
    if nbytes <= GRAIN_BYTES:
        memcpy(job.y, job.x, nbytes)
    else:
        call.core.parallel_for(call.core_ctx, nbytes, GRAIN_BYTES, some_bytes, &job)
    return THW_OK


cdef void some_bytes(void* arg, int64_t begin, int64_t end, void* scratch) noexcept nogil:
    cdef const Job* job = <const Job*>arg
    memcpy(job.y + begin, job.x + begin, end - begin)


# --- constants -------------------------------------------------------------------------------------------------------

# DataType -> NumPy type, of what constants are made of
_TYPES = {1: "f4", 2: "f8", 3: "i4", 4: "u1", 5: "i2", 6: "i1", 8: "c8", 9: "i8", 10: "?", 17: "u2", 18: "c16",
          19: "f2", 22: "u4", 23: "u8"}


def _set_constant(Request r, arrays):
    """A kernel that writes constant arrays, output by output."""
    arrays = [np.asarray(a, _TYPES[r.out_dtypes[0]]) for a in arrays]
    everything = _whole((sum([a.size for a in arrays]),))
    copies, at = [], 0
    for k, array in enumerate(arrays):
        source = everything[at:at + array.size].reshape(array.shape)
        copies.append((CONSTANT_SOURCE, source, k, _whole(array.shape)))
        at += array.size
    _set_copies(r, copies, b"".join([a.tobytes() for a in arrays]))


def shape_(Request r):
    """Prepare Shape and ShapeN."""
    _set_constant(r, r.in_shapes)


def size_(Request r):
    """Prepare Size."""
    _set_constant(r, [prod(r.in_shapes[0])])


def rank(Request r):
    """Prepare Rank."""
    _set_constant(r, [len(r.in_shapes[0])])


def zeros_like(Request r):
    """Prepare ZerosLike, of any type of fixed size."""
    _fill(r, bytes(item_size(r.out_dtypes[0])))


def ones_like(Request r):
    """Prepare OnesLike."""
    if r.out_dtypes[0] not in _TYPES:
        raise Unsupported(f"{r.op_type} on the CPU knows no one of DataType {r.out_dtypes[0]}")
    _fill(r, np.ones((), _TYPES[r.out_dtypes[0]]).tobytes())


def _fill(Request r, constant):
    _set_copies(r, [(CONSTANT_SOURCE, _repeated(r.out_shapes[0]), 0, _whole(r.out_shapes[0]))], constant)


def fill(Request r):
    """Prepare Fill: input 1 everywhere."""
    _set_copies(r, [(1, _repeated(r.out_shapes[0]), 0, _whole(r.out_shapes[0]))])


# --- one view of one input -------------------------------------------------------------------------------------------

def _set_view(Request r, view, flags=0):
    _set_copies(r, [(0, view, 0, _whole(view.shape))], flags=flags)


def _values(Request r, *inputs):
    """The values of inputs that must be constant, as lists of ints."""
    values = [r.in_value(k) for k in inputs]
    if any([v is None for v in values]):
        raise Unsupported(f"{r.op_type} on the CPU needs constant {'inputs' if len(inputs) > 1 else 'input'} "
                          f"{', '.join(map(str, inputs))}")
    return [v.tolist() for v in values]


def transpose(Request r):
    """Prepare Transpose."""
    perm, = _values(r, 1)
    _set_view(r, _whole(r.in_shapes[0]).transpose(perm))


def broadcast_to(Request r):
    """Prepare BroadcastTo."""
    _set_view(r, np.broadcast_to(_whole(r.in_shapes[0]), r.out_shapes[0]))


def slice_(Request r):
    """Prepare Slice; the sizes are those of the output."""
    begin, = _values(r, 1)
    if any([b < 0 or b + n > d for b, n, d in zip(begin, r.out_shapes[0], r.in_shapes[0])]):
        raise ValueError(f"Slice: {r.out_shapes[0]} from {begin} is outside of an input of shape {r.in_shapes[0]}")
    _set_view(r, _whole(r.in_shapes[0])[tuple([np.s_[b:b + n] for b, n in zip(begin, r.out_shapes[0])])])


def reverse_v2(Request r):
    """Prepare ReverseV2."""
    axes, = _values(r, 1)
    _set_view(r, np.flip(_whole(r.in_shapes[0]), tuple(axes)))


def strided_slice(Request r):
    """Prepare StridedSlice with all its masks."""
    _set_view(r, _whole(r.in_shapes[0])[_strided_index(r, len(r.in_shapes[0]), *_values(r, 1, 2, 3))])


def strided_slice_grad(Request r):
    """Prepare StridedSliceGrad: zeros, then the gradient where the slice took its values from."""
    whole = _whole(r.out_shapes[0])
    part = whole[_strided_index(r, len(r.out_shapes[0]), *_values(r, 1, 2, 3))]
    if part.shape != r.in_shapes[4]:
        raise ValueError(f"{r.op_type}: a gradient of shape {r.in_shapes[4]} for a slice of shape {part.shape}")
    zeros = [] if part.size == whole.size else [(CONSTANT_SOURCE, _repeated(whole.shape), 0, whole)]
    _set_copies(r, zeros + [(4, _whole(part.shape), 0, part)], bytes(16))


def _strided_index(Request r, rank, begin, end, strides):
    """The NumPy index that the entries and masks mean; with an ellipsis, so that it always gives a view."""
    from_first, to_last, ellipsis, new_axis, shrink = [
        r.attr_int(name + "_mask", 0) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")]
    index = []
    for i, (first, last, step) in enumerate(zip(begin, end, strides)):
        bit = 1 << i
        if ellipsis & bit:
            index.append(...)
        elif new_axis & bit:
            index.append(None)
        elif shrink & bit:
            index.append(first)
        else:
            index.append(np.s_[None if from_first & bit else first:None if to_last & bit else last:step])
    return tuple(index) if ... in index else (*index, ...)


def space_to_depth(Request r):
    """Prepare SpaceToDepth, NHWC and NCHW."""
    _set_depth(r, r.in_shapes[0], True)


def depth_to_space(Request r):
    """Prepare DepthToSpace, NHWC and NCHW."""
    _set_depth(r, r.out_shapes[0], False)


def _set_depth(Request r, space, to_depth):
    """The tensor of shape `space` cut into blocks, against the one with blocks in its channels."""
    block, is_nhwc = r.attr_int("block_size"), r.attr_str("data_format", "NHWC") == "NHWC"
    if r.attr_str("data_format", "NHWC") not in ("NHWC", "NCHW"):
        raise Unsupported(f"{r.op_type} on the CPU in {r.attr_str('data_format')}")
    n, h, w, c = space if is_nhwc else (space[0], space[2], space[3], space[1])
    if is_nhwc:
        cut = _whole(space).reshape(n, h // block, block, w // block, block, c).transpose(0, 1, 3, 2, 4, 5)
    else:
        cut = _whole(space).reshape(n, c, h // block, block, w // block, block).transpose(0, 3, 5, 1, 2, 4)
    deep = _whole(cut.shape)
    _set_copies(r, [(0, cut, 0, deep) if to_depth else (0, deep, 0, cut)])


# --- several parts ---------------------------------------------------------------------------------------------------

def _pieces(shape, axis, sizes):
    """Views of a tensor, one after the other along `axis`."""
    whole, begin, views = _whole(shape), 0, []
    before = (np.s_[:],) * (axis % len(shape))
    for size in sizes:
        views.append(whole[before + (np.s_[begin:begin + size],)])
        begin += size
    return views


def concat_v2(Request r):
    """Prepare ConcatV2 along a constant axis."""
    count = r.n_in - 1
    axis, = _values(r, count)
    shapes = r.in_shapes[:count]
    views = _pieces(r.out_shapes[0], axis, [s[axis % len(s)] for s in shapes])
    _set_copies(r, [(k, _whole(s), 0, view) for k, (s, view) in enumerate(zip(shapes, views))])


def _along(array, axis, i):
    """Element i of the dimension `axis`, which goes."""
    return array[(np.s_[:],) * (axis % array.ndim) + (i, ...)]


def pack(Request r):
    """Prepare Pack."""
    axis, whole = r.attr_int("axis", 0), _whole(r.out_shapes[0])
    _set_copies(r, [(k, _whole(s), 0, _along(whole, axis, k)) for k, s in enumerate(r.in_shapes)])


def unpack(Request r):
    """Prepare Unpack."""
    axis, whole = r.attr_int("axis", 0), _whole(r.in_shapes[0])
    _set_copies(r, [(0, _along(whole, axis, k), k, _whole(s)) for k, s in enumerate(r.out_shapes)])


def split(Request r):
    """Prepare Split: the axis is input 0, the value input 1."""
    _set_split(r, 1, 0)


def split_v(Request r):
    """Prepare SplitV: value, sizes, axis."""
    _set_split(r, 0, 2)


def _set_split(Request r, value, axis_input):
    axis, = _values(r, axis_input)
    axis = axis[0] if isinstance(axis, list) else axis
    views = _pieces(r.in_shapes[value], axis, [s[axis % len(s)] for s in r.out_shapes])
    _set_copies(r, [(value, view, k, _whole(s)) for k, (view, s) in enumerate(zip(views, r.out_shapes))])


def tile(Request r):
    """Prepare Tile: the input repeated along new dimensions, one before each of its own."""
    multiples, = _values(r, 1)
    shape = r.in_shapes[0]
    cut = [n for pair in zip(multiples, shape) for n in pair]
    source = _whole(shape).reshape([n for d in shape for n in (1, d)])
    _set_copies(r, [(0, np.broadcast_to(source, cut), 0, _whole(cut))])


def roll(Request r):
    """Prepare Roll: along each axis the last elements come first."""
    shift, axes = [v if isinstance(v, list) else [v] for v in _values(r, 1, 2)]
    shape = r.in_shapes[0]
    total = [0] * len(shape)
    for s, axis in zip(shift, axes):
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"Roll: axis {axis} is out of range for an input of shape {shape}")
        total[axis % len(shape)] += s
    cuts = [[(np.s_[:], np.s_[:])] if n == 0 or s % n == 0 else
            [(np.s_[:n - s % n], np.s_[s % n:]), (np.s_[n - s % n:], np.s_[:s % n])] for s, n in zip(total, shape)]
    _set_boxes(r, cuts)


def _set_boxes(Request r, cuts):
    """One copy per combination of segments; `cuts` has for each dimension pairs of slices, of input and output."""
    source, target = _whole(r.in_shapes[0]), _whole(r.out_shapes[0])
    _set_copies(r, [(0, source[tuple([s for s, _ in box])], 0, target[tuple([s for _, s in box])])
                    for box in product(*cuts)])


# --- padding ---------------------------------------------------------------------------------------------------------

def pad(Request r):
    """Prepare Pad and PadV2: the input in the middle, slabs of the constant around it."""
    paddings, = _values(r, 1)
    value = 2 if r.op_type == "PadV2" else CONSTANT_SOURCE
    slabs, middle = [], _whole(r.out_shapes[0])
    for d, (before, after) in enumerate(paddings):
        ahead, end = (np.s_[:],) * d, middle.shape[d] - after
        for side in (np.s_[:before], np.s_[end:]):
            slab = middle[ahead + (side,)]
            slabs.append((value, _repeated(slab.shape), 0, slab))
        middle = middle[ahead + (np.s_[before:end],)]
    _set_copies(r, slabs + [(0, _whole(r.in_shapes[0]), 0, middle)], bytes(16))


pad_v2 = pad


def mirror_pad(Request r):
    """Prepare MirrorPad: per dimension the mirrored beginning, the input, the mirrored end."""
    paddings, = _values(r, 1)
    edge = 1 if r.attr_str("mode") == "REFLECT" else 0
    cuts = []
    for n, (before, after) in zip(r.in_shapes[0], paddings):
        if max(before, after) > n - edge:
            raise ValueError(f"MirrorPad: paddings ({before}, {after}) of a dimension of {n}")
        first = np.s_[edge:edge + before]
        last = np.s_[n - edge - after:n - edge]
        cuts.append([(np.s_[:], np.s_[before:before + n])]
                    + [(_backward(first), np.s_[:before])] * (before > 0)
                    + [(_backward(last), np.s_[before + n:])] * (after > 0))
    _set_boxes(r, cuts)


def _backward(s):
    """The elements of a slice from the last to the first."""
    return np.s_[s.stop - 1:s.start - 1 if s.start else None:-1]


def space_to_batch_nd(Request r):
    """Prepare SpaceToBatchND: per place in a block the elements there; zeros where a place lies in the padding."""
    blocks, paddings = _values(r, 1, 2)
    is_padded = any([p for pair in paddings for p in pair])
    zeros = [(CONSTANT_SOURCE, _repeated(r.out_shapes[0]), 0, _whole(r.out_shapes[0]))] if is_padded else []
    pairs = _block_places(r.in_shapes[0], r.out_shapes[0], blocks, [p[0] for p in paddings])
    _set_copies(r, zeros + [(0, in_space, 0, in_batch) for in_space, in_batch in pairs], bytes(16))


def batch_to_space_nd(Request r):
    """Prepare BatchToSpaceND: the copies of SpaceToBatchND turned round."""
    blocks, crops = _values(r, 1, 2)
    pairs = _block_places(r.out_shapes[0], r.in_shapes[0], blocks, [c[0] for c in crops])
    _set_copies(r, [(0, in_batch, 0, in_space) for in_space, in_batch in pairs])


def _block_places(space, batch, blocks, before):
    """Pairs of views, in space and in batch, of what lies at one place of every block.

    Position p of dimension d in space is place (p + before[d]) % blocks[d] of block (p + before[d]) // blocks[d].
    """
    pairs = []
    whole = _whole(space)
    split = _whole((*blocks, *space[:1], *batch[1:]))
    for place in product(*[range(b) for b in blocks]):
        in_space, in_batch = [np.s_[:]], [np.s_[:]]
        for d, (i, block, ahead) in enumerate(zip(place, blocks, before)):
            skipped = max(0, -((i - ahead) // block))                 # blocks whose place lies before the first
            first = skipped * block + i - ahead
            count = max(0, -((first - space[d + 1]) // block))
            count = min(count, batch[d + 1] - skipped)
            in_space.append(np.s_[first:first + count * block:block] if count > 0 else np.s_[:0])
            in_batch.append(np.s_[skipped:skipped + count] if count > 0 else np.s_[:0])
        pairs.append((whole[tuple(in_space)], split[place][tuple(in_batch)]))
    return pairs


# --- sequences -------------------------------------------------------------------------------------------------------

def range_(Request r):
    """Prepare Range of constant bounds. Each is the last one plus delta, in its own type: rounding adds up."""
    start, _, delta = _scalars(r)
    steps = np.full(r.out_shapes[0], delta)
    steps[:1] = start
    _set_constant(r, [np.add.accumulate(steps, dtype=steps.dtype)])


def lin_space(Request r):
    """Prepare LinSpace of constant bounds."""
    start, stop, _ = _scalars(r)
    count, = r.out_shapes[0]
    values = start + (stop - start) / start.dtype.type(max(1, count - 1)) * np.arange(count, dtype=start.dtype)
    if count > 1:
        values[count - 1] = stop
    _set_constant(r, [values])


def _scalars(Request r):
    values = [r.in_value(k) for k in (0, 1, 2)]
    if any([v is None for v in values]):
        raise Unsupported(f"{r.op_type} on the CPU needs constant inputs")
    return [v.reshape(())[()] for v in values]


# Names of declarations that would hide Python's own if they were defined above.
globals().update(range=range_, slice=slice_, shape=shape_, size=size_)
shape_n = shape_
