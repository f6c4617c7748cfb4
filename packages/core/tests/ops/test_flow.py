"""Order among ops."""
import pytest

import thalweg as tf
from thalweg.ops import flow

COVERED = ("NoOp", "ControlTrigger", "Abort", "_Nothing")


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_a_group_waits_for_all_that_it_is_given():
    x, y = tf.constant(1.0), tf.constant([2])
    grouped = tf.group(x, [y, (x,)], name="all")
    assert grouped.name == "all" and set(grouped.control_inputs) == {x.op, y.op}
    assert tf.group().type == "NoOp"
    with pytest.raises(TypeError, match="takes tensors and operations"):
        tf.group(x, 3)


def test_a_group_has_a_gate_on_each_device():
    with tf.device("/cpu:0"):
        x = tf.constant(1.0)
    grouped = tf.group(x, tf.constant(2.0), name="g")
    assert [op.name for op in grouped.control_inputs] == ["g/NoOp", "g/NoOp_1"]


def test_a_tuple_gives_its_tensors_after_all_are_there(graph):
    x, y, done = tf.constant(1.0), tf.constant([2]), tf.no_op(name="done")
    slices = tf.IndexedSlices(x, y)
    a, nothing, b, c = tf.tuple([x, None, slices, done], control_inputs=[y])
    gate, = a.op.control_inputs
    assert nothing is None and set(gate.control_inputs) == {x.op, y.op, done}
    assert isinstance(b, tf.IndexedSlices) and b.values.op.control_inputs == [gate] and c.type == "NoOp"
    with pytest.raises(ValueError, match="at least one Tensor"):
        tf.tuple([None])
    with pytest.raises(TypeError, match="Operation or Tensor"):
        tf.tuple([x], control_inputs=[3])


def test_dependencies_run_first():
    v = tf.Variable(1.0)
    with tf.Session() as session:
        session.run(v.initializer)
        late = flow.with_dependencies([tf.assign(v, 5.0)], tf.constant(2.0))
        assert session.run(late) == 2.0 and session.run(v) == 5.0


def test_what_only_files_hold():
    v = tf.Variable(1.0)
    with tf.Session() as session:
        session.run(v.initializer)
        with tf.control_dependencies([tf.assign(v, 5.0)]):
            trigger = flow.control_trigger(name="trigger")
        session.run(trigger)
        assert session.run(v) == 5.0
        with pytest.raises(tf.errors.AbortedError, match="enough"):
            session.run(flow.abort(error_msg="enough"))
        with pytest.raises(tf.errors.AbortedError, match="the graph asked for it"):
            session.run(flow.abort())
        nothing = flow.nothing(dtype=tf.resource, name="nothing")
        assert nothing.shape == [] and session.run(nothing) is None
