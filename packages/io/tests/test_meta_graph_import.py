"""`tf.train.import_meta_graph`: collections, variables, savers, and training that goes on."""
import logging

import numpy as np
import pytest

import thalweg as tf
from thalweg_io import protos
from thalweg_io.graphs.meta_graph import export_meta_graph


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level(logging.ERROR, "thalweg.io")


def model():
    """A program with both kinds of variable, slots of an optimizer, and every kind of collection."""
    with tf.name_scope("data"):
        x = tf.placeholder(tf.float32, [2], name="x")
    with tf.variable_scope("net"):
        v = tf.get_variable("v", initializer=[1.0, 2.0])
        r = tf.get_variable("r", initializer=[3.0, -1.0], use_resource=True)
        tf.get_variable("fixed", initializer=[5.0], trainable=False)
        y = tf.multiply(x * v, r, name="y")
    loss = tf.reduce_sum(tf.square(y), name="loss")
    step = tf.train.get_or_create_global_step()
    train = tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss, step, name="train")
    for key, item in {"ys": y, "texts": "abc", "ints": 3, "floats": 1.5, "losses": loss, "train_op": train}.items():
        tf.add_to_collection(key, item)
    return x, train, loss


def run_steps(session, count):
    """Losses of steps of the graph that is the default."""
    graph = tf.get_default_graph()
    train = graph.get_collection("train_op")[0]
    return [session.run([graph.get_collection("losses")[0], train], {f"{scope_of(graph)}data/x:0": [0.1 * k, 0.3]})[0]
            for k in range(count)]


def scope_of(graph):
    return graph.get_collection("losses")[0].name.removesuffix("loss:0")


@pytest.fixture
def saved(nn, tmp_path):
    """(path of a checkpoint after two steps, the losses of the next three, the values then)."""
    with tf.Graph().as_default():
        model()
        saver = tf.train.Saver(max_to_keep=3)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            run_steps(session, 2)
            path = saver.save(session, tmp_path / "model", global_step=2)
            losses = run_steps(session, 3)
            values = {v.name: session.run(v) for v in tf.global_variables()}
    return path, losses, values


@pytest.mark.parametrize("scope", [None, "in"])
def test_training_goes_on(saved, scope, tmp_path):
    path, losses, values = saved
    saver = tf.train.import_meta_graph(path + ".meta", import_scope=scope)
    prefix = f"{scope}/" if scope else ""
    assert {v.name for v in tf.global_variables()} == {prefix + name for name in values}
    assert [v.name for v in tf.trainable_variables()] == [f"{prefix}net/v:0", f"{prefix}net/r:0"]
    assert tf.train.get_or_create_global_step().name == f"{prefix}global_step:0"
    assert saver.saver_def.max_to_keep == 3 and saver.saver_def.restore_op_name == f"{prefix}save/restore_all"
    with tf.Session() as session:
        saver.restore(session, path)
        assert session.run(tf.train.get_global_step()) == 2
        np.testing.assert_array_equal(run_steps(session, 3), losses)
        for name, value in values.items():
            np.testing.assert_array_equal(session.run(prefix + name), value)
        again = saver.save(session, tmp_path / "again")
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(again + ".meta").restore(session, again)
        for name, value in values.items():
            np.testing.assert_array_equal(session.run(prefix + name), value)


def test_collections(saved, graph):
    tf.train.import_meta_graph(saved[0] + ".meta", clear_devices=True)
    y = graph.get_tensor_by_name("net/y:0")
    assert tf.get_collection("ys") == [y] and tf.get_collection("texts") == [b"abc"]
    assert tf.get_collection("ints") == [3] and tf.get_collection("floats") == [1.5]
    assert tf.get_collection("train_op") == [graph.get_operation_by_name("train")] * 2
    v, r = tf.trainable_variables()
    assert v is tf.global_variables()[0] and v.trainable and not tf.global_variables()[2].trainable
    assert v.initializer.name == "net/v/Assign" and v.value().name == "net/v/read:0"
    dv, dr = tf.gradients(graph.get_tensor_by_name("loss:0"), [v, r])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(r * 2).tolist() == [6, -2]
        np.testing.assert_allclose(session.run([dv, dr], {"data/x:0": [1.0, 2.0]}), [[18, 16], [6, -32]])


