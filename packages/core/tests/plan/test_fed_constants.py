"""Constants whose values decided static shapes are fed with other values, and set_shape says what does not hold.

TensorFlow 1.15 computes with what is fed; what the graph inferred from the constant must count for nothing.
"""
import inspect

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import flags
from thalweg.framework.evaluate import Evaluator
from thalweg.runtime import engine


@pytest.fixture(autouse=True, params=[0, -1], ids=["optimized", "as built"])
def session(request, monkeypatch):
    monkeypatch.setattr(flags, "CHECK", 1)
    config = tf.ConfigProto()
    config.graph_options.optimizer_options.opt_level = request.param
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        yield session


def table():
    return tf.constant(np.arange(6, dtype=np.float32).reshape(2, 3))


FED = {                                  # what is built, the constant, what is fed for it, the shape as in TF 1.15
    "fill": (lambda c: tf.fill(c, 1.0), [2, 3], [4, 5], (4, 5)),
    "fill less": (lambda c: tf.fill(c, 1.0), [2, 3], [1, 1], (1, 1)),
    "zeros": (tf.zeros, [2, 3], [4, 5], (4, 5)),
    "random_uniform": (tf.random_uniform, [2, 3], [4, 5], (4, 5)),
    "random_normal": (tf.random_normal, [2, 3], [4, 5], (4, 5)),
    "broadcast_to": (lambda c: tf.broadcast_to(1.0, c), [2, 3], [4, 5], (4, 5)),
    "one_hot": (lambda c: tf.one_hot([1], c[0]), [2, 3], [4, 5], (1, 4)),
    "reshape": (lambda c: tf.reshape(table(), c), [2, 3], [3, 2], (3, 2)),
    "expand_dims": (lambda c: tf.expand_dims(table(), c), 0, 2, (2, 3, 1)),
    "reduce_sum": (lambda c: tf.reduce_sum(table(), c), 0, 1, (2,)),
    "argmax": (lambda c: tf.argmax(table(), c), 0, 1, (2,)),
    "tile": (lambda c: tf.tile(table(), c), [2, 1], [1, 3], (2, 9)),
    "transpose": (lambda c: tf.transpose(table(), c), [1, 0], [0, 1], (2, 3)),
    "top_k": (lambda c: tf.nn.top_k(table(), c)[0], 1, 2, (2, 2)),
    "concat": (lambda c: tf.concat([table(), table()], c), 0, 1, (2, 6)),
    "stack": (lambda c: tf.fill(tf.stack([c, 3]), 1.0), 2, 4, (4, 3)),
    "cond": (lambda c: tf.cond(tf.reduce_sum(table()) > 0, lambda: tf.fill(c, 1.0), lambda: tf.zeros(c)), [2, 3],
             [4, 5], (4, 5)),
    "constant cond": (lambda c: tf.cond(tf.constant(True), lambda: tf.fill(c, 1.0), lambda: tf.zeros(c)), [2, 3],
                      [4, 5], (4, 5)),
    "while": (lambda c: tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x + tf.reduce_sum(tf.fill(c, 1.0))),
                                      [0, tf.fill(c, 0.0)])[1], [2, 3], [4, 5], (4, 5))}


@pytest.mark.parametrize("name", FED)
def test_a_fed_constant_decides_the_shape(session, name):
    build, value, other, shape = FED[name]
    c = tf.constant(value)
    y = build(c)
    assert session.run(y, {c: other}).shape == session.run(y + 1, {c: other}).shape == shape
    assert y.shape.is_compatible_with(session.run(y).shape)


def test_values_follow_what_is_fed(session):
    c = tf.constant([50_000_000])
    x = tf.placeholder(tf.float32, [None])
    assert session.run(tf.reduce_sum(tf.reshape(x, c)), {c: [2], x: np.ones(2)}) == 2
    with pytest.raises(tf.errors.InvalidArgumentError, match="Cannot reshape a tensor with 2 elements"):
        session.run(tf.reshape(x, c), {c: [3], x: np.ones(2)})


