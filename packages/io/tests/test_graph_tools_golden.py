"""Graph tools on TensorFlow's own files: frozen from their checkpoints they give TensorFlow's values."""
import json

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.graph_tools.freeze_graph import frozen_from_checkpoint
from thalweg_io.graph_tools.optimize_for_inference import optimize_for_inference
from thalweg_io.graph_tools.summary import summary
from thalweg_io.graphs.graph_files import read_graph_def


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def entries(golden):
    """The manifest's graphs; skips where there are none."""
    return json.loads((golden / "manifest.json").read_text())["graphs"]


def computed(graph_def, fetches, feeds):
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph_def, name="")
    with tf.Session(graph=imported) as session:
        return session.run(fetches, feeds)


@pytest.mark.parametrize("name", ["v2/net.ckpt-3.meta", "v2_resource/net.ckpt-3.meta", "v1/net_old.ckpt-3.meta"])
def test_frozen_training_graphs(golden, entries, name):
    entry = entries[name]
    values = np.load(golden / entry["io"])
    graph_def = read_graph_def(golden / name)
    probs = entry["probs"].removesuffix(":0")
    frozen = frozen_from_checkpoint(graph_def, str(golden / entry["restore_from"]), [probs])
    assert not [node.name for node in frozen.node if node.op in ("VariableV2", "VarHandleOp", "ReadVariableOp")]
    feeds = {"images:0": values["images_0"]}
    np.testing.assert_allclose(computed(frozen, entry["probs"], feeds), values["probs_before_0"], entry["rtol"],
                               entry["atol"])
    small = optimize_for_inference(frozen, ["images"], [probs], tf.float32)
    assert len(small.node) < len(frozen.node)
    np.testing.assert_allclose(computed(small, entry["probs"], feeds), values["probs_before_0"], entry["rtol"],
                               entry["atol"])


def test_a_frozen_loop(golden, entries):
    entry = entries["control_flow/loop.ckpt-1.meta"]
    values = np.load(golden / entry["io"])
    frozen = frozen_from_checkpoint(read_graph_def(golden / "control_flow" / "loop.ckpt-1.meta"),
                                    str(golden / entry["restore_from"]), ["result", "history"])
    for case in values["cases"]:
        got = computed(frozen, ["result:0", "history:0"], {"n:0": case, "x0:0": values[f"x0_{case}"]})
        for array, name in zip(got, ("result", "history")):
            np.testing.assert_allclose(array, values[f"{name}_{case}"], entry["rtol"], entry["atol"])


def test_an_optimized_frozen_graph(golden, entries):
    entry = entries["frozen/frozen.pb"]
    values = np.load(golden / entry["io"])
    small = optimize_for_inference(read_graph_def(golden / "frozen" / "frozen.pb"), ["input"],
                                   [name.removesuffix(":0") for name in entry["outputs"]], tf.float32)
    got = computed(small, entry["outputs"], {"input:0": values["input_many"]})
    for array, name in zip(got, entry["outputs"]):
        np.testing.assert_allclose(array, values[f"many/{name.removesuffix(':0')}"], entry["rtol"], entry["atol"])


def test_summaries(golden, entries):
    for name in entries:
        found = summary(read_graph_def(golden / name))
        assert found.multiply_adds > 0 or found.unknown
    found = summary(read_graph_def(golden / "frozen" / "frozen.pb"), {"input": [7, 17, 11, 1]}, ["probs"])
    assert not found.unknown and found.multiply_adds > 0


@pytest.mark.parametrize("own_graph", [False, True])
def test_resource_variables_of_a_session(golden, entries, graph, own_graph):
    """Their handles are buffers once imported; the file's GraphDef and the session's own both freeze."""
    entry = entries["v2_resource/net.ckpt-3.meta"]
    values = np.load(golden / entry["io"])
    saver = tf.train.import_meta_graph(str(golden / "v2_resource" / "net.ckpt-3.meta"))
    with tf.Session() as session:
        saver.restore(session, str(golden / entry["restore_from"]))
        graph_def = graph.as_graph_def() if own_graph else read_graph_def(golden / "v2_resource" / "net.ckpt-3.meta")
        frozen = tf.graph_util.convert_variables_to_constants(session, graph_def, ["probs"])
    np.testing.assert_allclose(computed(frozen, "probs:0", {"images:0": values["images_0"]}), values["probs_before_0"],
                               entry["rtol"], entry["atol"])
