"""SavedModels: written and loaded again, TensorFlow's own, hostile ones, kills on the way."""
import json
import os
import pathlib

import numpy as np
import pytest

import thalweg as tf
from thalweg_io import atomic_file, atomic_folder
from thalweg_io.protos import MetaGraphDef, SavedModel, TensorInfo, parse_text

sm = tf.saved_model


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("a\nb\n")
    return path


def build(folder, vocabulary=None, **save):
    """Writes a model y = x v, with a text variable that the main op fills from an asset where there is one."""
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    v = tf.get_variable("v", initializer=[[1.0], [2.0]])
    y = tf.matmul(x, v, name="y")
    main, assets = None, None
    if vocabulary is not None:
        text = tf.get_variable("text", initializer="none", trainable=False)
        asset = tf.constant(str(vocabulary), name="asset")
        assets, main = [asset], tf.group(tf.assign(text, tf.read_file(asset)), name="main")
    builder = sm.Builder(folder)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        builder.add_meta_graph_and_variables(
            session, [sm.SERVING],
            {sm.DEFAULT_SERVING_SIGNATURE_DEF_KEY: sm.predict_signature_def({"in": x}, {"out": y})}, assets,
            main_op=main)
    builder.add_meta_graph(["serve", "small"])
    return builder.save(**save)


def loaded(folder, tags=("serve",), feed=((1.0, 1.0),), **options):
    """(meta graph, result of the signature, session) of a model in a graph of its own."""
    with tf.Graph().as_default():
        session = tf.Session()
        message = sm.load(session, list(tags), str(folder), **options)
        signature = message.signature_def["serving_default"]
        scope = f"{options['import_scope']}/" if options else ""
        given = {scope + info.name: feed for info in signature.inputs.values()}
        results = session.run([scope + info.name for info in signature.outputs.values()], given)
        return message, results, session


# --- there and back -------------------------------------------------------------------------------------

@pytest.mark.parametrize("as_text", [False, True])
def test_there_and_back(tmp_path, vocabulary, as_text):
    folder = tmp_path / "models" / "m"
    path = build(folder, vocabulary, as_text=as_text)
    name = "saved_model.pbtxt" if as_text else "saved_model.pb"
    assert path == os.fsencode(folder / name)
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == sorted([
        "assets/vocab.txt", name, "variables/variables.data-00000-of-00001", "variables/variables.index"])
    vocabulary.unlink()
    message, results, session = loaded(folder)
    assert results[0].tolist() == [[3.0]] and session.run("text:0") == b"a\nb\n"
    assert isinstance(message, MetaGraphDef) and list(message.meta_info_def.tags) == ["serve"]
    assert message.signature_def["serving_default"].method_name == "tensorflow/serving/predict"
    _, results, session = loaded(folder, import_scope="deep/er")
    assert results[0].tolist() == [[3.0]] and session.run("deep/er/text:0") == b"a\nb\n"
    assert [p.name for p in folder.parent.iterdir()] == ["m"]
    assert sm.maybe_saved_model_directory(str(folder)) and not sm.contains_saved_model(str(tmp_path))


def test_imported_assets_stay_the_only_files(tmp_path, vocabulary):
    build(tmp_path / "m", vocabulary)
    _, _, session = loaded(tmp_path / "m")
    with pytest.raises(tf.errors.PermissionDeniedError, match="ReadFile of an imported graph wants to use"):
        session.run("main")


