"""Stacks and TensorArrays of old, whose handles are strings."""
import pathlib

import numpy as np
import pytest
from google.protobuf import text_format

import thalweg as tf
from thalweg_io import protos

CASES = pathlib.Path(__file__).parent / "data" / "control_flow" / "cases.npz"


def with_old_stacks(message):
    """The graph as TensorFlow 0.x wrote it: no limits, handles that are references to strings."""
    old, n_stacks = {"StackV2": "Stack", "StackPushV2": "StackPush", "StackPopV2": "StackPop"}, 0
    for node in message.node:
        if node.op == "StackV2":
            n_stacks += 1
            del node.input[0]
        if node.op == "Enter" and node.attr["T"].type == 20:
            node.op, node.attr["T"].type = "RefEnter", 7
        node.op = old.get(node.op, node.op)
    return n_stacks


@pytest.mark.parametrize("case", ["nested_while", "cond_in_while"])
def test_stacks(case):
    with np.load(CASES) as values:
        message = protos.GraphDef.FromString(values[f"{case}/graph"].tobytes())
        assert with_old_stacks(message)
        part = [{key.split("/", 3)[3]: values[key] for key in values.files if key.startswith(f"{case}/{kind}/1/")}
                for kind in ("feed", "fetch")]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(message, name="")
        session.run("init")
        for want, found in zip(part[1].values(), session.run(list(part[1]), part[0])):
            np.testing.assert_allclose(found, want, rtol=2e-5, atol=5e-6)


def test_arrays():
    message = text_format.Parse("""
        node { name: "two" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
               attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 2 } } } }
        node { name: "one" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
               attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 1 } } } }
        node { name: "flow" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
               attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 0 } } } }
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "a" op: "TensorArrayV2" input: "two" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "h" op: "Identity" input: "a" attr { key: "T" value { type: DT_STRING } } }
        node { name: "w" op: "TensorArrayWriteV2" input: "h" input: "one" input: "x" input: "flow"
               attr { key: "T" value { type: DT_FLOAT } } }
        node { name: "r" op: "TensorArrayReadV2" input: "h" input: "one" input: "w"
               attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "n" op: "TensorArraySizeV2" input: "a" input: "w" }""", protos.GraphDef())
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(message, name="")
        r, n = session.run(["r:0", "n:0"], {"x:0": [3.0, 4.0]})
    assert r.tolist() == [3, 4] and n == 2
