"""Errors and rules of graphs, scopes and conversion; names and placements are compared with TensorFlow in tf1/."""
import threading

import numpy as np
import pytest

import thalweg as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.mark.parametrize("name,find,error,match", [
    ("c", "get_tensor_by_name", ValueError, "refers to an Operation, not a Tensor.*try 'c:0'"),
    ("c:1", "get_tensor_by_name", KeyError, "exists but only has 1 outputs"),
    ("d:0", "get_tensor_by_name", KeyError, "The operation, 'd', does not exist in the graph"),
    ("constt:0", "get_tensor_by_name", KeyError, "Near: const"),
    ("d:x", "get_tensor_by_name", ValueError, "is not a valid one. Tensor names must be of the form"),
    ("cons", "get_tensor_by_name", ValueError, "invalid. Operation name, not a Tensor.*\"name:0\".*Near: const"),
    ("d:0", "get_operation_by_name", ValueError, "appears to refer to a Tensor, not a Operation"),
    ("d", "get_operation_by_name", KeyError, "refers to an Operation not in the graph"),
    (5, "as_graph_element", TypeError, "Can not convert a int into a Tensor or Operation"),
])
def test_looking_up(graph, name, find, error, match):
    tf.constant(1, name="c")
    tf.constant(1, name="const")
    with pytest.raises(error, match=match):
        getattr(graph, find)(name)


def test_what_is_found(graph):
    c = tf.constant(1, name="c")
    assert graph.get_tensor_by_name("c:0") is c and graph.get_operation_by_name("c") is c.op
    assert graph.as_graph_element("c:0") is c and graph.as_graph_element(c.op) is c.op
    assert c.op.values() == (c,) and c.consumers() == [] and c.op.get_attr("dtype") == tf.int32
    with pytest.raises(ValueError, match="has no attr named 'nope'; it has dtype, value"):
        c.op.get_attr("nope")


def test_elements_of_another_graph(graph):
    with tf.Graph().as_default():
        other = tf.constant(1)
    with pytest.raises(ValueError, match="is not an element of this graph"):
        graph.as_graph_element(other)
    with pytest.raises(ValueError, match="must be from the same graph"):
        tf.constant(2) + other


def test_a_finalized_graph_is_closed(graph):
    graph.finalize()
    for change in (lambda: tf.constant(1), lambda: tf.add_to_collection("a", 1), lambda: tf.Variable(lambda: 1.0),
                   lambda: graph.clear_collection("a")):
        with pytest.raises(RuntimeError, match="Graph is finalized and cannot be modified"):
            change()
    assert graph.finalized
    graph._unsafe_unfinalize()
    tf.constant(1)


def test_a_finalized_graph_has_no_open_branches(graph):
    p = tf.placeholder(tf.bool, [])
    graph.finalize()
    with pytest.raises(RuntimeError, match="Graph is finalized"):
        tf.cond(p, lambda: 1.0, lambda: 2.0)


@pytest.mark.parametrize("name", ["a b", "_a", "a:0", "-"])
def test_bad_names(name):
    with pytest.raises(ValueError, match="is not a valid scope name"), tf.name_scope(name):
        pass
    with pytest.raises(ValueError, match="is not a valid node name"):
        tf.constant(1, name=name)


def test_inner_scopes_may_begin_with_an_underscore():
    with tf.name_scope("x"), tf.name_scope("_a"):
        assert tf.constant(1, name="_c").name == "x/_a/_c:0"


@pytest.mark.parametrize("device", ["/foo", "/foo:x", "/job:a/gpu"])
def test_bad_devices(device):
    with pytest.raises(ValueError, match="Unknown attribute or malformed device name"), tf.device(device):
        pass


@pytest.mark.parametrize("device", ["/gpu:0/cpu:0", "/gpu:0/device:CPU:1", "/device:CPU:0/gpu:1", "/cpu:0/cpu:0"])
def test_one_device_at_a_time_as_in_tensorflow(device):
    with pytest.raises(ValueError, match=f"Cannot specify multiple device types: {device}"), tf.device(device):
        pass
    with tf.device("/gpu:0"), tf.device("/cpu:0"):
        assert tf.constant(1).device == "/device:CPU:0"