def test_a_fed_tensor_of_which_a_part_was_known_decides_the_shape(session):
    k = tf.placeholder(tf.int32, [])
    sizes = tf.stack([k, 3])
    y = tf.fill(sizes, 1.0)
    assert y.shape.as_list() == [None, 3]
    assert session.run(y, {sizes: [2, 4]}).shape == (2, 4)


def test_many_fed_values_share_a_plan_whose_shapes_are_open(session, monkeypatch):
    monkeypatch.setattr(engine, "MAX_PROGRAMS", 2)
    c, x = tf.constant([2, 3]), tf.placeholder(tf.float32, [None])
    grown = tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a * 2 + tf.reduce_sum(x)), [0, tf.fill(c, 1.0)])[1]
    for n in range(1, 7):
        assert np.array_equal(session.run(grown, {c: [n, 2], x: np.ones(n)}), np.full((n, 2), 4 + 3 * n))


# --- set_shape ----------------------------------------------------------------------------------------------

def line():
    return inspect.currentframe().f_back.f_lineno


@pytest.mark.parametrize("size", [3, 9, 100_000_000])
@pytest.mark.parametrize("use", [lambda t: t, tf.reduce_sum, lambda t: t + 1], ids="fetch sum add".split())
def test_a_set_shape_that_the_value_contradicts_is_an_error(session, size, use):
    x, u = tf.placeholder(tf.float32, [None, None]), tf.placeholder(tf.int32, [None])
    y, at = tf.reshape(x, u, name="flat"), line()
    y.set_shape([size])
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(use(y), {x: np.ones((2, 3)), u: [6]})
    here = f"{__file__}:{at} in {inspect.stack()[0].function}"
    assert str(caught.value).splitlines() == [
        f"Reshape 'flat': output 0 has shape (6,), but the graph says ({size},)",
        "  try       a set_shape that holds in every run", f"  built at  {here}"]


def test_a_set_shape_is_compared_where_the_rules_know_better(session):
    x = tf.placeholder(tf.float32, [None])
    y = tf.exp(x, name="y")
    y.set_shape([3])
    with pytest.raises(tf.errors.InvalidArgumentError,
                       match=r'Exp "y": in this run the shape is \(2,\), but the graph says \(3,\) \(set_shape\)'):
        session.run(y, {x: np.ones(2)})


def test_a_set_shape_of_a_part_is_compared_too(session):
    u = tf.placeholder(tf.int32, [None])
    y = tf.fill(u, 1.0)
    y.set_shape([None, 2])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"has shape \(2, 1\), but the graph says \(\?, 2\)"):
        session.run(y, {u: [2, 1]})


def test_equal_values_of_which_one_set_shape_is_wrong(session):
    u = tf.placeholder(tf.int32, [None])
    right, wrong = tf.fill(u, 1.0), tf.fill(u, 1.0)
    right.set_shape([2]), wrong.set_shape([3])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"has shape \(2,\), but the graph says \(3,\)"):
        session.run([right, wrong], {u: [2]})
    assert session.run(right, {u: [2]}).shape == (2,)


def test_a_true_set_shape_is_believed_by_what_follows(session):
    x, u = tf.placeholder(tf.float32, [None, None]), tf.placeholder(tf.int32, [None])
    y = tf.reshape(x, u)
    y.set_shape([6])
    assert np.array_equal(session.run(tf.exp(y * 0) + y, {x: np.ones((2, 3)), u: [6]}), np.full(6, 2.0))


# --- variables ----------------------------------------------------------------------------------------------

def test_a_reshape_of_a_variable_into_a_fed_shape_leaves_the_variable_alone(session):
    v = tf.get_variable("v", initializer=np.ones((2, 3), np.float32))
    u = tf.placeholder(tf.int32, [None])
    before = tf.reshape(v, u)
    bump = tf.assign(v, v + 1)
    with tf.control_dependencies([bump]):
        late = before * 1
    session.run(v.initializer)
    assert session.run(before, {u: [3, 2]}).shape == (3, 2)
    assert session.run(tf.expand_dims(v, u[0]), {u: [1]}).shape == (2, 1, 3)
    assert session.run(v).shape == (2, 3)
    values = session.run([before, late, bump], {u: [6]})
    assert [x.ravel()[0] for x in values] == [1, 1, 2] and session.run(v).shape == (2, 3)


