"""Tools on GraphDefs: cutting out, freezing, simplifying."""
import numpy as np
import pytest

import thalweg as tf
from thalweg_io.graph_tools.batch_norm import fold_batch_norms
from thalweg_io.graph_tools.constants import fold_constants
from thalweg_io.graph_tools.freeze_graph import freeze_graph
from thalweg_io.graph_tools.freezing import variables_to_constants
from thalweg_io.graph_tools.node_map import nodes_by_name
from thalweg_io.graph_tools.strip_unused import strip_unused
from thalweg_io.protos import GraphDef
from thalweg_io.tensor_proto import make_ndarray, tensor_proto


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def names(graph_def):
    return [node.name for node in graph_def.node]


def value(graph_def, name):
    return make_ndarray(nodes_by_name(graph_def)[name].attr["value"].tensor)


# --- parts ----------------------------------------------------------------------------------------------

def test_extract_sub_graph(graph):
    a = tf.constant(1.0, name="a")
    tf.constant(2.0, name="unused")
    with tf.control_dependencies([tf.constant(3.0, name="held")]):
        b = tf.identity(a, name="b")
    tf.split(tf.zeros([4], name="z"), 2, name="s")
    tf.add(b, 1.0, name="c")
    part = tf.graph_util.extract_sub_graph(graph.as_graph_def(), ["c"])
    assert names(part) == ["a", "held", "b", "c/y", "c"]
    assert part.versions.producer == 134
    with pytest.raises(AssertionError, match="nope is not in graph"):
        tf.graph_util.extract_sub_graph(graph.as_graph_def(), ["nope"])
    with pytest.raises(TypeError, match="dest_nodes must be a list."):
        tf.graph_util.extract_sub_graph(graph.as_graph_def(), "c")
    with pytest.raises(TypeError, match="takes a GraphDef, not Graph"):
        tf.graph_util.extract_sub_graph(graph, ["c"])


