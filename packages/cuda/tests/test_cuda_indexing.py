"""Rows by index: gathered, scattered, summed; and the largest of rows."""
import numpy as np
import pytest
from emulation.check import check
from emulation.direct import run

import thalweg as tf
from thalweg.framework.declaration import REGISTRY
from thalweg_cuda.kernels import _sort
from thalweg_cuda.work import Target

RNG = np.random.default_rng(0)
TYPES = ["uint8", "int32", "int64", "float16", "float32", "float64", "complex64"]
_TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "complex64": 4e-6}


def numbers(shape, dtype="float32", low=0, high=100):
    return RNG.integers(low, high, shape).astype(dtype)


def close(got, want):
    assert got.dtype == want.dtype and got.shape == want.shape
    if want.dtype.kind in "iub":
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, _TOLERANCE.get(want.dtype.name, 1e-13))


# --- gather ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "complex128"])
@pytest.mark.parametrize("index_type", ["int32", "int64"])
def test_gathering(dtype, index_type):
    x = numbers((7, 6, 8), dtype)
    ids = numbers((5, 3), index_type, 0, 6)
    check(lambda x, i: [tf.gather(x, i), tf.gather(x, i, axis=1), tf.gather(x, i, axis=-1)], x, ids)
    check(lambda x, i: tf.gather(x, i, axis=2, batch_dims=1), x, numbers((7, 3), index_type, 0, 8))
    check(lambda x, i: [tf.gather_nd(x, i), tf.gather_nd(x, i[:, :2]), tf.gather_nd(x, i[:, :0])], x,
          numbers((9, 3), index_type, 0, 6), runs=["GatherNd"])
    check(lambda x, i: tf.gather(x, i), x, np.zeros((0, 2), index_type))


def test_gathering_beyond_one_pass_of_the_grid():
    check(lambda x, i: tf.gather(x, i), numbers((50, 3)), numbers((120_000,), "int32", 0, 50))


def raises(match, build, *arrays):
    with tf.Graph().as_default() as graph, tf.device("/device:EMULATED:0"), tf.Session(graph=graph) as session:
        feeds = [tf.placeholder(a.dtype, a.shape) for a in map(np.asarray, arrays)]
        result = build(*feeds)
        with pytest.raises(tf.errors.InvalidArgumentError, match=match):
            session.run(result, dict(zip(feeds, arrays)))


X = numbers((3, 2))


@pytest.mark.parametrize("match, build, indices", [
    (r"indices\[1,0\] = 3 is not in \[0, 3\)", lambda i: tf.gather(X, i), np.int32([[1], [3]])),
    (r"indices\[0\] = -1 is not in \[0, 3\)", lambda i: tf.gather(X, i), np.int64([-1])),
    (r"indices\[1\] = \[2, 2\] does not index into param shape \[3,2\]", lambda i: tf.gather_nd(X, i),
     np.int32([[0, 0], [2, 2]])),
    (r"indices\[0\] = \[5\] does not index into shape \[3,2\]", lambda i: tf.scatter_nd(i, X[:1], [3, 2]),
     np.int32([[5]])),
    (r"segment_ids\[2\] = 5 is out of range \[0, 3\)", lambda i: tf.unsorted_segment_sum(X, i, 3),
     np.int32([0, 1, 5])),
    ("2 is not between 0 and 2", tf.invert_permutation, np.int32([1, 2])),
    ("1 is duplicated in the input", tf.invert_permutation, np.int32([1, 0, 1])),
])
def test_a_wrong_index_is_an_error(match, build, indices):
    raises(match, build, indices)


@pytest.mark.parametrize("ids, match", [([0, 1, 0], "segment ids are not increasing"), ([-1, 0, 0], "must be >= 0")])
def test_wrong_segments_are_an_error(ids, match):
    for dtype in (np.int32, np.int64):
        with pytest.raises(tf.errors.InvalidArgumentError, match=match):
            run("SegmentSum", [X, dtype(ids)], [((2, 2), np.float32)])


# --- sorting ---------------------------------------------------------------------------------------------------------

