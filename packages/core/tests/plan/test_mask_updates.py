"""Branches that guard updates of variables on a device: masked there, or left to the host, and the values of both."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.framework import flags
from thalweg.ops import training
from thalweg.testing import delayed_device

DEVICE = "/device:DELAYED:0"


@pytest.fixture(autouse=True)
def checked_fresh_graph(monkeypatch):
    monkeypatch.setattr(flags, "CHECK", 1)
    with tf.Graph().as_default():
        yield


@pytest.fixture
def delayed():
    with delayed_device.registered() as device:
        yield device


def variables(**values):
    return [tf.Variable(np.asarray(v), name=k) for k, v in values.items()]


def runs(delayed, op, feeds, watched, initializer=None):
    """(whether no run but the first has waited for the device, the watched variables after each run)."""
    found = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer() if initializer is None else initializer)
        stayed = True
        for i, feed in enumerate(feeds):
            before = delayed.counts["d2h"]
            session.run(op.op, feed)
            stayed = stayed and (not i or delayed.counts["d2h"] == before)
            found.append(session.run(watched))
    return stayed, found


def adam(var, m, v, grad):
    return training.apply_adam(var._ref(), m._ref(), v._ref(), 0.9, 0.99, 0.1, 0.9, 0.99, 1e-8, grad).op


def momentum(var, m, v, grad):
    return training.apply_momentum(var._ref(), m._ref(), 0.1, grad, 0.9, use_nesterov=True).op


def descent(var, m, v, grad):
    return training.apply_gradient_descent(var._ref(), 0.1, grad).op


@pytest.mark.parametrize("update", [adam, momentum, descent])
def test_a_step_with_gradients_that_are_not_finite_is_skipped_on_the_device(delayed, update):
    seen = {}
    for place in DEVICE, "/device:REFERENCE:0":
        with tf.Graph().as_default(), tf.device(place):
            var, m, v = variables(var=[1.0, -2.0], m=[0.5, 0.25], v=[0.1, 0.2])
            steps, = variables(steps=np.int64(0))
            x = tf.placeholder(tf.float64, [2])
            grad = x * var
            op = tf.cond(tf.reduce_all(tf.is_finite(grad)),
                         lambda v=(var, m, v), g=grad, s=steps: tf.group(update(*v, g), s.assign_add(1)), tf.no_op)
            feeds = [{x: [1.0, 2.0]}, {x: [np.inf, 1.0]}, {x: [np.nan, 1.0]}, {x: [0.5, 0.5]}]
            stayed, seen[place] = runs(delayed, op, feeds, [var, m, v, steps])
            assert stayed
    ours, wanted = seen.values()
    for got, want in zip(ours, wanted):
        for a, b in zip(got, want):
            np.testing.assert_allclose(a, b, 1e-12)
    for a, b in zip([*ours[0]], [*ours[2]]):
        np.testing.assert_array_equal(a, b)
    assert [int(step[3]) for step in ours] == [1, 1, 1, 2]


def test_both_branches_and_branches_in_them(delayed):
    with tf.device(DEVICE):
        a, b = variables(a=[1.0, 2.0], b=np.int64(0))
        x = tf.placeholder(tf.float64, [])

        def then():
            return tf.cond(b >= 1, lambda: tf.group(a.assign(a * 2.0), b.assign(0)), lambda: b.assign_add(1).op)
        op = tf.cond(tf.reduce_sum(x * a) > 0, then, lambda: tf.group(a.assign_sub([1.0, 1.0]), b.assign(b - 5)))
        stayed, found = runs(delayed, op, [{x: v} for v in (1, 1, -1, 1, 1)], [a, b])
    assert stayed
    assert [(v.tolist(), int(n)) for v, n in found] == [
        ([1, 2], 1), ([2, 4], 0), ([1, 3], -5), ([1, 3], -4), ([1, 3], -3)]


def test_what_a_branch_reads_is_what_the_other_has_not_written(delayed):
    with tf.device(DEVICE):
        a, b = variables(a=1.0, b=10.0)
        x = tf.placeholder(tf.float64, [1])

        def then():
            with tf.control_dependencies([a.assign(a + b)]):
                return b.assign(b + a)
        op = tf.cond(tf.reduce_all(x * a > 0), lambda: then().op, lambda: b.assign(a - b).op)
        stayed, found = runs(delayed, op, [{x: [v]} for v in (1.0, 1.0, -1.0)], [a, b])
    assert stayed
    assert [(float(p), float(q)) for p, q in found] == [(11, 21), (32, 53), (32, -21)]


def taken_to_the_host(delayed, build, feeds=(1.0, -1.0, 1.0), initializer=None):
    """The variable `a` after runs of a branch that the host takes."""
    with tf.device(DEVICE):
        a, b = variables(a=1.0, b=2.0)
        x = tf.placeholder(tf.float64, [1])
        op = build(a, b, tf.reduce_all(x * x * x > 0))
        stayed, found = runs(delayed, op, [{x: [v]} for v in feeds], [a], initializer and initializer(a, b))
    assert not stayed
    return [float(v) for v, in found]


def test_ops_that_may_raise_stay_in_their_branch(delayed):
    def build(a, b, good):
        checked = lambda: tf.cast(tf.check_numerics(tf.cast(b, tf.float32), "bad"), tf.float64)
        return tf.cond(good, lambda: a.assign_add(checked()).op, tf.no_op)
    assert taken_to_the_host(delayed, build) == [3, 3, 5]


def test_what_only_the_condition_keeps_from_raising_stays_in_its_branch(delayed):
    with tf.device(DEVICE):
        a, n = variables(a=np.zeros(3), n=np.int64(3))
        index, x = tf.placeholder(tf.int32, [1]), tf.placeholder(tf.float64, [None])
        power = tf.placeholder(tf.int64, [])
        scatter = tf.cond(tf.reduce_all(index < 3), lambda: tf.scatter_add(a, index, [1.0]).op, tf.no_op)
        assign = tf.cond(power >= 0, lambda: n.assign(tf.pow(tf.constant(2, tf.int64), power)).op, tf.no_op)
        add = tf.cond(tf.equal(tf.size(x), 3), lambda: a.assign_add(x).op, tf.no_op)
    assert runs(delayed, scatter, [{index: [i]} for i in (1, 9, 2)], [a])[1][-1][0].tolist() == [0, 1, 1]
    assert [int(v) for v, in runs(delayed, assign, [{power: e} for e in (2, -1)], [n])[1]] == [4, 4]
    feeds = [{x: [1.0, 1.0, 1.0]}, {x: [1.0, 2.0]}]
    assert runs(delayed, add, feeds, [a])[1][-1][0].tolist() == [1, 1, 1]


def test_every_number_of_an_update_is_masked(delayed):
    """A rate of 1 / 0 and a beta power that makes 0 / 0, in the runs that are skipped."""
    def descent_by_norm(a, m, v, x, norm):
        return training.apply_gradient_descent(a._ref(), 1.0 / norm, x).op

    def adam_by_power(a, m, v, x, norm):
        power = 1.0 - norm
        return training.apply_adam(a._ref(), m._ref(), v._ref(), power, power, 0.1, 0.9, 0.99, 1e-8, x).op

    for update in descent_by_norm, adam_by_power:
        with tf.Graph().as_default(), tf.device(DEVICE):
            a, m, v = variables(a=[1.0, -2.0], m=[0.5, 0.25], v=[0.1, 0.2])
            x = tf.placeholder(tf.float64, [2])
            of = a, m, v, x, tf.reduce_sum(x * x)
            op = tf.cond(tf.reduce_sum(x * a) > 0, lambda of=of, u=update: u(*of), tf.no_op)
            stayed, found = runs(delayed, op, [{x: [0.0, 0.0]}, {x: [np.nan, 0.0]}], [a, m, v])
        assert stayed
        for values in found:
            assert [value.tolist() for value in values] == [[1, -2], [0.5, 0.25], [0.1, 0.2]]


def test_a_branch_that_gives_a_value_is_not_masked(delayed):
    assert taken_to_the_host(delayed, lambda a, b, good: a.assign(
        tf.cond(good, lambda: b.assign_add(1.0), lambda: b.assign_add(10.0)))) == [3, 13, 14]


def test_a_variable_without_a_value_is_not_read(delayed):
    """The branch is there to give it one."""
    assert taken_to_the_host(delayed, lambda a, b, good: tf.cond(good, lambda: a.assign(5.0).op,
                                                                 lambda: a.assign_add(1.0).op),
                             initializer=lambda a, b: b.initializer) == [5, 6, 5]


def test_on_the_host_a_branch_is_a_branch():
    a, = variables(a=1.0)
    x = tf.placeholder(tf.float64, [1])
    op = tf.cond(tf.reduce_all(x > 0), lambda: a.assign_add(1.0).op, tf.no_op)
    with tf.Session() as session:
        session.run(a.initializer)
        session.run(op, {x: [1.0]})
        plan, = [p.plan for e in session._engine._templates.values() for p in e.programs.values()
                 if any(s.node.op_type == "If" for s in p.plan.steps)]
        assert not any(s.node.op_type == "SelectV2" for s in plan.steps)
        assert session.run(a) == 2
