"""Kernels that read and write by index, against NumPy: ranks, types, order of updates, threads, errors."""
import itertools

import numpy as np
import pytest

from thalweg.cpu import indexing
from thalweg.cpu._request import Unsupported
from thalweg.framework.errors import InvalidArgumentError
from thalweg.testing.kernel_call import call_kernel

RNG = np.random.default_rng(31)
DTYPES = ["float32", "float64", "int32", "int64", "bool", "uint8", "float16", "complex128"]
INDEX = [np.int32, np.int64]


def numbers(shape, dtype="float32"):
    return RNG.integers(0, 2 if dtype == "bool" else 9, shape).astype(dtype)


def run(kernel, op, inputs, shape, dtype, attrs=None, constants=(), threads=1):
    inputs = [np.asarray(x) for x in inputs]
    return call_kernel(getattr(indexing, kernel), op, inputs, [(shape, dtype)], attrs, constants, threads)[0]


# --- gather ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", INDEX)
def test_gather(dtype, index):
    shapes = [(5,), (5, 3), (4, 3, 2), (2, 1, 300)], [(), (4,), (2, 3), (0,)]
    for params_shape, indices_shape in itertools.product(*shapes):
        params = numbers(params_shape, dtype)
        for axis in range(-len(params_shape), len(params_shape)):
            indices = RNG.integers(0, params_shape[axis], indices_shape).astype(index)
            want = np.take(params, indices, axis)
            inputs = [params, indices, np.int32(axis)]
            y = run("gather_v2", "GatherV2", inputs, want.shape, dtype, {"batch_dims": 0}, (2,))
            np.testing.assert_array_equal(y, want)
        indices = RNG.integers(0, params_shape[0], indices_shape).astype(index)
        want = params[indices]
        np.testing.assert_array_equal(run("gather", "Gather", [params, indices], want.shape, dtype), want)


def test_gather_with_batch_dimensions():
    params, indices = numbers((2, 3, 4, 5, 6)), RNG.integers(0, 5, (2, 3, 7))
    want = np.stack([[params[b, c][:, indices[b, c]] for c in range(3)] for b in range(2)])
    y = run("gather_v2", "GatherV2", [params, indices, np.int32(3)], want.shape, "float32", {"batch_dims": 2}, (2,))
    np.testing.assert_array_equal(y, want)


def test_large_gather_on_threads():
    params, indices = numbers((1000, 200)), RNG.integers(0, 1000, 3000)
    y = run("gather", "Gather", [params, indices], (3000, 200), "float32", threads=3)
    np.testing.assert_array_equal(y, params[indices])


@pytest.mark.parametrize("dtype", DTYPES)
def test_gather_nd(dtype):
    params = numbers((4, 3, 5), dtype)
    for outer, depth in itertools.product([(), (6,), (2, 3), (0,)], range(4)):
        indices = np.stack([RNG.integers(0, n, outer) for n in params.shape[:depth]] or [np.zeros((*outer, 0))], -1)
        indices = indices.reshape(*outer, depth).astype(np.int32)
        want = params[tuple(np.moveaxis(indices, -1, 0))] if depth else np.broadcast_to(params, outer + params.shape)
        y = run("gather_nd", "GatherNd", [params, indices], want.shape, dtype)
        np.testing.assert_array_equal(y, want)


# --- scatter --------------------------------------------------------------------------------------------------

VERBS = {"Update": lambda a, i, v: a.__setitem__(i, v), "Add": np.add.at, "Sub": np.subtract.at, "Mul": np.multiply.at,
         "Div": np.divide.at, "Min": np.minimum.at, "Max": np.maximum.at}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_scatter_into_a_variable(verb, dtype):
    if verb == "Div" and "int" in dtype:
        return
    for shape, outer in itertools.product([(5,), (5, 3), (4, 2, 100)], [(), (6,), (2, 3), (0,)]):
        indices = RNG.integers(0, shape[0], outer)
        for updates in (numbers(outer + shape[1:], dtype) + np.array(1, dtype), np.array(2, dtype)):
            ref = numbers(shape, dtype)
            want = ref.copy()
            VERBS[verb](want, indices, updates)
            y, = call_kernel(indexing.scatter, "Scatter" + verb, [ref, indices, updates], [ref])
            assert y is ref
            np.testing.assert_allclose(ref, want, rtol=1e-6)