def test_both_forms_and_further_graphs(tmp_path):
    x = tf.placeholder(tf.float32, [2], name="x")
    builder = sm.builder.SavedModelBuilder(str(tmp_path / "m"))
    signature = sm.signature_def_utils.predict_signature_def({"x": x}, {"y": tf.negative(x, name="y")})
    with tf.Session() as session:
        builder.add_meta_graph_and_variables(session, ["train"], clear_devices=True, strip_default_attrs=True)
    with tf.Graph().as_default(), tf.device("/cpu:0"):
        tf.placeholder(tf.float32, [2], name="x") * 2.0
        builder.add_meta_graph(["serve"], {"serving_default": signature})
    builder.save()
    builder.save(as_text=True)
    binary = SavedModel.FromString((tmp_path / "m" / "saved_model.pb").read_bytes())
    assert parse_text((tmp_path / "m" / "saved_model.pbtxt").read_text(), SavedModel()) == binary
    assert [list(m.meta_info_def.tags) for m in binary.meta_graphs] == [["train"], ["serve"]]
    assert binary.saved_model_schema_version == 1 and binary.meta_graphs[0].meta_info_def.stripped_default_attrs
    with tf.Graph().as_default(), tf.Session() as session:
        sm.loader.load(session, {"train"}, str(tmp_path / "m"))
        assert session.run("y:0", {"x:0": [1.0, 2.0]}).tolist() == [-1.0, -2.0]


def test_simple_save_and_an_empty_folder_that_is_there(tmp_path, graph):
    x = tf.placeholder(tf.float32, [None], name="x")
    v = tf.get_variable("v", initializer=3.0)
    (tmp_path / "m").mkdir()
    with tf.Session() as session, tf.device("/gpu:0"):
        y = tf.multiply(x, v, name="y")
        session.run(v.initializer)
        sm.simple_save(session, str(tmp_path / "m"), {"x": x}, {"y": y})
    message, results, _ = loaded(tmp_path / "m", feed=[2.0])
    assert results[0].tolist() == [6.0] and not any(node.device for node in message.graph_def.node)


def test_assets_of_one_name(tmp_path, vocabulary):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "vocab.txt").write_text("other")
    paths = [vocabulary, tmp_path / "other" / "vocab.txt", vocabulary]
    assets = [tf.constant(str(path), name=f"a{i}") for i, path in enumerate(paths)]
    builder = sm.Builder(tmp_path / "m")
    with tf.Session() as session:
        builder.add_meta_graph_and_variables(session, ["serve"], assets_collection=assets)
    builder.save()
    assert (tmp_path / "m" / "assets" / "vocab.txt").read_text() == "a\nb\n"
    assert (tmp_path / "m" / "assets" / "vocab.txt_1").read_text() == "other"
    assert len(list((tmp_path / "m" / "assets").iterdir())) == 2


def test_partitioned_variables_and_a_saver_of_ones_own(tmp_path):
    with tf.variable_scope("", partitioner=tf.fixed_size_partitioner(2)):
        parts = tf.get_variable("parts", [3], initializer=tf.constant_initializer(2.0))
    x = tf.placeholder(tf.float32, [], name="x")
    y = tf.multiply(x, tf.reduce_sum(parts.as_tensor()), name="y")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        builder = sm.Builder(tmp_path / "m")
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": sm.predict_signature_def({"x": x}, {"y": y})},
            saver=tf.train.Saver({"renamed": parts}))
        builder.save()
    assert tf.train.list_variables(str(tmp_path / "m" / "variables" / "variables")) == [("renamed", [3])]
    assert loaded(tmp_path / "m", feed=2.0)[1] == [12.0]


# --- what a builder refuses -----------------------------------------------------------------------------

