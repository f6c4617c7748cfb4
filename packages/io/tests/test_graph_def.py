"""Graphs as messages: every kind of attribute, op declarations, functions, shapes."""
import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.declaration import REGISTRY, declaration_of
from thalweg_io.graphs.graph_def import op_def
from thalweg_io.tensor_proto import make_ndarray


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def test_nodes_and_their_inputs(graph):
    with tf.device("/gpu:1"):
        first = tf.constant([[1.0, 2.0]], name="first")
    second = tf.placeholder(tf.float32, [2, None], name="second")
    unknown = tf.placeholder(tf.int32, name="unknown")
    parts = tf.split(tf.constant([1, 2, 3, 4]), 2, name="parts")
    with tf.control_dependencies([unknown, second]):
        tf.add(parts[1], 3, name="sum")
    tf.matmul(first, second, transpose_a=False, name="product")
    message = graph.as_graph_def()
    nodes = {node.name: node for node in message.node}
    assert [node.name for node in message.node] == [op.name for op in graph.get_operations()]
    assert message.versions.producer == 134
    assert nodes["first"].device == "/device:GPU:1"
    assert make_ndarray(nodes["first"].attr["value"].tensor).tolist() == [[1.0, 2.0]]
    assert list(nodes["product"].input) == ["first", "second"]
    assert nodes["product"].attr["transpose_a"].WhichOneof("value") == "b"
    assert list(nodes["sum"].input) == ["parts:1", "sum/y"]
    assert list(nodes["sum/y"].input) == ["^second", "^unknown"]
    assert [d.size for d in nodes["second"].attr["shape"].shape.dim] == [2, -1]
    assert nodes["unknown"].attr["shape"].shape.unknown_rank and nodes["unknown"].attr["dtype"].type == 3
    assert nodes["parts"].attr["num_split"].i == 2
    assert tf.get_default_graph().get_operation_by_name("product").node_def == nodes["product"]


def test_annotations_and_lists(graph):
    variable = tf.Variable([1.0])
    squeezed = tf.squeeze(tf.zeros([1, 2, 1]), [0, 2])
    assign = variable.assign([2.0]).op.node_def
    assert list(assign.attr["_class"].list.s) == [b"loc:@Variable"]
    assert list(squeezed.op.node_def.attr["squeeze_dims"].list.i) == [0, 2]
    assert tf.squeeze(tf.zeros([1])).op.node_def.attr["squeeze_dims"].HasField("list")


def test_parts_of_a_graph_and_shapes(graph):
    tf.constant(1.0, name="early")
    version = graph.version
    tf.zeros([2, 3], name="late")
    message = graph.as_graph_def(from_version=version, add_shapes=True)
    assert [node.name for node in message.node] == ["late"]
    assert [d.size for d in message.node[0].attr["_output_shapes"].list.shape[0].dim] == [2, 3]


def test_functions_of_branches_and_loops(graph):
    x = tf.placeholder(tf.float32, [], name="x")
    y = tf.cond(x > 0, lambda: x * 2, lambda: -x)
    tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.cond(v > 1, lambda: v + y, lambda: v)), (0, y))
    message = graph.as_graph_def()
    library = {function.signature.name: function for function in message.library.function}
    used = {a.func.name for node in message.node for a in node.attr.values() if a.HasField("func")}
    used |= {a.func.name for f in library.values() for node in f.node_def for a in node.attr.values()
             if a.HasField("func")}
    assert used == set(library) and len(library) == 6
    for function in library.values():
        names = {a.name for a in function.signature.input_arg}
        names |= {node.name for node in function.node_def}
        for node in function.node_def:
            assert all(source.lstrip("^").split(":")[0] in names for source in node.input)
        assert set(function.ret) == {a.name for a in function.signature.output_arg}
        assert all(value.split(":")[0] in names for value in function.ret.values())


def test_every_declaration_has_a_message(graph):
    assert len(REGISTRY) > 100
    for declaration in list(REGISTRY.values()):
        message = op_def(declaration)
        assert message.name == declaration.name
        assert [a.name for a in message.input_arg] == [a.name for a in declaration.inputs]
        attributes = {a.name for a in message.attr}
        for argument in (*message.input_arg, *message.output_arg):
            named = [argument.type_attr, argument.number_attr, argument.type_list_attr]
            assert all(name in attributes for name in named if name)


def test_the_message_of_a_declaration():
    message = op_def(declaration_of("MatMul"))
    attributes = {a.name: a for a in message.attr}
    assert [a.type_attr for a in message.input_arg] == ["T", "T"]
    assert attributes["transpose_a"].type == "bool" and attributes["transpose_a"].default_value.b is False
    assert 1 in attributes["T"].allowed_values.list.type
    pack = {a.name: a for a in op_def(declaration_of("Pack")).attr}
    assert pack["N"].minimum == 1 and pack["N"].type == "int"
    assert op_def(declaration_of("Assign")).input_arg[0].is_ref


def test_what_cannot_be_written(graph):
    op = tf.constant(1.0, name="odd").op
    op._set_attr("_note", object())
    with pytest.raises(tf.errors.InvalidArgumentError, match="attribute '_note' of odd cannot be written .* object"):
        graph.as_graph_def()
    op._set_attr("_note", np.float32(2.0))
    assert graph.as_graph_def().node[0].attr["_note"].f == 2.0


def test_an_error_has_the_node_that_failed():
    x = tf.placeholder(tf.int32, [])
    y = tf.floordiv(6, x, name="share")
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(y, {x: 0})
    assert caught.value.node_def == y.op.node_def and caught.value.node_def.name == "share"
    assert tf.errors.NotFoundError(None, None, "of no op").node_def is None
    assert tf.errors.NotFoundError("given", y.op, "as it was made").node_def == "given"