def test_resource_variables_of_tensorflow_are_read_at_each_use(golden, graph):
    saver = tf.train.import_meta_graph(golden / "v2_resource" / "net.ckpt-3.meta")
    variable = tf.trainable_variables()[0]
    with tf.control_dependencies([variable.assign_add(tf.ones_like(variable))]):
        after = tf.identity(variable)
    with tf.Session() as session:
        saver.restore(session, str(golden / "v2_resource" / "net.ckpt-3"))
        before = session.run(variable)
        np.testing.assert_allclose(session.run(after), before + 1, rtol=1e-6)


def test_which_collections(saved, graph):
    tf.train.import_meta_graph(saved[0] + ".meta", restore_collections_predicate=lambda key: key == "ys")
    assert graph.get_all_collection_keys() == ["ys"]


def test_messages_and_text(saved, tmp_path):
    message = protos.MetaGraphDef.FromString(open(saved[0] + ".meta", "rb").read())
    assert tf.train.import_meta_graph(message).saver_def == message.saver_def
    (tmp_path / "m.pbtxt").write_text(protos.text(message))
    (tmp_path / "text.meta").write_text(protos.text(message))
    for name in ("m.pbtxt", "text.meta"):
        with tf.Graph().as_default():
            assert tf.train.import_meta_graph(tmp_path / name).saver_def == message.saver_def


def test_without_a_saver(graph):
    """A new saver for the file's variables; none where it has none."""
    with tf.Graph().as_default() as other:
        tf.Variable(1.0, name="w")
    saver = tf.train.import_meta_graph(export_meta_graph(graph=other))
    assert saver.saver_def.save_tensor_name == "save/control_dependency:0"
    with tf.Graph().as_default():
        assert tf.train.import_meta_graph(export_meta_graph(graph=tf.Graph())) is None


def test_membership_tells_what_is_trainable(graph):
    """Older files do not say it in the variable's message."""
    with tf.Graph().as_default() as other:
        tf.Variable(1.0, name="w"), tf.Variable(2.0, name="u", trainable=False)
    message = export_meta_graph(graph=other)
    for collection in message.collection_def.values():
        for i, data in enumerate(collection.bytes_list.value):
            variable = protos.VariableDef.FromString(data)
            variable.ClearField("trainable")
            collection.bytes_list.value[i] = variable.SerializeToString()
    tf.train.import_meta_graph(message)
    assert [(v.name, v.trainable) for v in tf.global_variables()] == [("w:0", True), ("u:0", False)]


def test_import_over_own_tensors(saved):
    tf.train.import_meta_graph(saved[0] + ".meta", input_map={"data/x:0": tf.constant([2.0, 3.0])})
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(tf.get_collection("ys")[0]).tolist() == [6, -6]


# --- what cannot be read ----------------------------------------------------------------------------

def test_files_that_are_no_meta_graphs(tmp_path):
    with pytest.raises(tf.errors.NotFoundError, match="nowhere.meta.*expected a file with a MetaGraphDef"):
        tf.train.import_meta_graph(tmp_path / "nowhere.meta")
    (tmp_path / "bad.meta").write_bytes(b"\xff\xff garbage")
    with pytest.raises(tf.errors.DataLossError, match="bad.meta is no MetaGraphDef"):
        tf.train.import_meta_graph(str(tmp_path / "bad.meta"))
    with pytest.raises(TypeError, match="must be a MetaGraphDef proto or a file name"):
        tf.train.import_meta_graph(protos.GraphDef())


@pytest.mark.parametrize("key, kind, value, text", [
    ("losses", "node_list", "nothing:0", "Collection 'losses' names 'nothing:0', which is not in the file's graph"),
    ("variables", "bytes_list", b"\xff\xff", "Collection 'variables' holds bytes that are no VariableDef"),
    ("variables", "bytes_list", b"\x0a\x03w:0", "Variable 'w:0' of the file cannot be made"),
    ("savers", "bytes_list", b"\xff", "Collection 'savers' holds bytes that are no SaverDef")])
def test_collections_that_are_not_valid(key, kind, value, text):
    message = protos.MetaGraphDef()
    getattr(message.collection_def[key], kind).value.append(value)
    with pytest.raises(tf.errors.OpError, match=text):
        tf.train.import_meta_graph(message)


def test_queue_runners_are_left_out(graph, caplog):
    message = protos.MetaGraphDef()
    message.collection_def["queue_runners"].bytes_list.value.append(
        protos.QueueRunnerDef(queue_name="batch/fifo").SerializeToString())
    caplog.set_level(logging.WARNING, "thalweg.io")
    tf.train.import_meta_graph(message)
    assert "the runner of batch/fifo: thalweg has no queues" in caplog.text
    assert graph.get_all_collection_keys() == []


