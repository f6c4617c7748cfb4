"""Saver: TensorFlow's nodes, files that TensorFlow reads, what is kept, and its errors."""
import logging
import os
import threading

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.checkpoints.bundle.reader import BundleReader
from thalweg_io.checkpoints.saveables import SaveableObject, SaveSpec


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def nodes(graph):
    return [[op.type, op.name, [t.name for t in op.inputs], sorted(c.name for c in op.control_inputs), op.device,
             sorted(op.colocation_groups()), [str(t.shape) for t in op.outputs]] for op in graph.get_operations()]


def test_nodes_are_tensorflows(graph_case, graph_cases, manifest, graph):
    graph_cases.CASES[graph_case](tf)
    for got, expected in zip(nodes(graph), manifest["graphs"][graph_case]):
        assert got == expected
    assert len(nodes(graph)) == len(manifest["graphs"][graph_case])


# --- values -----------------------------------------------------------------------------------------

VALUES = {"f": np.arange(6, dtype=np.float32).reshape(2, 3), "h": np.array([1.5, np.nan], np.float16),
          "b": np.array([True, False]), "s": np.array([b"a", b"\xff\0"], object), "c": np.array(1 + 2j),
          "n": np.array(2**40), "none": np.zeros((0, 2))}


def variables(values=VALUES):
    return {name: tf.Variable(value, name=name) for name, value in values.items()}


def test_values_survive(tmp_path):
    made = variables()
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = saver.save(session, str(tmp_path / "m"), global_step=3)
    assert path == str(tmp_path / "m-3")
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", "m-3.data-00000-of-00001", "m-3.index", "m-3.meta"]
    with tf.Session() as session:
        saver.restore(session, tf.train.latest_checkpoint(str(tmp_path)))
        for name, value in session.run(made).items():
            np.testing.assert_array_equal(value, VALUES[name])
            assert value.dtype == VALUES[name].dtype and value.shape == VALUES[name].shape


def test_tensorflows_values_are_restored(own):
    checkpoint = own["types"]
    with BundleReader(checkpoint.prefix) as reader:
        expected = {name: reader.read(name) for name in checkpoint.tensors}
    made = {}
    for i, (name, value) in enumerate(expected.items()):
        made[name] = tf.Variable(np.zeros_like(value) if value.dtype != object else np.full(value.shape, b"", object),
                                 name=f"v{i}")
    saver = tf.train.Saver(made)
    with tf.Session() as session:
        saver.restore(session, checkpoint.prefix)
        for name, value in session.run(made).items():
            np.testing.assert_array_equal(value, expected[name])


def test_partitioned_values_of_tensorflow_are_restored(own):
    for name in ("parts", "sharded"):
        with BundleReader(own[name].prefix) as reader:
            expected = {key: reader.read(key) for key in own[name].tensors}
        with tf.Graph().as_default(), tf.Session() as session:
            parts = {key: tf.get_variable(key, value.shape, tf.as_dtype(value.dtype),
                                          partitioner=tf.fixed_size_partitioner(3 if value.ndim == 2 else 1))
                     for key, value in expected.items()}
            tf.train.Saver().restore(session, own[name].prefix)
            for key, value in expected.items():
                np.testing.assert_array_equal(session.run(tf.convert_to_tensor(parts[key])), value)


def test_partitions_are_stored_as_one_tensor(tmp_path):
    table = tf.get_variable("table", [7, 2], partitioner=tf.fixed_size_partitioner(3),
                            initializer=tf.random_normal_initializer())
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        expected = session.run(tf.convert_to_tensor(table))
        path = tf.train.Saver().save(session, str(tmp_path / "m"))
    np.testing.assert_array_equal(tf.train.load_variable(path, "table"), expected)


@pytest.mark.parametrize("sharded", [False, True])
def test_a_sharded_save_leaves_one_file_per_device(tmp_path, sharded):
    for i in range(2):
        with tf.device(f"/cpu:{i}"):
            tf.Variable(float(i), name=f"v{i}")
    saver = tf.train.Saver(sharded=sharded)
    with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as session:
        session.run(tf.global_variables_initializer())
        path = saver.save(session, str(tmp_path / "m"), write_meta_graph=False)
        saver.restore(session, path)
    count = 2 if sharded else 1
    expected = [f"m.data-{k:05d}-of-{count:05d}" for k in range(count)]
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", *expected, "m.index"]
    assert tf.train.load_variable(path, "v1") == 1.0


