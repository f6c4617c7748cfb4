"""`tf.import_graph_def`: names, inputs, attributes, and the errors of graphs that are not valid."""
import time

import numpy as np
import pytest
from google.protobuf import text_format

import thalweg as tf
from thalweg_io.graphs import graph_import

PLACEHOLDER = 'node { name: "a" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } } '
FLOAT = 'attr { key: "T" value { type: DT_FLOAT } } '
IDENTITY = PLACEHOLDER + ('node { name: "b" op: "Identity" input: "a" input: "^a" ' + FLOAT
                          + 'attr { key: "_class" value { list { s: "loc:@a" } } } '
                            'attr { key: "_output_shapes" value { list { shape { dim { size: 3 } } } } } } ')


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def parsed(text):
    return text_format.Parse(text, tf.GraphDef())


def imported(text, **options):
    return tf.import_graph_def(parsed(text), **options)


def node(op, *inputs, name="b", attrs=FLOAT):
    return f'node {{ name: "{name}" op: "{op}" ' + "".join(f'input: "{i}" ' for i in inputs) + attrs + "} "


# --- names ------------------------------------------------------------------------------------------

def test_names_and_scopes(graph):
    imported(IDENTITY)
    imported(IDENTITY)
    imported(IDENTITY, name="")
    imported(IDENTITY, name="")
    imported(IDENTITY, name="in/side")
    with tf.name_scope("outer"):
        imported(IDENTITY)
    assert [op.name for op in graph.get_operations()] == [
        "import/a", "import/b", "import_1/a", "import_1/b", "a", "b", "a_1", "b_1", "in/side/a", "in/side/b",
        "outer/import/a", "outer/import/b"]
    assert graph.get_operation_by_name("b_1").get_attr("_class") == ["loc:@a_1"]
    assert graph.get_operation_by_name("outer/import/b").get_attr("_class") == ["loc:@outer/import/a"]
    assert tf.placeholder(tf.float32, name="a").op.name == "a_2"
    assert tf.placeholder(tf.float32, name="import").op.name == "import_2"


def test_a_name_that_is_a_scope_already(graph):
    tf.no_op(name="a/inside")
    assert [t.name for t in imported(IDENTITY, name="", return_elements=["a:0", "b:0"])] == ["a_1:0", "b:0"]


def test_return_elements_and_shapes(graph):
    a, b, tensor = imported(IDENTITY, return_elements=["a", "b:0", "a:0"])
    assert a.type == "Placeholder" and tensor is a.outputs[0]
    assert b.shape == [3] and b.op.control_inputs == [a]
    assert "_output_shapes" not in b.op.attrs
    assert imported(IDENTITY, return_elements=[]) == [] and imported(IDENTITY) is None


@pytest.mark.parametrize("elements, text", [
    (["zz"], "Requested return node 'zz' not found in graph def"), (["zz:0"], "'zz:0' not found in graph def"),
    (["a:3"], "Invalid return output 3 of node 'a', which has 1 output"),
    (["a:x"], "Cannot convert 'a:x' to a tensor")])
def test_return_elements_that_are_not_there(elements, text):
    with pytest.raises(ValueError, match=text):
        imported(IDENTITY, return_elements=elements)


# --- what is taken from elsewhere --------------------------------------------------------------------

def test_input_map(graph):
    mine = tf.constant([1.0, 2.0, 3.0], name="mine")
    given, b = imported(IDENTITY, input_map={"a": mine}, return_elements=["a:0", "b:0"])
    assert given is mine and b.op.inputs == (mine,)
    assert [op.name for op in b.op.control_inputs] == ["import/a"]
    b, = imported(IDENTITY, input_map={"a:0": [1.0, 2.0, 3.0], "^a": mine}, return_elements=["b:0"])
    assert b.op.inputs[0].op.name == "import_1/_inputs/Const" and b.op.control_inputs == [mine.op]
    with tf.Session() as session:
        assert session.run(b).tolist() == [1, 2, 3]


def test_an_input_that_only_the_map_gives(graph):
    value, = imported(node("Neg", "elsewhere:1"), input_map={"elsewhere:1": 2.0}, return_elements=["b:0"])
    with tf.Session() as session:
        assert session.run(value) == -2


