"""What imported graphs may do with files, and with Python functions."""
import re

import numpy as np
import pytest

import thalweg as tf
from thalweg.framework.declaration import REGISTRY
from thalweg_io.checkpoints import remapping, save_ops
from thalweg_io.graphs.graph_import import file_ops_allowed
from thalweg_io.graphs.imported_files import reading_allowed, saving_allowed
from thalweg_io.graphs.op_adapters import declare_all


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def written(build):
    """The GraphDef of what `build` makes."""
    with tf.Graph().as_default() as graph:
        build()
    return graph.as_graph_def()


def test_reading_and_writing_is_refused(tmp_path):
    (tmp_path / "secret").write_text("42")

    def build():
        tf.read_file(str(tmp_path / "secret"), name="read")
        tf.write_file(str(tmp_path / "new"), "text", name="write")
        tf.io.matching_files(str(tmp_path / "*"), name="match")
        tf.data.TFRecordDataset(str(tmp_path / "secret"))
        tf.print("text", output_stream=f"file://{tmp_path / 'new'}", name="print")
        remapping.Vocabulary(1, str(tmp_path / "secret"), str(tmp_path / "secret")).remapping(0, 1)
        remapping.load_and_remap_matrix(str(tmp_path / "secret"), "w", [0], [], [], num_rows=1, num_cols=1,
                                        name="load")
        save_ops.sharded_filespec(str(tmp_path / "secret"), 1, name="shards")
    tf.import_graph_def(written(build), name="")
    with tf.Session() as session:
        for fetch in ("read:0", "write", "match:0", "TFRecordDataset:0", "print", "GenerateVocabRemapping:0", "load:0",
                      "shards:0"):
            with pytest.raises(tf.errors.PermissionDeniedError, match="an imported graph wants to use .*file_ops"):
                session.run(fetch)
        assert [path.name for path in tmp_path.iterdir()] == ["secret"]
        with file_ops_allowed():
            assert session.run("read:0") == b"42"
            session.run("write")
        with pytest.raises(tf.errors.PermissionDeniedError):
            session.run("read:0")
    assert (tmp_path / "new").read_text() == "text"
    own = tf.read_file(str(tmp_path / "new"))                       # the program's own ops are as they were
    with tf.Session() as session:
        assert session.run(own) == b"text"


def test_a_text_to_a_stream_is_no_file(capsys):
    tf.import_graph_def(written(lambda: tf.print("text", name="print")), name="")
    with tf.Session() as session:
        session.run("print")
    assert capsys.readouterr().err == "text\n"


def test_each_op_with_a_path_says_so():
    """By the names that TensorFlow's ops have for it; ShardedFilename and CacheDataset use no file."""
    declare_all()
    named = re.compile("file|path|prefix|pattern|basename|directory")
    for op_type, declaration in REGISTRY.items():
        known = {argument.name for argument in declaration.inputs} | set(declaration.attributes)
        assert set(declaration.files) <= known, op_type
        found = {argument.name for argument in declaration.inputs if named.search(argument.name)}
        if op_type not in ("ShardedFilename", "CacheDataset"):
            assert found <= set(declaration.files), op_type


def test_what_is_imported_inside_is_allowed_for_good(tmp_path):
    (tmp_path / "open").write_text("42")
    with file_ops_allowed():
        tf.import_graph_def(written(lambda: tf.read_file(str(tmp_path / "open"), name="read")), name="")
    with tf.Session() as session:
        assert session.run("read:0") == b"42"


def test_inside_of_functions(tmp_path):
    (tmp_path / "secret").write_text("42")

    def build():
        p = tf.placeholder(tf.bool, [], name="p")
        tf.cond(p, lambda: tf.read_file(str(tmp_path / "secret")), lambda: tf.constant(""), name="c")
    tf.import_graph_def(written(build), name="")
    with tf.Session() as session:
        assert session.run("c/Merge:0", {"p:0": False}) == b""
        with pytest.raises(tf.errors.PermissionDeniedError, match="ReadFile"):
            session.run("c/Merge:0", {"p:0": True})


@pytest.mark.parametrize("rest", ["_temp/../../victim", "_temp_12/../../victim", "_temp_12/part/../x", "-old"])
def test_a_path_that_only_begins_like_the_callers(tmp_path, rest):
    tf.import_graph_def(written(lambda: save_ops.save_v2(f"{tmp_path}/model{rest}", ["a"], [""], [tf.constant(1)],
                                                         name="save")), name="")
    with tf.Session() as session, saving_allowed(f"{tmp_path}/model"):
        with pytest.raises(tf.errors.PermissionDeniedError, match="SaveV2 of an imported graph"):
            session.run("save")
    assert not list(tmp_path.iterdir())