def test_other_names_other_shapes(tmp_path):
    first = tf.Variable(np.arange(6.0), name="first")
    other = tf.Variable(np.zeros((2, 3)), name="other")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver({"x": first}).save(session, str(tmp_path / "m"))
        tf.train.Saver({"x": other}, reshape=True).restore(session, path)
        np.testing.assert_array_equal(session.run(other), np.arange(6.0).reshape(2, 3))
    assert tf.train.list_variables(path) == [("x", [6])]


def test_a_saveable_object_of_the_user(tmp_path):
    class Doubled(SaveableObject):
        """Stores twice the variable."""

        def __init__(self, variable):
            spec = SaveSpec(lambda: variable * 2, "", "doubled", variable.dtype.base_dtype, variable.device)
            super().__init__(variable, [spec], "doubled")

        def restore(self, restored_tensors, restored_shapes):
            return self.op.assign(restored_tensors[0] / 2).op

    variable = tf.Variable(3.0)
    tf.add_to_collection(tf.GraphKeys.SAVEABLE_OBJECTS, Doubled(variable))
    saver = tf.train.Saver(tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS))
    with tf.Session() as session:
        session.run(variable.initializer)
        path = saver.save(session, str(tmp_path / "m"))
        session.run(variable.assign(0.0))
        saver.restore(session, path)
        assert session.run(variable) == 3.0
    assert tf.train.load_variable(path, "doubled") == 6.0


def test_saving_while_another_thread_trains(tmp_path):
    counter = tf.Variable(0)
    saver, step = tf.train.Saver(max_to_keep=2), counter.assign_add(1)
    with tf.Session() as session:
        session.run(counter.initializer)
        stop = threading.Event()

        def train():
            while not stop.is_set():
                session.run(step)

        thread = threading.Thread(target=train)
        thread.start()
        try:
            seen = [int(tf.train.load_variable(saver.save(session, str(tmp_path / "m"), k), "Variable"))
                    for k in range(5)]
        finally:
            stop.set()
            thread.join()
    assert seen == sorted(seen)


# --- what is kept -----------------------------------------------------------------------------------

@pytest.fixture
def saved(tmp_path):
    """A function that saves some steps with the Saver that it is given, and the folder's checkpoints after that."""
    tf.Variable(1.0, name="v")

    def save(saver, *steps):
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for step in steps:
                saver.save(session, str(tmp_path / "m"), global_step=step)
        return sorted(name for name in os.listdir(tmp_path) if name.endswith((".index", ".meta")))

    return save


def test_the_newest_are_kept(saved, tmp_path):
    saver = tf.train.Saver(max_to_keep=2)
    assert saved(saver, 10, 20, 30, 20, 40) == ["m-20.index", "m-20.meta", "m-40.index", "m-40.meta"]
    assert saver.last_checkpoints == [str(tmp_path / "m-20"), str(tmp_path / "m-40")]
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert list(state.all_model_checkpoint_paths) == saver.last_checkpoints
    again = tf.train.Saver(max_to_keep=2)
    again.recover_last_checkpoints([str(tmp_path / "gone"), *state.all_model_checkpoint_paths])
    assert saved(again, 50) == ["m-40.index", "m-40.meta", "m-50.index", "m-50.meta"]


def test_a_folder_looks_as_tensorflow_leaves_it(tmp_path, golden_or_none):
    import json
    cases = [json.loads((golden_or_none / "manifest.json").read_text())["keep_n"]] if golden_or_none else []
    for case in cases:
        tf.Variable(1.0, name="v")
        saver = tf.train.Saver(max_to_keep=case["max_to_keep"], save_relative_paths=True)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for step in range(10, 10 * case["saves"] + 10, 10):
                saver.save(session, str(tmp_path / "roll"), step, write_meta_graph=False)
        assert sorted(os.listdir(tmp_path)) == case["left"]
        assert (tmp_path / "checkpoint").read_text() == case["state_file"]


@pytest.mark.parametrize("max_to_keep", [None, 0])
def test_all_are_kept(saved, tmp_path, max_to_keep):
    saver = tf.train.Saver(max_to_keep=max_to_keep)
    assert len(saved(saver, 1, 2, 3)) == 6
    assert list(tf.train.get_checkpoint_state(str(tmp_path)).all_model_checkpoint_paths) == [str(tmp_path / "m-3")]