def test_wrong_arguments():
    with pytest.raises(TypeError, match="graph_def must be a GraphDef proto"):
        tf.import_graph_def("a")
    with pytest.raises(TypeError, match="input_map must be a dictionary mapping strings to Tensor objects"):
        imported(IDENTITY, input_map={1: 2})
    with pytest.raises(TypeError, match="return_elements must be a list of strings"):
        imported(IDENTITY, return_elements="a")
    with pytest.raises(ValueError, match=r"Attempted to map inputs that were not found in graph_def: \[zz:0\]"):
        imported(IDENTITY, input_map={"zz:0": tf.constant(1.0)})
    with pytest.raises(ValueError, match="requires a non-empty `name` if `input_map` contains non-Tensor"):
        imported(IDENTITY, input_map={"a:0": 1.0}, name="")


def test_scopes_around_an_import(graph):
    first = tf.no_op(name="first")
    with tf.device("/gpu:1"), tf.control_dependencies([first]):
        imported('node { name: "n" op: "NoOp" device: "/job:w" } node { name: "m" op: "NoOp" }', name="")
    n, m = (graph.get_operation_by_name(name) for name in "nm")
    assert n.device == "/job:w/device:GPU:1" and m.device == "/device:GPU:1"
    assert n.control_inputs == [first]


# --- attributes -------------------------------------------------------------------------------------

def test_defaults_types_and_annotations(graph):
    """A type that the node does not say is that of its inputs, as in files without default attributes."""
    text = PLACEHOLDER + node("Sum", "a", "axes", attrs='attr { key: "_note" value { i: 7 } } ') + (
        'node { name: "axes" op: "Const" attr { key: "dtype" value { type: DT_INT32 } } '
        'attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 1 } } int_val: 0 } } } } ')
    total, = imported(text, return_elements=["b"])
    assert total.get_attr("T") == tf.float32 and total.get_attr("Tidx") == tf.int32
    assert total.get_attr("keep_dims") is False and total.get_attr("_note") == 7
    assert [op.name for op in graph.get_operations()] == ["import/a", "import/axes", "import/b"]


def test_attributes_of_newer_writers(caplog):
    text = PLACEHOLDER + node("MatMul", "a", "a", attrs=FLOAT + 'attr { key: "turned" value { b: %s } } ')
    imported(text % "false")
    assert "Node 'b': attr 'turned' is not known for MatMul; it is at its default and ignored" in caplog.text
    with pytest.raises(ValueError, match="attr 'turned' = b: true that thalweg's MatMul does not have"):
        imported(text % "true")


def test_the_writers_own_defaults():
    from thalweg_io.protos import OpList
    producer = text_format.Parse(
        'op { name: "Identity" attr { name: "mode" type: "string" default_value { s: "slow" } } }', OpList())
    text = PLACEHOLDER + node("Identity", "a", attrs=FLOAT + 'attr { key: "mode" value { s: "%s" } } ')
    imported(text % "slow", producer_op_list=producer)
    with pytest.raises(ValueError, match="attr 'mode' = s: \"fast\".* not at its default"):
        imported(text % "fast", producer_op_list=producer)
    with pytest.raises(ValueError, match="attr 'mode' = s: \"slow\".* not at its default"):
        imported(text % "slow")


def test_every_kind_of_attribute_comes_back(graph):
    """What thalweg writes is what it reads."""
    x = tf.placeholder(tf.float32, [None, 5, 5, 2], name="x")
    y = tf.nn.conv2d(x, tf.ones([3, 3, 2, 4]), strides=[1, 2, 2, 1], padding="SAME")
    y = tf.nn.leaky_relu(tf.squeeze(tf.reduce_mean(y, [1, 2], keepdims=True), [1, 2]), alpha=0.25)
    tf.split(tf.strided_slice(y, [0, 1], [2, 3]), 2, axis=1)
    tf.placeholder(tf.string, None), tf.constant([b"a\xff", b""]), tf.constant(1 + 2j), tf.cast(x, tf.bfloat16)
    with tf.device("/job:ps/cpu:1"):
        tf.Variable(3, name="v").assign_add(2)
    message = graph.as_graph_def(add_shapes=True)
    with tf.Graph().as_default() as again:
        tf.import_graph_def(message, name="")
    assert again.as_graph_def(add_shapes=True) == message