def test_what_a_builder_refuses(tmp_path, vocabulary):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for taken in (tmp_path / "full", vocabulary):
        with pytest.raises(AssertionError, match="Export directory already exists, and isn't empty"):
            sm.Builder(str(taken))
    builder = sm.Builder(tmp_path / "m")
    with pytest.raises(AssertionError, match="has not been saved yet. Please invoke `add_meta_graph_and_variables"):
        builder.add_meta_graph(["serve"])
    session = tf.Session()
    def refused(error, text, **options):
        with pytest.raises(error, match=text):
            builder.add_meta_graph_and_variables(session, options.pop("tags", ["serve"]), **options)
    refused(TypeError, "tags must be a list of strings", tags="serve")
    refused(AssertionError, "every TensorInfo must have a name and a dtype",
            signature_def_map={"s": sm.build_signature_def({"x": TensorInfo(name="x:0")})})
    refused(KeyError, "reserved", signature_def_map={"__saved_model_init_op": sm.build_signature_def()})
    refused(TypeError, "main_op needs to be an Operation", main_op=tf.constant(1))
    refused(ValueError, "Invalid asset filepath tensor", assets_collection=[tf.placeholder(tf.string, [])])
    refused(tf.errors.NotFoundError, "nowhere", assets_collection=[tf.constant(str(tmp_path / "nowhere"))])
    builder.add_meta_graph_and_variables(session, ["serve"])
    refused(AssertionError, "has already been saved. Please invoke `add_meta_graph")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "theirs").touch()
    with pytest.raises(AssertionError, match="isn't empty"):
        builder.save()


# --- signatures -----------------------------------------------------------------------------------------

def test_signatures():
    examples, numbers = tf.placeholder(tf.string, [None], name="e"), tf.placeholder(tf.float32, [None, 2], name="n")
    predict = sm.predict_signature_def({"a": examples}, {"b": numbers})
    assert predict.inputs["a"].name == "e:0" and predict.outputs["b"].dtype == 1
    assert [d.size for d in predict.outputs["b"].tensor_shape.dim] == [-1, 2]
    regress = sm.regression_signature_def(examples, numbers)
    assert regress.method_name == sm.REGRESS_METHOD_NAME and regress.outputs["outputs"].name == "n:0"
    classify = sm.classification_signature_def(examples, examples, numbers)
    assert set(classify.outputs) == {"classes", "scores"} and classify.method_name.endswith("classify")
    assert all(map(sm.is_valid_signature, (predict, regress, classify)))
    wrong = sm.build_signature_def(predict.inputs, predict.outputs, sm.REGRESS_METHOD_NAME)
    assert not any(map(sm.is_valid_signature, (None, sm.build_signature_def(), wrong)))
    assert sm.utils.get_tensor_from_tensor_info(predict.inputs["a"]) is examples


@pytest.mark.parametrize("make, text", [
    (lambda s, f: sm.predict_signature_def({}, {"y": f}), "Prediction inputs cannot be None or empty."),
    (lambda s, f: sm.predict_signature_def({"x": f}, None), "Prediction outputs cannot be None or empty."),
    (lambda s, f: sm.regression_signature_def(None, f), "Regression examples cannot be None."),
    (lambda s, f: sm.regression_signature_def(s, None), "Regression predictions cannot be None."),
    (lambda s, f: sm.regression_signature_def(f, f), "Regression examples must be a string Tensor."),
    (lambda s, f: sm.regression_signature_def(s, s), "Regression output must be a float Tensor."),
    (lambda s, f: sm.classification_signature_def(None, s, f), "Classification examples cannot be None."),
    (lambda s, f: sm.classification_signature_def(s, None, None), "Classification classes and scores cannot both"),
    (lambda s, f: sm.classification_signature_def(f, s, f), "Classification examples must be a string Tensor."),
    (lambda s, f: sm.classification_signature_def(s, f, f), "Classification classes must be a string Tensor."),
    (lambda s, f: sm.classification_signature_def(s, s, s), "Classification scores must be a float Tensor.")])
def test_signatures_that_are_none(make, text):
    with pytest.raises(ValueError, match=text):
        make(tf.placeholder(tf.string, []), tf.placeholder(tf.float32, []))


def test_infos_that_are_none():
    with pytest.raises(TypeError, match="build_tensor_info takes a Tensor, not int"):
        sm.build_tensor_info(3)
    with pytest.raises(ValueError, match="Invalid TensorInfo.encoding: None"):
        sm.get_tensor_from_tensor_info(TensorInfo())