# --- parts of graphs --------------------------------------------------------------------------------

def test_export_scope(nn, graph):
    model()
    with tf.control_dependencies([graph.get_operation_by_name("loss")]):
        with tf.name_scope("net/"):
            tf.no_op(name="after")
    message = tf.train.export_meta_graph(export_scope="net")
    nodes = {node.name: node for node in message.graph_def.node}
    assert list(nodes["mul"].input) == ["$unbound_inputs_data/x", "v/read"]
    assert list(nodes["after"].input) == ["^$unbound_inputs_loss"]
    assert list(nodes["v/Assign"].attr["_class"].list.s) == [b"loc:@v"]
    kinds = {key: collection.WhichOneof("kind") for key, collection in message.collection_def.items()}
    assert kinds == {"unbound_inputs": "bytes_list", "variables": "bytes_list", "trainable_variables": "bytes_list",
                     "ys": "node_list", "ints": "int64_list", "floats": "float_list"}
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match=r"unbound inputs: .*data/x, .*loss. Must provide these inputs"):
            tf.train.import_meta_graph(message)
        tf.train.import_meta_graph(message, import_scope="part", input_map={
            "$unbound_inputs_data/x": tf.constant([1.0, 2.0]), "^$unbound_inputs_loss": tf.no_op()})
        assert [v.name for v in tf.trainable_variables()] == ["part/v:0", "part/r:0"]
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            assert session.run(tf.get_collection("ys")[0]).tolist() == [3, -4]


# --- the reference's files --------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["v2/net.ckpt-3", "v2_resource/net.ckpt-3", "v1/net_old.ckpt-3"])
def test_golden_training(golden, name):
    """Four steps from the `.meta` and the checkpoint alone."""
    expected = np.load(golden / name.split("/")[0] / "train_io.npz")
    saver = tf.train.import_meta_graph(golden / f"{name}.meta")
    train = tf.get_collection("train_op")[0]
    with tf.Session() as session:
        saver.restore(session, str(golden / name))
        for k in range(4):
            feed = {"images:0": expected[f"images_{k}"], "labels:0": expected[f"labels_{k}"]}
            np.testing.assert_allclose(session.run("probs:0", feed), expected[f"probs_before_{k}"], 2e-4, 1e-5)
            loss, _ = session.run(["loss:0", train], feed)
            np.testing.assert_allclose(loss, expected["losses"][k], 2e-4, 1e-5)
        finals = [key for key in expected if key.startswith("final/")]
        assert len(finals) == len(tf.global_variables()) == 30
        for key in finals:
            np.testing.assert_allclose(session.run(key.removeprefix("final/") + ":0"), expected[key], 2e-4, 1e-5)


@pytest.mark.parametrize("name", ["v2_partitioned/shards.ckpt-9", "v2_sharded/shards.ckpt-9",
                                  "v2_sharded_partitioned/shards.ckpt-9", "v1_partitioned/shards.ckpt-9",
                                  "v1_sharded/shards.ckpt-9"])
def test_golden_savers(golden, name, tmp_path):
    """The file's own saver restores and saves again what was there."""
    saver = tf.train.import_meta_graph(golden / f"{name}.meta")
    source = str(golden / name) + ("-?????-of-00002" if name.startswith("v1_sharded") else "")
    with tf.Session() as session:
        saver.restore(session, source)
        path = saver.save(session, tmp_path / "out", write_meta_graph=False)
    expected, found = tf.train.load_checkpoint(source), tf.train.load_checkpoint(path)
    assert found.get_variable_to_shape_map() == expected.get_variable_to_shape_map()
    for key in expected.get_variable_to_shape_map():
        np.testing.assert_array_equal(found.get_tensor(key), expected.get_tensor(key))
    assert not list(tmp_path.glob("*_temp*"))


def test_golden_control_flow(golden):
    expected = np.load(golden / "control_flow" / "loop_io.npz")
    saver = tf.train.import_meta_graph(golden / "control_flow" / "loop.ckpt-1.meta")
    with tf.Session() as session:
        saver.restore(session, str(golden / "control_flow" / "loop.ckpt-1"))
        for n in expected["cases"]:
            found = session.run(["history:0", "result:0", "dw:0"], {"n:0": n, "x0:0": expected[f"x0_{n}"]})
            for key, value in zip(("history", "result", "dw"), found):
                np.testing.assert_allclose(value, expected[f"{key}_{n}"], 1e-4, 1e-5)