def test_control_dependencies_take_variables_and_slices():
    v = tf.Variable(1.0)
    slices = tf.IndexedSlices(tf.ones([1, 1]), tf.constant([0]))
    with tf.control_dependencies([v, slices, v.op]):
        op = tf.no_op()
    assert op.control_inputs == [v.op, slices.values.op]
    with pytest.raises(TypeError, match="Can not convert a int into a Tensor or Operation"), \
            tf.control_dependencies([3]):
        pass


def test_python_protocol_of_tensors():
    t = tf.constant([1.0, 2.0])
    with pytest.raises(TypeError, match="Using a tf.Tensor as a Python bool is not allowed.*tf.cond"):
        bool(t)
    with pytest.raises(TypeError, match="len is not well defined for symbolic tensors"):
        len(t)
    with pytest.raises(TypeError, match="Cannot iterate over a scalar tensor"):
        list(tf.constant(1.0))
    with pytest.raises(TypeError, match="(?s)first dimension is not known.*tf.map_fn"):
        list(tf.placeholder(tf.float32, [None, 2]))
    with pytest.raises(NotImplementedError, match="Cannot convert a symbolic tensor.*session.run"):
        np.array(t)
    assert len(list(t)) == 2 and {t: 1}[t] == 1 and (t == t) is True and (t == 1.0) is False
    assert repr(t) == "<tf.Tensor 'Const:0' shape=(2,) dtype=float32>"
    assert str(t) == 'Tensor("Const:0", shape=(2,), dtype=float32)'
    assert repr(t.op) == "<tf.Operation 'Const' type=Const>"


def test_set_shape():
    x = tf.placeholder(tf.float32, [None, 3])
    x.set_shape([2, None])
    assert x.get_shape().as_list() == [2, 3]
    with pytest.raises(ValueError, match=r"Shapes \(2, 3\) and \(3, 2\) are not compatible"):
        x.set_shape([3, 2])


@pytest.mark.parametrize("convert,error,match", [
    (lambda: tf.convert_to_tensor(tf.constant(1.0), tf.int32), ValueError, "requested dtype int32 for Tensor"),
    (lambda: tf.convert_to_tensor(tf.constant(1.0), tf.int32), TypeError, r"try +tf.cast\(x, tf.int32\)"),
    (lambda: tf.convert_to_tensor("a", tf.int32), TypeError, "Expected int32, got 'a' of type 'str' instead"),
    (lambda: tf.convert_to_tensor(1.5, tf.int32), TypeError, "Expected int32, got 1.5 of type 'float' instead"),
    (lambda: tf.convert_to_tensor(None), ValueError, "None values not supported"),
    (lambda: tf.convert_to_tensor(object()), TypeError, "Failed to convert object of type"),
    (lambda: tf.constant([1, 2]) + tf.constant([1.0, 2.0]), TypeError,
     r"float32 that does not match type int32 of argument 'x'\.(.|\n)*try +tf\.cast\(y, tf\.int32\)"),
    (lambda: tf.concat(0, [tf.ones([2]), tf.ones([2])]), ValueError,
     r"axis must be a scalar.*\. Write tf\.concat\(values, axis\)"),
    (lambda: tf.nn.conv2d(tf.ones([1, 5, 5, 3]), tf.ones([3, 3, 1, 1]), 1, "SAME"), ValueError,
     r"Depth of input \(3\) is not input depth of filter \(1\)"),
    (lambda: tf.constant([1, 2, 3]) + tf.constant([1, 2]), ValueError, "do not broadcast"),
])
def test_conversion_refuses(convert, error, match):
    with pytest.raises(error, match=match):
        convert()


def test_scopes_belong_to_the_thread(graph):
    seen = []

    def other():
        with graph.as_default():
            seen.append((graph.get_name_scope(), tf.constant(1).device, tf.constant(1).op.control_inputs))
    with tf.name_scope("here"), tf.device("/gpu:0"), tf.control_dependencies([tf.no_op()]):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == [("", "", [])]


def test_default_graphs_nest():
    outer = tf.get_default_graph()
    with tf.Graph().as_default() as inner:
        assert tf.get_default_graph() is inner
        with pytest.raises(AssertionError, match="Do not use tf.reset_default_graph"):
            tf.reset_default_graph()
    assert tf.get_default_graph() is outer


def test_eval_without_a_session():
    with pytest.raises(ValueError, match=r"Cannot evaluate tensor using `eval\(\)`: No default session is registered"):
        tf.constant(1).eval()
