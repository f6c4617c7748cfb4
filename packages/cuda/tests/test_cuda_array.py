"""Ops that move elements, against the reference bodies."""
import numpy as np
import pytest
from emulation.check import check
from emulation.direct import run

import thalweg as tf
from thalweg.framework.declaration import REGISTRY

RNG = np.random.default_rng(0)
TYPES = ["uint8", "float32", "complex128"]           # elements are moved by their size: 1, 4 and 16 bytes


def numbers(shape, dtype="float32"):
    return (RNG.integers(0, 120, shape)).astype(dtype)


def op(op_type, *arguments, **attrs):
    """A builder by op type: the first argument is the placeholder."""
    return lambda x: REGISTRY[op_type](x, *arguments, **attrs)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape, perm", [
    ((33, 70), (1, 0)), ((1, 7), (1, 0)), ((3, 65, 40), (0, 2, 1)), ((3, 65, 40), (2, 1, 0)),
    ((2, 9, 5, 16), (0, 2, 1, 3)), ((2, 9, 5, 16), (3, 1, 0, 2)), ((4, 4, 3), (0, 2, 1)), ((0, 4), (1, 0)), ((), ())])
def test_transpose(dtype, shape, perm):
    check(lambda x: tf.transpose(x, perm), numbers(shape, dtype))


def test_transpose_beyond_one_pass_of_the_grid():
    check(lambda x: tf.transpose(x), numbers((2100, 1100)))
    check(lambda x: tf.reverse(x, [0]), numbers((300_001,)))


@pytest.mark.parametrize("dtype", TYPES)
def test_tiles_in_any_order_of_threads(dtype):
    x = numbers((3, 70, 45), dtype)
    got, = run("Transpose", [x, np.int32([0, 2, 1])], [((3, 45, 70), dtype)], constants=[1])
    np.testing.assert_array_equal(got, x.transpose(0, 2, 1))
    got, = run("Pack", [x, x + 1], [((3, 70, 45, 2), dtype)], {"axis": 3})
    np.testing.assert_array_equal(got, np.stack([x, x + 1], 3))
    paddings = np.int32([[0, 0], [1, 1], [0, 0]])
    got, = run("MirrorPad", [x, paddings], [((3, 72, 45), dtype)], {"mode": "REFLECT"}, constants=[1])
    np.testing.assert_array_equal(got, np.pad(x, paddings, "reflect"))


@pytest.mark.parametrize("dtype", TYPES)
def test_slices(dtype):
    x = numbers((6, 10, 12), dtype)
    check(lambda x: [x[1:5, ::-1, 3], x[..., 4:8], x[::2, tf.newaxis, 2:9:3], x[5:1:-2], x[:, :, 0:0],
                     tf.slice(x, [1, 0, 4], [2, 10, 8]), tf.reverse(x, [0, 2]), tf.reverse(x, [])], x)


@pytest.mark.parametrize("key", [np.s_[1:5], np.s_[:, 3], np.s_[..., 2:4], np.s_[::2, 1:3], np.s_[2:3, 4:5, 1:2],
                                 np.s_[:, ::-1], np.s_[3:3], np.s_[:]])
def test_gradients_of_slices(key):
    check(lambda x: tf.gradients(x[key] * 2.0, x), numbers((6, 10, 12)), runs=["StridedSliceGrad"])


@pytest.mark.parametrize("key", [lambda i: np.s_[i], lambda i: np.s_[:, i], lambda i: np.s_[i, :, i],
                                 lambda i: np.s_[..., i, tf.newaxis], lambda i: np.s_[::2, i, ::-1],
                                 lambda i: np.s_[i, i, i]])
def test_slices_from_a_computed_place(key):
    for dtype, index in (("float32", np.int32(2)), ("int16", np.int64(-3)), ("complex128", np.int32(0))):
        check(lambda x, i: x[key(i)], numbers((5, 4, 6), dtype), index, runs=["StridedSlice"])
    check(lambda x, i: tf.gradients(x[key(i)] * 2.0, x), numbers((5, 4, 6)), np.int32(1), runs=["StridedSliceGrad"])


def test_boxes_from_a_computed_place():
    check(lambda x, i: [tf.slice(x, [i, 0, 2 * i], [2, 4, 3]), tf.slice(x, [i, i, i], [0, 1, 1])],
          numbers((5, 4, 6)), np.int32(1), runs=["Slice"])


def test_the_gradient_of_a_box_from_a_computed_place():
    for place in (0, 1):
        check(lambda x, i: tf.gradients(tf.slice(x, [i, 2 * i], [3, 2]) * 3.0, x), numbers((5, 4)), np.int32(place),
              runs=["Slice", "Pad"])