def test_graphs_that_are_none():
    twice = GraphDef()
    for _ in range(2):
        twice.node.add(name="a", op="NoOp")
    with pytest.raises(tf.errors.InvalidArgumentError, match="Node 'a' is not unique"):
        tf.graph_util.extract_sub_graph(twice, ["a"])
    unknown = GraphDef()
    unknown.node.add(name="b", op="Identity", input=["zz"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Node 'b': Unknown input node 'zz'"):
        tf.graph_util.extract_sub_graph(unknown, ["b"])
    circle = GraphDef()
    circle.node.add(name="a", op="Identity", input=["b"])
    circle.node.add(name="b", op="Identity", input=["a"])
    circle.node.add(name="c", op="Neg", input=["a"])
    assert names(tf.graph_util.extract_sub_graph(circle, ["a"])) == ["a", "b"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="a cycle of Identity nodes has no value"):
        tf.graph_util.remove_training_nodes(circle)


def test_remove_training_nodes(graph):
    x = tf.placeholder(tf.float32, [2], name="x")
    with tf.control_dependencies([tf.identity(x, name="kept")]):
        y = tf.identity(x, name="held")
    parts = tf.split(tf.check_numerics(tf.identity(y, name="i"), "m", name="check"), 2, name="parts")
    tf.add(tf.identity(parts[1], name="j"), 1.0, name="sum")
    out = tf.identity(graph.get_tensor_by_name("sum:0"), name="out")
    left = nodes_by_name(tf.graph_util.remove_training_nodes(graph.as_graph_def(), ["out"]))
    assert set(left) - {"Const"} == {"x", "kept", "held", "parts", "parts/split_dim", "sum", "sum/y", out.op.name}
    assert list(left["parts"].input) == ["parts/split_dim", "held"] and list(left["sum"].input) == ["parts:1", "sum/y"]


@pytest.mark.parametrize("node, pinned, expected", [
    (("Const", "dtype", 3), False, True), (("Const", "dtype", 7), False, True), (("Const", "dtype", 1), False, False),
    (("Cast", "SrcT", 3), False, True), (("Cast", "SrcT", 1), False, False), (("DynamicStitch", "T", 3), False, True),
    (("VariableV2", "dtype", 1), False, False), (("VariableV2", "dtype", 1), True, True),
    (("MatMul", "T", 1), True, False)])
def test_must_run_on_cpu(node, pinned, expected):
    op, attribute, number = node
    message = GraphDef().node.add(name="n", op=op)
    message.attr[attribute].type = number
    assert tf.graph_util.must_run_on_cpu(message, pinned) is expected


def test_tensor_shape_from_node_def_name(graph):
    tf.split(tf.zeros([4, 3]), 2, name="s")
    assert tf.graph_util.tensor_shape_from_node_def_name(graph, "s").as_list() == [2, 3]
    assert tf.graph_util.tensor_shape_from_node_def_name(graph, "s:1").as_list() == [2, 3]


def test_strip_unused(graph):
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    y = tf.add(x, 1.0, name="y")
    tf.matmul(y, tf.ones([3, 1], name="w"), name="z")
    part = strip_unused(graph.as_graph_def(add_shapes=True), ["y"], ["z"], tf.float64.as_datatype_enum)
    nodes = nodes_by_name(part)
    assert set(nodes) == {"y", "w", "z"} and nodes["y"].op == "Placeholder" and nodes["y"].attr["dtype"].type == 2
    assert [d.size for d in nodes["y"].attr["shape"].shape.dim] == [2, 3]
    with pytest.raises(tf.errors.NotFoundError, match="input node q is not in the graph"):
        strip_unused(graph.as_graph_def(), ["q"], ["z"], 1)
    with pytest.raises(ValueError, match="2 placeholder types for 1 inputs"):
        strip_unused(graph.as_graph_def(), ["y"], ["z"], [1, 1])


# --- freezing -------------------------------------------------------------------------------------------

def test_freeze_variables(graph):
    x = tf.placeholder(tf.float32, [2], name="x")
    v = tf.get_variable("v", initializer=tf.constant([2.0, 3.0]))
    w = tf.get_variable("w", initializer=tf.constant([5.0, 5.0]))
    tf.identity(x * v + w, name="out")
    with tf.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError, match="v"):
            tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["out"])
        session.run(tf.global_variables_initializer())
        def frozen(**kw):
            return nodes_by_name(tf.graph_util.convert_variables_to_constants(
                session, graph.as_graph_def(), ["out"], **kw))
        nodes = frozen()
        white, black = frozen(variable_names_whitelist=["v"]), frozen(variable_names_blacklist=["v"])
    assert nodes["v"].op == "Const" and sorted(nodes["v"].attr) == ["dtype", "value"]
    assert make_ndarray(nodes["v"].attr["value"].tensor).tolist() == [2.0, 3.0]
    assert nodes["v/read"].op == "Identity" and "v/Assign" not in nodes
    assert (white["v"].op, white["w"].op) == ("Const", "VariableV2")
    assert (black["v"].op, black["w"].op) == ("VariableV2", "Const")


def test_what_changes_a_variable_cannot_be_frozen(graph):
    v = tf.get_variable("v", initializer=1.0)
    update = v.assign_add(1.0, name="update")
    with tf.Session() as session:
        session.run(v.initializer)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"node \w+ \(AssignAdd\) takes the variable itself .*"
                                                                 "variable_names_blacklist"):
            tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [update.op.name])


def test_freeze_inside_of_branches_and_loops(graph):
    x = tf.placeholder(tf.float32, [], name="x")
    v = tf.get_variable("v", initializer=3.0)
    y = tf.cond(x > 0, lambda: x * v, lambda: tf.cond(x < -5, lambda: v + 0, lambda: -x))
    tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * v), (0, y), name="loop")
    with tf.Session() as session:
        session.run(v.initializer)
        frozen = variables_to_constants(graph.as_graph_def(), ["loop/While"], lambda nodes: [
            session.run(f"{node.name}:0") for node in nodes])
    assert not [n.name for n in frozen.node if n.op in ("VariableV2", "Assign")]
    arguments = [a for f in frozen.library.function for a in f.signature.input_arg]
    assert len(frozen.library.function) == 6 and not any(a.is_ref for a in arguments)
    assert any(a.is_ref for f in graph.as_graph_def().library.function for a in f.signature.input_arg)


