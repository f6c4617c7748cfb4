"""Softmax kernels against NumPy in float64: narrow and wide rows, extremes, labels, threads, errors."""
import numpy as np
import pytest

from thalweg.cpu import softmax as kernels
from thalweg.cpu._request import Unsupported
from thalweg.framework.errors import InvalidArgumentError
from thalweg.testing.kernel_call import KernelCall, call_kernel

RNG = np.random.default_rng(17)
SHAPES = [(1, 1), (3, 10), (1, 1000), (5, 1024), (3, 2500), (400, 7), (2, 3, 33), (9,), (0, 5), (4, 0), (1000, 100)]
DTYPES = [np.float32, np.float64]


def log_softmax(x):
    x = x.astype(np.float64)
    with np.errstate(all="ignore"):
        shifted = x - np.max(x, -1, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.sum(np.exp(shifted), -1, keepdims=True))


def close(got, want):
    tolerance = 1e-6 if got.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(got, want, rtol=2 * tolerance, atol=tolerance)


def run(op, inputs, outputs, threads=1):
    prepare = {"Softmax": kernels.softmax, "LogSoftmax": kernels.log_softmax,
               "SoftmaxCrossEntropyWithLogits": kernels.softmax_cross_entropy,
               "SparseSoftmaxCrossEntropyWithLogits": kernels.sparse_softmax_cross_entropy}[op]
    return call_kernel(prepare, op, inputs, outputs, threads=threads)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_softmax(shape, dtype):
    x = RNG.normal(0, 3, shape).astype(dtype)
    close(run("LogSoftmax", [x], [(shape, dtype)])[0], log_softmax(x))
    y, = run("Softmax", [x], [(shape, dtype)])
    close(y, np.exp(log_softmax(x)))
    if shape[-1]:
        close(y.sum(-1), np.ones(shape[:-1]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) == 2], ids=str)
def test_cross_entropy(shape, dtype):
    x, labels = RNG.normal(0, 3, shape).astype(dtype), RNG.dirichlet(np.ones(max(1, shape[1])), shape[0]).astype(dtype)
    labels = labels[:, :shape[1]]
    for features, soft in ((x, labels), (x[:1], labels), (x, labels[:1])):
        loss, backprop = run("SoftmaxCrossEntropyWithLogits", [features, soft], [(shape[:1], dtype), (shape, dtype)])
        log_p = log_softmax(np.broadcast_to(features, shape))
        close(loss, -np.sum(soft * log_p, -1))
        close(backprop, np.exp(log_p) - soft)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [s for s in SHAPES if len(s) == 2 and s[1]], ids=str)
def test_sparse_cross_entropy(shape, dtype):
    x = RNG.normal(0, 3, shape).astype(dtype)
    rows = np.arange(shape[0])
    for label_dtype in (np.int32, np.int64):
        labels = RNG.integers(0, shape[1], shape[0]).astype(label_dtype)
        loss, backprop = run("SparseSoftmaxCrossEntropyWithLogits", [x, labels], [(shape[:1], dtype), (shape, dtype)])
        want = np.exp(log_softmax(x))
        want[rows, labels] -= 1
        close(loss, -log_softmax(x)[rows, labels])
        close(backprop, want)


def test_threads_do_not_change_bits():
    x = RNG.normal(0, 1, (5000, 10)).astype(np.float32)
    labels = RNG.integers(0, 10, 5000)
    outputs = [((5000,), np.float32), (x.shape, np.float32)]
    for op, inputs, out in (("Softmax", [x], outputs[1:]), ("LogSoftmax", [x], outputs[1:]),
                            ("SparseSoftmaxCrossEntropyWithLogits", [x, labels], outputs),
                            ("SoftmaxCrossEntropyWithLogits", [x, np.eye(10, dtype=np.float32)[labels]], outputs)):
        one, three = run(op, inputs, out), run(op, inputs, out, threads=3)
        assert [y.tobytes() for y in one] == [y.tobytes() for y in three], op


def test_extremes():
    inf, nan = np.inf, np.nan
    x = np.array([[1, -inf, 2], [inf, 1, 2], [1e4, -1e4, 0], [-inf] * 3, [nan, 1, 2]], np.float32)
    y, = run("Softmax", [x], [(x.shape, np.float32)])
    close(y, np.array([[0.26894143, 0, 0.7310586], [nan] * 3, [1, 0, 0], [nan] * 3, [nan] * 3]))
    y, = run("LogSoftmax", [x[[0, 2]]], [((2, 3), np.float32)])
    close(y, np.array([[-1.3132616, -inf, -0.31326166], [0, -2e4, -1e4]]))
    labels = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    outputs = [((2,), np.float32), ((2, 3), np.float32)]
    loss, backprop = run("SoftmaxCrossEntropyWithLogits", [x[[0, 2]], labels], outputs)
    close(loss, [1.3132616, 2e4])                         # a class without weight costs nothing, however unlikely
    close(backprop, np.array([[-0.7310586, 0, 0.7310586], [1, -1, 0]]))


def test_in_place():
    for op in ("Softmax", "LogSoftmax"):
        x = RNG.normal(0, 1, (300, 10)).astype(np.float32)
        want, = run(op, [x], [(x.shape, np.float32)])
        assert KernelCall(kernels.softmax, op, [x], [(x.shape, np.float32)]).may_be_in_place(0)
        assert run(op, [x], [x])[0].tobytes() == want.tobytes()


@pytest.mark.parametrize("labels, wrong, threads", [([0, 5], 5, 1), ([-1, 0], -1, 1), ([2] * 20000 + [3], 3, 2)])
def test_label_out_of_range(labels, wrong, threads):
    x, labels = np.ones((len(labels), 3), np.float32), np.array(labels)
    match = rf"^Received a label value of {wrong} which is outside the valid range of \[0, 3\)\.  Label values: " \
            + " ".join(map(str, labels[:2]))
    with pytest.raises(InvalidArgumentError, match=match):
        run("SparseSoftmaxCrossEntropyWithLogits", [x, labels], [((len(x),), x.dtype), (x.shape, x.dtype)], threads)


def test_what_prepare_refuses():
    x, half = np.ones((2, 3), np.float32), np.ones((2, 3), np.float16)
    with pytest.raises(Unsupported, match="Softmax on the CPU has no loop for DataType 19"):
        run("Softmax", [half], [(half.shape, half.dtype)])
    with pytest.raises(Unsupported, match="classes that broadcast"):
        run("SoftmaxCrossEntropyWithLogits", [x, x[:, :1]], [((2,), x.dtype), (x.shape, x.dtype)])
    with pytest.raises(ValueError, match=r"logits of shape \(2, 3\) and labels of shape \(3,\), expected \[N, C\]"):
        run("SparseSoftmaxCrossEntropyWithLogits", [x, np.zeros(3, int)], [((2,), x.dtype), (x.shape, x.dtype)])
    with pytest.raises(ValueError, match="at least one dimension"):
        run("Softmax", [np.float32(1)], [((), np.float32)])