def test_main_ops(graph):
    v = tf.get_variable("v", initializer=1.0)
    main = sm.main_op.main_op()
    assert main.name == "group_deps"
    assert [op.name for op in main.control_inputs] == ["init", "init_1", "init_all_tables"]
    saver = tf.train.Saver()
    restoring = sm.main_op_with_restore(saver.saver_def.restore_op_name)
    assert "save/restore_all" in [op.name for op in restoring.control_inputs]
    with tf.Session() as session:
        session.run(main)
        assert session.run(v) == 1.0


# --- TensorFlow's ---------------------------------------------------------------------------------------

def golden_models(golden):
    return json.loads((golden / "manifest.json").read_text())["saved_models"]


@pytest.mark.parametrize("name", ["saved_model", "saved_model_text"])
def test_golden_models(golden, name):
    entry = golden_models(golden)[name]
    values = np.load(golden / entry["io"])
    for tags in entry["tags"]:
        with tf.Graph().as_default(), tf.Session() as session:
            message = sm.load(session, tags, str(golden / name))
            scores = session.run("probs:0", {"x:0": values["images"]})
            np.testing.assert_allclose(scores, values["scores"], entry["rtol"], entry["atol"])
            for key, signature in entry["signatures"].items() if tags == entry["tags"][0] else ():
                got = message.signature_def[key]
                assert {k: i.name for k, i in got.inputs.items()} == signature["inputs"]
                assert {k: i.name for k, i in got.outputs.items()} == signature["outputs"]
                assert got.method_name == signature["method"]


def test_the_form_of_2x_is_named(golden):
    folder = golden / "saved_model_tf2"
    with tf.Session() as session, pytest.raises(tf.errors.UnimplementedError, match=(
            r"written by tf.saved_model.save of TensorFlow 2\.\S+: an object graph and \d+ functions")):
        sm.load(session, ["serve"], str(folder))
    values = np.load(folder / "io.npz")
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    stored = [reader.get_tensor(n) for n in reader.get_variable_to_shape_map() if n.startswith("w/")]
    assert any(np.array_equal(value, values["w"]) for value in stored)


def test_hostile_models(hostile_saved_model, golden):
    path = golden / "hostile" / hostile_saved_model["path"]
    with tf.Session() as session:
        if hostile_saved_model["expect"] == "any":
            try:
                sm.load(session, ["serve"], str(path))
            except tf.errors.OpError as error:
                assert str(path) in str(error)
        else:
            with pytest.raises((tf.errors.OpError, ValueError)):
                sm.load(session, ["serve"], str(path))


# --- what a loader refuses ------------------------------------------------------------------------------

def test_what_is_not_there(tmp_path):
    session = tf.Session()
    with pytest.raises(OSError, match="SavedModel file does not exist at: .*saved_model.pbtxt.saved_model.pb"):
        sm.load(session, ["serve"], str(tmp_path / "none"))
    with pytest.raises(tf.errors.NotFoundError):
        sm.load(session, ["serve"], str(tmp_path))
    build(tmp_path / "m")
    for error in (RuntimeError, tf.errors.NotFoundError):
        with pytest.raises(error, match=r"with tags 'q' could not be found.*\n.*\['serve'\], \['serve', 's"):
            sm.load(session, {"q"}, str(tmp_path / "m"))
    with pytest.raises(TypeError, match="tags must be a set or a list"):
        sm.load(session, "serve", str(tmp_path / "m"))


def edited(folder, change):
    """Changes the first graph of a model."""
    message = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    change(message.meta_graphs[0])
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())


@pytest.mark.parametrize("name", [
    "../vocab.txt", "/etc/hostname", "a/../../vocab.txt", "", "..", "a\0b", "..\\vocab.txt", "link", "folder/file"])
