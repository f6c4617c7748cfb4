"""Nodes that TensorFlow writes for resource variables."""
import numpy as np
import pytest
from google.protobuf import text_format

import thalweg as tf


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def attr(key, value):
    return f'attr {{ key: "{key}" value {{ {value} }} }} '


DTYPE = attr("dtype", "type: DT_FLOAT")
HANDLE = 'node { name: "v" op: "VarHandleOp" ' + DTYPE + attr("shape", "shape { dim { size: 3 } dim { size: 2 } }") \
    + attr("shared_name", 's: "v"') + attr("_output_shapes", "list { shape { } }") \
    + attr("allowed_devices", "list { }") + "} "


def const(name, values, dtype="FLOAT", field="float_val"):
    array = np.array(values)
    dims = " ".join(f"dim {{ size: {d} }}" for d in array.shape)
    numbers = " ".join(f"{field}: {v}" for v in array.ravel())
    return f'node {{ name: "{name}" op: "Const" ' + attr("dtype", f"type: DT_{dtype}") + attr(
        "value", f"tensor {{ dtype: DT_{dtype} tensor_shape {{ {dims} }} {numbers} }}") + "} "


def node(name, op, *inputs, attrs=DTYPE):
    return f'node {{ name: "{name}" op: "{op}" ' + " ".join(f'input: "{i}"' for i in inputs) + f" {attrs} }} "


START = HANDLE + const("start", [[1, 2], [3, 4], [5, 6]]) + node("init", "AssignVariableOp", "v", "start") \
    + const("rows", [2, 0], "INT32", "int_val") + const("one", 1.0) + const("delta", [[1, 1], [10, 10]]) \
    + node("read", "ReadVariableOp", "v")
INDICES = attr("Tindices", "type: DT_INT32")
SCATTER = DTYPE + INDICES


def updated(op, *inputs, attrs):
    text = START + node("update", op, "v", *inputs, attrs=attrs) + node("after", "ReadVariableOp", "v", "^update")
    tf.import_graph_def(text_format.Parse(text, tf.GraphDef()), name="")
    with tf.Session() as session:
        session.run("init")
        return session.run("after:0").tolist()


@pytest.mark.parametrize("op, inputs, attrs, expected", [
    ("AssignAddVariableOp", ["start"], DTYPE, [[2, 4], [6, 8], [10, 12]]),
    ("AssignSubVariableOp", ["start"], DTYPE, [[0, 0], [0, 0], [0, 0]]),
    ("ResourceScatterAdd", ["rows", "delta"], SCATTER, [[11, 12], [3, 4], [6, 7]]),
    ("ResourceScatterUpdate", ["rows", "delta"], SCATTER, [[10, 10], [3, 4], [1, 1]]),
    ("ResourceApplyGradientDescent", ["one", "start"], attr("T", "type: DT_FLOAT") + attr("use_locking", "b: false"),
     [[0, 0], [0, 0], [0, 0]])])
def test_updates(op, inputs, attrs, expected):
    assert updated(op, *inputs, attrs=attrs) == expected


def test_reads_and_questions(graph):
    text = START + node("rows_of", "ResourceGather", "v", "rows", attrs=SCATTER + attr("batch_dims", "i: 0")) \
        + node("set", "VarIsInitializedOp", "v", attrs="") \
        + node("shape", "VariableShape", "v", attrs=attr("out_type", "type: DT_INT64"))
    tf.import_graph_def(text_format.Parse(text, tf.GraphDef()), name="in")
    with tf.Session() as session:
        assert not session.run("in/set:0")
        session.run("in/init")
        assert session.run("in/set:0") and session.run("in/shape:0").tolist() == [3, 2]
        assert session.run("in/rows_of:0").tolist() == [[5, 6], [1, 2]]
    v, read = graph.get_tensor_by_name("in/v:0"), graph.get_tensor_by_name("in/read:0")
    assert v.shape == [3, 2] and read.shape == [3, 2]
    dv, = tf.gradients([read * 2, graph.get_tensor_by_name("in/rows_of:0")], v)
    with tf.Session() as session:
        session.run("in/init")
        assert session.run(tf.convert_to_tensor(dv)).tolist() == [[3, 3], [2, 2], [3, 3]]


@pytest.mark.parametrize("text, problem", [
    (START + node("bad", "ReadVariableOp", "start"), "takes the handle of a variable, not .*start:0, a v"),
    (START + node("bad", "ReadVariableOp"), "takes the handle of a variable, not nothing"),
    (START + node("bad", "ReadVariableOp", "v", attrs=attr("dtype", "type: DT_INT32")),
     "attr 'dtype' is int32, the variable .*v is float32"),
    (START + node("bad", "ResourceGather", "v", "rows", attrs=SCATTER + attr("batch_dims", "i: 1")), "batch_dims = 1"),
    (START + node("bad", "AssignVariableOp", "v", "delta"), "shapes of both tensors")])
def test_nodes_that_are_not_valid(text, problem):
    with pytest.raises(tf.errors.InvalidArgumentError, match=problem):
        tf.import_graph_def(text_format.Parse(text, tf.GraphDef()))
