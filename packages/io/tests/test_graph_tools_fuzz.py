"""Damaged GraphDefs: whatever is wrong with one, the tools give a graph or an error of the family, never another."""
import random

import numpy as np
import pytest

import thalweg as tf
from thalweg_io.graph_tools.batch_norm import fold_batch_norms
from thalweg_io.graph_tools.freezing import variables_to_constants
from thalweg_io.graph_tools.strip_unused import strip_unused
from thalweg_io.protos import GraphDef

_REFERENCES = ("{}", "{}:1", "^{}", "{}:x", "{}:-1", "", "^", ":0", "{}:99999999999999999999")


@pytest.fixture(scope="module")
def source():
    """A small training graph with variables, functions, a saver, and a batch norm that can be folded."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2, 4, 4, 3], name="x")
        w = tf.constant(np.ones((3, 3, 3, 2), np.float32))
        y = tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME")
        y = tf.nn.fused_batch_norm(y, [1.0, 2.0], [0.0, 1.0], [0.0, 0.5], [1.0, 2.0], is_training=False)[0]
        v = tf.get_variable("v", initializer=[1.0, 2.0])
        z = tf.cond(tf.reduce_sum(x) > 0, lambda: y * v, lambda: y)
        tf.identity(z * 2.0, name="out")
        tf.train.Saver()
        return graph.as_graph_def()


def mutated(source, rng):
    """`source` with a few things changed at random."""
    message = GraphDef()
    message.CopyFrom(source)
    for _ in range(rng.choice([1, 1, 2, 5])):
        rng.choice(_MUTATIONS)(message, rng.choice(message.node), rng.choice(message.node), rng)
    return message


def change_input(message, node, other, rng):
    if node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(_REFERENCES).format(other.name)


def change_op(message, node, other, rng):
    node.op = other.op


def change_attribute(message, node, other, rng):
    if node.attr and other.attr:
        node.attr[rng.choice(sorted(node.attr))].CopyFrom(other.attr[rng.choice(sorted(other.attr))])


def drop_attribute(message, node, other, rng):
    if node.attr:
        node.attr.pop(rng.choice(sorted(node.attr)))


def drop_input(message, node, other, rng):
    if node.input:
        node.input.pop()


def add_input(message, node, other, rng):
    node.input.append(other.name)


def change_name(message, node, other, rng):
    node.name = rng.choice([other.name, "", "x y"])


def change_tensor(message, node, other, rng):
    tensor = node.attr["value"].tensor
    if node.op == "Const" and tensor.tensor_shape.dim:
        tensor.tensor_shape.dim[0].size = rng.choice([0, -1, 2 ** 62, 3])
        tensor.dtype = rng.choice([0, 1, 3, 7, 9, 20, 30, 99])


def change_function(message, node, other, rng):
    function = rng.choice(message.library.function)
    if function.node_def and rng.random() < 0.5:
        change_input(message, rng.choice(function.node_def), other, rng)
    elif function.signature.input_arg:
        function.signature.input_arg.pop()


_MUTATIONS = (change_input, change_op, change_attribute, drop_attribute, drop_input, add_input, change_name,
              change_tensor, change_function)


_TOOLS = (lambda message: tf.graph_util.remove_training_nodes(message, ["out"]),
          lambda message: fold_batch_norms(message, ["out"]),
          lambda message: strip_unused(message, ["x"], ["out"], 1),
          lambda message: variables_to_constants(message, ["out"], lambda nodes: [
              np.ones(2, np.float32)] * len(nodes)))


@pytest.mark.parametrize("seed", range(4))
def test_damaged_graphs(source, seed):
    rng, n_errors = random.Random(seed), 0
    for _ in range(250):
        message = mutated(source, rng)
        for tool in _TOOLS:
            try:
                tool(message)
            except tf.errors.OpError:
                n_errors += 1
            except AssertionError as error:                    # TensorFlow's choice for a name that is missing
                assert "is not in graph" in str(error)
    assert n_errors > 20