def resource_graph():
    """A graph as TensorFlow writes it with resource variables: a read, a gather, and a function that reads."""
    g = GraphDef()
    handle = g.node.add(name="r", op="VarHandleOp")
    handle.attr["dtype"].type = 1
    def node(name, op, inputs, **types):
        made = g.node.add(name=name, op=op, input=inputs)
        for key, number in types.items():
            made.attr[key].type = number
        return made
    node("r/Read/ReadVariableOp", "ReadVariableOp", ["r"], dtype=1)
    node("i", "Const", [], dtype=3).attr["value"].tensor.CopyFrom(tensor_proto(np.array([1], np.int32)))
    node("g", "ResourceGather", ["r", "i", "^r/Read/ReadVariableOp"], dtype=1, Tindices=3)
    node("shape", "VariableShape", ["r"], out_type=3)
    node("there", "VarIsInitializedOp", ["r"])
    node("passed", "Identity", ["r"], T=20)
    node("again", "ReadVariableOp", ["passed"], dtype=1)
    node("switch", "Switch", ["r", "there"], T=20)
    node("branch", "ReadVariableOp", ["switch:1"], dtype=1)
    call = node("call", "PartitionedCall", ["i", "r"])
    call.attr["Tin"].list.type.extend([3, 20])
    call.attr["f"].func.name = "f"
    other = node("call2", "PartitionedCall", ["i", "q"])
    other.attr["Tin"].list.type.extend([3, 20])
    other.attr["f"].func.name = "f"
    node("q", "VarHandleOp", [], dtype=2)
    f = g.library.function.add()
    f.signature.name = "f"
    f.signature.input_arg.add(name="k", type=3)
    f.signature.input_arg.add(name="h", type=20)
    f.signature.output_arg.add(name="o", type=1)
    read = f.node_def.add(name="read", op="ReadVariableOp", input=["h"])
    read.attr["dtype"].type = 1
    f.node_def.add(name="neg", op="Neg", input=["read:value:0"])
    f.node_def.add(name="gather", op="ResourceGather", input=["h", "k"]).attr["Tindices"].type = 3
    f.ret["o"] = "read:value:0"
    return g


def test_resource_variables():
    g = resource_graph()
    before = g.SerializeToString(deterministic=True)
    outputs = ["g", "shape", "again", "branch", "call", "call2", "there"]
    frozen = variables_to_constants(g, outputs, lambda nodes: [
        np.ones([3, 2], {1: np.float32, 2: np.float64}[n.attr["dtype"].type]) for n in nodes])
    assert g.SerializeToString(deterministic=True) == before
    nodes = nodes_by_name(frozen)
    assert {name: node.op for name, node in nodes.items()} == {
        "r": "Const", "r/Read/ReadVariableOp": "Identity", "i": "Const", "g/axis": "Const", "g": "GatherV2",
        "shape": "Shape", "there": "Const", "passed": "Identity", "again": "Identity", "switch": "Switch",
        "branch": "Identity", "call": "PartitionedCall", "call2": "PartitionedCall", "q": "Const"}
    assert list(nodes["g"].input) == ["r", "i", "g/axis", "^r/Read/ReadVariableOp"]
    assert nodes["passed"].attr["T"].type == nodes["switch"].attr["T"].type == nodes["branch"].attr["T"].type == 1
    functions = {f.signature.name: f for f in frozen.library.function}
    first, second = (functions[nodes[name].attr["f"].func.name] for name in ("call", "call2"))
    assert [a.type for a in first.signature.input_arg] == [3, 1]
    assert [a.type for a in second.signature.input_arg] == [3, 2]
    inside = {n.name: n for n in first.node_def}
    assert inside["read"].op == "Identity" and list(inside["neg"].input) == ["read:output:0"]
    assert list(inside["gather"].input) == ["h", "k", "gather/axis:output:0"] and first.ret["o"] == "read:output:0"
    assert list(nodes["call"].attr["Tin"].list.type) == [3, 1]


