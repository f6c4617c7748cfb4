"""Functions of a library: graphs with branches and loops go out and come back, and can still be differentiated."""
import numpy as np
import pytest

import thalweg as tf


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def branch(x):
    return tf.cond(x[0] > 0, lambda: (x * x, x + 1), lambda: (tf.sin(x), x * 3))[0]


def loop(x):
    return tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * x + tf.cast(i, tf.float32)), (0, x))[1]


def growing(x):
    return tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.concat([v, v * x[0]], 0)), (0, x),
                         shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])))[1]


def nested(x):
    def body(i, v):
        inner = tf.while_loop(lambda j, w: j < i, lambda j, w: (j + 1, w * 1.5 + x), (0, v))[1]
        return i + 1, tf.cond(tf.reduce_sum(inner) > 10, lambda: inner / 2, lambda: inner + v)
    return tf.while_loop(lambda i, v: i < 4, body, (0, x))[1]


def mapped(x):
    return tf.map_fn(lambda v: tf.tanh(v) * x, x)


def scanned(x):
    return tf.scan(lambda a, v: a * v + tf.reduce_sum(x), x)


def arrays(x):
    array = tf.TensorArray(tf.float32, 3, clear_after_read=False)
    array = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, x * tf.cast(i, tf.float32))),
                          (0, array))[1]
    return array.stack() * 2


def with_variable(x):
    v = tf.Variable([1.5, 2.5], name="v")
    return tf.cond(x[1] > 0, lambda: v * x, lambda: tf.while_loop(
        lambda i, w: i < 2, lambda i, w: (i + 1, w * v), (0, x))[1])


def updating(x):
    v = tf.Variable([1.5, 2.5], name="v")

    def body(i, w):
        with tf.control_dependencies([v.assign_add(w)]):
            return i + 1, w * v.read_value()
    return tf.while_loop(lambda i, w: i < 2, body, (0, x))[1]


def random_inside(x):
    return tf.cond(x[0] > 0, lambda: x * tf.random_uniform([2], seed=3), lambda: x)


PROGRAMS = [branch, loop, growing, nested, mapped, scanned, arrays, with_variable, updating, random_inside]
FEEDS = [np.array([1.5, -0.5], np.float32), np.array([-1.0, 2.0], np.float32)]


def values(y, dx):
    found = []
    for feed in FEEDS:
        with tf.Session() as session:
            session.run(tf.get_default_graph().get_collection("init"))
            found.append(session.run([t for t in (y, dx) if t is not None], {"x:0": feed}))
    return found


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("where", ["before", "after"])
def test_programs_come_back(program, where, graph):
    """The same values; the gradient made before the graph was written, or of what was read."""
    x = tf.placeholder(tf.float32, [2], name="x")
    y = program(x)
    tf.add_to_collection("init", tf.global_variables_initializer())
    graph.seed = 7
    dx = tf.gradients(y, x)[0]
    expected = values(y, dx)
    if where == "before":
        message, names = graph.as_graph_def(add_shapes=True), [y.name, dx.name]
    else:
        with tf.Graph().as_default() as other:
            y = program(tf.placeholder(tf.float32, [2], name="x"))
            init = tf.global_variables_initializer()
        message, names = other.as_graph_def(add_shapes=True), [y.name]
    init = graph.get_collection("init")[0].name if where == "before" else init.name
    with tf.Graph().as_default() as again:
        outputs = tf.import_graph_def(message, name="", return_elements=[*names, init])
        tf.add_to_collection("init", outputs.pop())
        if where == "after":
            outputs.append(tf.gradients(outputs[0], again.get_tensor_by_name("x:0"))[0])
        if program is not random_inside:
            found = values(*outputs)
            for a, b in zip(expected, found):
                for want, got in zip(a, b):
                    np.testing.assert_allclose(got, want, rtol=1e-6)
        assert outputs[0].shape.as_list() == y.shape.as_list()
        once = again.as_graph_def()
    with tf.Graph().as_default() as third:
        tf.import_graph_def(once, name="")
        if where == "before":                              # no growth from one round to the next
            assert len(third.as_graph_def().SerializeToString()) == len(once.SerializeToString())
