"""If and While as TensorFlow 1.x lays them out: values after a round trip, names, contexts, lists."""
import pathlib
import runpy

import numpy as np
import pytest

import thalweg as tf
from thalweg_io import protos
from thalweg_io.graphs.control_flow.lowering import FUNCTIONAL, lowered, lowered_with_contexts
from thalweg_io.graphs.control_flow.raising import raised

PROGRAMS = runpy.run_path(str(pathlib.Path(__file__).parent / "data" / "control_flow" / "programs.py"))["CASES"]
# A loop whose values change shape has a gradient here, but in TensorFlow 1.x a TensorArray stacks one shape.
IN_BOTH = [name for name in PROGRAMS if name != "growing_shapes"]
WITH_LAYERS = ("batch_norm_layers", "dropped_out")


@pytest.mark.parametrize("name", IN_BOTH)
def test_a_meta_graph_gives_the_same_values_again(name, request):
    if name in WITH_LAYERS:
        request.getfixturevalue("nn")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        feeds, fetches = PROGRAMS[name](tf)
        fetches = [tf.identity(t, name=f"result_{i}") for i, t in enumerate(fetches)]
        session.run(tf.global_variables_initializer())
        wanted = [session.run(fetches, feed) for feed in feeds]
        feeds = [{t.name: value for t, value in feed.items()} for feed in feeds]
        meta = tf.train.export_meta_graph()
    assert not [n.name for n in meta.graph_def.node if n.op in FUNCTIONAL or n.op.startswith("_")]
    assert not meta.graph_def.library.function
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(meta)
        session.run("init")
        for feed, want in zip(feeds, wanted):
            for have, value in zip(session.run([f"result_{i}:0" for i in range(len(want))], feed), want):
                np.testing.assert_allclose(have, value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["nested_while", "cond_in_while", "mapped", "folded", "arrays", "while_in_cond"])
def test_gradients_of_what_came_back(name):
    """The gradient that thalweg takes of an imported graph is that of the program."""
    def slopes(session, feeds):
        graph = session.graph
        y = graph.get_tensor_by_name("y:0")
        xs = [op.outputs[0] for op in graph.get_operations() if op.type == "Placeholder"
              and op.outputs[0].dtype is tf.float32] + tf.trainable_variables()
        return session.run([tf.convert_to_tensor(g) for g in tf.gradients(y, xs)], feeds)

    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        feeds, fetches = PROGRAMS[name](tf)
        y = fetches[1] if name == "arrays" else fetches[0]
        tf.reduce_sum(y * y, name="y")
        session.run(tf.global_variables_initializer())
        feed = {t.name: value for t, value in feeds[-1].items()}
        message = lowered(session.graph.as_graph_def(add_shapes=True))
        meta = tf.train.export_meta_graph(graph_def=message)
        wanted = slopes(session, feed)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(meta)
        session.run("init")
        for have, want in zip(slopes(session, feed), wanted):
            np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def conditional(graph):
    x = tf.placeholder(tf.float32, [2], name="x")
    tf.cond(x[0] > 0, lambda: (x * 2, tf.constant(1.0)), lambda: (tf.sin(x), tf.constant(2.0)))
    return lowered_with_contexts(graph.as_graph_def())


def test_names_of_a_condition(graph):
    message, (no, yes), loops = conditional(graph)
    nodes = {node.name: node for node in message.node}
    assert {name: nodes[name].op for name in nodes if name.startswith("cond/") and nodes[name].op != "Const"} == {
        "cond/Switch": "Switch", "cond/switch_f": "Identity", "cond/switch_t": "Identity", "cond/pred_id": "Identity",
        "cond/x/Switch": "Switch", "cond/x/Switch_1": "Switch", "cond/mul": "Mul", "cond/Sin": "Sin",
        "cond/Merge": "Merge", "cond/Merge_1": "Merge"}
    assert list(nodes["cond/Merge"].input) == ["cond/Sin", "cond/mul"]
    assert list(nodes["cond/Const"].input) in (["^cond/switch_t"], ["^cond/switch_f"])
    assert loops == [] and {no.branch, yes.branch} == {0, 1} and no.context_name != yes.context_name
    yes = yes if yes.branch else no
    assert yes.pred_name == "cond/pred_id:0" and yes.pivot_name == "cond/switch_t:0"
    assert {"cond/mul:0", "cond/switch_t:0", "cond/pred_id:0", "x:0"} <= set(yes.values_def.values)
    outside = dict(yes.values_def.external_values)
    assert outside["cond/pred_id:0"] == "cond/pred_id:0" and outside["x:0"].startswith("cond/x/Switch")


