"""Steps of optimizers and assignments, against the reference bodies."""
import numpy as np
import pytest
from emulation.direct import run
from emulation.emulated import Emulated

import thalweg as tf
from thalweg.framework.declaration import REGISTRY
from thalweg_cuda.kernels._steps import STEPS

RNG = np.random.default_rng(0)
_TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-13}


def operands(op_type, shape, dtype):
    """Plausible values of an op's inputs: slots of squares are positive, powers of betas between 0 and 1."""
    step = STEPS[op_type]
    values = []
    for letter, name in zip(step.letters, step.names.split()):
        if letter == "n":
            values.append(np.int64(3))
        elif letter == "h":
            values.append(dtype(-0.5 if name == "power" else RNG.uniform(0.1, 0.9)))
        elif name in ("var", "grad", "linear", "sums") or name == "mean" and "square" not in step.names:
            values.append(RNG.standard_normal(shape).astype(dtype))
        elif name == "mean":
            values.append(RNG.uniform(0, 0.3, shape).astype(dtype))
        else:
            values.append(RNG.uniform(0.5, 2, shape).astype(dtype))
    return values


def expected(op_type, values, **attrs):
    """What the reference body makes of the variable and its slots."""
    copies = [np.array(v) for v in values]
    var = REGISTRY[op_type].body(*copies, **attrs)
    return [var, *copies[1:]]


def close(got, want, dtype):
    for g, w in zip(got, want):
        np.testing.assert_allclose(g.astype(np.float64), w.astype(np.float64), _TOLERANCE[np.dtype(dtype).name],
                                   _TOLERANCE[np.dtype(dtype).name])


OPTIONS = {"ApplyMomentum": "use_nesterov", "ApplyAdam": "use_nesterov", "ApplyAdagrad": "update_slots",
           "ApplyAdagradV2": "update_slots"}


CASES = [(op_type, attrs) for op_type in sorted(STEPS)
         for attrs in ([{OPTIONS[op_type]: chosen} for chosen in (False, True)] if op_type in OPTIONS else [{}])]


@pytest.mark.parametrize("op_type, attrs", CASES)
def test_steps(op_type, attrs):
    for dtype, shape in ((np.float32, (1003,)), (np.float32, (0, 3)), (np.float32, ()), (np.float64, (5, 7)),
                         (np.float16, (3, 3))):
        values = operands(op_type, shape, dtype)
        got = run(op_type, values, [(shape, dtype)], attrs)
        close(got, expected(op_type, values, **attrs), dtype)


SPARSE = [(op_type, attrs) for op_type, attrs in CASES if f"Sparse{op_type}" in REGISTRY]


@pytest.mark.parametrize("op_type, attrs", SPARSE)
def test_steps_of_rows(op_type, attrs):
    """Rows that are named twice take two steps."""
    place = STEPS[op_type].letters.index("g") + 1
    for dtype, index_type, n in ((np.float32, np.int32, 50), (np.float64, np.int64, 7), (np.float32, np.int32, 0)):
        values = operands(op_type, (20, 3), dtype)
        values[place - 1] = RNG.standard_normal((n, 3)).astype(dtype)
        values.insert(place, RNG.integers(0, 9, n).astype(index_type))
        got = run(f"Sparse{op_type}", values, [((20, 3), dtype)], attrs)
        close(got, expected(f"Sparse{op_type}", values, **attrs), dtype)


def test_a_row_outside_is_an_error():
    var = np.ones((2, 1), np.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="Index 2 at offset 1 in indices is out of range"):
        run("SparseApplyAdagrad", [var, var, np.float32(0.1), var, np.int32([0, 2])], [((2, 1), np.float32)])


def test_a_step_of_bfloat16():
    def bits(x):
        return (np.float32(x).view(np.uint32) >> 16).astype(np.uint16)
    var, grad = RNG.standard_normal(37).astype(np.float32), RNG.standard_normal(37).astype(np.float32)
    got, = run("ApplyGradientDescent", [bits(var), bits(0.5), bits(grad)], [((37,), "bfloat16")],
               dtypes=["bfloat16"] * 3)
    wide = [(bits(v).astype(np.uint32) << 16).view(np.float32) for v in (var, grad)]
    np.testing.assert_allclose((got.view(np.uint16).astype(np.uint32) << 16).view(np.float32), wide[0] - 0.5 * wide[1],
                               2 ** -8, 1e-6)


def test_steps_beyond_one_pass_of_the_grid():
    n = 132 * 8 * 256 * 4 + 5
    var, grad = RNG.standard_normal((2, n)).astype(np.float32)
    got, = run("ApplyGradientDescent", [var, np.float32(0.25), grad], [((n,), np.float32)], orders=["forward"])
    np.testing.assert_array_equal(got, var - np.float32(0.25) * grad)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64",
                                   "complex128"])
def test_assignments(dtype):
    x, y = RNG.integers(0, 200, (2, 77)).astype(dtype)
    for op_type, want in (("Assign", y), ("AssignAdd", x + y), ("AssignSub", x - y)):
        got, = run(op_type, [x, y], [((77,), dtype)])
        np.testing.assert_array_equal(got, want, op_type)


OPTIMIZERS = {
    "gradient descent": lambda: tf.train.GradientDescentOptimizer(0.1), "adam": lambda: tf.train.AdamOptimizer(0.01),
    "momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
    "adagrad": lambda: tf.train.AdagradOptimizer(0.1), "ftrl": lambda: tf.train.FtrlOptimizer(0.1),
    "rms": lambda: tf.train.RMSPropOptimizer(0.01, momentum=0.5, centered=True),
}


def trained(place, make):
    """Losses of four steps of an embedding with dropout, then its variables; nothing may fall back."""
    rng = np.random.default_rng(0)
    with tf.Graph().as_default() as graph, tf.device(place), tf.Session(graph=graph) as session:
        Emulated.refused.clear()
        tf.set_random_seed(3)
        table = tf.get_variable("table", [50, 8], initializer=tf.random_normal_initializer())
        weights = tf.get_variable("weights", [8, 4], initializer=tf.truncated_normal_initializer())
        ids, labels = tf.placeholder(tf.int32, [16, 3]), tf.placeholder(tf.int32, [16])
        hidden = tf.nn.dropout(tf.reduce_mean(tf.nn.embedding_lookup(table, ids), 1), 0.8)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=tf.matmul(hidden, weights))
        loss = tf.reduce_mean(losses)
        step = make().minimize(loss)
        session.run(tf.global_variables_initializer())
        found = []
        for _ in range(4):
            feeds = {ids: rng.integers(0, 50, (16, 3)), labels: rng.integers(0, 4, 16)}
            found.append(session.run([loss, step], feeds)[0])
        assert not Emulated.refused
        return [np.array(found), *session.run([table, weights])]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_an_embedding_is_as_on_the_cpu(make):
    for got, want in zip(trained("/device:EMULATED:0", make), trained("/device:CPU:0", make)):
        np.testing.assert_allclose(got, want, 1e-5, 1e-6)