def test_assets_outside_of_the_folder(tmp_path, vocabulary, name):
    folder = tmp_path / "m"
    build(folder, vocabulary)
    (folder / "assets" / "link").symlink_to(vocabulary)
    (folder / "assets" / "folder").symlink_to(tmp_path)
    def rename(meta_graph):
        from thalweg_io.protos import AssetFileDef
        item = meta_graph.collection_def["saved_model_assets"].any_list.value[0]
        item.value = AssetFileDef(tensor_info={"name": "asset:0"}, filename=name).SerializeToString()
    edited(folder, rename)
    with tf.Graph().as_default(), tf.Session() as session, pytest.raises(
            tf.errors.InvalidArgumentError, match="lies outside of .*assets; a model may use its own assets only"):
        sm.load(session, ["serve"], str(folder))


def test_damaged_models(tmp_path, vocabulary):
    folder = tmp_path / "m"
    build(folder, vocabulary)
    whole = (folder / "saved_model.pb").read_bytes()
    def refused(error, text):
        with tf.Graph().as_default(), tf.Session() as session, pytest.raises(error, match=text):
            sm.load(session, ["serve"], str(folder))
        (folder / "saved_model.pb").write_bytes(whole)
    (folder / "saved_model.pb").write_bytes(whole[:-7])
    refused(tf.errors.DataLossError, "saved_model.pb is no SavedModel")
    edited(folder, lambda m: setattr(m.collection_def["saved_model_assets"].any_list.value[0], "value", b"\x0a\xff"))
    refused(tf.errors.DataLossError, "list of assets is damaged")
    edited(folder, lambda m: m.collection_def["saved_model_main_op"].node_list.value.append("again"))
    refused(tf.errors.InvalidArgumentError, "names 2 main ops under saved_model_main_op: main, again")
    edited(folder, lambda m: setattr(m.saver_def, "restore_op_name", "gone"))
    refused(tf.errors.InvalidArgumentError, "restores its variables by the node 'gone', which is not in its graph")
    message = SavedModel.FromString(whole)
    message.saved_model_schema_version = 99
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    refused(tf.errors.UnimplementedError, "has schema version 99; this version knows 1")
    (folder / "assets" / "vocab.txt").unlink()
    refused(tf.errors.NotFoundError, "the asset 'vocab.txt' is missing from")


# --- whole or not at all --------------------------------------------------------------------------------

class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_kill_at_any_moment(tmp_path, vocabulary, monkeypatch):
    """At each call that changes a folder: afterwards there is a whole model or none, and a good save cleans up."""
    calls, limit = 0, 10 ** 9
    def counted(name):
        original = getattr(atomic_file.FileSystem, name)
        def method(self, *arguments):
            nonlocal calls
            calls += 1
            if calls > limit:
                raise Killed
            return original(self, *arguments)
        return method
    for name in ("create", "write", "sync", "sync_folder", "rename", "make_folder"):
        monkeypatch.setattr(atomic_file.FileSystem, name, counted(name))
    monkeypatch.setattr(atomic_folder.NewFolder, "discard", lambda self: self._release())       # the dead do not tidy
    with tf.Graph().as_default():
        build(tmp_path / "whole", vocabulary)
    total = calls
    assert total > 15
    for limit in range(total):
        calls, folder = 0, tmp_path / f"m{limit}"
        with tf.Graph().as_default(), pytest.raises(Killed):
            build(folder, vocabulary)
        calls = -10 ** 9
        if folder.exists():
            assert loaded(folder)[1][0].tolist() == [[3.0]]
        else:
            with tf.Graph().as_default():
                build(folder, vocabulary)
        assert not list(tmp_path.glob(f"m{limit}.*"))


def test_an_unfinished_builder_leaves_nothing(tmp_path):
    builder = sm.Builder(tmp_path / "m")
    assert len(list(tmp_path.iterdir())) == 1
    other = sm.Builder(tmp_path / "m")                        # the first one lives: its folder stays
    assert len(list(tmp_path.iterdir())) == 2
    del builder, other
    assert not list(pathlib.Path(tmp_path).iterdir())