@pytest.fixture
def by_radix(monkeypatch):
    """Few keys too go through the radix sort."""
    monkeypatch.setattr(_sort, "FEW", 0)


def by_body(op_type, arrays, **attrs):
    return REGISTRY[op_type].body(*[np.array(a) for a in arrays], **attrs)


def segments(op_type, data, ids, count):
    got, = run(op_type, [data, ids, np.int32(count)], [((count, *data.shape[ids.ndim:]), data.dtype)])
    close(got, by_body(op_type, [data, ids, np.int32(count)]))


@pytest.mark.parametrize("dtype", TYPES)
def test_unsorted_segments(dtype):
    ids = numbers((150,), "int32", -2, 9)
    data = numbers((150, 5), dtype, 0, 3) if dtype[0] in "ui" else (1 + RNG.random((150, 5)) * 0.1).astype(dtype)
    for name in ("Sum", "Prod") if dtype.startswith("complex") else ("Sum", "Prod", "Max", "Min"):
        segments(f"UnsortedSegment{name}", data, ids, 11)


def test_sums_of_many_rows(by_radix):
    for n, count, row in ((5000, 3, 1), (5000, 1, 2), (9000, 70_000, 1), (1, 300, 4), (2500, 400, 3)):
        data, ids = RNG.standard_normal((n, row)).astype("float32"), numbers((n,), "int64", 0, count)
        segments("UnsortedSegmentSum", data, ids, count)
    ids = np.zeros(3000, np.int32)
    ids[1500] = 1                                        # runs over many chunks
    segments("UnsortedSegmentSum", RNG.standard_normal((3000, 2)).astype("float32"), ids, 2)


def test_segments_without_rows_or_columns():
    segments("UnsortedSegmentSum", np.zeros((0, 3), np.float32), np.zeros(0, np.int32), 4)
    segments("UnsortedSegmentMax", np.zeros((0, 3), np.float16), np.zeros(0, np.int32), 4)
    segments("UnsortedSegmentMin", np.zeros((2, 0), np.int32), np.zeros(2, np.int32), 4)


@pytest.mark.parametrize("dtype", TYPES)
def test_sorted_segments(dtype):
    ids = np.sort(numbers((150,), "int32", 0, 9))
    data = numbers((150, 5), dtype, 0, 3) if dtype[0] in "ui" else (1 + RNG.random((150, 5)) * 0.1).astype(dtype)
    for name in ("Sum", "Prod", "Mean") if dtype.startswith("complex") else ("Sum", "Prod", "Mean", "Max", "Min"):
        got, = run(f"Segment{name}", [data, ids], [((ids[-1] + 1, 5), dtype)])
        close(got, by_body(f"Segment{name}", [data, ids]))


# --- scatter ---------------------------------------------------------------------------------------------------------

VERBS = ("Update", "Add", "Sub", "Mul", "Div", "Min", "Max")


@pytest.mark.parametrize("dtype", TYPES)
def test_scattering_to_variables(dtype):
    is_complex, ids = dtype.startswith("complex"), numbers((60,), "int32", 0, 12)
    var = (numbers((20, 3), dtype, 50, 100))
    updates = numbers((60, 3), dtype, 1, 4) if dtype[0] in "ui" else (1 + RNG.random((60, 3)) * 0.1).astype(dtype)
    for verb in VERBS[:4] if is_complex else VERBS:
        for given in (updates, updates[0, 0]):
            got, = run(f"Scatter{verb}", [var, ids, given], [(var.shape, dtype)])
            if dtype == "float16":                           # the body rounds after each update, the kernel once
                close(got, by_body(f"Scatter{verb}", [var.astype("f8"), ids, given.astype("f8")]).astype(dtype))
            else:
                close(got, by_body(f"Scatter{verb}", [var, ids, given]))


def test_scattering_to_slices(by_radix):
    var, places = numbers((6, 5, 4)), np.stack([numbers((70,), "int64", 0, 6), numbers((70,), "int64", 0, 5)], 1)
    for verb in ("Update", "Add", "Sub"):
        for name in ("ScatterNd", "TensorScatter"):
            arrays = [var, places, numbers((70, 4))]
            got, = run(f"{name}{verb}", arrays, [(var.shape, "float32")])
            close(got, by_body(f"{name}{verb}", arrays))
    got, = run("ScatterNd", [places, numbers((70, 4)), np.int64([6, 5, 4])], [(var.shape, "float32")])
    assert got.sum() > 0