# --- any graph ----------------------------------------------------------------------------------------------

class Builder:
    """Random graphs whose shapes hang on constants; `feeds` has another value for most of these."""

    def __init__(self, seed):
        self.rng, self.feeds = np.random.default_rng(seed), {}
        self.values = [tf.constant(self.rng.standard_normal((2, 3)).astype(np.float32))]
        for _ in range(self.rng.integers(1, 9)):
            x = self.values[self.rng.integers(len(self.values))]
            self.values.append(self.STEPS[self.rng.integers(len(self.STEPS))](self, x))

    def number(self, low, high):
        return self.constant(*self.rng.integers(low, high, 2))

    def sizes(self, rank, low=1):
        return self.constant(*self.rng.integers(low, 4, (2, rank)))

    def constant(self, value, other):
        c = tf.constant(np.asarray(value, np.int32))
        if self.rng.random() < 0.8:
            self.feeds[c] = np.asarray(other, np.int32)
        return c

    def matrix(self, x):
        """x as [1, n] or [n, 1]."""
        return tf.reshape(x, self.constant(*[[1, -1], [-1, 1]][::self.rng.choice([-1, 1])]))

    STEPS = [
        lambda b, x: tf.fill(b.sizes(2), 2.0) + tf.reduce_sum(x),
        lambda b, x: tf.zeros(b.sizes(2)) + tf.ones(b.sizes(1))[:1],
        lambda b, x: tf.expand_dims(b.matrix(x), b.number(0, 3)),
        lambda b, x: tf.reduce_sum(b.matrix(x), b.number(0, 2)),
        lambda b, x: tf.cast(tf.argmax(b.matrix(x), b.number(0, 2)), tf.float32),
        lambda b, x: tf.tile(b.matrix(x), b.sizes(2)),
        lambda b, x: tf.transpose(b.matrix(x), b.constant([0, 1], [1, 0])),
        lambda b, x: tf.concat([b.matrix(x)] * 2, b.number(0, 2)) * 0.5,
        lambda b, x: tf.one_hot([1, 2], b.number(1, 5)) - tf.reduce_max(x),
        lambda b, x: tf.broadcast_to(tf.reduce_max(x), b.sizes(2)),
        lambda b, x: tf.pad(b.matrix(x), tf.reshape(b.sizes(4, low=0), [2, 2])),
        lambda b, x: tf.gather(b.matrix(x), [0, 0], axis=b.constant(0, 0)),
        lambda b, x: tf.slice(b.matrix(x), [0, 0], b.constant([1, 1], [-1, -1])),
        lambda b, x: tf.fill(tf.stack([b.number(1, 4), 2]), 1.0) + tf.reduce_mean(x),
        lambda b, x: tf.square(x) + x * 0.5,
        lambda b, x: tf.reshape(x, [-1]),
        lambda b, x: _cond(b.sizes(2), x),
        lambda b, x: _loop(b.sizes(2), x)]


def _cond(sizes, x):
    return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.fill(sizes, 1.0) + tf.reduce_sum(x),
                   lambda: tf.reshape(tf.fill(sizes, 3.0), [-1, 1]))


def _loop(sizes, x):
    def body(i, a):
        return i + 1, a * 1.5 + tf.reduce_sum(x) * tf.fill(sizes, 0.1)[0, 0]
    return tf.while_loop(lambda i, a: i < 3, body, [0, tf.fill(sizes, 1.0)])[1]


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_any_graph_computes_with_what_is_fed(session, first):
    for seed in range(first, first + 50):
        made = Builder(seed)
        expected = Evaluator().run(made.values, made.feeds)
        for want, got in zip(expected, session.run(made.values, made.feeds)):
            assert np.shape(want) == np.shape(got), f"seed {seed}"
            np.testing.assert_allclose(got, want, rtol=1e-4, err_msg=f"seed {seed}")