# --- graphs that are not valid -----------------------------------------------------------------------

BAD = {
    PLACEHOLDER + PLACEHOLDER: "Node 'a' is not unique",
    node("Identity", "zz"): "Node 'b': Unknown input node 'zz'",
    PLACEHOLDER + node("Identity", "a:1"): "Node 'b': Connecting to invalid output 1 of source node a which has 1",
    PLACEHOLDER + node("Identity", "a:" + "9" * 20): "Unknown input node 'a:9999",
    node("Identity", "c", name="b") + node("Identity", "b", name="c"): "2 nodes in a cycle: b, c",
    PLACEHOLDER + node("Identity", "a", attrs='attr { key: "T" value { type: DT_INT32 } } '):
        "Input 0 of node b was passed float from import/a:0 incompatible with expected int32",
    node("Placeholder", name="a", attrs=""): "NodeDef missing attr 'dtype' from Op<name=Placeholder",
    node("Placeholder", name="a", attrs='attr { key: "dtype" value { i: 1 } } '):
        "AttrValue had value with type 'int' when 'type' expected for attr 'dtype'",
    node("Placeholder", name="a", attrs='attr { key: "dtype" value { type: DT_INVALID } } '): "invalid DataType",
    node("Placeholder", name="a", attrs='attr { key: "dtype" value { type: DT_FLOAT_REF } } '):
        "AttrValue must not have reference type value of float32_ref for attr 'dtype'",
    PLACEHOLDER + node("Add", "a", "a", attrs='attr { key: "T" value { type: DT_FLOAT_REF } } '):
        "AttrValue must not have reference type value of float32_ref for attr 'T'",
    PLACEHOLDER + node("Identity", "^a", "a"): "Control dependencies must come after regular dependencies",
    PLACEHOLDER + node("Add", "a"): "NodeDef expected inputs 'x: T, y: T' do not match 1 inputs specified",
    PLACEHOLDER + node("Identity", "a", "a"): "do not match 2 inputs specified",
    node("NoOp", name="_a b", attrs=""): "Node name contains invalid characters",
    "versions { producer: 2000 min_consumer: 3000 }": "GraphDef min consumer version 3000 above current version 134",
    "versions { producer: 2000 bad_consumers: 134 }": "GraphDef disallows consumer version 134",
    "versions { producer: -1 }": "GraphDef producer version -1 below min producer 0",
    node("NoOp", attrs='attr { key: "_class" value { list { s: "loc:@zz" } } } '): "colocated with unknown node 'zz'",
    node("Placeholder", name="a", attrs='attr { key: "dtype" value { type: DT_STRING } } ') + node(
        "Neg", "a", attrs=""): "Value for attr 'T' of string is not in the list of allowed values: half, float",
    node("Placeholder", attrs='attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { '
         'dim { size: 4 } } } } attr { key: "_output_shapes" value { list { shape { dim { size: 3 } } } } } '):
        "_output_shapes attribute inconsistent with the GraphDef for output #0",
    node("Placeholder", attrs='attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { '
         'dim { size: -7 } } } } '): r"attr 'shape': \[-7\] is no shape",
    node("PyFunc", attrs='attr { key: "token" value { s: "\\377" } } attr { key: "Tin" value { list { } } } '
         'attr { key: "Tout" value { list { } } } '): "attr 'token' is b'.xff', which is no UTF-8 text",
    node("Const", attrs='attr { key: "dtype" value { type: DT_INT32 } } attr { key: "value" value { tensor { '
         'dtype: DT_FLOAT tensor_shape { } } } } '): "its value is of type 1, its attr 'dtype' says int32",
    node("Const", attrs='attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "value" value { tensor { '
         'dtype: DT_FLOAT tensor_shape { dim { size: 2147483648 } } } } } '): "at most 1073741824 bytes",
    node("NoOp", attrs="") + 'node { name: "d" op: "NoOp" device: "gpu?" }': "malformed device name",
}