def test_freeze_graph_from_a_checkpoint(graph, tmp_path):
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    v = tf.get_variable("v", initializer=[[1.0], [2.0]])
    with tf.variable_scope("", partitioner=tf.fixed_size_partitioner(2)):
        parts = tf.get_variable("parts", [3, 1], initializer=tf.random_normal_initializer(seed=1))
    with tf.device("/gpu:0"):
        tf.add(x @ v, tf.reduce_sum(parts.as_tensor()), name="out")
    saver = tf.train.Saver({"other": v, "parts": parts})
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = saver.save(session, tmp_path / "m.ckpt")
        expected = session.run(list(parts))
    output = tmp_path / "frozen.pb"
    frozen = freeze_graph("", "", True, path, "out", output_graph=str(output), input_meta_graph=f"{path}.meta")
    assert value(frozen, "v").tolist() == [[1.0], [2.0]]
    assert value(frozen, "parts/part_1").tolist() == expected[1].tolist()
    assert GraphDef.FromString(output.read_bytes()) == frozen and not any(node.device for node in frozen.node)
    tf.train.write_graph(graph, tmp_path, "g.pbtxt")
    again = tf.tools.freeze_graph.freeze_graph(str(tmp_path / "g.pbtxt"), "", False, path, "out", "save/restore_all",
                                               "save/Const:0", "", False, "")
    assert value(again, "v").tolist() == [[1.0], [2.0]] and any(node.device for node in again.node)
    bare = tf.graph_util.extract_sub_graph(graph.as_graph_def(), ["out"])
    (tmp_path / "bare.pb").write_bytes(bare.SerializeToString())
    with pytest.raises(tf.errors.NotFoundError, match=r"has no value for the variable parts/part_0 .*near are parts"):
        freeze_graph(tmp_path / "bare.pb", "", True, path, "parts/part_0")
    with pytest.raises(ValueError, match="supply the name of a node"):
        freeze_graph(tmp_path / "bare.pb", "", True, path, "")
    with pytest.raises(ValueError, match="freezes without running any node"):
        freeze_graph(tmp_path / "bare.pb", "", True, path, "out", initializer_nodes="init")
    with pytest.raises(ValueError, match="one of input_graph"):
        freeze_graph("", "", True, path, "out")
    with pytest.raises(tf.errors.NotFoundError, match="output node zz is not in the graph"):
        freeze_graph(tmp_path / "bare.pb", "", True, path, "zz")
    with pytest.raises(tf.errors.DataLossError, match="bare.pb is no GraphDef"):
        freeze_graph(tmp_path / "bare.pb", "", False, path, "zz")


# --- batch norm -----------------------------------------------------------------------------------------

def norm_graph(bias, norm):
    """A convolution, a bias if asked for, and a batch norm of constants with known statistics."""
    rng = np.random.default_rng(0)
    x = tf.placeholder(tf.float32, [2, 5, 5, 3], name="x")
    w = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    scale, offset, mean = rng.normal(size=(3, 4)).astype(np.float32)
    variance = rng.uniform(0.1, 2, 4).astype(np.float32)
    y = tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="SAME", name="conv")
    if bias:
        y = tf.nn.bias_add(y, mean * 2 + 1, name="bias")
    if norm == "fused":
        tf.nn.fused_batch_norm(y, scale, offset, mean, variance, epsilon=1e-3, is_training=False, name="out")
    else:
        tf.nn.batch_normalization(y, mean, variance, offset, scale, 1e-3, name="out")
    return w, scale, offset, mean, variance