def test_a_computed_place_outside_is_an_error():
    x = numbers((5, 4))
    with tf.Graph().as_default() as graph, tf.device("/device:EMULATED:0"), tf.Session(graph=graph) as session:
        i = tf.placeholder(tf.int32, [])
        for tensor, place, match in (
                (tf.constant(x)[:, i], 4, r"slice index 4 of dimension 1 out of bounds \(its size is 4\)"),
                (tf.constant(x)[i], -6, r"slice index -6 of dimension 0 out of bounds \(its size is 5\)"),
                (tf.slice(x, [i, 0], [2, 4]), 4, r"Slice \[4:6\] is outside a dimension of size 5")):
            with pytest.raises(tf.errors.InvalidArgumentError, match=match):
                session.run(tensor, {i: place})


@pytest.mark.parametrize("dtype", TYPES)
def test_repeating(dtype):
    check(lambda x: [tf.tile(x, [2, 3, 1]), tf.broadcast_to(x, [7, 3, 5, 4]), tf.tile(x, [1, 1, 0])],
          numbers((3, 1, 4), dtype), runs=["Tile"])
    check(lambda x: [tf.broadcast_to(x, [31]), tf.fill([1000, 3], tf.reshape(x, [])), tf.fill([0], tf.reshape(x, []))],
          numbers((1,), dtype))


@pytest.mark.parametrize("dtype", TYPES)
def test_constants(dtype):
    check(lambda x: [tf.zeros_like(x), tf.ones_like(x)], numbers((67, 3), dtype))
    check(lambda x: [tf.zeros_like(x), tf.ones_like(x)], numbers((0, 3), dtype))


def test_shapes():
    names = ("Shape", "Size", "Rank")
    check(lambda x, y: [*[REGISTRY[name](x, **attrs) for name, attrs in zip(names, ({"out_type": tf.int64}, {}, {}))],
                        *tf.shape_n([x, y])], numbers((2, 3, 0)), numbers((2,) * 10), runs=())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_joining_and_taking_apart(dtype, axis):
    x = numbers((3, 8, 4), dtype)
    parts = [np.take(x, range(n), axis) for n in (1, 2, 0, 3)]
    check(lambda *xs: tf.concat(xs, axis), *parts)
    check(lambda *xs: tf.stack(xs, axis), *[x] * 11)
    check(lambda x: tf.unstack(x, axis=axis), x)
    check(lambda x: [tf.split(x, [1, 0, x.shape[axis].value - 1], axis), tf.split(x, x.shape[axis].value, axis)], x)


def test_many_pieces():
    check(lambda *xs: tf.concat(xs, 1), *[numbers((40, 1 + 3 * k)) for k in range(19)])
    check(lambda x: tf.split(x, [100] * 9 + [130], 1), numbers((700, 1030)))
    check(lambda *xs: tf.concat(xs, 0), numbers((0, 3)), numbers((0, 3)))


@pytest.mark.parametrize("dtype", TYPES)
def test_margins(dtype):
    x = numbers((4, 6, 8), dtype)
    padded = ([[1, 2], [0, 3], [2, 0]], [[0, 0], [1, 1], [0, 0]], [[0, 0], [0, 0], [8, 8]], [[0, 0]] * 3)
    check(lambda x: [tf.pad(x, p, constant_values=value) for p in padded for value in (0, 7)], x)
    mirrored = ([[1, 2], [0, 3], [2, 0]], [[0, 0], [1, 1], [0, 0]], [[3, 3], [5, 5], [7, 7]])
    check(lambda x: [tf.pad(x, p, mode) for p in mirrored for mode in ("REFLECT", "SYMMETRIC")], x)
    check(lambda x: tf.pad(x, [[1, 1]] * 3), numbers((4, 0, 8), dtype))
    check(lambda x: [tf.roll(x, 3, 1), tf.roll(x, [-1, 9, 4], [0, 2, 1]), tf.roll(x, [1, 2], [0, 0])], x)


def test_space_and_depth():
    check(lambda x: [op(name, block_size=2, data_format=layout)(x) for layout in ("NHWC", "NCHW")
                     for name in ("SpaceToDepth", "DepthToSpace")], numbers((2, 4, 4, 4)))


@pytest.mark.parametrize("block, paddings", [([2, 3], [[0, 0], [1, 1]]), ([3, 1], [[2, 1], [0, 0]]),
                                             ([2, 2], [[4, 0], [2, 2]])])
def test_space_and_batch(block, paddings):
    x = numbers((2, 6, 4, 8))
    check(lambda x: tf.space_to_batch_nd(x, block, paddings), x)
    check(lambda x: tf.batch_to_space_nd(tf.space_to_batch_nd(x, block, paddings), block, paddings), x)


def test_bits():
    check(lambda x: [tf.bitcast(x, tf.int32), tf.bitcast(x, tf.uint8), *tf.identity_n([x, x])], numbers((3, 5)))


