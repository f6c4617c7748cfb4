"""What graphs cost: against counts made by hand and published ones."""
import pathlib
import sys

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.graph_tools import listing
from thalweg_io.graph_tools.summary import summary

BENCH = pathlib.Path(__file__).resolve().parents[3] / "tools" / "bench"


@pytest.fixture(autouse=True)
def graph():
    """A graph of its own for each test."""
    with tf.Graph().as_default() as graph:
        yield graph


def rows(found):
    return {n.name: (n.parameters, n.multiply_adds, n.flops, n.activation_bytes) for n in found.nodes}


def test_counts_of_a_small_network(graph):
    x = tf.placeholder(tf.float32, [2, 8, 8, 3], name="x")
    w = tf.get_variable("w", [3, 3, 3, 4])
    y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, [1, 2, 2, 1], "SAME", name="conv"), tf.ones([4], name="b"),
                                  name="bias"), name="relu")
    y = tf.nn.max_pool(y, [1, 2, 2, 1], [1, 2, 2, 1], "VALID", name="pool")
    d = tf.nn.depthwise_conv2d_native(y, tf.ones([2, 2, 4, 2], name="k"), [1, 1, 1, 1], "SAME", name="depthwise")
    m = tf.matmul(tf.reshape(d, [2, -1], name="flat"), tf.ones([32, 5], name="v"), name="product")
    tf.reduce_mean(tf.cast(m, tf.float64, name="cast"), 0, name="mean")
    found = summary(graph)
    counted = rows(found)
    assert counted["w"] == (108, 0, 0, 0)
    assert counted["b"] == (4, 0, 0, 0)
    assert counted["conv"] == (0, 2 * 4 * 4 * 4 * 27, 2 * 2 * 4 * 4 * 4 * 27, 2 * 4 * 4 * 4 * 4)
    assert counted["bias"] == counted["relu"] == (0, 0, 128, 512)
    assert counted["pool"] == (0, 0, 32 * 4, 128)
    assert counted["depthwise"] == (0, 64 * 4, 2 * 64 * 4, 256)
    assert counted["flat"] == (0, 0, 0, 0)
    assert counted["product"] == (0, 2 * 5 * 32, 2 * 2 * 5 * 32, 40)
    assert counted["cast"] == (0, 0, 0, 80) and counted["mean"] == (0, 0, 10, 40)
    assert found.multiply_adds == 3456 + 256 + 320 and not found.unknown
    assert found.by_type()["Conv2D"] == (1, 0, 3456, 6912, 512) and next(iter(found.by_type())) == "Conv2D"
    assert summary(graph, outputs=["relu"]).multiply_adds == 3456
    with pytest.raises(tf.errors.NotFoundError, match="output node q is not in the graph"):
        summary(graph, outputs=["q"])


def test_gradients_cost_twice_the_forward_pass(graph):
    x = tf.placeholder(tf.float32, [2, 8, 8, 3])
    w = tf.constant(np.ones((3, 3, 3, 4), np.float32))
    v = tf.constant(np.ones((4, 4), np.float32))
    y = tf.matmul(tf.reduce_mean(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), [1, 2]), v)
    forward = summary(graph).multiply_adds
    tf.gradients(y, [x, w, v])
    assert summary(graph).multiply_adds == 3 * forward


def test_sizes_that_are_not_known(graph):
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    tf.matmul(x, tf.ones([4, 2], name="v"), name="y")
    found = summary(graph)
    assert [node.name for node in found.unknown] == ["y"] and found.multiply_adds == 0 and found.parameters == 8
    assert summary(graph, {"x": [10, 4]}).multiply_adds == 80
    assert summary(graph.as_graph_def(), {"x:0": [1, 4]}).multiply_adds == 8
    assert graph.get_tensor_by_name("x:0").shape.as_list() == [None, 4]
    with pytest.raises(tf.errors.NotFoundError, match="z is no placeholder of the graph; there are x"):
        summary(graph, {"z": [1]})


def test_functions_count_once(graph):
    x = tf.placeholder(tf.float32, [2, 2], name="x")
    tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, tf.matmul(a, x)), (0, x))
    found = summary(graph)
    assert found.multiply_adds == 8
    assert [node.name for node in found.nodes if node.op == "MatMul"] == ["while/body:while/MatMul"]


@pytest.mark.parametrize("name, products", [
    ("vgg16", 15_470_264_320), ("resnet50", 4_089_184_256), ("mobilenet", 568_740_352)])
def test_published_counts(name, products):
    """At 224 x 224: arXiv:1409.1556, arXiv:1512.03385 with the stride in the 3x3 layers, arXiv:1704.04861."""
    sys.path.insert(0, str(BENCH))
    try:
        from networks import architectures, tf_layers, tf_networks
    finally:
        sys.path.remove(str(BENCH))
    x = tf.placeholder(tf.float32, [1, 224, 224, 3])
    getattr(tf_networks, name)(tf_layers.Layers(False), x, 1000)
    graph = tf.get_default_graph()
    logits = graph.get_operations()[-1].name
    found = summary(graph, outputs=[logits])
    assert found.multiply_adds == products
    statistics = sum(int(np.prod(v.shape.as_list())) for v in tf.global_variables() if not v.trainable)
    assert found.parameters == architectures.NETWORKS[name].parameters + statistics


def test_trees_and_lists(graph):
    with tf.name_scope("a"):
        tf.ones([2, 3], name="one")
        with tf.name_scope("b"):
            tf.placeholder(tf.float32, [None, 2], name="two")
            tf.placeholder(tf.float32, name="three")
    tf.constant(1, name="last")
    nodes = summary(graph).nodes
    assert listing.node_rows(nodes)[1:3] == [("a/b/two", "Placeholder", "(?, 2)"),
                                             ("a/b/three", "Placeholder", "<unknown>")]
    assert listing.scope_tree(nodes) == [
        "a/  3 nodes, 6 parameters", "  one  Const (2, 3)", "  b/  2 nodes", "    two  Placeholder (?, 2)",
        "    three  Placeholder <unknown>", "last  Const ()"]
    assert listing.scope_tree(nodes, depth=1) == ["a/  3 nodes, 6 parameters", "last  Const ()"]