@pytest.mark.parametrize("bias", [False, True])
def test_batch_norm_into_weights(graph, bias):
    w, scale, offset, mean, variance = norm_graph(bias, "fused")
    protected = fold_batch_norms(graph.as_graph_def(), ["conv"])
    assert nodes_by_name(protected)["out"].op == "FusedBatchNormV3"
    folded = nodes_by_name(fold_batch_norms(graph.as_graph_def()))
    assert {n.op for n in folded.values()} == {"Placeholder", "Const", "Conv2D", "BiasAdd"} and len(folded) == 5
    factor = scale.astype(np.float64) / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(make_ndarray(folded["conv/folded_weights"].attr["value"].tensor), w * factor, 1e-6)
    np.testing.assert_allclose(make_ndarray(folded["out/folded_offset"].attr["value"].tensor),
                               offset - (mean - (mean * 2 + 1 if bias else 0)) * factor, 1e-5, 1e-6)
    assert list(folded["out"].input) == ["conv", "out/folded_offset"] and list(folded["conv"].input)[0] == "x"


def test_batch_norm_that_cannot_be_folded(graph):
    x = tf.placeholder(tf.float32, [2, 5, 5, 4], name="x")
    w = tf.constant(np.ones((1, 1, 4, 4), np.float32))
    y = tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="SAME", name="conv")
    tf.nn.fused_batch_norm(y, np.ones(4, np.float32), np.ones(4, np.float32), name="training")
    z = tf.nn.conv2d(x, w, strides=[1, 1, 1, 1], padding="SAME", name="shared")
    tf.add(z, tf.nn.fused_batch_norm(z, [1.0] * 4, [1.0] * 4, [1.0] * 4, [1.0] * 4, is_training=False)[0])
    v = tf.constant(np.ones((4, 4), np.float32), name="v")
    row = tf.placeholder(tf.float32, [4, 4], name="row")
    tf.multiply(tf.matmul(row, v), np.arange(4, dtype=np.float32).reshape(4, 1) + 1, name="per_row")
    tf.multiply(tf.matmul(row, v), np.ones((1, 1, 4), np.float32), name="of_higher_rank")
    before = graph.as_graph_def()
    assert fold_batch_norms(before) == before


# --- constants, and all of it ---------------------------------------------------------------------------

def computed(graph_def, feeds, fetch):
    """The value of a tensor of a GraphDef, by names."""
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph_def, name="")
    with tf.Session(graph=imported) as session:
        return session.run(fetch, feeds)


def test_constants_are_computed(graph):
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    a = tf.add(tf.constant([1.0, 2.0, 3.0], name="a"), 1.0, name="b") * 2
    tf.reshape(x * a, tf.stack([tf.shape(x, name="s")[1], -1]), name="y")
    tf.identity(tf.random_normal([2], seed=1) + tf.zeros([1 << 22], name="z")[0], name="other")
    folded = fold_constants(graph.as_graph_def(), ["y"])
    nodes = nodes_by_name(folded)
    assert nodes["mul"].op == "Const" and value(folded, "mul").tolist() == [4.0, 6.0, 8.0]
    assert "b" not in nodes and "s" not in nodes and "a" not in nodes
    assert value(folded, nodes["y"].input[1]).tolist() == [3, -1]
    assert "RandomStandardNormal" in {n.op for n in folded.node}
    given = {"x:0": np.arange(6, dtype=np.float32).reshape(2, 3)}
    np.testing.assert_array_equal(computed(folded, given, "y:0"), computed(graph.as_graph_def(), given, "y:0"))
    assert fold_constants(folded, ["y"]) == folded


def test_large_results_stay_operations(graph):
    tf.add(tf.fill([1 << 23], 1.0, name="fill"), tf.placeholder(tf.float32, [], name="x"), name="y")
    assert nodes_by_name(fold_constants(graph.as_graph_def()))["fill"].op == "Fill"


