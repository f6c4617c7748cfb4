"""Kernels that move elements, against NumPy: random shapes and arguments, element sizes, threads, empty tensors."""
import numpy as np
import pytest

from thalweg.cpu import array
from thalweg.cpu._request import Unsupported
from thalweg.testing.kernel_call import KernelCall, call_kernel

RNG = np.random.default_rng(23)
DTYPES = ["float32", "float64", "int32", "int64", "bool", "uint8", "float16", "complex64", "complex128"]


def numbered(shape, dtype="float32"):
    return (np.arange(np.prod(shape, dtype=int)) % 251).reshape(shape).astype(dtype)


def shape_of(max_rank=5, most=7, least=1):
    return tuple(RNG.integers(least, most, RNG.integers(1, max_rank + 1)).tolist())


def check(kernel, op, inputs, want, attrs=None, constants=(), threads=1):
    want = want if isinstance(want, list) else [want]
    inputs = [np.asarray(x) for x in inputs]
    outputs = [(w.shape, w.dtype) for w in want]
    got = call_kernel(getattr(array, kernel), op, inputs, outputs, attrs, constants, threads)
    for y, w in zip(got, want):
        assert y.tobytes() == np.ascontiguousarray(w).tobytes(), (op, [x.shape for x in inputs], attrs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_transpose(dtype):
    for shape in ((), (5,), (3, 4), (33, 65), (2, 33, 65), (17, 2, 40), (2, 8, 9, 3), (3, 1, 4), (0, 3), (2, 3, 2, 5)):
        for _ in range(4):
            perm = RNG.permutation(len(shape)).astype(np.int32)
            x = numbered(shape, dtype)
            check("transpose", "Transpose", [x, perm], x.transpose(perm), constants=(1,))


@pytest.mark.parametrize("perm", [(1, 0), (0, 2, 1), (2, 0, 1), (0, 3, 1, 2), (0, 2, 3, 1), (3, 2, 1, 0)])
def test_large_transpose(perm):
    shape = tuple(RNG.integers(30, 70, len(perm))) if len(perm) > 2 else (700, 901)
    x = RNG.normal(0, 1, shape).astype(np.float32)
    for threads in (1, 3):
        check("transpose", "Transpose", [x, np.array(perm)], x.transpose(perm), constants=(1,), threads=threads)


@pytest.mark.parametrize("dtype", DTYPES)
def test_joining_and_parting(dtype):
    for _ in range(25):
        shape = shape_of(4)
        axis = int(RNG.integers(-len(shape), len(shape)))
        sizes = RNG.integers(0, 4, RNG.integers(1, 6))
        xs = [numbered(tuple(n if i == axis % len(shape) else d for i, d in enumerate(shape)), dtype)
              for n in sizes.tolist()]
        count = len(xs)
        joined = np.concatenate(xs, axis)
        check("concat_v2", "ConcatV2", [*xs, np.int32(axis)], joined, {"N": count}, (count,))
        check("split_v", "SplitV", [joined, sizes, np.int32(axis)], xs, {"num_split": count}, (1, 2))
        same = [numbered(shape, dtype) for _ in range(3)]
        check("pack", "Pack", same, np.stack(same, axis), {"axis": axis, "N": 3})
        check("unpack", "Unpack", [np.stack(same, axis)], same, {"axis": axis, "num": 3})
        scalars = [np.array(k).astype(dtype) for k in (5, 6)]
        check("pack", "Pack", scalars, np.stack(scalars), {"axis": 0, "N": 2})
        check("unpack", "Unpack", [np.stack(scalars)], scalars, {"axis": -1, "num": 2})
        check("split", "Split", [np.int32(axis), np.concatenate(same, axis)], same, {"num_split": 3}, (0,))


def random_slice(n):
    step = int(RNG.choice([-3, -2, -1, 1, 1, 2, 3]))
    first, last = (int(v) for v in RNG.integers(-n - 2, n + 3, 2))
    return first, last, step


class Spec:
    """A random strided slice of an array of `shape`: the op's inputs and masks, and NumPy's index for the same."""

    def __init__(self, shape):
        self.entries, self.masks, self.index = [], {}, []
        dims, may_skip = list(shape), True
        while dims or RNG.random() < 0.3:
            kind = RNG.random()
            if kind < 0.2 or not dims:
                self.add((0, 0, 1), None, "new_axis_mask")
            elif kind < 0.35 and may_skip:
                del dims[:RNG.integers(0, len(dims) + 1)]
                self.add((0, 0, 1), ..., "ellipsis_mask")
                may_skip = False
            elif kind < 0.5:
                i = int(RNG.integers(-dims[0], dims.pop(0)))
                self.add((i, i + 1, 1), i, "shrink_axis_mask")
            else:
                self.add_range(dims.pop(0))

    def add(self, entry, item, *masks):
        for mask in masks:
            self.masks[mask] = self.masks.get(mask, 0) | 1 << len(self.entries)
        self.entries.append(entry)
        self.index.append(item)

    def add_range(self, n):
        first, last = (int(v) for v in RNG.integers(-n - 2, n + 3, 2))
        step, from_first, to_last = int(RNG.choice([-3, -2, -1, 1, 1, 2, 3])), *(RNG.random(2) < 0.25).tolist()
        masks = ["begin_mask"] * from_first + ["end_mask"] * to_last
        self.add((first, last, step), np.s_[None if from_first else first:None if to_last else last:step], *masks)


@pytest.mark.parametrize("dtype", DTYPES)
def test_strided_slice_and_its_gradient(dtype):
    for _ in range(60):
        shape = shape_of(5)
        spec = Spec(shape)
        inputs = [np.array(v, np.int32) for v in zip(*spec.entries)]
        x, dx = numbered(shape, dtype), np.zeros(shape, dtype)
        part = x[tuple(spec.index)]
        check("strided_slice", "StridedSlice", [x, *inputs], part, spec.masks, (1, 2, 3))
        dy = numbered(part.shape, dtype)
        dx[tuple(spec.index)] = dy
        inputs = [np.array(shape, np.int32), *inputs, dy]
        check("strided_slice_grad", "StridedSliceGrad", inputs, dx, spec.masks, (0, 1, 2, 3))


def test_slice():
    for _ in range(50):
        shape = shape_of(5)
        begin = [int(RNG.integers(0, n + 1)) for n in shape]
        size = [int(RNG.integers(0, n - b + 1)) for n, b in zip(shape, begin)]
        x = numbered(shape)
        want = x[tuple(np.s_[b:b + s] for b, s in zip(begin, size))]
        check("slice", "Slice", [x, np.array(begin), np.array(size)], want, constants=(1, 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_padding(dtype):
    for _ in range(25):
        shape = shape_of(4, least=0)
        paddings = RNG.integers(0, 4, (len(shape), 2))
        x = numbered(shape, dtype)
        check("pad", "Pad", [x, paddings], np.pad(x, paddings), constants=(1,))
        value = np.array(3).astype(dtype)
        want = np.pad(x, paddings, constant_values=value)
        check("pad_v2", "PadV2", [x, paddings, value], want, constants=(1,))
        shape = tuple(n + 1 for n in shape)
        x = numbered(shape, dtype)
        for mode, edge in (("REFLECT", 1), ("SYMMETRIC", 0)):
            limited = np.minimum(paddings, np.array(shape)[:, None] - edge)
            want = np.pad(x, limited, mode=mode.lower())
            check("mirror_pad", "MirrorPad", [x, limited], want, {"mode": mode}, (1,))


def test_repeating_turning_and_rolling():
    for _ in range(40):
        shape = shape_of(5, least=0)
        x = numbered(shape, str(RNG.choice(DTYPES)))
        multiples = RNG.integers(0, 4, len(shape))
        check("tile", "Tile", [x, multiples], np.tile(x, multiples), constants=(1,))
        axes = np.flatnonzero(RNG.random(len(shape)) < 0.5)
        check("reverse_v2", "ReverseV2", [x, axes], np.flip(x, tuple(axes)), constants=(1,))
        shift = RNG.integers(-9, 9, len(axes))
        check("roll", "Roll", [x, shift, axes], np.roll(x, shift, tuple(axes)), constants=(1, 2))
        wide = (int(RNG.integers(1, 4)), *(n if n != 1 else 5 for n in shape))
        check("broadcast_to", "BroadcastTo", [x, np.array(wide)], np.broadcast_to(x, wide), constants=(1,))
    x = numbered((300, 1, 300))
    wide = (300, 7, 300)
    check("broadcast_to", "BroadcastTo", [x, np.array(wide)], np.broadcast_to(x, wide), constants=(1,), threads=3)


@pytest.mark.parametrize("block", [2, 3])
def test_blocks_and_depth(block):
    x = numbered((2, 2 * block, 3 * block, 5))
    n, h, w, c = x.shape
    deep = x.reshape(n, 2, block, 3, block, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, 2, 3, block * block * c)
    attrs = {"block_size": block, "data_format": "NHWC"}
    check("space_to_depth", "SpaceToDepth", [x], deep, attrs)
    check("depth_to_space", "DepthToSpace", [deep], x, attrs)
    attrs = {"block_size": block, "data_format": "NCHW"}
    nchw = [np.ascontiguousarray(a.transpose(0, 3, 1, 2)) for a in (x, deep)]
    check("space_to_depth", "SpaceToDepth", [nchw[0]], nchw[1], attrs)
    check("depth_to_space", "DepthToSpace", [nchw[1]], nchw[0], attrs)


def test_blocks_and_batch():
    for _ in range(40):
        count = int(RNG.integers(1, 4))
        blocks = RNG.integers(1, 4, count)
        paddings = RNG.integers(0, 5, (count, 2))
        sizes = RNG.integers(1, 6, count)
        paddings[:, 1] += -(sizes + paddings.sum(1)) % blocks
        rest = tuple(RNG.integers(1, 4, RNG.integers(0, 3)).tolist())
        x = numbered((2, *sizes.tolist(), *rest))
        padded = np.pad(x, [(0, 0), *paddings.tolist(), *[(0, 0)] * len(rest)])
        split = padded.reshape(2, *[n for d, b in zip(padded.shape[1:], blocks) for n in (d // b, b)], *rest)
        order = [2 + 2 * i for i in range(count)] + [0] + [1 + 2 * i for i in range(count)]
        y = split.transpose(order + list(range(1 + 2 * count, split.ndim)))
        y = y.reshape(-1, *y.shape[count + 1:])
        check("space_to_batch_nd", "SpaceToBatchND", [x, blocks, paddings], y, constants=(1, 2))
        y = np.ascontiguousarray(y)
        check("batch_to_space_nd", "BatchToSpaceND", [y, blocks, paddings], x, constants=(1, 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_constants(dtype):
    for shape in ((), (3,), (0, 2), (300, 1000)):
        x = numbered(shape, dtype)
        check("zeros_like", "ZerosLike", [x], np.zeros_like(x))
        check("ones_like", "OnesLike", [x], np.ones_like(x))
        value = np.array(7).astype(dtype)
        check("fill", "Fill", [np.array(shape, np.int32), value], np.full(shape, value), constants=(0,), threads=2)
        check("identity", "Identity", [x], x, threads=2)


def test_sizes_and_sequences():
    x, y = numbered((2, 0, 3)), numbered((4,))
    for dtype in (np.int32, np.int64):
        check("shape", "Shape", [x], np.array([2, 0, 3], dtype))
        check("shape_n", "ShapeN", [x, y], [np.array([2, 0, 3], dtype), np.array([4], dtype)], {"N": 2})
        check("size", "Size", [y], np.array(4, dtype))
    check("rank", "Rank", [x], np.array(3, np.int32))
    want = np.arange(3, -4, -2, np.int32)
    check("range", "Range", [np.int32(3), np.int32(-4), np.int32(-2)], want, constants=(0, 1, 2))
    tenth = np.float32(0.1)
    want = np.add.accumulate(np.array([0, *[tenth] * 99], np.float32), dtype=np.float32)
    check("range", "Range", [np.float32(0), np.float32(9.95), tenth], want, constants=(0, 1, 2))
    check("lin_space", "LinSpace", [np.float64(-1), np.float64(1), np.int32(5)], np.linspace(-1, 1, 5),
          constants=(0, 1, 2))


def test_identity_in_place():
    x = numbered((3, 4))
    assert KernelCall(array.reshape, "Reshape", [x, np.array([12])], [((12,), x.dtype)]).may_be_in_place(0)
    assert call_kernel(array.reshape, "Reshape", [x, np.array([12])], [x])[0] is x
    y, = call_kernel(array.bitcast, "Bitcast", [x], [((3, 4, 4), np.uint8)])
    assert y.tobytes() == x.tobytes()


def test_what_prepare_refuses():
    x = numbered((3, 4))
    with pytest.raises(ValueError, match=r"Reshape: 48 bytes of shape \(3, 4\) for 52 bytes of shape \(13,\)"):
        call_kernel(array.reshape, "Reshape", [x, np.array([13])], [((13,), x.dtype)])
    with pytest.raises(Unsupported, match="Transpose on the CPU needs constant input 1"):
        call_kernel(array.transpose, "Transpose", [x, np.array([1, 0])], [((4, 3), x.dtype)])
    with pytest.raises(ValueError, match=r"Slice: \(2, 4\) from \[2, 0\] is outside of an input of shape \(3, 4\)"):
        call_kernel(array.slice, "Slice", [x, np.array([2, 0]), np.array([2, 4])], [((2, 4), x.dtype)], None, (1, 2))
    with pytest.raises(ValueError, match=r"MirrorPad: paddings \(3, 0\) of a dimension of 3"):
        call_kernel(array.mirror_pad, "MirrorPad", [x, np.array([[3, 0], [0, 0]])], [((6, 4), x.dtype)],
                    {"mode": "REFLECT"}, (1,))
    with pytest.raises(ValueError, match=r"a copy of \(4, 3\) to \(3, 4\)|a copy of"):
        call_kernel(array.pack, "Pack", [x, x.T.copy()], [((2, 3, 4), x.dtype)], {"axis": 0, "N": 2})
    with pytest.raises(ValueError, match=r"a gradient of shape \(1,\) for a slice of shape \(2, 4\)"):
        call_kernel(array.strided_slice_grad, "StridedSliceGrad",
                    [np.array([3, 4]), np.array([0]), np.array([2]), np.array([1]), np.zeros(1, np.float32)],
                    [((3, 4), np.float32)], {}, (0, 1, 2, 3))