@pytest.mark.parametrize("text", BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_graphs(text, graph):
    kept = tf.constant(1.0, name="kept")
    with pytest.raises(tf.errors.InvalidArgumentError, match=BAD[text]) as caught:
        imported(text)
    assert isinstance(caught.value, ValueError)
    assert graph.get_operations() == [kept.op]                       # all nodes or none
    assert kept.consumers() == []


def test_an_op_that_nobody_declared(graph):
    with pytest.raises(tf.errors.NotFoundError, match="Op type not registered 'Conv2DD' in thalweg. Near: Conv2D"):
        imported(node("Conv2DD"))


def test_a_failed_import_leaves_the_graph_as_it_was(graph):
    mine = tf.constant(1.0, name="mine")
    before = graph.as_graph_def()
    with pytest.raises(ValueError):
        imported(node("Neg", "x", name="n") + node("MatMul", "x", "x", attrs=""), input_map={"x:0": mine})
    assert graph.as_graph_def() == before and mine.consumers() == []
    imported(node("Neg", "x", name="n"), input_map={"x:0": mine}, name="again")
    assert tf.no_op(name="n").name == "n"


# --- size -------------------------------------------------------------------------------------------

def test_a_long_chain_is_imported_quickly(graph):
    count = 12_000
    message = parsed(PLACEHOLDER)
    for i in range(count):
        message.node.add(name=f"n{i}", op="Neg", input=[f"n{i - 1}" if i else "a"])
    message.node.reverse()
    start = time.process_time()
    last, = tf.import_graph_def(message, name="", return_elements=[f"n{count - 1}:0"])
    assert time.process_time() - start < 4
    with tf.Session() as session:
        assert session.run(last, {"a:0": 3.0}) == 3.0


def test_a_fill_takes_no_memory_before_it_runs(graph):
    tf.import_graph_def(parsed(
        'node { name: "c" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "value" value { '
        'tensor { dtype: DT_FLOAT tensor_shape { dim { size: 250 } dim { size: 1000000 } } float_val: 2 } } '
        '} }'), name="")
    value = graph.get_operation_by_name("c").get_attr("value")
    assert value.shape == (250, 1_000_000) and value.base.nbytes <= 4
    assert graph.as_graph_def().ByteSize() < 200
    total = tf.reduce_sum(graph.get_tensor_by_name("c:0")[:2, :3])
    with tf.Session() as session:
        assert session.run(total) == 12


# --- files ------------------------------------------------------------------------------------------

def test_reading_graphs_from_files(tmp_path, graph):
    message = parsed(IDENTITY)
    (tmp_path / "g.pb").write_bytes(message.SerializeToString())
    (tmp_path / "g.pbtxt").write_text(text_format.MessageToString(message))
    assert graph_import.read_graph_def(tmp_path / "g.pb") == message
    assert graph_import.read_graph_def(str(tmp_path / "g.pbtxt")) == message
    with pytest.raises(tf.errors.NotFoundError, match="nowhere.pb.*expected a file with a GraphDef"):
        graph_import.read_graph_def(tmp_path / "nowhere.pb")
    for name, data in {"bad.pb": b"\xff" * 20, "bad.pbtxt": b"node {", "odd.pbtxt": b"\xff"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(tf.errors.DataLossError, match="is no GraphDef"):
            graph_import.read_graph_def(tmp_path / name)


@pytest.mark.parametrize("name", ["frozen.pb", "frozen.pbtxt"])
def test_golden_frozen_graphs(golden, name, graph):
    """Outputs and inner values of a frozen convnet are the reference's."""
    tf.import_graph_def(graph_import.read_graph_def(golden / "frozen" / name), name="")
    expected = np.load(golden / "frozen" / "frozen_io.npz")
    for batch in ("one", "many"):
        fetches = {key: key.split("/", 1)[1].removeprefix("inter/") for key in expected if key.startswith(f"{batch}/")}
        fetches = {key: text if ":" in text else f"{text}:0" for key, text in fetches.items()}
        assert len(fetches) == 8
        with tf.Session() as session:
            found = session.run(fetches, {"input:0": expected[f"input_{batch}"]})
        for key, value in found.items():
            np.testing.assert_allclose(value, expected[key], rtol=1e-4, atol=1e-5, err_msg=key)
