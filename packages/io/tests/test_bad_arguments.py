"""Arguments that make no sense: each is named with what came and what was expected."""
import os
import re

import numpy as np
import pytest

import thalweg as tf
import thalweg_io.onnx
from thalweg_io.arrays import write_npz, write_safetensors
from thalweg_io.graphs.graph_import import read_graph_def
from thalweg_io.summaries import hparams


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def session():
    """A session with a variable `v` of value [1, 2]."""
    tf.get_variable("v", initializer=[1.0, 2.0])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        yield session


@pytest.fixture
def saved(session, tmp_path):
    """The path of a checkpoint with `v`."""
    return tf.train.Saver().save(session, str(tmp_path / "m"))


# --- Saver ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, match", [
    (dict(var_list=[None]), "var_list has None in it, a NoneType; expected variables"),
    (dict(var_list=["v"]), "var_list has 'v' in it, a str; expected variables"),
    (dict(saver_def=3), "saver_def must be a SaverDef message, .* not 3"),
    (dict(builder=3), "builder must be a BaseSaverBuilder, not 3"),
    (dict(max_to_keep="x"), "max_to_keep must be an int; None or 0 keeps all, not 'x'"),
    (dict(keep_checkpoint_every_n_hours="a"), "keep_checkpoint_every_n_hours must be a number of hours, not 'a'")])
def test_savers(session, arguments, match):
    with pytest.raises(TypeError, match=match):
        tf.train.Saver(**arguments)


@pytest.mark.parametrize("arguments, match", [
    (dict(save_path=None), "save_path must be a str or a path, not None"),
    (dict(save_path=b"m"), "save_path must be a str or a path, not b'm'"),
    (dict(save_path="m", global_step="v:0"), "global_step must be one number")])
def test_save(session, arguments, match):
    with pytest.raises(TypeError, match=match):
        tf.train.Saver().save(session, **arguments)


def test_a_prefix_may_be_empty(session, tmp_path):
    saver = tf.train.Saver(max_to_keep=1)
    assert saver.save(session, f"{tmp_path}/") == f"{tmp_path}/"
    saver.restore(session, f"{tmp_path}/")
    saver.save(session, f"{tmp_path}/m")
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", "m.data-00000-of-00001", "m.index", "m.meta"]


def test_restore(session, saved):
    saver = tf.train.Saver()
    with pytest.raises(TypeError, match="sess must be a Session, not None"):
        saver.restore(None, saved)
    with pytest.raises(TypeError, match="save_path must be a str or a path, not 3"):
        saver.restore(session, 3)
    with pytest.raises(ValueError, match=re.escape(f"there is no {saved}x.index; {os.path.dirname(saved)} has m")):
        saver.restore(session, saved + "x")
    with pytest.raises(ValueError, match="there is no folder .*none"):
        saver.restore(session, os.path.join(os.path.dirname(saved), "none", "m"))
    saver.restore(session, os.fsencode(saved))


@pytest.mark.parametrize("end", [".index", ".meta", ".data-00000-of-00001"])
def test_a_file_of_a_checkpoint_is_no_prefix(session, saved, end):
    match = re.escape(f"{saved}{end} is a file of the checkpoint {saved}; pass '{saved}'")
    with pytest.raises(ValueError, match=match):
        tf.train.Saver().restore(session, saved + end)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is a file of the checkpoint"):
        tf.train.list_variables(saved + end)


def test_cut_and_missing_data(session, saved):
    data = saved + ".data-00000-of-00001"
    os.truncate(data, 3)
    with pytest.raises(tf.errors.DataLossError, match=f"tensor 'v': Read less.* in {re.escape(data)}, .* it is cut"):
        tf.train.Saver().restore(session, saved)
    os.unlink(data)
    with pytest.raises(tf.errors.NotFoundError, match="is missing") as caught:
        tf.train.Saver().restore(session, saved)
    assert "a variable" not in str(caught.value)


# --- looking into checkpoints and starting from them ------------------------------------------------