def test_integers_are_not_divided_by_zero():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Integer division by zero"):
        run("ScatterDiv", [np.int32([1, 2]), np.int32([0]), np.int32([0])], [((2,), np.int32)])


# --- one hot, permutations -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["bool", "float16", "int32", "complex128"])
def test_one_hot(dtype):
    for index_type in ("uint8", "int32", "int64"):
        for axis, shape in ((-1, (3, 4, 6)), (0, (6, 3, 4)), (1, (3, 6, 4))):
            arrays = [numbers((3, 4), index_type, 0, 9), np.int32(6), np.ones((), dtype), np.zeros((), dtype)]
            got, = run("OneHot", arrays, [(shape, dtype)], {"axis": axis}, constants=[1])
            np.testing.assert_array_equal(got, by_body("OneHot", arrays, axis=axis))


def test_permutations():
    for dtype in (np.int32, np.int64):
        order = RNG.permutation(1000).astype(dtype)
        got, = run("InvertPermutation", [order], [((1000,), dtype)])
        np.testing.assert_array_equal(got, np.argsort(order))


# --- the largest -----------------------------------------------------------------------------------------------------

def largest(x, k):
    got = run("TopKV2", [x, np.int32(k)], [(x.shape[:-1] + (k,), x.dtype), (x.shape[:-1] + (k,), np.int32)])
    for g, w in zip(got, by_body("TopKV2", [x, k])):
        np.testing.assert_array_equal(g, w)


@pytest.mark.parametrize("dtype", [*TYPES[:-1], "int8", "uint16"])
def test_the_largest(dtype):
    for shape, k in (((3, 5), 2), ((2, 700), 700), ((4, 1), 1), ((0, 4), 2), ((3, 4), 0)):
        largest(numbers(shape, dtype, 0, 20), k)
    if dtype[0] in "if":
        largest(numbers((3, 40), dtype, -20, 20), 30)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_the_largest_of_long_rows(dtype):
    for k in (1, 7, 700):
        largest(numbers((2, 3000), dtype, 0, 1000), k)
    largest(np.full((2, 2100), 3, dtype), 5)
    largest(numbers((2500,), dtype, 0, 1000), 2500)
    largest(numbers((2, 2100), dtype, 0, 1000), 1500)


def test_nan_and_the_zeros_among_the_largest():
    largest(np.float32([1, np.nan, -0.0, 0.0, np.inf, -np.inf, np.nan, -0.0]), 8)
    largest(np.float64([1, np.nan, -0.0, 0.0, np.inf, -np.inf, np.nan, -0.0]), 8)


def test_whether_a_class_is_among_the_largest():
    x = numbers((70, 45), high=20)
    x[3, 4], x[5, 6], x[7, 8] = np.nan, np.inf, -np.inf
    for dtype in (np.int32, np.int64):
        targets = numbers((70,), dtype, -1, 46)
        for k in (0, 1, 5, 45):
            got, = run("InTopKV2", [x, targets, dtype(k)], [((70,), bool)])
            np.testing.assert_array_equal(got, by_body("InTopKV2", [x, targets, k]))
            got, = run("InTopK", [x, targets], [((70,), bool)], {"k": k})
            np.testing.assert_array_equal(got, by_body("InTopK", [x, targets], k=k))


def test_sums_do_not_depend_on_the_card():
    data, ids = RNG.standard_normal((20_000, 3)).astype("float32"), numbers((20_000,), "int32", 0, 7)
    arrays = [data, ids, np.int32(7)]
    small, large = (run("UnsortedSegmentSum", arrays, [((7, 3), "float32")], target=Target(multiprocessors=count),
                        orders=["forward"])[0] for count in (1, 200))
    np.testing.assert_array_equal(small, large)
    close(small, by_body("UnsortedSegmentSum", arrays))