def test_scatter_div_of_integers():
    ref = np.array([7, -7, 8], np.int32)
    call_kernel(indexing.scatter_div, "ScatterDiv", [ref, np.array([0, 1]), np.array([2, 2], np.int32)], [ref])
    np.testing.assert_array_equal(ref, [3, -3, 8])
    with pytest.raises(InvalidArgumentError, match="^Integer division by zero$"):
        call_kernel(indexing.scatter_div, "ScatterDiv", [ref, np.array([0]), np.array([0], np.int32)], [ref])


@pytest.mark.parametrize("verb", ["Update", "Add", "Sub"])
def test_scatter_nd(verb):
    for shape, outer in itertools.product([(5,), (4, 3), (4, 3, 70)], [(6,), (2, 3), (0,)]):
        for depth in range(1, len(shape) + 1):
            indices = np.stack([RNG.integers(0, n, outer) for n in shape[:depth]], -1)
            if verb == "Update":                               # of two updates of one place the last one holds
                indices = np.unique(indices.reshape(-1, depth), axis=0)
            updates = numbers(indices.shape[:-1] + shape[depth:])
            ref, index = numbers(shape), tuple(np.moveaxis(indices, -1, 0))
            want = ref.copy()
            VERBS[verb](want, index, updates)
            y = run("tensor_scatter_update", "TensorScatter" + verb, [ref, indices, updates], shape, "float32")
            np.testing.assert_array_equal(y, want)
            if verb == "Add":
                op = "ScatterNdNonAliasingAdd"
                y = run("scatter_nd_non_aliasing_add", op, [ref, indices, updates], shape, "float32")
                np.testing.assert_array_equal(y, want)
                zeros = np.zeros(shape, np.float32)
                np.add.at(zeros, index, updates)
                y = run("scatter_nd", "ScatterNd", [indices, updates, np.array(shape)], shape, "float32")
                np.testing.assert_array_equal(y, zeros)
            call_kernel(indexing.scatter_nd_update, "ScatterNd" + verb, [ref, indices, updates], [ref])
            np.testing.assert_array_equal(ref, want)


def test_scatter_on_threads():
    ref, indices, updates = np.zeros((50, 4000), np.float32), RNG.integers(0, 50, 300), RNG.normal(0, 1, (300, 4000))
    updates = updates.astype(np.float32)
    one, three = ref.copy(), ref.copy()
    call_kernel(indexing.scatter_add, "ScatterAdd", [one, indices, updates], [one])
    call_kernel(indexing.scatter_add, "ScatterAdd", [three, indices, updates], [three], threads=3)
    np.add.at(ref, indices, updates)
    assert one.tobytes() == three.tobytes() == ref.tobytes()


# --- segments -------------------------------------------------------------------------------------------------

FOLDS = {"Sum": np.sum, "Mean": np.mean, "Prod": np.prod, "Max": np.max, "Min": np.min}


def by_segment(name, data, ids, count, empty):
    rows = data.reshape(ids.size, *data.shape[ids.ndim:])
    out = np.empty((count, *rows.shape[1:]), data.dtype)
    for segment in range(count):
        mine = rows[ids.ravel() == segment]
        exact = mine.astype(np.float64 if data.dtype.kind == "f" or name == "Mean" else np.int64)
        with np.errstate(over="ignore"):                       # products of integers wrap around
            out[segment] = FOLDS[name](exact, axis=0).astype(data.dtype) if len(mine) else empty
    return out