def test_reading_is_not_writing(tmp_path):
    """A restore, or an asset of a SavedModel, gives no leave to replace what is read."""
    (tmp_path / "asset").write_text("words")
    tf.import_graph_def(written(lambda: save_ops.save(str(tmp_path / "asset"), ["a"], [tf.constant(1)], name="save")),
                        name="")
    with tf.Session() as session, reading_allowed(str(tmp_path / "asset")):
        with pytest.raises(tf.errors.PermissionDeniedError, match="Save of an imported graph"):
            session.run("save")
    assert (tmp_path / "asset").read_text() == "words"


def test_merging_another_checkpoint_is_refused(tmp_path):
    prefixes = [f"{tmp_path}/model_temp/part-00000-of-00001", f"{tmp_path}/other_temp/part-00000-of-00001"]
    tf.import_graph_def(written(lambda: save_ops.merge_v2_checkpoints(prefixes, f"{tmp_path}/model", name="merge")),
                        name="")
    with tf.Session() as session, saving_allowed(f"{tmp_path}/model"):
        with pytest.raises(tf.errors.PermissionDeniedError, match="other_temp"):
            session.run("merge")


@pytest.mark.parametrize("sharded", [False, True])
def test_savers_use_the_path_that_they_are_given(tmp_path, sharded):
    with tf.Graph().as_default():
        tf.Variable([1.0, 2.0], name="v")
        saver = tf.train.Saver(sharded=sharded)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            path = saver.save(session, tmp_path / "model")
    saver = tf.train.import_meta_graph(path + ".meta")
    with tf.Session() as session:
        saver.restore(session, path)
        assert session.run("v:0").tolist() == [1, 2]
        other = saver.save(session, tmp_path / "other")
        assert tf.train.list_variables(other) == [("v", [2])]
        for fetch, feed in ((saver.saver_def.save_tensor_name, str(tmp_path / "third")),
                            (saver.saver_def.restore_op_name, path)):
            with pytest.raises(tf.errors.PermissionDeniedError):
                session.run(fetch, {saver.saver_def.filename_tensor_name: feed})
    assert not list(tmp_path.glob("third*"))


def test_a_saver_whose_graph_names_another_file(tmp_path):
    """A path inside of the graph is not that of the caller."""
    with tf.Graph().as_default():
        tf.Variable([1.0, 2.0], name="v")
        saver = tf.train.Saver()
        message = saver.export_meta_graph()
    nodes = {node.name: node for node in message.graph_def.node}
    path = message.graph_def.node.add()
    path.CopyFrom(nodes["save/filename/input"])
    path.name = "elsewhere"
    path.attr["value"].tensor.string_val[:] = [str(tmp_path / "elsewhere").encode()]
    nodes["save/SaveV2"].input[0] = "elsewhere"
    saver = tf.train.import_meta_graph(message)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.PermissionDeniedError, match="elsewhere"):
            saver.save(session, tmp_path / "mine")
    assert not list(tmp_path.glob("elsewhere*"))


def test_python_functions_are_those_of_this_process():
    y = tf.py_func(lambda v: v + np.float32(1), [tf.constant(1.0)], tf.float32, name="f")
    message = tf.get_default_graph().as_graph_def()
    again, = tf.import_graph_def(message, return_elements=["f:0"])
    with tf.Session() as session:
        assert session.run([y, again]) == [2, 2]
    next(node for node in message.node if node.op == "PyFunc").attr["token"].s = b"pyfunc_of_elsewhere"
    other, = tf.import_graph_def(message, return_elements=["f:0"])
    with tf.Session() as session, pytest.raises(tf.errors.NotFoundError, match="callback pyfunc_of_elsewhere is not"):
        session.run(other)


def test_regular_expressions_of_savers():
    from thalweg.ops.regex import static_regex_full_match_op as match
    cases = {"^s3://.*": ["s3://a", "/tmp/s3://a"], "a.c": ["abc", "abcd", "ac"], "a.*b.*c": ["abc", "a--b--c", "acb"],
             r"^x\.y$": ["x.y", "xzy"], ".*": ["", "anything", "two\nlines"], "": ["", "a"]}
    expected = {"^s3://.*": [1, 0], "a.c": [1, 0, 0], "a.*b.*c": [1, 1, 0], r"^x\.y$": [1, 0], ".*": [1, 1, 0],
                "": [1, 0]}
    with tf.Session() as session:
        for pattern, texts in cases.items():
            assert session.run(match(tf.constant(texts), pattern=pattern)).tolist() == expected[pattern], pattern
        slow = match(tf.constant("a" * 30_000), pattern=".*a" * 30 + "b")
        assert not session.run(slow)
        with pytest.raises(tf.errors.UnimplementedError, match=r"pattern '\(a\+\)\+' has '\('"):
            session.run(match(tf.constant("a"), pattern="(a+)+"))


def test_the_axis_of_an_old_concat(graph):
    message = written(lambda: tf.concat([[[1.0]], [[2.0]]], 1, name="c"))
    node = next(node for node in message.node if node.op == "ConcatV2")
    node.op = "Concat"
    node.input[:] = [node.input[2], node.input[0], node.input[1]]
    del node.attr["Tidx"]
    value, = tf.import_graph_def(message, return_elements=["c:0"])
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(value), [[1, 2]])