def test_names_of_tensors(saved):
    reader = tf.train.load_checkpoint(saved)
    for call in (reader.get_tensor, reader.has_tensor, lambda name: tf.train.load_variable(saved, name)):
        with pytest.raises(TypeError, match="the name of a tensor is a str, not a NoneType: None"):
            call(None)
    assert reader.has_tensor(b"v") and list(tf.train.load_variable(os.fsencode(saved), b"v")) == [1, 2]


def test_initializers(saved):
    with pytest.raises(TypeError, match="assignment_map has the key None, expected the name"):
        tf.train.init_from_checkpoint(saved, {None: "v"})
    for pattern in ("[", ["v", "["]):
        with pytest.raises(ValueError, match=r"vars_to_warm_start: '\[' is no regular expression"):
            tf.train.warm_start(saved, vars_to_warm_start=pattern)


# --- graphs and models ------------------------------------------------------------------------------

def test_files_of_graphs(saved, tmp_path):
    (tmp_path / "empty.meta").touch()
    with pytest.raises(tf.errors.DataLossError, match=r"empty.meta is empty \(0 bytes\); expected .* MetaGraphDef"):
        tf.train.import_meta_graph(str(tmp_path / "empty.meta"))
    with pytest.raises(tf.errors.DataLossError, match="is empty"):
        read_graph_def(tmp_path / "empty.meta")
    with pytest.raises(tf.errors.NotFoundError, match="its meta graph is .*m.meta"):
        tf.train.import_meta_graph(saved)


def test_freezing(session, graph):
    freeze = tf.graph_util.convert_variables_to_constants
    with pytest.raises(TypeError, match="sess must be a Session, which has the variables' values, not None"):
        freeze(None, graph.as_graph_def(), ["v"])
    with pytest.raises(AssertionError, match="v:0 is not in graph; expected the name of a node, 'v'"):
        freeze(session, graph.as_graph_def(), ["v:0"])
    with pytest.raises(AssertionError, match="expected the name of a node, a str, not a int"):
        freeze(session, graph.as_graph_def(), [3])
    with pytest.raises(TypeError, match="dest_nodes must be a list of names of nodes, not None"):
        freeze(session, graph.as_graph_def(), None)


def test_models(session, tmp_path):
    x = tf.placeholder(tf.float32)
    save = tf.saved_model.simple_save
    for inputs in ([x], {None: x}):
        with pytest.raises(TypeError, match="inputs must be a dict of name: tensor"):
            save(session, str(tmp_path / "s"), inputs, {"y": x})
    with pytest.raises(ValueError, match="export_dir is empty"):
        save(session, "", {"x": x}, {"y": x})
    with pytest.raises(TypeError, match="sess must be a Session, not None"):
        tf.saved_model.loader.load(None, ["serve"], str(tmp_path))
    builder = tf.saved_model.builder.SavedModelBuilder(str(tmp_path / "b"))
    with pytest.raises(TypeError, match="signature 'a' must be a SignatureDef, .* not 3"):
        builder.add_meta_graph_and_variables(session, ["serve"], {"a": 3})
    with pytest.raises(ValueError, match=r"outputs must be a list with at least one tensor, or its name, not \[\]"):
        thalweg_io.onnx.export(session, [x], [])


# --- arrays, records and logs -----------------------------------------------------------------------

def test_arrays(tmp_path):
    for write in (write_npz, write_safetensors):
        with pytest.raises(TypeError, match="arrays must be a dict of name: array, not a NoneType"):
            write(str(tmp_path / "a"), None)
        with pytest.raises(tf.errors.NotFoundError) as caught:
            write(str(tmp_path / "no" / "a"), {"a": np.ones(2)})
        assert f"{tmp_path}/no/a: there is no folder {tmp_path}/no; " in str(caught.value)
        assert ".thw-" not in str(caught.value)


def test_logs():
    for values in (None, {1: 2}):
        with pytest.raises(TypeError, match="hparams must be a dict of name: value"):
            hparams.session_start(values)
    with pytest.raises(ValueError, match="Expected tensor .* to have dtype string"):
        tf.summary.text("t", 1.0)
    assert tf.summary.text("t", "a").dtype == tf.string