@pytest.mark.parametrize("name", FOLDS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_segments(name, dtype):
    limits = np.finfo(dtype) if "float" in dtype else np.iinfo(dtype)
    for rest, threads in (((), 1), ((3,), 1), ((2, 2000), 2)):
        data = numbers((40, *rest), dtype) % 3 + 1
        ids = np.sort(RNG.choice([0, 1, 2, 4, 5], 40))
        y = run("segment_" + name.lower(), "Segment" + name, [data, ids], (6, *rest), dtype, threads=threads)
        np.testing.assert_allclose(y, by_segment(name, data, ids, 6, name == "Prod"), rtol=1e-6)
        if name == "Mean":
            continue
        empty = {"Sum": 0, "Prod": 1, "Max": limits.min, "Min": limits.max}[name]
        ids = RNG.choice([-1, 0, 1, 3], (8, 5)).astype(np.int32)
        data = data.reshape(8, 5, *rest)
        kernel, op = "unsorted_segment_" + name.lower(), "UnsortedSegment" + name
        y = run(kernel, op, [data, ids, np.int32(5)], (5, *rest), dtype, threads=threads)
        np.testing.assert_allclose(y, by_segment(name, data, ids, 5, empty), rtol=1e-6)


def test_empty_segments():
    inputs = [np.zeros((0, 2), np.float32), np.zeros(0, int), np.int32(3)]
    y = run("unsorted_segment_sum", "UnsortedSegmentSum", inputs, (3, 2), "float32")
    np.testing.assert_array_equal(y, np.zeros((3, 2)))


# --- one hot, permutations, largest ---------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", [np.int32, np.int64, np.uint8])
def test_one_hot(dtype, index):
    on, off = np.array(1).astype(dtype), np.array(0).astype(dtype)
    for shape in ((), (5,), (2, 3), (0,)):
        indices = RNG.integers(0, 6, shape).astype(index)
        for axis in range(-1, len(shape) + 1):
            place = len(shape) if axis == -1 else axis
            want = np.moveaxis(np.where(indices[..., None] == np.arange(4), on, off), -1, place)
            inputs = [indices, np.int32(4), on, off]
            y = run("one_hot", "OneHot", inputs, want.shape, dtype, {"axis": axis})
            np.testing.assert_array_equal(y, want)
    y = run("one_hot", "OneHot", [np.array([-1, 1]), np.int32(2), on, off], (2, 2), dtype, {"axis": -1})
    np.testing.assert_array_equal(y, np.array([[0, 0], [0, 1]]).astype(dtype))


@pytest.mark.parametrize("index", INDEX)
def test_invert_permutation(index):
    for n in (0, 1, 7):
        x = RNG.permutation(n).astype(index)
        np.testing.assert_array_equal(run("invert_permutation", "InvertPermutation", [x], (n,), index), np.argsort(x))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_top_k(dtype):
    for shape in ((6,), (3, 50), (2, 3, 200), (200, 300)):
        x = numbers(shape, dtype)
        for k in (0, 1, 5, shape[-1]):
            outputs = [((*shape[:-1], k), dtype), ((*shape[:-1], k), np.int32)]
            values, places = call_kernel(indexing.top_k, "TopKV2", [x, np.int32(k)], outputs, {"sorted": True}, (),
                                         threads=2)
            order = np.argsort(-x.astype(np.float64), -1, kind="stable")[..., :k]
            np.testing.assert_array_equal(places, order)
            np.testing.assert_array_equal(values, np.take_along_axis(x, order, -1))


def test_in_top_k():
    predictions = np.array([[1, 2, 3], [1, np.nan, 2], [3, 3, 3], [1, 2, np.inf], [1, 2, 3], [1, 2, 3]], np.float32)
    for index in INDEX:
        targets = np.array([2, 0, 2, 0, 1, 7], index)
        for k, want in ((1, [1, 0, 1, 0, 0, 0]), (2, [1, 0, 1, 0, 1, 0])):
            y = run("in_top_k_v2", "InTopKV2", [predictions, targets, index(k)], (6,), bool)
            np.testing.assert_array_equal(y, np.array(want, bool))
            y = run("in_top_k", "InTopK", [predictions, targets], (6,), bool, {"k": k})
            np.testing.assert_array_equal(y, np.array(want, bool))


# --- errors, in TensorFlow's words ----------------------------------------------------------------------------

FIVE = np.ones((5, 2), np.float32)
ERRORS = [
    ("gather", "Gather", [FIVE, np.array([[0, 1], [2, 7]])], (2, 2, 2), "indices[1,1] = 7 is not in [0, 5)"),
    ("gather", "Gather", [FIVE, np.array(-1)], (2,), "indices[] = -1 is not in [0, 5)"),
    ("gather_nd", "GatherNd", [FIVE, np.array([[0, 1], [2, 7]])], (2,),
     "indices[1] = [2, 7] does not index into param shape [5,2]"),
    ("scatter_nd", "ScatterNd", [np.array([[0], [9]]), np.ones(2, np.float32), np.array([4])], (4,),
     "indices[1] = [9] does not index into shape [4]"),
    ("unsorted_segment_sum", "UnsortedSegmentSum", [FIVE, np.array([0, 7, 1, 1, 1]), np.int32(3)], (3, 2),
     "segment_ids[1] = 7 is out of range [0, 3)"),
    ("segment_sum", "SegmentSum", [FIVE, np.array([0, 2, 1, 2, 2])], (3, 2), "segment ids are not increasing"),
    ("segment_sum", "SegmentSum", [FIVE, np.array([-1, 0, 1, 2, 2])], (3, 2), "segment ids must be >= 0"),
    ("invert_permutation", "InvertPermutation", [np.array([0, 5, 1])], (3,), "5 is not between 0 and 3"),
    ("invert_permutation", "InvertPermutation", [np.array([0, 0, 1])], (3,), "0 is duplicated in the input."),
]


@pytest.mark.parametrize("kernel, op, inputs, shape, words", ERRORS, ids=[e[4] for e in ERRORS])
def test_outside(kernel, op, inputs, shape, words):
    with pytest.raises(InvalidArgumentError) as caught:
        run(kernel, op, inputs, shape, inputs[0].dtype if op != "ScatterNd" else np.float32)
    assert str(caught.value) == words


@pytest.mark.parametrize("op", ["ScatterUpdate", "ScatterAdd", "ScatterSub"])
def test_scatter_outside(op):
    ref = np.zeros((3, 2), np.float32)
    with pytest.raises(InvalidArgumentError, match=r"^indices\[1,0\] = -1 is not in \[0, 3\)$"):
        call_kernel(indexing.scatter, op, [ref, np.array([[0, 1], [-1, 2]]), np.ones((2, 2, 2), np.float32)], [ref])


def test_what_prepare_refuses():
    with pytest.raises(Unsupported, match="GatherV2 on the CPU needs a constant axis"):
        run("gather_v2", "GatherV2", [FIVE, np.array([0]), np.int32(0)], (1, 2), "float32", {"batch_dims": 0})
    with pytest.raises(ValueError, match=r"updates of shape \(3,\), expected \(1, 2\)"):
        inputs = [FIVE, np.array([[0]]), np.ones(3, np.float32)]
        run("tensor_scatter_add", "TensorScatterAdd", inputs, (5, 2), "float32")
    with pytest.raises(ValueError, match=r"segment_ids of shape \(4,\) for data of shape \(5, 2\)"):
        run("segment_sum", "SegmentSum", [FIVE, np.zeros(4, int)], (1, 2), "float32")
    with pytest.raises(Unsupported, match="UnsortedSegmentSum on the CPU has no loop for DataType 18"):
        inputs = [FIVE.astype(complex), np.zeros(5, int), np.int32(1)]
        run("unsorted_segment_sum", "UnsortedSegmentSum", inputs, (1, 2), "complex128")
    with pytest.raises(ValueError, match="positions of 3 numbers in a tensor of 2 dimensions"):
        run("gather_nd", "GatherNd", [FIVE, np.zeros((1, 3), int)], (1,), "float32")
