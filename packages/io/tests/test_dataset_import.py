"""Input pipelines of graphs from files: datasets with functions, and the iterators of both kinds."""
import subprocess
import sys

import pytest

import thalweg as tf


def rows(get_next):
    """All that a fetch gives before the end."""
    found = []
    with pytest.raises(tf.errors.OutOfRangeError):
        while True:
            found.append(session().run(get_next).tolist())
    return found


def session():
    return tf.get_default_session()


def pipeline():
    offset = tf.placeholder_with_default(tf.constant(10, tf.int64), [], name="offset")
    dataset = tf.data.Dataset.range(8).filter(lambda x: x % 2 < 1).map(lambda x: x + offset, num_parallel_calls=2)
    dataset = dataset.flat_map(lambda x: tf.data.Dataset.from_tensors(x).repeat(2))
    return dataset.interleave(lambda x: tf.data.Dataset.from_tensors(x), cycle_length=2).batch(3)


@pytest.fixture
def written():
    """The GraphDef of a pipeline and its iterator."""
    with tf.Graph().as_default() as graph:
        iterator = pipeline().make_initializable_iterator()
        tf.identity(iterator.get_next(), name="next")
        tf.group(iterator.initializer, name="begin")
    return graph.as_graph_def()


EXPECTED = [[10, 10, 12], [12, 14, 14], [16, 16]]


def test_functions_of_datasets(written):
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(written, name="in")
        sess.run("in/begin")
        assert rows("in/next:0") == EXPECTED
        sess.run("in/begin", {"in/offset:0": 0})
        assert sess.run("in/next:0").tolist() == [0, 0, 2]


def test_what_tensorflow_puts_behind_a_dataset(written):
    """Its nodes OptimizeDataset and ModelDataset."""
    begin = next(node for node in written.node if node.op == "MakeIterator")
    names = written.node.add(op="Const", name="names")
    names.attr["dtype"].type = 7
    names.attr["value"].tensor.MergeFrom(tf.make_tensor_proto(["map_and_batch_fusion"]))
    written.node.add(op="OptimizeDataset", name="optimized", input=[begin.input[0], "names"])
    written.node.add(op="ModelDataset", name="model", input=["optimized"])
    begin.input[0] = "model"
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(written, name="")
        sess.run("begin")
        assert rows("next:0") == EXPECTED


def test_a_one_shot_iterator(written):
    """TensorFlow's holds the dataset in its function; thalweg's does not, which is said where it would run."""
    with tf.Graph().as_default() as graph:
        tf.identity(pipeline().make_one_shot_iterator().get_next(), name="next")
    message = graph.as_graph_def()
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(message, name="")
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not in the file that the graph comes from"):
            sess.run("next:0")
    into_function(message)
    with tf.Graph().as_default(), tf.Session():
        tf.import_graph_def(message, name="")
        assert rows("next:0") == EXPECTED


def into_function(message):
    """Moves the nodes of the dataset into the function of the iterator."""
    iterator = next(node for node in message.node if node.op == "OneShotIterator")
    function = next(f for f in message.library.function
                    if f.signature.name == iterator.attr["dataset_factory"].func.name)
    moved = [node for node in message.node if "Iterator" not in node.op and node.op != "Identity"]
    outputs = {node.name: "handle" if node.op.endswith(("Dataset", "V2")) else "output" for node in moved}
    del function.signature.input_arg[:], function.node_def[:]
    for node in moved:
        function.node_def.add().MergeFrom(node)
        function.node_def[-1].input[:] = [f"{name}:{outputs[name]}:0" for name in node.input]
        message.node.remove(node)
    function.ret[function.signature.output_arg[0].name] = f"{moved[-1].name}:handle:0"


def test_a_process_that_has_used_no_datasets(tmp_path, written):
    (tmp_path / "graph").write_bytes(written.SerializeToString())
    program = ("import sys, thalweg as tf\n"
               "tf.import_graph_def(tf.GraphDef.FromString(open(sys.argv[1], 'rb').read()), name='')\n"
               "with tf.Session() as session:\n"
               "    session.run('begin')\n"
               "    print(session.run('next:0').tolist())\n")
    found = subprocess.run([sys.executable, "-c", program, tmp_path / "graph"], capture_output=True, text=True)
    assert found.stdout == "[10, 10, 12]\n", found.stderr


def test_a_variable_inside_of_a_function():
    """It is not among what a dataset's node hands on, so a file does not say which one it is."""
    with tf.Graph().as_default() as graph:
        v = tf.Variable(tf.constant(3, tf.int64))
        iterator = tf.data.Dataset.range(3).map(lambda x: x + v).make_initializable_iterator()
        tf.identity(iterator.get_next(), name="next")
        tf.group(iterator.initializer, name="begin")
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(graph.as_graph_def(), name="")
        sess.run("begin")
        with pytest.raises(tf.errors.InvalidArgumentError, match="takes 3 values and is given 1: .* variable"):
            sess.run("next:0")


def test_a_function_that_is_not_there(written):
    del written.library.function[:]
    with tf.Graph().as_default(), pytest.raises(tf.errors.NotFoundError, match="Node '.*Dataset': Function .* is not"):
        tf.import_graph_def(written)