def test_what_files_and_sizes_claim_is_left_alone(graph, tmp_path):
    tf.identity(tf.read_file(tf.constant(str(tmp_path / "none")), name="file"), name="y")
    assert nodes_by_name(fold_constants(graph.as_graph_def()))["file"].op == "ReadFile"
    x = tf.placeholder(tf.float32, [1, 1, 1, 1])
    tf.identity(tf.nn.conv2d(x, tf.ones([1, 1, 1, 1]), [1, 1, 1, 1], "SAME") * [2.0], name="z")
    claim = graph.as_graph_def()
    tensor = nodes_by_name(claim)["ones"].attr["value"].tensor
    for size in (1, 1, 1, 1 << 26):
        tensor.tensor_shape.dim.add(size=size)
    del tensor.tensor_shape.dim[:4]
    assert nodes_by_name(fold_batch_norms(claim))["mul"].op == "Mul"


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("norm", ["fused", "primitive"])
def test_optimize_for_inference(graph, bias, norm):
    norm_graph(bias, norm)
    out = tf.nn.relu(graph.get_operations()[-1].outputs[0] if norm == "primitive" else
                     graph.get_tensor_by_name("out:0"), name="result")
    before = graph.as_graph_def()
    after = tf.tools.optimize_for_inference_lib.optimize_for_inference(before, ["x"], [out.op.name],
                                                                       tf.float32.as_datatype_enum)
    kinds = [n.op for n in after.node]
    assert "FusedBatchNormV3" not in kinds and "Mul" not in kinds and "Identity" not in kinds
    assert len(kinds) <= 6 + 2 * bias and kinds.count("Conv2D") == 1
    given = {"x:0": np.random.default_rng(1).normal(size=(2, 5, 5, 3)).astype(np.float32)}
    np.testing.assert_allclose(computed(after, given, "result:0"), computed(before, given, "result:0"), 1e-4, 1e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_products_and_depthwise_convolutions_take_factors(graph, transposed):
    rng = np.random.default_rng(2)
    x = tf.placeholder(tf.float32, [2, 4, 4, 3], name="x")
    y = tf.nn.depthwise_conv2d_native(x, rng.normal(size=(2, 2, 3, 2)).astype(np.float32), [1, 1, 1, 1], "SAME")
    y = tf.nn.fused_batch_norm(y, *rng.uniform(0.5, 1, (4, 6)).astype(np.float32), is_training=False)[0]
    w = rng.normal(size=(5, 6) if transposed else (6, 5)).astype(np.float32)
    z = tf.matmul(tf.reshape(y, [-1, 6]), w, transpose_b=transposed) * rng.normal(size=5).astype(np.float32)
    tf.identity(z, name="z")
    folded = tf.graph_util.extract_sub_graph(fold_batch_norms(graph.as_graph_def(), ["z"]), ["z"])
    assert {"FusedBatchNormV3", "Mul"}.isdisjoint({n.op for n in folded.node})
    given = {"x:0": rng.normal(size=(2, 4, 4, 3)).astype(np.float32)}
    expected = computed(graph.as_graph_def(), given, "z:0")
    np.testing.assert_allclose(computed(folded, given, "z:0"), expected, 1e-4, 1e-5)


def test_frozen_branches_and_loops_run(graph):
    x = tf.placeholder(tf.float32, [], name="x")
    v = tf.get_variable("v", initializer=3.0)
    y = tf.cond(x > 0, lambda: x * v, lambda: tf.cond(x < -5, lambda: v + 0, lambda: -x))
    z = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * v), (0, y))[1]
    out = tf.identity(z, name="out")
    with tf.Session() as session:
        session.run(v.initializer)
        frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["out"])
        assert {"If", "While"}.isdisjoint(node.op for node in frozen.node)
        expected = [session.run(out, {x: number}) for number in (2.0, -1.0, -9.0)]
    assert [computed(frozen, {"x:0": number}, "out:0") for number in (2.0, -1.0, -9.0)] == expected