def test_one_every_so_many_hours_is_kept(saved):
    assert len(saved(tf.train.Saver(max_to_keep=1, keep_checkpoint_every_n_hours=0.0), 1, 2)) == 4
    saver = tf.train.Saver(max_to_keep=1)
    saver.set_last_checkpoints(["/nowhere/m-0"])
    assert saved(saver, 3) and saver.last_checkpoints[-1].endswith("m-3")


def test_steps_and_names(saved, tmp_path):
    saver = tf.train.Saver(pad_step_number=True, save_relative_paths=True)
    step = tf.Variable(7, name="step")
    assert "m-00000007.index" in saved(saver, step, np.int64(8))
    assert 'model_checkpoint_path: "m-00000008"' in (tmp_path / "checkpoint").read_text()


# --- the meta graph ---------------------------------------------------------------------------------

def test_the_meta_graph(tmp_path, graph, caplog):
    kept = tf.Variable([1.0], name="kept")
    tf.Variable([2.0], name="local", collections=[tf.GraphKeys.LOCAL_VARIABLES], trainable=False)
    output = tf.identity(kept, name="output")
    for key, items in {"tensors": [output], "ops": [output.op], "numbers": [1, 2], "floats": [0.5],
                       "text": ["x", b"y"], "odd": [object()], "mixed": [1, "x"]}.items():
        for item in items:
            tf.add_to_collection(key, item)
    saver = tf.train.Saver(max_to_keep=3)
    with caplog.at_level(logging.WARNING):
        message = saver.export_meta_graph(str(tmp_path / "g.meta"))
    assert sorted(r.getMessage().split(" is left out")[0] for r in caplog.records) == ["Collection mixed",
                                                                                       "Collection odd"]
    from thalweg_io.protos import MetaGraphDef, VariableDef
    assert MetaGraphDef.FromString((tmp_path / "g.meta").read_bytes()) == message
    assert message.saver_def == saver.as_saver_def() and message.saver_def.max_to_keep == 3
    assert [node.name for node in message.graph_def.node] == [op.name for op in graph.get_operations()]
    collections = message.collection_def
    assert list(collections["tensors"].node_list.value) == ["output:0"]
    assert list(collections["ops"].node_list.value) == ["output"]
    assert list(collections["numbers"].int64_list.value) == [1, 2]
    assert list(collections["floats"].float_list.value) == [0.5]
    assert list(collections["text"].bytes_list.value) == [b"x", b"y"]
    variable = VariableDef.FromString(collections["variables"].bytes_list.value[0])
    assert (variable.variable_name, variable.initializer_name, variable.snapshot_name, variable.initial_value_name,
            variable.trainable) == ("kept:0", "kept/Assign", "kept/read:0", "kept/initial_value:0", True)
    assert [op.name for op in message.meta_info_def.stripped_op_list.op] == sorted({op.type for op in
                                                                                   graph.get_operations()})
    again = tf.Variable.from_proto(variable)
    assert again.op is kept.op
    variable.variable_name = "kept"                       # an operation, found by fuzzing
    with pytest.raises(ValueError, match="kept"):
        tf.Variable.from_proto(variable)


def test_options_of_the_meta_graph(tmp_path):
    with tf.device("/cpu:0"):
        variable = tf.Variable(1.0)
    tf.train.Saver()
    message = tf.train.export_meta_graph(as_text=True, filename=str(tmp_path / "g.pbtxt"), clear_devices=True,
                                         strip_default_attrs=True, collection_list=["variables"])
    assert not any(node.device for node in message.graph_def.node)
    assert list(message.collection_def) == ["variables"]
    assign = next(node for node in message.graph_def.node if node.op == "Assign")
    assert "use_locking" not in assign.attr and assign.attr["T"].type == 1
    assert message.meta_info_def.stripped_default_attrs
    from thalweg_io.protos import MetaGraphDef, parse_text
    assert parse_text((tmp_path / "g.pbtxt").read_text(), MetaGraphDef()) == message
    assert not tf.train.export_meta_graph(export_scope="a").graph_def.node
    with pytest.raises(TypeError, match="graph must be of type Graph"):
        tf.train.export_meta_graph(graph=variable)
    path = tf.train.write_graph(tf.get_default_graph(), str(tmp_path / "new"), "g.pb", as_text=False)
    from thalweg_io.protos import GraphDef
    assert len(GraphDef.FromString(open(path, "rb").read()).node) == len(message.graph_def.node)


