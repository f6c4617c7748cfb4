"""Function graphs: what they capture, and how."""
import pytest

import thalweg as tf
from thalweg.framework.func_graph import FuncGraph, align_captures, init_scope, outermost, written_variables


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_a_value_becomes_a_placeholder(graph):
    x = tf.placeholder(tf.float32, [None, 3])
    f = FuncGraph("f")
    with f.building():
        y = x * x
    assert list(f.captures) == [x] and f.inputs == [y.op.inputs[0]] and f.inputs[0].op.type == "Placeholder"
    assert f.inputs[0].get_shape().as_list() == [None, 3] and f.outer_tensor(f.inputs[0]) is x
    assert outermost(f) is graph


def test_a_variable_is_found_inside():
    v = tf.Variable(1.0, name="v")
    f = FuncGraph("f")
    with f.building():
        a = v + 1.0
        b = v.read_value()
        v.assign(2.0)
    assert [t.op.type for t in f.captures] == ["VariableV2", "Identity"]
    assert [t.op.type for t in f.inputs] == ["VariableV2", "Identity"]
    inner = f.inputs[0].op
    assert inner.attrs["shared_name"] == "v" and inner.attrs["_captured_variable"] == "v"
    assert a.op.inputs[0] is f.inputs[1] and b.op.inputs[0] is f.inputs[0]
    assert f.inputs[1].op.name == f"{inner.name}/read" and written_variables(f) == {"v"}


def test_reading_and_writing_a_variable_inside_counts_both(graph):
    condition, v, w = tf.placeholder(tf.bool, []), tf.get_variable("v", [1]), tf.get_variable("w", [1])
    before = graph._last_id
    tf.cond(condition, lambda: tf.assign_sub(v, v - w), lambda: v)
    assert graph._last_id - before == 11         # as TensorFlow: default seeds of what follows depend on it


def test_captures_go_through_all_levels(graph):
    x, v = tf.constant(1.0), tf.Variable(2.0, name="v")
    f = FuncGraph("f")
    with f.building():
        g = FuncGraph("g")
        with g.building():
            y = x + v
            v.assign(3.0)
    assert set(f.captures) == {x, v.value(), v._ref()} and y.graph is g
    assert all(t.graph is f for t in g.captures) and outermost(g) is graph
    assert [t.op.attrs.get("shared_name") for t in g.inputs if t.op.type == "VariableV2"] == ["v"]


def test_captures_are_aligned():
    x, y, z = tf.constant(1.0), tf.constant(2.0), tf.constant(3.0)
    f, g = FuncGraph("f"), FuncGraph("g")
    with f.building():
        f.outputs = [x + y]
    with g.building():
        parameter = g.add_parameter(tf.int32, ())
        g.outputs = [z * y]
    assert align_captures((f, g)) == [x, y, z]
    assert list(f.captures) == list(g.captures) == [x, y, z]
    assert g.inputs == [parameter, *g.captures.values()] and g.inputs[2] is g.outputs[0].op.inputs[1]


def test_controls_on_outer_ops_hold_the_whole_function():
    outside = tf.no_op()
    f = FuncGraph("f")
    with f.building(), tf.control_dependencies([outside]):
        y = tf.constant(1.0)
    assert list(f.control_captures) == [outside] and y.op.control_inputs == []


def test_an_updated_variable_holds_too():
    v = tf.Variable(1.0)
    changed = v.assign_add(1.0)
    f = FuncGraph("f")
    with f.building():
        changed + 1.0
    assert list(f.control_captures) == [changed.op] and f.inputs[0].op.type == "VariableV2"


def test_inner_tensors_do_not_come_out():
    f, g = FuncGraph("f"), FuncGraph("g")
    with f.building():
        inside = tf.constant(1.0)
    with pytest.raises(ValueError, match="was made inside a branch or a loop"):
        inside + 1.0
    with g.building(), pytest.raises(ValueError, match="was made inside a branch or a loop"):
        inside + 1.0


def test_names_and_elements_of_outer_graphs_are_found():
    x = tf.constant(1.0, name="x")
    f = FuncGraph("f")
    with f.building():
        y = tf.constant(2.0, name="y")
        assert f.get_tensor_by_name("x:0") is x and f.get_tensor_by_name("y:0") is y
        with pytest.raises(KeyError, match="does not exist in the graph"):
            f.get_tensor_by_name("z:0")


def test_init_scope_leaves_functions_and_controls(graph):
    f = FuncGraph("f")
    with tf.name_scope("s"):
        f = FuncGraph("f")
        with f.building(), tf.control_dependencies([tf.no_op()]):
            with init_scope():
                c = tf.constant(1.0)
            d = tf.constant(1.0)
    assert c.graph is graph and c.name == "s/Const:0" and c.op.control_inputs == []
    assert d.graph is f and d.op._id > c.op._id