def test_sequences():
    check(lambda x: [tf.range(3, 40, 4) + tf.cast(x[0], tf.int32), tf.lin_space(0.1, 2.3, 7) + x[0]],
          numbers((1,)), runs=())


def test_sequences_directly():
    got, = run("Range", list(np.int64([-7, 0, -3])), [((30000,), np.int64)], constants=range(3))
    np.testing.assert_array_equal(got, -7 - 3 * np.arange(30000))
    for dtype in (np.float32, np.float64):
        start, stop = dtype(-1.3), dtype(2.7)
        got, = run("LinSpace", [start, stop, np.int32(777)], [((777,), dtype)], constants=range(3))
        want = start + (stop - start) / dtype(776) * np.arange(777, dtype=dtype)
        want[-1] = stop
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_float_of_a_range_is_the_one_before_plus_delta(dtype):
    unit, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    cases = [(0.1, 0.1, 1000), (0, 1, 1), (-3, 0.7, 2), (0, 1e-3, 300_001), (1000, -0.01, 300_001), (-50, 0.1, 1001),
             (1, 1.5 * unit, 9000), (1 + unit, 1.5 * unit, 9000), (1, 0.5 * unit, 9), (1 + unit, 0.5 * unit, 9),
             (1, 2.5 * unit, 9000), (1 + unit, 2.5 * unit, 9000), (1, unit / 3, 50), (2, -0.75 * unit, 9000),
             (-1 - unit, -1.5 * unit, 9000), (40 * tiny * unit, -tiny * unit, 80), (tiny, -3 * tiny * unit, 9000),
             (np.finfo(dtype).max / 2, np.finfo(dtype).max / 7, 5), (1e-30, 1e30, 9), (1e30, -1e29, 20)]
    rng = np.random.default_rng(5)
    cases += [(rng.standard_normal() * 10.0 ** start, rng.standard_normal() * 10.0 ** delta, 5000)
              for start, delta in zip(rng.integers(-3, 4, 200), rng.integers(-5, 1, 200))]
    for start, delta, n in cases:
        steps = np.full(n, delta, dtype)
        steps[0] = start
        got, = run("Range", [steps[0], dtype(0), dtype(delta)], [((n,), dtype)], constants=range(3),
                   orders=("forward",))
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(got, np.add.accumulate(steps), f"{start} {delta}")


def test_axes_that_come_with_the_run():
    """What they are decides what is launched; the shape of the result does not hang on them."""
    x, many = numbers((5, 4, 6)), numbers((3, 70_000))
    for axis in (0, 1, -1):
        check(lambda v, a: [tf.cumsum(v, a), tf.cumprod(v, a, reverse=True), tf.roll(v, [2], a[tf.newaxis])], x,
              np.int32(axis), runs=("Cumsum", "Cumprod", "Roll"))
        check(lambda v, a: tf.reverse(v, a), x, np.int32([axis, (axis + 4) % 3]), runs=["ReverseV2"])
    for axis in (0, 1):
        check(lambda v, a: tf.cumsum(v, a, exclusive=True), many, np.int32(axis), runs=["Cumsum"])
    check(lambda v, s: tf.roll(v, s, [0, 2]), x, np.int64([-1, 9]), runs=["Roll"])
    check(lambda a, b: tf.lin_space(a, b, 1000), np.float64(0.3), np.float64(-7), runs=["LinSpace"])


@pytest.mark.parametrize("build, axes, match", [
    (tf.cumsum, 3, "axis 3 of an input with 2 dimensions"), (tf.reverse, [-3], "axis -3 is out of range"),
    (tf.reverse, [1, -1], "axis -1 is named twice"), (lambda x, a: tf.roll(x, [1], a), [2], "axis 2 is out of range")])
def test_a_wrong_axis_in_a_run_is_an_error(build, axes, match):
    with tf.device("/device:EMULATED:0"):
        fed = tf.placeholder(tf.int32, np.shape(axes))
        y = build(tf.zeros([3, 4]), fed)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=match):
        session.run(y, {fed: axes})


@pytest.mark.parametrize("op_type, shapes, numbers", [
    ("Shape", [(3, 0, 5)], [[3, 0, 5]]), ("Size", [(3, 5)], [15]), ("Rank", [(3, 5)], [2]),
    ("ShapeN", [(2,) * 10, ()], [[2] * 10, []])])
def test_shapes_directly(op_type, shapes, numbers):
    arrays = [np.zeros(shape, np.float32) for shape in shapes]
    for dtype in (np.int32, np.int64):
        for got, want in zip(run(op_type, arrays, [(np.shape(w), dtype) for w in numbers]), numbers):
            np.testing.assert_array_equal(got, np.array(want, dtype))
