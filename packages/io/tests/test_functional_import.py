"""TensorFlow's second form of control flow with its gradients: what TensorFlow 2.21's and 1.15's graphs give."""
import pathlib
import sys

import numpy as np
import pytest

import thalweg as tf
from thalweg_io import protos

FOLDER = pathlib.Path(__file__).parent / "data" / "functional"
FILES = {path.stem: dict(np.load(path)) for path in sorted(FOLDER.glob("*.npz"))}
CASES = [(writer, key[:-6]) for writer, values in FILES.items() for key in values if key.endswith("/graph")]


def graph_of(writer, case):
    return protos.GraphDef.FromString(FILES[writer][f"{case}/graph"].tobytes())


def check(graph, writer, case):
    with tf.Session(graph=graph) as session:
        for run, feed in enumerate(FILES[writer]["feeds"]):
            found = session.run("out:0", {"x:0": feed})
            np.testing.assert_allclose(found, FILES[writer][f"{case}/{run}"], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("writer, case", CASES)
def test_values(writer, case):
    """As imported, as read again from what thalweg writes of it, and with Switch and Merge instead of functions."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_of(writer, case), name="")
        check(graph, writer, case)
        again, lowered = graph.as_graph_def(), tf.train.export_meta_graph()
    for message in (again, lowered.graph_def):
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(message, name="")
            check(graph, writer, case)


@pytest.mark.parametrize("case", ["cond_in_cond", "parts", "array_that_grows"])
def test_gradients_of_gradients(case):
    """thalweg differentiates the optionals and lists of TensorFlow's gradient; compared with differences."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.import_graph_def(graph_of("tf2", case), name="")
        x, y = graph.get_tensor_by_name("x:0"), tf.reduce_sum(graph.get_tensor_by_name("out:0"))
        dx = tf.gradients(y, x)[0]
        for feed in FILES["tf2"]["feeds"]:
            steps = np.eye(3, dtype=np.float32) * 1e-2
            want = [(session.run(y, {x: feed + s}) - session.run(y, {x: feed - s})) / 2e-2 for s in steps]
            np.testing.assert_allclose(session.run(dx, {x: feed}), want, rtol=2e-2, atol=2e-2)


def case_node(n_branches, n_given=1):
    """A graph with one Case of `n_branches`, branch k gives k."""
    message = protos.GraphDef()
    message.node.add(name="x", op="Placeholder").attr["dtype"].type = 3
    message.node.add(name="Less", op="NoOp")                     # a name that thalweg's own ops would take
    node = message.node.add(name="out", op="Case", input=["x"] * n_given)
    node.attr["Tout"].list.type.append(1)
    node.attr["branches"].SetInParent()
    for k in range(n_branches):
        node.attr["branches"].list.func.add().name = f"f{k}"
        function = message.library.function.add()
        function.signature.name, function.ret["y"] = f"f{k}", "c:output:0"
        function.signature.output_arg.add(name="y", type=1)
        constant = function.node_def.add(name="c", op="Const")
        constant.attr["dtype"].type, constant.attr["value"].tensor.dtype = 1, 1
        constant.attr["value"].tensor.tensor_shape.SetInParent()
        constant.attr["value"].tensor.float_val.append(k)
    return message


@pytest.mark.parametrize("n_branches", [1, 2, 5, 200])
def test_many_branches(n_branches):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.import_graph_def(case_node(n_branches), name="")
        assert [op.name for op in graph.get_operations() if op.name in ("Less", "out")] == ["Less", "out"]
        assert graph.get_operation_by_name("Less").type == "NoOp"
        numbers = [0, n_branches // 2, n_branches - 1, n_branches, -1]
        assert [session.run("out:0", {"x:0": i}) for i in numbers] == [*numbers[:3], n_branches - 1, n_branches - 1]


def chain(n_branches):
    """A tf.case, whose branches are in each other, as a GraphDef."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        pairs = [(x < k, lambda k=k: x * k) for k in range(n_branches)]
        tf.identity(tf.case(pairs, default=lambda: x), name="out")
        return graph.as_graph_def()


def test_a_long_case():
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(chain(60), name="")
        assert [session.run("out:0", {"x:0": v}) for v in (40.5, 200.0)] == [40.5 * 41, 200]


def test_functions_that_are_nested_too_deep():
    with tf.Graph().as_default(), pytest.raises(tf.errors.InvalidArgumentError, match="nested more than 100 deep"):
        tf.import_graph_def(chain(105), name="")


def test_a_stack_that_is_nearly_full():
    message = chain(60)

    def imported(frames):
        if frames:
            return imported(frames - 1)
        with tf.Graph().as_default() as graph:
            with pytest.raises(tf.errors.InvalidArgumentError, match="too deep for the stack that is left"):
                tf.import_graph_def(message, name="")
            assert not graph.get_operations()
    imported(sys.getrecursionlimit() - 350)


@pytest.mark.parametrize("n_branches, n_given", [(0, 1), (2, 0)])
def test_a_case_without_branches_or_number(n_branches, n_given):
    with tf.Graph().as_default(), pytest.raises(tf.errors.InvalidArgumentError,
                                                match=f"{n_given} inputs and {n_branches} branches"):
        tf.import_graph_def(case_node(n_branches, n_given), name="")
