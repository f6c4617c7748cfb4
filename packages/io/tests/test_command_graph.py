"""`thalweg graph`, as a user calls it."""
import json
import subprocess
import sys

import numpy as np
import pytest

import thalweg as tf
from thalweg.commands import main
from thalweg_io.protos import GraphDef, MetaGraphDef


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def files(tmp_path):
    """A folder with the same small network as .meta with checkpoint, .pb, .pbtxt and SavedModel."""
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    with tf.variable_scope("layer"):
        w = tf.get_variable("w", initializer=np.ones((4, 2), np.float32))
        y = tf.nn.relu(tf.matmul(x, w, name="product"), name="relu")
    y = tf.identity(y, name="y")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, tmp_path / "model.ckpt")
        tf.saved_model.simple_save(session, str(tmp_path / "saved"), {"in": x}, {"out": y})
    tf.train.write_graph(tf.get_default_graph(), tmp_path, "g.pbtxt")
    tf.train.write_graph(tf.get_default_graph(), tmp_path, "g.pb", as_text=False)
    return tmp_path


def run(capsys, *arguments):
    """(exit status, output, errors)"""
    status = main.main(["graph", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("name", ["g.pb", "g.pbtxt", "model.ckpt.meta", "model.ckpt", "saved", "saved/saved_model.pb"])
def test_show(files, capsys, name):
    status, out, _ = run(capsys, "show", files / name, "layer/*")
    assert status == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["layer/product", "MatMul", "(?,", "2)"] in lines and ["layer/relu", "Relu", "(?,", "2)"] in lines
    assert all(line[0].startswith("layer/") for line in lines)


def test_show_as_a_tree_with_shapes_and_for_programs(files, capsys):
    _, out, _ = run(capsys, "show", files / "g.pb", "--tree", "--depth", "1", "--shape", "x=8,4")
    lines = out.splitlines()
    assert lines[0] == "x  Placeholder (8, 4)" and "layer/  6 nodes, 16 parameters" in lines
    _, out, _ = run(capsys, "show", files / "g.pb", "--json", "--op", "Mat*", "--shape", "x=8,4")
    assert json.loads(out) == [{"name": "layer/product", "op": "MatMul", "shapes": [[8, 2]]}]
    assert run(capsys, "show", files / "g.pb", "nothing")[1] == "(no nodes)\n"


def test_summarise(files, capsys):
    status, out, _ = run(capsys, "summarise", files / "saved", "--shape", "x=10,4", "--output", "y")
    assert status == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert rows["MatMul"] == ["1", "0", "80", "160", "80"] and rows["VariableV2"] == ["1", "8", "0", "0", "0"]
    assert rows["total"] == ["6", "8", "80", "180", "160"]
    _, out, _ = run(capsys, "summarise", files / "g.pb", "--output", "y")
    assert "2 nodes have sizes that the graph does not say" in out and "--shape" in out
    _, out, _ = run(capsys, "summarise", files / "g.pb", "--output", "y", "--shape", "x=10,4", "--nodes")
    assert ["layer/product", "MatMul", "0", "80", "160", "80"] in [line.split() for line in out.splitlines()]
    _, out, _ = run(capsys, "summarise", files / "g.pb", "--json", "--shape", "x=10,4", "--output", "y")
    found = json.loads(out)
    assert found["multiply_adds"] == 80 and found["types"]["Relu"]["flops"] == 20 and found["unknown"] == []


@pytest.mark.parametrize("arguments", [["model.ckpt.meta", "--output", "y"], ["saved"],
                                       ["g.pb", "--output", "y", "--checkpoint", "model.ckpt"]])
def test_freeze(files, capsys, monkeypatch, arguments):
    monkeypatch.chdir(files)
    status, out, _ = run(capsys, "freeze", arguments[0], "frozen.pb", *arguments[1:])
    frozen = GraphDef.FromString((files / "frozen.pb").read_bytes())
    assert status == 0 and out.startswith("frozen.pb: ")
    assert {node.name: node.op for node in frozen.node} == {
        "x": "Placeholder", "layer/w": "Const", "layer/w/read": "Identity", "layer/product": "MatMul",
        "layer/relu": "Relu", "y": "Identity"}


def test_freeze_and_optimize(files, capsys):
    run(capsys, "freeze", files / "saved", files / "frozen.pbtxt", "--optimize")
    text = (files / "frozen.pbtxt").read_text()
    assert text.count("node {") == 5 and "layer/w/read" not in text
    run(capsys, "freeze", files / "saved", files / "part.pb", "--input", "layer/product")
    part = GraphDef.FromString((files / "part.pb").read_bytes())
    assert [(n.name, n.op) for n in part.node] == [("layer/product", "Placeholder"), ("layer/relu", "Relu"),
                                                   ("y", "Identity")]


def test_convert(files, capsys):
    assert run(capsys, "convert", files / "saved", files / "a.pbtxt")[0] == 0
    assert run(capsys, "convert", files / "a.pbtxt", files / "b.pb")[0] == 0
    assert run(capsys, "convert", files / "b.pb", files / "c.meta")[0] == 0
    assert run(capsys, "convert", files / "model.ckpt", files / "d.meta.pbtxt")[0] == 0
    b = GraphDef.FromString((files / "b.pb").read_bytes())
    assert MetaGraphDef.FromString((files / "c.meta").read_bytes()).graph_def == b
    assert "saver_def" in (files / "d.meta.pbtxt").read_text()
    status, _, err = run(capsys, "convert", files / "b.pb", files / "e.xyz")
    assert status == 2 and "the name does not tell the form" in err


@pytest.mark.parametrize("target", ["b.pb", "b.pbtxt", "b.meta"])
def test_convert_writes_no_functions(files, capsys, target):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        tf.identity(tf.cond(x > 0, lambda: x * 2, lambda: x - 1), name="y")
        (files / "functions.pb").write_bytes(graph.as_graph_def().SerializeToString())
    assert run(capsys, "convert", files / "functions.pb", files / target)[0] == 0
    from thalweg_io.graphs.graph_files import read_graph_def
    written = read_graph_def(files / target)
    assert not written.library.function and {"Switch", "Merge"} <= {node.op for node in written.node}


def test_what_cannot_be_imported_is_shown(files, capsys):
    message = GraphDef.FromString((files / "g.pb").read_bytes())
    message.node.add(name="odd", op="NoSuchOp")
    (files / "odd.pb").write_bytes(message.SerializeToString())
    status, out, err = run(capsys, "show", files / "odd.pb", "odd")
    assert (status, out) == (0, "odd  NoSuchOp\n") and err.startswith("shapes as far as the file says them: ")
    assert err.count("\n") == 1 and "NoSuchOp" in err


def test_a_choice_of_graphs(files, capsys):
    x = tf.placeholder(tf.float32, [], name="other")
    builder = tf.saved_model.Builder(files / "two")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        builder.add_meta_graph_and_variables(session, ["serve"])
    signature = tf.saved_model.predict_signature_def({"x": x}, {"y": x})
    builder.add_meta_graph(["serve", "gpu"], {"serving_default": signature})
    builder.save()
    status, _, err = run(capsys, "show", files / "two")
    assert status == 2 and "has 2 graphs; choose one by its tags: serve or serve,gpu" in err
    assert run(capsys, "show", files / "two", "other", "--tags", "serve,gpu")[1] == "other  Placeholder  ()\n"


def test_convert_to_a_saved_model(files, capsys):
    assert run(capsys, "convert", files / "model.ckpt", f"{files}/new/", "--input", "x", "--output", "y")[0] == 0
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.load(session, ["serve"], str(files / "new"))
        assert session.run("y:0", {"x:0": np.ones((1, 4))}).tolist() == [[4.0, 4.0]]


def test_convert_to_onnx_and_show_it(files, capsys):
    assert run(capsys, "convert", files / "saved", files / "m.onnx")[0] == 0
    status, out, _ = run(capsys, "show", files / "m.onnx")
    lines = [line.split() for line in out.splitlines()]
    assert status == 0 and lines[0][:2] == ["x", "Input"]
    assert ["layer/product", "MatMul"] in [line[:2] for line in lines]
    assert ["layer/w", "Constant", "(4,", "2)"] in lines
    status, _, err = run(capsys, "convert", files / "m.onnx", files / "g2.pb")
    assert status == 2 and "an ONNX file can be shown, but not turned into a GraphDef" in err


@pytest.mark.parametrize("arguments, text", [
    (["show", "none.pb"], "none.pb"),
    (["freeze", "g.pb", "f.pb"], "has no signature for serving: name the outputs by"),
    (["freeze", "g.pb", "f.pb", "--output", "y"], "no checkpoint stands beside it"),
    (["freeze", "g.pb", "f.pb", "--output", "zz", "--checkpoint", "model.ckpt"], "output node zz is not in the graph"),
    (["show", "model.ckpt.index"], "model.ckpt.index"),
    (["summarise", "g.pb", "--shape", "y=1"], "y is no placeholder"),
    (["convert", "model.ckpt", "m.onnx", "--output", "y"], "name the inputs by --input; placeholders are x")])
def test_errors_are_one_line(files, capsys, monkeypatch, arguments, text):
    monkeypatch.chdir(files)
    status, _, err = run(capsys, *arguments)
    assert status == 2 and text in err and err.count("\n") == 1


@pytest.mark.parametrize("shape", ["x", "=1", "x=a", "x=-3"])
def test_shapes_that_are_none(files, capsys, shape):
    with pytest.raises(SystemExit) as found:
        run(capsys, "show", files / "g.pb", "--shape", shape)
    assert found.value.code == 2 and "is not NAME=SIZE,SIZE,..." in capsys.readouterr().err


def test_the_command_line(files):
    done = subprocess.run([sys.executable, "-m", "thalweg", "graph", "show", files / "g.pb", "x"], capture_output=True,
                          text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x  Placeholder  (?, 4)\n", "")
