"""Softmax and cross entropies: rows held by a warp and rows read twice by a block, infinities, labels."""
import numpy as np
import pytest
from emulation.check import check
from emulation.direct import run

import thalweg as tf
from thalweg.ops.softmax import softmax_cross_entropy_op, sparse_softmax_cross_entropy_op
from thalweg_cuda.work import Unsupported


def reals(*shape, dtype="float32", seed=0):
    return (3 * np.random.default_rng(seed).normal(size=shape)).astype(dtype)


# a warp with 1, 4, 8 elements a thread; a block; full and partly filled
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (10, 32), (3, 33), (9, 128), (2, 3, 200), (2, 257),
                                   (3, 2000)])
def test_shapes(shape):
    check(lambda x: [tf.nn.softmax(x), tf.nn.log_softmax(x)], reals(*shape))


@pytest.mark.parametrize("dtype, rtol", [("float16", 2e-3), ("float64", 1e-13)])
def test_other_types(dtype, rtol):
    for shape in ((5, 20), (2, 600)):
        check(lambda x: [tf.nn.softmax(x), tf.nn.log_softmax(x)], reals(*shape, dtype=dtype), rtol=rtol)


@pytest.mark.parametrize("op_type", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("classes", [40, 700])
def test_orders_of_threads(op_type, classes):
    x = reals(5, classes)
    got, = run(op_type, [x], [(x.shape, "float32")])
    shifted = x.astype(float) - x.max(1, keepdims=True)
    want = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    np.testing.assert_allclose(got, np.exp(want) if op_type == "Softmax" else want, 2e-6, 1e-6)


@pytest.mark.parametrize("classes", [40, 700])
def test_infinities_and_nan(classes):
    x = reals(6, classes)
    x[0, 0] = x[1, :-1] = -np.inf
    x[2], x[3, 5], x[4, 7] = -np.inf, np.inf, np.nan
    x[5] = 80 + np.arange(classes)                           # grows: a block's threads scale their sums down
    with np.errstate(invalid="ignore"):
        check(lambda v: [tf.nn.softmax(v), tf.nn.log_softmax(v)], x)


@pytest.mark.parametrize("classes", [1, 10, 600])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_cross_entropy(classes, dtype):
    labels = np.random.default_rng(1).random((7, classes)).astype(dtype)
    labels[0, 0] = 0
    rtol = 2e-6 if dtype == "float32" else 2e-3
    check(softmax_cross_entropy_op, reals(7, classes, dtype=dtype), labels, rtol=rtol)


@pytest.mark.parametrize("left, right", [((1, 9), (4, 9)), ((4, 9), (1, 9)), ((4, 1), (4, 9)), ((0, 3), (0, 3)),
                                         ((4, 9), (4, 1))])
def test_cross_entropy_broadcasts(left, right):
    check(softmax_cross_entropy_op, reals(*left), np.abs(reals(*right, seed=1)))


@pytest.mark.parametrize("classes", [10, 600])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_sparse_cross_entropy(classes, dtype):
    labels = np.random.default_rng(1).integers(0, classes, 9).astype(dtype)
    check(sparse_softmax_cross_entropy_op, reals(9, classes), labels)


@pytest.mark.parametrize("classes", [10, 600])
def test_a_label_that_is_no_class_is_told(classes):
    labels = np.array([0, classes, 2], np.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"Received a label value of {classes} which is outside "
                                                             rf"the valid range of \[0, {classes}\)"):
        run("SparseSoftmaxCrossEntropyWithLogits", [reals(3, classes), labels],
            [((3,), "float32"), ((3, classes), "float32")])


def test_other_types_are_refused():
    with pytest.raises(Unsupported, match="Softmax on CUDA takes floating types, not DataType 3"):
        run("Softmax", [np.zeros((2, 3), np.int32)], [((2, 3), "int32")])


def test_a_whole_loss_and_its_gradient():
    def build(x, w):
        logits = tf.matmul(x, w)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 0, 2, 1, 1], logits=logits))
        return [loss, *tf.gradients(loss, [w])]
    check(build, reals(5, 4), reals(4, 3, seed=1), runs=["SparseSoftmaxCrossEntropyWithLogits", "Mean"])