# --- what goes wrong ----------------------------------------------------------------------------------

def test_nothing_to_save(tmp_path):
    with pytest.raises(ValueError, match="No variables to save"):
        tf.train.Saver()
    saver = tf.train.Saver(allow_empty=True)
    with tf.Session() as session:
        assert saver.save(session, str(tmp_path / "m")) is None
        assert saver.restore(session, None) is None
    assert os.listdir(tmp_path) == ["m.meta"]


def test_what_is_no_variable():
    variable = tf.Variable(1.0, name="a")
    with pytest.raises(TypeError, match="should be passed in a dict or a list"):
        tf.train.Saver("a")
    with pytest.raises(TypeError, match="Not a variable: 3"):
        tf.train.Saver({"x": 3})
    with pytest.raises(TypeError, match="Not a variable: Tensor"):
        tf.train.Saver({"x": variable + 1})
    with pytest.raises(TypeError, match="is not a Variable"):
        tf.train.Saver([variable + 1])
    with pytest.raises(TypeError, match="Name is not a string: 1"):
        tf.train.Saver({1: variable})
    with pytest.raises(ValueError, match="At least two variables have the same name: a"):
        tf.train.Saver([variable, variable])
    with pytest.raises(ValueError, match="will be restored with two names: y"):
        tf.train.Saver({"x": variable, "y": variable})
    with pytest.raises(ValueError, match="Slices must all be Slices"):
        tf.train.Saver({"x": [variable]})
    with pytest.raises(ValueError, match="write_version=3: tf.train.SaverDef.V2"):
        tf.train.Saver(write_version=3)
    with pytest.raises(ValueError, match="build cannot be deferred"):
        tf.train.Saver([variable], defer_build=True)


def test_what_cannot_be_saved(tmp_path):
    tf.Variable(1.0, name="a")
    saver = tf.train.Saver()
    with tf.Session() as session:
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value a"):
            saver.save(session, str(tmp_path / "m"))
        assert os.listdir(tmp_path) == []
        session.run(tf.global_variables_initializer())
        with pytest.raises(ValueError, match="Parent directory of .*x/y/m doesn't exist, can't save"):
            saver.save(session, str(tmp_path / "x/y/m"))
        with pytest.raises(ValueError, match="must not contain path components"):
            saver.save(session, str(tmp_path / "m"), latest_filename="a/b")
        with pytest.raises(ValueError, match="'latest_filename' collides with 'save_path'"):
            saver.save(session, str(tmp_path / "checkpoint"))
        with pytest.raises(ValueError, match="no path specified"):
            saver.save(session, "")
        with pytest.raises(TypeError, match="'sess' must be a Session; None"):
            saver.save(None, str(tmp_path / "m"))
        assert saver.save(session, str(tmp_path / "x/m")) == str(tmp_path / "x/m")
    with pytest.raises(RuntimeError, match="should be called before save"):
        tf.train.Saver(defer_build=True).save(session, "m")


def test_a_failing_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    variable = tf.Variable(1.0, name="a")
    saver = tf.train.Saver(sharded=True)
    with tf.Session() as session:
        session.run(variable.initializer)
        path = saver.save(session, str(tmp_path / "m"), global_step=1)
        before = sorted(os.listdir(tmp_path))
        monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(tf.errors.ResourceExhaustedError, match="No space left"):
            saver.save(session, str(tmp_path / "m"), global_step=2)
        monkeypatch.undo()
        assert sorted(os.listdir(tmp_path)) == before and tf.train.latest_checkpoint(str(tmp_path)) == path
        saver.restore(session, path)


def test_a_dropped_checkpoint_that_stays_is_logged(saved, monkeypatch, caplog):
    from thalweg_io.checkpoints.bundle import commit
    monkeypatch.setattr(commit, "drop", lambda prefix: (_ for _ in ()).throw(PermissionError(13, "not yours")))
    with caplog.at_level(logging.WARNING):
        assert len(saved(tf.train.Saver(max_to_keep=1), 1, 2)) == 4
    assert "is no longer needed, but cannot be deleted" in caplog.text and "not yours" in caplog.text