def test_names_of_a_loop(graph):
    x = tf.placeholder(tf.float32, [], name="x")
    tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), (0, x))
    message, branches, (loop,) = lowered_with_contexts(graph.as_graph_def())
    nodes = {node.name: node for node in message.node}
    ops = sorted(node.op for node in message.node if node.name.startswith("while/") and node.op != "Const")
    assert ops == sorted(["Enter"] * 3 + ["Merge", "Switch", "Identity", "NextIteration", "Exit"] * 2
                         + ["LoopCond", "Less", "AddV2", "Mul"])
    assert branches == [] and loop.context_name == "while/while_context"
    assert list(loop.loop_exit_names) == ["while/Exit:0", "while/Exit_1:0"]
    assert loop.pivot_name == "while/LoopCond:0" and loop.pivot_for_body_name == "while/Identity:0"
    assert loop.pivot_for_pred_name == "while/Merge:0" and loop.back_prop and loop.parallel_iterations == 10
    assert dict(loop.values_def.external_values) == {"x:0": "while/Enter_2:0"}
    assert nodes["while/Enter_2"].attr["is_constant"].b and nodes["while/Enter"].attr["frame_name"].s == \
        b"while/while_context"


def test_contexts_inside_contexts(graph):
    x = tf.placeholder(tf.float32, [], name="x")
    tf.while_loop(lambda a: a < 3, lambda a: tf.cond(a > 1, lambda: a * x, lambda: tf.while_loop(
        lambda b: b < 1, lambda b: b + 1, [a], back_prop=False)), [x])
    _, branches, (loop,) = lowered_with_contexts(graph.as_graph_def())
    assert branches == [] and len(loop.nested_contexts) == 2
    inner = [c.cond_ctxt for c in loop.nested_contexts]
    (innermost,) = [n.while_ctxt for c in inner for n in c.nested_contexts]
    assert not innermost.back_prop and set(innermost.values_def.values) < set(loop.values_def.values)


def test_iterations_with_effects_do_not_overlap(graph):
    v = tf.Variable(1.0)
    tf.while_loop(lambda i: i < 3, lambda i: i + tf.cast(tf.assign_add(v, 1.0), tf.int32), [0])
    _, _, (loop,) = lowered_with_contexts(graph.as_graph_def())
    assert loop.parallel_iterations == 1


def test_what_nobody_asks_for_is_left_out(graph):
    x = tf.placeholder(tf.float32, [], name="x")
    tf.while_loop(lambda a: a < 3, lambda a: a + tf.random_uniform([]), [x])
    ops = {node.op for node in lowered(graph.as_graph_def()).node}
    assert "TensorArrayV3" not in ops and "RandomUniform" in ops
    plain = tf.Graph().as_graph_def()
    assert lowered(plain) is plain


def test_lists_carry_their_type(graph):
    array = tf.TensorArray(tf.float64, 2).write(0, tf.constant(1.0, tf.float64))
    tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a.write(i, a.read(i - 1) + 1)), (1, array))
    tf.TensorArray(tf.int32, 3).size()
    message = lowered(graph.as_graph_def())
    kinds = {node.op: node.attr["element_dtype"].type for node in message.node if "element_dtype" in node.attr}
    assert kinds["TensorListSetItem"] == kinds["TensorListGetItem"] == 2
    assert sorted(n.attr["element_dtype"].type for n in message.node if n.op == "TensorListReserve") == [1, 2]


def test_a_saved_model_file_and_a_graph_in_memory(graph, tmp_path):
    """Files that TensorFlow reads are lowered; as_graph_def, which thalweg reads, keeps the functions."""
    x = tf.placeholder(tf.float32, [], name="x")
    v = tf.Variable(2.0)
    tf.cond(x > 0, lambda: x * v, lambda: x)
    with tf.Session() as session:
        session.run(v.initializer)
        path = tf.train.Saver().save(session, str(tmp_path / "model"))
    meta = protos.MetaGraphDef.FromString(pathlib.Path(path + ".meta").read_bytes())
    assert "Merge" in {n.op for n in meta.graph_def.node}
    assert len(meta.collection_def["cond_context"].bytes_list.value) == 2
    message = graph.as_graph_def()
    assert "If" in {n.op for n in message.node} and raised(message) is message
    for given in (graph, message):
        written = pathlib.Path(tf.train.write_graph(given, str(tmp_path), "graph.pbtxt")).read_text()
        assert 'op: "Merge"' in written and 'op: "If"' not in written


def test_a_function_that_is_missing(graph):
    x = tf.placeholder(tf.float32, [], name="x")
    tf.cond(x > 0, lambda: x * 2, lambda: x)
    message = graph.as_graph_def()
    del message.library.function[:]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Node 'cond/If': the library has no function 'cond/tr"):
        lowered(message)
