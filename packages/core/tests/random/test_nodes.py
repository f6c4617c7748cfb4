"""Random functions, dropout and initializers make TensorFlow 1.15's nodes, one for one, in its order.

The default seed of an op is the number of nodes before it, so that one node more or less would change the numbers.
"""
import json
from pathlib import Path

import pytest

import thalweg as tf

CASES = json.loads((Path(__file__).parent / "data" / "tf1_nodes.json").read_text())["cases"]


@pytest.mark.parametrize("source", CASES)
def test_nodes_are_tensorflows(source):
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        eval(source, {"tf": tf})        # expressions of our own recording
    found = [[op.type, op.name, *(op.attrs[name] for name in ("seed", "seed2") if name in op.attrs)]
             for op in graph.get_operations()]
    assert found == CASES[source]