def test_what_cannot_be_restored(tmp_path):
    first = tf.Variable([1.0, 2.0], name="a")
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(first.initializer)
        path = saver.save(session, str(tmp_path / "m"))
        with pytest.raises(ValueError, match="Can't load save_path when it is None"):
            saver.restore(session, None)
        with pytest.raises(ValueError, match="not a valid checkpoint: .*nope"):
            saver.restore(session, str(tmp_path / "nope"))
        for name, value, kind, match in (
                ("longer", [1.0, 2.0, 3.0], tf.errors.InvalidArgumentError,
                 r"requires shapes of both tensors to match: the variable has \(3,\), the value \(2,\)"),
                ("whole", [1, 2], tf.errors.InvalidArgumentError,
                 "tensor_name = a; expected dtype int32 does not equal original dtype float32")):
            other = tf.train.Saver({"a": tf.Variable(value, name=name)})
            with pytest.raises(kind, match=f"(?s)Restoring from checkpoint failed.*{match}"):
                other.restore(session, path)
        missing = tf.train.Saver([tf.Variable(0.0, name="zz")])
        with pytest.raises(tf.errors.NotFoundError, match="(?s)that the checkpoint lacks.*Key zz not found"):
            missing.restore(session, path)


def test_a_failed_restore_names_what_differs(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        for i in range(9):
            tf.get_variable(f"layer{i}", [2])
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "m"))
    with tf.Graph().as_default(), tf.Session() as session:
        for i in range(9):
            tf.get_variable(f"layer{i}", [3, 1] if i == 7 else [2])
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            tf.train.Saver().restore(session, path)
        text = str(caught.value)
        assert f"got       checkpoint {path}\n" in text and text.count("  differs  ") == 1
        assert "differs   layer7 has shape (3, 1) in the graph, (2,) in the checkpoint\n" in text
        assert "try       tf.train.list_variables(path)" in text and "tf.train.Saver({name there:" in text
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"layer3 is int32 in the graph, float32 in"):
            tf.train.Saver({"layer3": tf.Variable([1, 2])}).restore(session, path)
        with pytest.raises(tf.errors.NotFoundError, match=r"layr3 is not in the checkpoint, which has layer3, "):
            tf.train.Saver({"layr3": tf.Variable([1.0, 2.0])}).restore(session, path)
        with pytest.raises(tf.errors.NotFoundError, match=r"net/layer5 is not in the checkpoint, which has layer5"):
            tf.train.Saver({"net/layer5": tf.Variable([1.0, 2.0])}).restore(session, path)
        with pytest.raises(tf.errors.NotFoundError, match=r"differs   \.\.\. and 4 more"):
            tf.train.Saver({f"x{i}": tf.Variable(1.0) for i in range(9)}).restore(session, path)


def test_a_damaged_checkpoint_is_named(tmp_path):
    first = tf.Variable([1.0, 2.0], name="a")
    saver = tf.train.Saver()
    with tf.Session() as session:
        session.run(first.initializer)
        path = saver.save(session, str(tmp_path / "m"))
        with open(path + ".data-00000-of-00001", "r+b") as file:
            file.write(b"\xff")
        with pytest.raises(tf.errors.DataLossError, match="Checksum does not match"):
            saver.restore(session, path)


def test_savers_from_messages(tmp_path, graph):
    variable = tf.Variable(1.0, name="a")
    saver = tf.train.Saver()
    count = len(graph.get_operations())
    other = tf.train.Saver.from_proto(saver.to_proto())
    assert len(graph.get_operations()) == count
    with tf.Session() as session:
        session.run(variable.initializer)
        path = other.save(session, str(tmp_path / "m"))
        session.run(variable.assign(0.0))
        saver.restore(session, path)
        assert session.run(variable) == 1.0
    with pytest.raises(ValueError, match="must specify the save_tensor_name"):
        tf.train.Saver(saver_def=tf.train.SaverDef())


def test_a_deferred_saver(tmp_path):
    saver = tf.train.Saver(defer_build=True)
    variable = tf.Variable(2.0)
    saver.build()
    with tf.Session() as session:
        session.run(variable.initializer)
        assert tf.train.checkpoint_exists(saver.save(session, str(tmp_path / "m")))
